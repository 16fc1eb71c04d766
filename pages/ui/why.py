"""The views of the page that says why a network forgets: each draws one picture and says what its numbers say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from analysis.experiment import SETTINGS, Experiment
from analysis.figures import exponents as exponent_figures
from analysis.figures.factors import factors
from analysis.figures.matrix import matrices
from analysis.figures.updates import updates
from analysis.measures import why as measures
from analysis.measures.factors import measure_factors
from analysis.measures.finite import measure_changes
from analysis.measures.gate_reading import SEQUENCES
from analysis.reasons import GradientMatrix
from analysis.report import why_tables
from analysis.report.sentences import why as sentences
from analysis.report.tables import Tables
from analysis.report.wording import format_steps, name_states
from pages.ui import layout, training
from pages.ui.untrained import measure_each, mention_sizes

MEASURES: dict[str, Callable[..., Any]] = {
    "matrix": measures.measure_matrix,
    "updates": measures.measure_updates,
    "exponents": measures.measure_exponents,
    "singular values": measures.measure_singular_values,
    "changes": measure_changes,
    "factors": lambda experiment, trained, model, number: measure_factors(experiment, number, trained, model),
}
READ_MATRIX = (
    "A row is the loss of the answer given at one time step, a column the memory state at an earlier one; the colour "
    "is what is left there of that row's gradient. A diagonal is one distance: stripes along it mean that the network "
    "forgets the same way at every time step. Below, the mean of each diagonal (of its logarithm), under the state at "
    "that distance from the last time step: median over seeds, with their range."
)
READ_UPDATES = (
    "What each time step adds to the gradient of the recurrent weights, for the loss at the last time step over the "
    "measuring sequences, counted along the whole: all of them are 100 %, one that works against it is below 0. Median "
    "over seeds, with their range."
)
CUT_UPDATES = "Truncated: what lies before the last window adds nothing."
READ_EXPONENTS = (
    "Lyapunov exponents: a tiny change of the state in one direction fades (below 0) or grows (above 0) at this rate; "
    "0 keeps it, −0.69 leaves ×0.5 and −2.3 leaves ×0.1 per time step. Of an LSTM the state is both hidden and cell "
    "state. Median over seeds, with their range."
)
READ_FAN = (
    "The same along the way back to one memory state: by what a gradient is multiplied in each direction (the singular "
    "values of the Jacobian). Lines that fall together: all directions die together; a line that stays: one survives. "
    "It carries no more of the gradient than lies along it, so the uppermost picture may show far less left."
)
READ_FACTORS = (
    "From right to left, as the gradient goes: what each time step leaves of it is the gates' part (in the RNN that of "
    "its activation) times the recurrent weights' part, exactly. Below ×1 it is lost, above ×1 it is made larger; the "
    "dot is where most is lost. Upright lines: where the network reads what it is to remember, and where it is asked "
    "for it."
)
SOURCES = (
    "- Exploding and vanishing gradients: Bengio, Simard and Frasconi (1994); Pascanu, Mikolov and Bengio (2013)\n"
    "- What each step adds to an update: Cashman, Patterson, Mosca, Watts, Robinson and Chang, *RNNbow* (2018)\n"
    "- What longer memory costs: Zucchet and Orvieto (2024)\n"
    "- Lyapunov exponents of recurrent networks: Engelken, Wolf and Abbott (2023); Vogt, Puelma Touzel, Shlizerman "
    "and Lajoie (2022)"
)


@dataclass(frozen=True)
class Subject:
    """What the page is about: the experiments, which of them are shown trained, and the pictures drawn of them."""

    experiments: dict[str, Experiment]
    ids: Mapping[str, str]  # by cell: the finished runs that are shown
    model: int = 0  # which of the seeds' models is shown where it is one
    pictures: dict[str, go.Figure] = field(default_factory=dict)  # by name, in the order drawn

    @property
    def states(self) -> dict[str, str]:
        """Return by cell whether it is trained, where cells differ in that."""
        return name_states({cell: "after" if cell in self.ids else "before" for cell in self.experiments})

    def measure(self, what: str, *more: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return one of MEASURES by cell as it is shown, and before training where that is another one."""
        before = measure_each(self.experiments, lambda start: _measured(what, start, None, *more))
        after = {cell: _measured(what, self.experiments[cell], id, *more) for cell, id in self.ids.items()}
        return {**before, **after}, {cell: before[cell] for cell in after}

    @property
    def truncate(self) -> int | None:
        """Return after how many time steps backpropagation is truncated."""
        return self._first.truncate

    @property
    def model_shown(self) -> str:
        """Return which model is shown where it is one: "the model with seed 3"."""
        return f"the model with seed {self._first.seed + self.model}"

    @property
    def _first(self) -> Experiment:
        return next(iter(self.experiments.values()))

    def show(self, name: str, alt: str, draw: Callable[[], go.Figure], *drawn: object) -> None:
        """Draw a picture of the subject under a name, and keep it; `drawn` tells it from others of that name."""
        subject = f"why {name} {self.experiments} {dict(self.ids)} {self.model} {drawn}"
        self.pictures[name] = layout.kept(subject, draw)
        layout.chart(self.pictures[name], name, alt)


@st.cache_resource(max_entries=200, show_spinner="Measuring …", hash_funcs={Experiment: repr})
def _measured(what: str, experiment: Experiment, run_id: str | None, *more: int) -> Any:
    """Measure an experiment's models, trained by a run or as they start."""
    return MEASURES[what](experiment, training.load(run_id).weights if run_id else None, *more)


def choose_model(experiments: Mapping[str, Experiment]) -> int:
    """Choose which seed's model is shown where it is one; return its number, from 0."""
    first = next(iter(experiments.values()))
    if first.seeds == 1:
        return 0
    number = st.number_input(
        "Model", 1, int(SETTINGS["seeds"].high or 1), key="why_model", bind="query-params", width=130,
        help=f"Which of the {first.seeds} seeds’ models is shown where it is one; the last where there are fewer.",
    )  # fmt: skip
    return min(number, first.seeds) - 1


def show_matrices(subject: Subject) -> Tables:
    """Draw the gradient matrices over the decay of their diagonals; return their tables."""
    now, before = subject.measure("matrix", subject.model)
    layout.says(sentences.matrix_sentence(now, subject.states))
    alt = "Gradient left, by the time step of the loss and of the state, and by distance"
    subject.show("matrix", alt, lambda: matrices(now, before))
    shown = "".join(f" {said}" for cell, found in now.items() if (said := _left_out(cell, found, subject)))
    if subject.truncate:
        shown += f" Truncated: no gradient leaves a window of {format_steps(subject.truncate)}, counted from the first."
    st.caption(f"{READ_MATRIX} Matrix: {subject.model_shown}.{shown}")
    return {"matrix": partial(why_tables.matrix_csv, now, before)}


def _left_out(cell: str, found: GradientMatrix, subject: Subject) -> str:
    """Say of what a large model's matrix was measured, if not of all: "LSTM: the last 100 time steps."."""
    (seeds, steps), all_seeds = found.lefts.shape, subject.experiments[cell].seeds
    said = [f"the last {steps} time steps"] * bool(found.first)
    said += [f"curves of {seeds} of {all_seeds} seeds"] * (seeds < all_seeds)
    return f"{cell.upper()}: {', '.join(said)}." if said else ""


def show_updates(subject: Subject) -> Tables:
    """Draw what each distance adds to the update of the recurrent weights; return its table."""
    now, before = subject.measure("updates")
    st.markdown(sentences.updates_sentence(now, subject.states))
    alt = "Share of the update by how many of the last time steps are counted"
    subject.show("updates", alt, lambda: updates(now, before, subject.states))
    st.caption(READ_UPDATES + f" {CUT_UPDATES}" * bool(subject.truncate))
    mention_sizes(subject.experiments)
    return {"updates": partial(why_tables.updates_csv, now, before)}


def show_directions(subject: Subject) -> Tables:
    """Draw Lyapunov exponents and, by distance, singular values; return their tables."""
    now, before = subject.measure("exponents")
    st.markdown(sentences.exponents_sentence(now, subject.states))
    alt = "Lyapunov exponents, the largest first"
    subject.show("exponents", alt, lambda: exponent_figures.exponents(now, before, subject.states))
    st.caption(READ_EXPONENTS)
    values, values_before = subject.measure("singular values", subject.model)
    _say_of_each(sentences.directions_sentence, values, subject.states)
    alt = "Singular values of the memory state's Jacobian, by distance"
    is_fan = any(len(each.distance) > 1 for each in values.values())
    if is_fan:
        subject.show("directions", alt, lambda: exponent_figures.fan(values))
    left_out = {
        cell.upper(): sentences.left_out_of_spectrum(each, now[cell], values[cell])
        for cell, each in subject.experiments.items()
    }
    cut = "".join(f" {cell}: {said}." for cell, said in left_out.items() if said)
    said = [READ_FAN, f"Of {subject.model_shown}."] * is_fan + [f"Measured, so that it comes at once:{cut}"] * bool(cut)
    st.caption(" ".join(said + [sentences.CUT_DIRECTIONS] * bool(subject.truncate)))
    return {
        "exponents": partial(why_tables.exponents_csv, now, before),
        "directions": partial(why_tables.singular_values_csv, values, values_before),
    }


def show_factors(subject: Subject) -> Tables:
    """Draw what each time step leaves of the gradient in one sequence, by gates and by weights; return its table."""
    number = st.number_input(
        "Sequence", 1, SEQUENCES, key="sequence", bind="query-params", width=140,
        help=f"Which of {SEQUENCES} sequences is read.",
    )  # fmt: skip
    now, before = subject.measure("factors", subject.model, number)
    _say_of_each(sentences.factors_sentence, now, subject.states)
    if drawn := {cell: found for cell, found in now.items() if found.lost is not None}:
        alt = "What each time step leaves of the gradient, by the gates and by the recurrent weights"
        subject.show("factors", alt, lambda: factors(drawn), number)
        st.caption(f"{READ_FACTORS} Of {subject.model_shown}.")
    return {"factors": partial(why_tables.factors_csv, now, before)}


def _say_of_each(sentence: Callable[..., str], found: Mapping[str, Any], states: Mapping[str, str]) -> None:
    """Say one sentence of each cell, where it has one, in a line each."""
    said = [sentence(cell, each, states) for cell, each in found.items()]
    st.markdown(layout.lines(line for line in said if line))


VIEWS: dict[str, Callable[[Subject], Tables]] = {  # by tab, in their order
    "Step by step": show_factors,
    "What an update is made of": show_updates,
    "Which directions survive": show_directions,
}
