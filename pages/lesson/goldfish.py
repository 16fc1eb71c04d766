"""A stop of the lesson: how much of a sentence's first word is left at each later one."""

import streamlit as st

from analysis.language import join_sentences
from analysis.language import translate as _
from analysis.report.sentences.fading import half_sentence, learning_sentences
from pages.ui import cell, player, readers, stops
from pages.ui import goldfish as ui

stops.head("goldfish")
words = readers.ask_sentence()
with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
    networks = ui.choose_networks()
    log = st.toggle(
        _("log axis"), key="fading_log", bind="query-params",
        help=_("Each line of the grid is a tenth, or a hundredth, of the one above: what is small can be told apart."),
    )  # fmt: skip
traces = ui.trace(words, networks)
player.moving(cell.WORD, lambda: ui.show_word(traces, networks, log), beat=cell.BEAT)
st.caption(join_sentences(half_sentence(traces), learning_sentences(traces, networks)))
stops.foot("goldfish", "pages/measure/decay.py", "Gradient decay", **ui.link_settings(networks))
