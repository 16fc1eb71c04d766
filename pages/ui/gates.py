"""The details of the gates page: gates in a few sequences, unit by unit, and what they carry by distance."""

from collections.abc import Hashable, Mapping
from functools import partial

import plotly.graph_objects as go
import streamlit as st

from analysis.experiment import Experiment
from analysis.figures import gates as figures
from analysis.figures.decay import decay
from analysis.measures.gate_reading import SEQUENCES, read_gates
from analysis.report.sentences.gates import LOSES
from analysis.report.tables import Gates, Tables, decay_csv, gate_sequence_tables
from analysis.report.wording import cell_with_state, join_cells, join_words, name_states
from analysis.results import Decay, GateMoments, GateSample
from analysis.sources import file_setting
from pages.ui import controls, layout, training

EVERY_UNIT = "every unit"


@st.cache_resource(max_entries=50, show_spinner=False, hash_funcs={Experiment: repr})
def gates_of_sequence(experiment: Experiment, run_id: str | None, number: int) -> tuple[GateSample, GateMoments]:
    """Return the gates of one sequence, and their means by moment; untrained where no run is named."""
    return read_gates(experiment, number, training.load(run_id).weights if run_id else None)


def choose_sequence(one: bool, any_trained: bool) -> tuple[bool, str, int]:
    """Ask whether trained gates are read, how one sequence is drawn, and which of them; the last two where `one`."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        weights, view, number = "untrained", EVERY_UNIT, 1
        if any_trained:
            weights = controls.choice(
                "Weights", ("trained", "untrained"), "gates_weights", "After training, or before."
            )
        if one:
            view = controls.choice("Show", (EVERY_UNIT, "mean"), "gates_view", "A row per unit, or their mean.")
            number = st.number_input(
                "Sequence", 1, SEQUENCES, key="sequence", bind="query-params", width=140,
                help=f"Which of {SEQUENCES} sequences is read.",
            )  # fmt: skip
    return weights == "trained", view, number


def show_sequences(
    one: bool,
    experiments: Mapping[str, Experiment],
    ids: Mapping[str, str],
    is_unfinished: bool,
    pictures: dict[str, go.Figure],
) -> Tables:
    """Draw the gates of one sequence, or else their means around the symbol; return the tables of both.

    `ids` are those of the finished runs by cell; `is_unfinished` is whether a training was begun. The figure is added
    to `pictures`.
    """
    untrained_cells = [cell for cell in experiments if cell not in ids]
    trained, view, number = choose_sequence(one, bool(ids))
    read_of = {cell: (experiment, ids.get(cell) if trained else None) for cell, experiment in experiments.items()}
    read = {cell: gates_of_sequence(*of, number) for cell, of in read_of.items()}
    samples = {cell: sample for cell, (sample, _) in read.items()}
    moments = {cell: by_moment for cell, (_, by_moment) in read.items()}
    experiment, subject = next(iter(experiments.values())), (*read_of.values(), number)
    if one:
        draw = figures.sample_map if view == EVERY_UNIT else figures.sample_mean
        pictures["gates-in-time"] = layout.kept(f"gates {view} {subject}", lambda: draw(samples))
        layout.chart(pictures["gates-in-time"], "gates-in-time", "Every gate at every time step of one sequence")
    elif any(by_moment.moments for by_moment in moments.values()):
        pictures["gates-by-moment"] = layout.kept(f"gates moments {subject}", lambda: figures.moments(moments))
        alt = "Mean of each gate before, at and after the symbol"
        layout.chart(pictures["gates-by-moment"], "gates-by-moment", alt)
        st.caption("Bars: mean over units; whiskers: nine of ten units.")
    else:
        own = file_setting(experiment.task) == "data_file"
        why = "nothing says which time steps are to be remembered" if own else "every time step is to be remembered"
        st.caption(f"Task {experiment.task}: {why}, there is no before and after.")
    if untrained_cells and (trained or is_unfinished):
        names = join_cells(untrained_cells)
        st.caption(f"Not trained{' to the end' if is_unfinished else ''}, and drawn untrained: {names}.")
    st.caption(f"The model with seed {experiment.seed}, its top layer; units in the same order for all its gates.")
    return gate_sequence_tables(samples, moments)


def show_units(now: Gates, subject: Hashable, states: Mapping[str, str], pictures: dict[str, go.Figure]) -> None:
    """Draw how often each unit's gates are near 0 and near 1.

    `subject` tells which gates these are; `states` names the cells that are not all alike in training.
    """
    pictures["gates-by-unit"] = layout.kept(f"gates units {subject}", lambda: figures.saturated_units(now))
    layout.chart(pictures["gates-by-unit"], "gates-by-unit", "Share of the time near 0 against that near 1, by unit")
    loses = join_words([f"the {gate} gate {LOSES[gate]}" for cell in now for gate in now[cell] if gate in LOSES])
    st.caption(
        f"A dot per unit (Karpathy, Johnson & Li 2015): how much of the time its gate is below 0.1, where {loses} and "
        "others are shut, and above 0.9, where it keeps and others are open (a candidate: beyond −0.9 and 0.9). "
        "On the dashed line it is always at one of the ends."
    )
    if states:
        st.caption(f"Drawn here: {join_words([cell_with_state(cell, states) for cell in now])}.")


def show_carry(
    experiments: Mapping[str, Experiment],
    ids: Mapping[str, str],
    before: Mapping[str, Decay],
    after: Mapping[str, Decay],
    pictures: dict[str, go.Figure],
) -> Tables:
    """Draw what comes back through the gates alone, by distance; return the table of it.

    `ids` are those of the finished runs by cell, whose decay is in `after`.
    """

    def draw() -> go.Figure:
        return decay(
            {**before, **after},
            before={cell: before[cell] for cell in after},
            states=name_states({cell: "after" if cell in after else "before" for cell in before}),
            spread="none",
            height=360,
        )

    subject = tuple((experiment, ids.get(cell)) for cell, experiment in experiments.items())
    pictures["carry"] = layout.kept(f"gates carry {subject}", draw)
    layout.chart(pictures["carry"], "carry", "What the gates alone let through, by distance")
    st.caption("The product of the forget (LSTM) or update gates (GRU) on the way back, a median.")
    curves = [(experiments[cell], "before", curve) for cell, curve in before.items()]
    curves += [(experiments[cell], "after", curve) for cell, curve in after.items()]
    return {"carry": partial(decay_csv, *curves)}
