"""Activation bounds: what tanh holds back, in a textbook case and in a real cell."""

from pages.ui import bounds, controls, layout, sidebar

VECTOR, CELL = "a vector", "a real cell"

layout.title(
    "What does tanh hold back?",
    "A recurrent network multiplies its state by the same numbers at every step: see it on a vector, then in a cell.",
)
if controls.choice("Show", (VECTOR, CELL), "show", "The textbook's case, or a cell with weights of its own.") == VECTOR:
    sidebar.show()  # nothing of it
    bounds.show_vector()
else:
    bounds.show_cell(sidebar.settings(sidebar.ONE_CELL))
