"""Gradient decay: how far back a cell can be taught, and how far it remembers."""

import streamlit as st

from pages.ui import controls, export, layout, player, sidebar, training
from pages.ui.decay import DecayView
from pages.ui.untrained import measure_decays

layout.title(
    "How far back can a network learn, and remember?",
    "Gradient: how far back a small change can still be taught. Answers: how far back they depend on what it read.",
    "gradient",
    "vanishing gradient",
    "horizon",
    "memory span",
    "carry",
    "half-life",
    "nats",
    "r²",
    "chrono",
    "orthogonal",
)
settings = sidebar.settings()
row = st.container(horizontal=True, vertical_alignment="center")
trainings = training.draw_row(settings, row)
with row:
    look = controls.decay()
untrained = measure_decays({cell: each for cell, each in settings.experiments.items() if cell not in trainings.runs})


@st.fragment
def page() -> None:
    """Draw all that stands below the buttons: its controls are answered without the sidebar's being drawn again."""
    view = DecayView(settings, trainings, untrained, look)
    player.moving("step", view.show_moment, view.is_live)
    with st.container():
        view.mention_unfinished()
    details = view.show_details()
    view.show_comparison()
    export.row("decay", view.pictures, settings.experiments, view.tables() | details, trained=trainings.runs)


page()
