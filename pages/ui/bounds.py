"""The two views of the bounds page: a vector multiplied again and again, and a cell with weights of its own."""

from collections.abc import Mapping

import plotly.graph_objects as go
import streamlit as st

from analysis.experiment import SETTINGS, Experiment
from analysis.figures import bounds as figures
from analysis.lesson.repetition import parse_vector, repeat
from analysis.report.markdown import escape_markdown
from analysis.report.sentences.bounds import overflow_sentence, tanh_sentences, vector_sentences
from analysis.report.tables import bounds_tables, vector_csv
from analysis.results import Bounds, Repeated
from pages.ui import controls, export, layout, session, sidebar
from pages.ui.settings import Settings
from pages.ui.untrained import measure_untrained, mention_sizes

ACTIVATIONS = SETTINGS["activation"].choices
DEFAULT = "0.02, 0.1, -0.5, 1"
PRESET, SIDEBAR = "orthogonal, gain 1.5", "as in the sidebar"


def show_vector() -> None:
    """Show a vector, multiplied by one number again and again."""
    repeated, log = choose_vector()
    figure = figures.repeated(repeated, log)
    layout.chart(figure, "multiplied", "Entries of a vector, multiplied at every step, with and without tanh")
    sentence, details = vector_sentences(repeated)
    layout.says(sentence)
    st.markdown(details + overflow_sentence(repeated))
    export.row("bounds", {"multiplied": figure}, {}, {"multiplied": lambda: vector_csv(repeated)}, commands=())


def choose_vector() -> tuple[Repeated, bool]:
    """Ask for a vector and a factor; return what multiplying does to it, and whether the axis is logarithmic.

    Where the text is no vector, show why and take the last vector that could be read.
    """
    with st.container(horizontal=True, vertical_alignment="top"):
        with st.container(width=220):
            text = st.text_input(
                "Vector", DEFAULT, key="vector", bind="query-params", max_chars=100,
                help="1 to 8 numbers to start from, between commas or spaces.",
            )  # fmt: skip
            message = st.empty()
        factor = st.slider(
            "Times, at every step", 0.1, 5.0, 3.0, 0.1, key="factor", bind="query-params", width=220,
            help="What every entry is multiplied by, ten times in a row.",
        )  # fmt: skip
        scale = controls.choice("Axis", ("linear", "log"), "scale", "Values, or their sizes in powers of ten.")
    try:
        session.LAST_VECTOR.set(parse_vector(text))
    except ValueError as error:
        message.error(escape_markdown(error))
    vector = session.LAST_VECTOR.get()
    return repeat(parse_vector(DEFAULT) if vector is None else vector, factor), scale == "log"


def show_cell(settings: Settings) -> None:
    """Show how large states and gradients of a cell become, with tanh and without."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        cell = choose_cell(settings)
        experiment = choose_start(settings.experiments[cell])
    experiments = {activation: experiment.replace(activation=activation) for activation in ACTIVATIONS}
    measured = measure_untrained(experiments)
    bounds = {activation: result.bounds for activation, result in measured.items()}
    pictures = {
        "state": figures.sizes(bounds),
        "gradient": figures.growth({activation: result.decay for activation, result in measured.items()}),
    }
    alts = {"state": "Size of the hidden state over time", "gradient": "Gradient against distance"}
    for column, (name, alt) in zip(st.columns(2), alts.items(), strict=True):
        with column:
            layout.chart(pictures[name], name, alt)
    with st.container():
        sidebar.say_left_out(settings)
        mention_sizes({cell: experiment})
        st.caption("Drawn untrained: Train on another page changes nothing here.")
    sentence, others = tanh_sentences(cell, measured)
    layout.says(sentence)
    st.markdown(others)
    show_details(cell, bounds, pictures)
    export.row("bounds", pictures, experiments, bounds_tables(cell, measured))


def choose_cell(settings: Settings) -> str:
    """Ask for one of the sidebar's cells; the first one at first."""
    if session.BOUNDS_CELL.get() not in settings.cells:
        session.BOUNDS_CELL.forget()
    return st.segmented_control(
        "Cell",
        settings.cells,
        default=settings.cells[0],
        required=True,
        key="bounds_cell",
        format_func=str.upper,
        bind="query-params",
    )


def choose_start(experiment: Experiment) -> Experiment:
    """Ask for weights that show the effect, or those of the sidebar; changing the sidebar's chooses those."""
    changed = (experiment.init, experiment.gain) != ("default", 1.0)
    before = session.SIDEBAR_CHANGED.get()
    if before not in (None, changed) or "bounds_start" not in {*st.session_state, *st.query_params}:
        session.BOUNDS_START.set(SIDEBAR if changed else PRESET)
    session.SIDEBAR_CHANGED.set(changed)
    start = st.segmented_control(
        "Recurrent weights",
        [PRESET, SIDEBAR],
        required=True,
        key="bounds_start",
        bind="query-params",
        help="Weights that show the effect, or as the sidebar starts them.",
    )
    return experiment.replace(init="orthogonal", gain=1.5) if start == PRESET else experiment


def show_details(cell: str, bounds: Mapping[str, Bounds], pictures: dict[str, go.Figure]) -> None:
    """Draw the tabs: the share of the hidden state near its bounds, and an LSTM's cell state. Add to `pictures`."""
    saturated_tab, memory_tab = st.tabs(("Share beyond .99", "Cell state"), key="bounds_tab", bind="query-params")
    if saturated_tab.open:
        with saturated_tab:
            pictures["saturated"] = figures.saturated(bounds)
            layout.chart(pictures["saturated"], "saturated", "Share of the hidden state beyond .99 over time")
            st.caption(
                "How many of the hidden state's numbers lie beyond ±0.99, over units, sequences and seeds. An RNN's "
                "tanh is nearly flat there: its slope is below 0.02."
            )
    if memory_tab.open:
        with memory_tab:
            if cell == "lstm":
                pictures["cell-state"] = figures.sizes(bounds, "cell")
                layout.chart(pictures["cell-state"], "cell-state", "Size of the cell state over time")
            else:
                st.caption(f"Only an LSTM has a cell state; this is the {cell.upper()}.")
