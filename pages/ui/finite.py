"""Why memory outlasts the gradient: what another input does, beside what the same change does when it is tiny."""

from functools import partial

import streamlit as st

from analysis.figures.finite import changes
from analysis.report.reasons import changes_csv
from analysis.report.sentences import finite as sentences
from analysis.report.tables import Tables
from pages.ui import layout
from pages.ui.why import Subject

READ_CHANGES = (
    "Thick: one input is replaced by another; how far the last memory state moves, as a share of its own size, median "
    "and nine of ten sequences. Thin: an infinitely small part of that same change, scaled up again, so the gradient "
    "along it (Gradient decay shows that of the memory state at each time step instead). In a linear network both are "
    "one line. Where the thick line stays and the thin one falls, the network has latched: it stores what small "
    "changes no longer move (Bengio, Simard and Frasconi 1994). A state that moves is memory only where the answers "
    "below are right. That is known in recall, whose symbol is another one; elsewhere the picture shows how many "
    "answers change, which may be chance."
)
CUT_CHANGES = "Thin lines end where truncation cuts training’s gradient; what the network does goes on."


def show_changes(subject: Subject) -> Tables:
    """Draw real and tiny changes of one input by its distance, and what answers make of them; return their table."""
    now, before = subject.measure("changes")
    layout.says(sentences.verdict_sentence(now, subject.states))
    st.markdown(layout.lines(sentences.change_sentence(cell, change, subject.states) for cell, change in now.items()))
    alt = "Move of the last memory state by the distance of the changed input, and what is answered"
    subject.show("changes", alt, lambda: changes(now, before, subject.states))
    st.caption(READ_CHANGES + f" {CUT_CHANGES}" * bool(subject.truncate))
    return {"changes": partial(changes_csv, now, before)}
