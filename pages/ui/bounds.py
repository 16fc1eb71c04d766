"""The two views of the bounds page: a vector multiplied again and again, and a cell with weights of its own."""

from collections.abc import Mapping

import plotly.graph_objects as go
import streamlit as st

from analysis.experiment import CELLS, SETTINGS, Experiment
from analysis.figures import bounds as figures
from analysis.language import translate as _
from analysis.lesson.repetition import parse_vector, repeat
from analysis.reading import Repeated
from analysis.report.markdown import escape_markdown
from analysis.report.sentences.bounds import (
    multiplied_sentences,
    overflow_sentence,
    ratio_sentences,
    tanh_sentences,
)
from analysis.report.tables import bounds_tables, vector_csv
from analysis.results import Bounds
from pages.ui import export, layout, player, session, sidebar
from pages.ui.settings import Settings
from pages.ui.untrained import measure_untrained, mention_sizes

ACTIVATIONS = SETTINGS["activation"].choices
DEFAULT = "0.02, 0.1, -0.5, 1"
VECTOR_STEP = "time_step"  # the slider over a vector's time steps
BEAT = 0.8  # seconds that a time step is shown while they play
PRESET, SIDEBAR = "orthogonal, gain 1.5", "as in the sidebar"


def show_vector(log: bool) -> None:
    """Show a vector, multiplied by one number again and again; sizes on a log axis with `log`."""
    repeated = choose_vector()
    pictures, _step = player.moving(VECTOR_STEP, lambda: show_time_step(repeated, log), beat=BEAT)
    layout.says(multiplied_sentences(repeated))
    st.markdown(ratio_sentences(repeated) + overflow_sentence(repeated))
    export.row("bounds", pictures, {}, {"multiplied": lambda: vector_csv(repeated)}, commands=())


def show_time_step(repeated: Repeated, log: bool = False, height: int = 370) -> tuple[dict[str, go.Figure], int]:
    """Draw tanh's curve and the vector up to a time step, and what chooses it; return the pictures and the step."""
    columns = st.columns([2, 3])
    last = len(repeated.plain) - 1
    step = player.draw_track(player.Track(VECTOR_STEP, range(last + 1), last, _("Time step")))
    subject = f"{repeated.plain[0].tolist()} {repeated.factor} {step} {log} {height}"
    pictures = {
        "squashed": layout.kept(f"squashed {subject}", lambda: figures.squash(repeated, step, height)),
        "multiplied": layout.kept(f"multiplied {subject}", lambda: figures.repeated(repeated, step, log, height)),
    }
    alts = {
        "squashed": _("The curve of tanh, and what it makes of each entry"),
        "multiplied": _("Entries of a vector, multiplied at every time step, with and without tanh"),
    }
    for column, (name, alt) in zip(columns, alts.items(), strict=True):
        with column:
            layout.chart(pictures[name], name, alt, moves=True)
    return pictures, step


def choose_vector() -> Repeated:
    """Ask for a vector and a factor; return what multiplying does to it.

    Where the text is no vector, show why and take the last vector that could be read.
    """
    with st.container(horizontal=True, vertical_alignment="top"):
        with st.container(width=165):
            text = st.text_input(
                _("Vector"), DEFAULT, key="vector", bind="query-params", max_chars=100,
                help=_("1 to 8 numbers to start from, between commas or spaces."),
            )  # fmt: skip
            message = st.empty()
        factor = st.slider(
            _("Multiply by"), 0.1, 5.0, 3.0, 0.1, key="factor", bind="query-params", width=165,
            help=_("What every entry is multiplied by, ten time steps in a row."),
        )  # fmt: skip
    try:
        session.LAST_VECTOR.set(parse_vector(text))
    except ValueError as error:
        message.error(escape_markdown(error))
    vector = session.LAST_VECTOR.get()
    return repeat(parse_vector(DEFAULT) if vector is None else vector, factor)


def show_cell(settings: Settings) -> None:
    """Show how large states and gradients of a cell become, with tanh and without."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        cell = choose_cell()
        experiment = choose_start(settings.every[cell])
    experiments = {activation: experiment.replace(activation=activation) for activation in ACTIVATIONS}
    measured = measure_untrained(experiments)
    bounds = {activation: result.bounds for activation, result in measured.items()}
    decays = {activation: result.decay for activation, result in measured.items()}
    pictures = {
        "state": layout.kept(f"bounds state {experiments}", lambda: figures.sizes(bounds)),
        "gradient": layout.kept(f"bounds gradient {experiments}", lambda: figures.growth(decays)),
    }
    alts = {"state": "Size of the hidden state over time", "gradient": "Gradient against distance"}
    for column, (name, alt) in zip(st.columns(2), alts.items(), strict=True):
        with column:
            layout.chart(pictures[name], name, alt)
    with st.container():
        sidebar.say_left_out(settings)
        mention_sizes({cell: experiment})
        st.caption("These networks are untrained; training on other pages doesn't change them.")
    sentence, others = tanh_sentences(cell, measured)
    layout.says(sentence)
    st.markdown(others)
    show_details(experiments, bounds, pictures)
    export.row("bounds", pictures, experiments, bounds_tables(cell, measured))


def choose_cell() -> str:
    """Ask for a cell; the RNN at first."""
    return st.segmented_control(
        "Cell",
        CELLS,
        default=CELLS[0],
        required=True,
        key=session.BOUNDS_CELL.name,
        format_func=str.upper,
        bind="query-params",
        help="Whose states and gradients are shown.",
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


def show_details(
    experiments: Mapping[str, Experiment], bounds: Mapping[str, Bounds], pictures: dict[str, go.Figure]
) -> None:
    """Draw the tabs: the share of the hidden state near its bounds, and an LSTM's cell state. Add to `pictures`."""
    has_cell_state = any(each.cell is not None for each in bounds.values())
    names = ("Share beyond .99", "Cell state") if has_cell_state else ("Share beyond .99",)
    saturated_tab, *memory_tab = st.tabs(names, key="bounds_tab", bind="query-params")
    if saturated_tab.open:
        with saturated_tab:
            pictures["saturated"] = layout.kept(f"bounds saturated {experiments}", lambda: figures.saturated(bounds))
            layout.chart(pictures["saturated"], "saturated", "Share of the hidden state beyond .99 over time")
            st.caption(
                "How many of the hidden state's numbers lie beyond ±0.99, over units, sequences and seeds. An RNN's "
                "tanh is nearly flat there: its slope is below 0.02."
            )
    for tab in memory_tab:
        if tab.open:
            with tab:
                drawn = f"bounds cell {experiments}"
                pictures["cell-state"] = layout.kept(drawn, lambda: figures.sizes(bounds, "cell"))
                layout.chart(pictures["cell-state"], "cell-state", "Size of the cell state over time")
