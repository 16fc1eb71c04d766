"""Activation bounds: what tanh holds back, in a textbook case and in a real cell."""

import streamlit as st

from pages.ui import bounds, controls, layout, sidebar

VECTOR, CELL = "a vector", "a real cell"

layout.title(
    "What does tanh hold back?", "A recurrent network multiplies its state by the same numbers at every time step."
)
with st.container(horizontal=True):
    shown = controls.choice("Show", (VECTOR, CELL), "show", "The textbook's case, or a cell with weights of its own.")
    if shown == VECTOR:
        scale = controls.choice("Axis", ("linear", "log"), "scale", "Values, or their sizes in powers of ten.")
if shown == VECTOR:
    sidebar.show()  # nothing of it
    bounds.show_vector(log=scale == "log")
else:
    bounds.show_cell(sidebar.settings(sidebar.ONE_CELL))
