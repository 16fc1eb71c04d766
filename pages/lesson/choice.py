"""A stop of the lesson: the cells compared on one task, by the runs that are there."""

import streamlit as st

from analysis.language import translate as _
from pages.ui import choice as ui
from pages.ui import stops

stops.head("choice")
group = ui.choose(ui.groups())
runs = ui.load(group)
if runs:
    ui.show(group, runs)
st.page_link(
    "pages/measure/model.py", label=_("Measure a model of your own, trained elsewhere"), icon=":material/upload_file:"
)
stops.foot("choice", "pages/measure/decay.py", "Gradient decay", **ui.link_settings(group.first))
