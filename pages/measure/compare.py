"""Compare: which cell solves a task, at which lengths, on equal terms."""

import streamlit as st

from pages.ui import compare, compare_plan, layout, sidebar

layout.title(
    "Which cell for this task?",
    "Each cell is trained at each length on equal terms, with several seeds.",
    "horizon",
    "memory span",
    "seed",
    "gradient",
)
settings = sidebar.settings(compare_plan.READ)
comparing = compare.find(compare_plan.choose(settings))
under_way = compare.draw_row(comparing)
view = compare.View(comparing, under_way)
st.fragment(view.show, run_every=compare.LOOK if under_way else None)()
sidebar.say_left_out(settings)
view.draw_export()
