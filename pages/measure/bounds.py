"""Activation bounds: what tanh holds back, in a textbook case and in a real cell."""

import streamlit as st

from analysis.experiment import Experiment
from analysis.figures import bounds as figures
from analysis.lesson.repetition import parse_vector, repeat
from analysis.report.markdown import escape_markdown
from pages.ui import controls, export, layout, measure, sidebar
from pages.ui.bounds import ACTIVATIONS, cell_tables, held_back, left, multiplied, textbook_table

SHOWN = ("a vector", "a real cell")
DEFAULT = "0.02, 0.1, -0.5, 1"
PRESET, SIDEBAR = "orthogonal, gain 1.5", "as in the sidebar"


def start(experiment: Experiment) -> Experiment:
    """Draw the switch between weights that show the effect and the sidebar's; moving the sidebar chooses those."""
    touched = (experiment.init, experiment.gain) != ("default", 1.0)
    moved = st.session_state.get("sidebar_touched", touched) != touched
    if moved or "bounds_start" not in {*st.session_state, *st.query_params}:
        st.session_state["bounds_start"] = SIDEBAR if touched else PRESET
    st.session_state["sidebar_touched"] = touched
    chosen = st.segmented_control(
        "Recurrent weights",
        [PRESET, SIDEBAR],
        required=True,
        key="bounds_start",
        bind="query-params",
        help="Weights that show the effect, or as the sidebar starts them.",
    )
    return experiment.replace(init="orthogonal", gain=1.5) if chosen == PRESET else experiment


def textbook() -> None:
    """Show a vector, multiplied by one number again and again; a bad one is said, and the last good one kept."""
    with st.container(horizontal=True, vertical_alignment="top"):
        with st.container(width=220):
            text = st.text_input(
                "Vector", DEFAULT, key="vector", bind="query-params", max_chars=100,
                help="1 to 8 numbers to start from, between commas or spaces.",
            )  # fmt: skip
            wrong = st.empty()
        factor = st.slider(
            "Times, at every step", 0.1, 5.0, 3.0, 0.1, key="factor", bind="query-params", width=220,
            help="What every entry is multiplied by, ten times in a row.",
        )  # fmt: skip
        scale = controls.choice("Axis", ("linear", "log"), "scale", "Values, or their sizes in powers of ten.")
    try:
        st.session_state["last_vector"] = parse_vector(text)
    except ValueError as error:
        wrong.error(escape_markdown(error))
    result = repeat(st.session_state.get("last_vector", parse_vector(DEFAULT)), factor)
    figure = figures.repeated(result, scale == "log")
    layout.chart(figure, "multiplied", "Entries of a vector, multiplied at every step, with and without tanh")
    said, detail = multiplied(result)
    layout.says(said)
    st.markdown(detail + left(result))
    export.row("bounds", {"multiplied": figure}, {}, {"multiplied": textbook_table(result)}, commands=())


def real(settings: sidebar.Settings) -> None:
    """Show how large states and gradients of a cell become, with tanh and without."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if st.session_state.get("bounds_cell") not in settings.cells:
            st.session_state.pop("bounds_cell", None)
        cell = st.segmented_control(
            "Cell",
            settings.cells,
            default=settings.cells[0],
            required=True,
            key="bounds_cell",
            format_func=str.upper,
            bind="query-params",
        )
        experiment = start(settings.experiments[cell])
    same = {activation: experiment.replace(activation=activation) for activation in ACTIVATIONS}
    measured = measure.untrained(same)
    found = {activation: each.bounds for activation, each in measured.items()}
    drawn = {
        "state": figures.sizes(found),
        "gradient": figures.growth({activation: each.decay for activation, each in measured.items()}),
    }
    alts = {"state": "Size of the hidden state over time", "gradient": "Gradient against distance"}
    for column, (name, alt) in zip(st.columns(2), alts.items(), strict=True):
        with column:
            layout.chart(drawn[name], name, alt)
    with st.container():
        sidebar.say_left_out(settings)
        measure.say_sizes({cell: experiment})
        st.caption("Drawn untrained: Train on another page changes nothing here.")
    said, detail = held_back(cell, measured)
    layout.says(said)
    st.markdown(detail)
    saturated, memory = st.tabs(("Share beyond .99", "Cell state"), key="bounds_tab", bind="query-params")
    if saturated.open:
        with saturated:
            drawn["saturated"] = figures.saturated(found)
            layout.chart(drawn["saturated"], "saturated", "Share of the hidden state beyond .99 over time")
            st.caption(
                "How many of the hidden state's numbers lie beyond ±0.99, over units, sequences and seeds. An RNN's "
                "tanh is nearly flat there: its slope is below 0.02."
            )
    if memory.open:
        with memory:
            if cell == "lstm":
                drawn["cell-state"] = figures.sizes(found, "cell")
                layout.chart(drawn["cell-state"], "cell-state", "Size of the cell state over time")
            else:
                st.caption(f"Only an LSTM has a cell state; this is the {cell.upper()}.")
    export.row("bounds", drawn, same, cell_tables(cell, measured))


layout.title(
    "What does tanh hold back?",
    "A recurrent network multiplies its state by the same numbers at every step: see it on a vector, then in a cell.",
)
if controls.choice("Show", SHOWN, "show", "The textbook's case, or a cell with weights of its own.") == SHOWN[0]:
    textbook()
else:
    real(sidebar.settings())
