"""Home: how far back the gradient of an untrained cell reaches."""

from functools import partial

import streamlit as st

from analysis.figures.decay import decay
from analysis.report import wording
from analysis.report.sentences import decay as sentences
from analysis.report.tables import decay_csv
from pages.ui import export, layout, presets, sidebar
from pages.ui.untrained import measure_decays, mention_sizes

layout.title(
    "How far back can the network learn from?",
    "It learns from a past time step only through the gradient that comes back to it: this is how much is left.",
)
presets.switch()
settings = sidebar.settings(sidebar.START)
decays = {cell: each["memory"] for cell, each in measure_decays(settings.experiments).items()}
figure = layout.kept(f"home {settings.experiments}", lambda: decay(decays, spread="none", large=True, height=430))
layout.chart(figure, "untrained-decay")
with st.container():  # always drawn: without it the links below would move up, and a click could open another one
    sidebar.say_left_out(settings)
    mention_sizes(settings.experiments)
layout.says(sentences.untrained_sentence(decays))
st.caption(
    "Lines are medians over seeds and sequences. "
    f"{wording.format_percent(wording.THRESHOLD)} is a convention: the page Gradient decay lets you move it."
)
presets.links()
curves = partial(decay_csv, *((settings.experiments[cell], "before", found) for cell, found in decays.items()))
export.row("home", {"untrained-decay": figure}, settings.experiments, {"untrained-decay": curves})
