"""Why it forgets: what each time step makes of the gradient, and what that leaves of an update."""

import streamlit as st

from pages.ui import advice, controls, export, finite, layout, sidebar, training, why

VIEWS = {
    **why.VIEWS,
    "Memory beyond the gradient": finite.show_changes,
    "What would make it remember": advice.show_advice,
}

layout.title(
    "Why does it forget?",
    "The gradient comes back through time, and every time step multiplies it. By what, and what is left?",
    "gradient",
    "vanishing gradient",
    "horizon",
    "price",
    "nats",
    "chrono",
    "orthogonal",
    "gain",
    "seed",
)
settings = sidebar.settings()
row = st.container(horizontal=True, vertical_alignment="center")
trainings = training.draw_row(settings, row)
weights = "untrained"
if trainings.runs:
    with row:
        weights = controls.choice("Weights", ("trained", "untrained"), "why_weights", "After training, or before.")
with row:
    model = why.choose_model(settings.experiments)
subject = why.Subject(settings.experiments, trainings.ids if weights == "trained" else {}, model)

tables = why.show_matrices(subject)
sidebar.say_left_out(settings)
for tab, show in zip(st.tabs(list(VIEWS), key="why_tab", bind="query-params"), VIEWS.values(), strict=True):
    if tab.open:
        with tab:
            tables |= show(subject)
with st.expander("Sources"):
    st.markdown(why.SOURCES)
export.row("why", subject.pictures, settings.experiments, tables, trained=trainings.runs)
