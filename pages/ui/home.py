"""What Home shows: the picture that answers its question, and the learning signal in the sidebar's cells."""

from collections.abc import Mapping
from functools import partial

import plotly.graph_objects as go
import streamlit as st

from analysis.experiment import Experiment
from analysis.figures.fading import fading
from analysis.language import join_sentences, mark
from analysis.language import translate as _
from analysis.report.sentences import home as sentences
from analysis.results import Decay
from pages.ui import goldfish, layout, readers, stops

HEIGHT = 235  # pixels of a picture
KEEPING = 3.0  # the bias of gates that keep
HEADS = {
    "keeping": mark("Untrained, gates set to keep (forget bias {bias})"),
    "as-torch-starts": mark("Untrained, gates as they start"),
}


def show_first() -> go.Figure:
    """Show how much of a sentence's first word each cell keeps, what that says, and where the lesson begins."""
    words = readers.example()
    traces = goldfish.trace(words, goldfish.KEEPS)
    own = {cell: trace.own for cell, trace in traces.items()}
    draw = partial(
        fading, traces, own=own, words=words, height=HEIGHT + 35, x_title="", y_title=_("left of the first word")
    )
    picture, said = st.columns([3, 2], vertical_alignment="center")
    figure = layout.kept(f"home {words}", draw)
    with picture:
        layout.chart(figure, "first-word", _("How much of the first word is left at each later one"))
    with said:
        layout.says(sentences.kept_sentence(traces, readers.word_track(words).first))
        st.caption(
            _(
                "How much of a small change in the memory, made at the first word, is still there at each later one. "
                "The networks aren't trained yet. A gate decides how much of its memory an LSTM or a GRU keeps: here "
                "we set it near all. A plain RNN has no gates."
            )
        )
        with st.container(key="begin"):
            st.page_link(
                stops.STOPS["words"].page, label=_("Begin the lesson"), icon=":material/school:", width="content"
            )
    return figure


def pair(experiments: Mapping[str, Experiment]) -> dict[str, dict[str, Experiment]]:
    """Return experiments twice: with gates that keep, and as they start; by name of the picture and by cell."""
    plain = {"init": "default", "gain": 1.0, "forget_bias": None, "truncate": None}
    starting = {cell: experiment.replace(**plain) for cell, experiment in experiments.items()}
    keeping = {cell: each if cell == "rnn" else each.replace(forget_bias=KEEPING) for cell, each in starting.items()}
    return dict(zip(HEADS, (keeping, starting), strict=True))


def show_gradient(
    name: str, experiments: Mapping[str, Experiment], decays: Mapping[str, Decay], gates: Mapping[str, Decay]
) -> go.Figure:
    """Show what is left of the gradient by distance in cells that start in one way, and why.

    Args:
        name: one of `HEADS`.
        experiments: by cell.
        decays: of the memory, by cell.
        gates: of what the gates alone carry, by cell.
    """
    head = _(HEADS[name]).format(bias=f"{KEEPING:g}")
    draw = partial(fading, decays, height=HEIGHT, y_title=_("gradient left"))
    figure = layout.kept(f"home {name} {experiments}", draw)
    st.markdown(f"**{head}**")
    layout.chart(figure, name, head)
    st.markdown(f"**{sentences.left_sentence(decays)}**")
    more = sentences.more_sentence(decays, gates)
    st.caption(join_sentences(sentences.alike_sentence(decays), sentences.gate_sentence(gates), more))
    return figure
