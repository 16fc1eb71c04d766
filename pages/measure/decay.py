"""Gradient decay: how far back a cell can be taught, and how far it remembers."""

import streamlit as st

from pages.ui import controls, export, layout, player, sidebar, training
from pages.ui.decay import DecayView
from pages.ui.untrained import measure_decays

layout.title(
    "How far back can it be taught, and how far does it remember?",
    "Above: how much of the gradient comes back to a step. Below: what the trained network still answers about it.",
)
settings = sidebar.settings()
trainings = training.draw_row(settings)
untrained = measure_decays({cell: each for cell, each in settings.experiments.items() if cell not in trainings.runs})


@st.fragment
def page() -> None:
    """Draw all that stands below the buttons: its controls are answered without the sidebar's being drawn again."""
    view = DecayView(settings, trainings, untrained, controls.decay())
    player.moving("step", view.show_moment, view.is_live)
    with st.container():
        view.mention_unfinished()
    details = view.show_details()
    view.show_comparison()
    export.row("decay", view.pictures, settings.experiments, view.tables() | details, trained=trainings.runs)


page()
trainings.show_estimate()
