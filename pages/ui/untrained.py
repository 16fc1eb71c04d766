"""Measurements for pictures, cached: how models start, before any training."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import streamlit as st

from analysis.engine.cost import count_cost
from analysis.engine.initialization import Weights, initial_weights
from analysis.experiment import SETTINGS, Experiment
from analysis.measures.meter import Meter
from analysis.report.markdown import escape_markdown
from analysis.report.wording import join_words
from analysis.results import Decay, Measured
from analysis.tasks.registry import build_task
from analysis.tasks.task import MEASURED, Batch
from pages.ui import sidebar, training

BUDGET = 6e7  # multiply-adds forward of one cell: about 0.05 s on one core
FEWEST = 8  # sequences
SPEED = 3e8  # multiply-adds forward a second, of what is large, there and back
PATIENCE = 5  # seconds that a page measures without being asked
Found = TypeVar("Found")
TRAINING_ONLY = ("batch_size", "steps", "learning_rate", "optimizer", "clip", "snapshot_every")


def measure_untrained(experiments: Mapping[str, Experiment]) -> dict[str, Measured]:
    """Measure models as they start; long or wide ones on fewer sequences, so that a picture comes at once.

    Where even that takes long, ask first: say how long, and end the page. Where a task can't be built, say why and
    end the page.
    """
    return _each(experiments, _untrained)


def measure_decays(experiments: Mapping[str, Experiment]) -> dict[str, dict[str, Decay]]:
    """Measure only the decays of memory and carry of models as they start, sooner; otherwise as `measure_untrained`."""
    return _each(experiments, _decays)


def _each(experiments: Mapping[str, Experiment], measured: Callable[[Experiment], Found]) -> dict[str, Found]:
    starts = {name: _start(experiment) for name, experiment in experiments.items()}
    try:
        asked = st.session_state.setdefault("measure_anyway", set())
        new = {each for each in starts.values() if each not in asked}
        if (seconds := sum(map(_seconds, new))) > PATIENCE:
            _ask(seconds, new)
        return {name: measured(start) for name, start in starts.items()}
    except (ValueError, ModuleNotFoundError) as error:
        first = next(iter(starts.values()))
        named = str(error).replace(repr(first.text_file), repr(sidebar.with_own_name(first).text_file))
        st.error(escape_markdown(named))
        st.stop()


def mention_sizes(experiments: Mapping[str, Experiment]) -> None:
    """State how many sequences and models were measured, if fewer than the command line measures."""
    cells: dict[str, list[str]] = {}
    for cell, experiment in experiments.items():
        models, samples = _sizes(_start(experiment))
        if (models, samples) != (experiment.seeds, MEASURED):
            seeds = f" ({models} of {experiment.seeds} seeds)" if models < experiment.seeds else ""
            cells.setdefault(f"{samples} of {MEASURED}{seeds}", []).append(cell.upper())
    if cells:
        said = "; ".join(f"{join_words(names)} {sizes}" for sizes, names in cells.items())
        st.caption(f"Measured on fewer sequences, so that it comes at once: {said}.")


def _start(experiment: Experiment) -> Experiment:
    """Leave out what only training reads."""
    return experiment.replace(**{name: SETTINGS[name].default for name in TRAINING_ONLY})


def _ask(seconds: float, experiments: Iterable[Experiment]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"To measure this untrained takes about {training.duration(seconds)}.")
        st.button(
            "Measure anyway", key="measure_anyway_button", icon=":material/hourglass_top:",
            on_click=st.session_state["measure_anyway"].update, args=(set(experiments),),
        )  # fmt: skip
    st.stop()


@st.cache_data(max_entries=1000, show_spinner=False)
def _work(experiment: Experiment) -> float:
    """Count the multiply-adds of one model reading one sequence."""
    task = build_task(experiment)
    return count_cost(experiment, task)["multiply_adds"] * task.length


def _sizes(experiment: Experiment) -> tuple[int, int]:
    """Return how many models are measured, on how many sequences."""
    each = _work(experiment)
    models = max(1, min(experiment.seeds, int(BUDGET / each / FEWEST)))
    return models, max(FEWEST, min(MEASURED, int(BUDGET / each / models)))


def _seconds(experiment: Experiment) -> float:
    models, samples = _sizes(experiment)
    return _work(experiment) * models * samples / SPEED


@st.cache_data(max_entries=100, show_spinner="Measuring …")
def _untrained(experiment: Experiment) -> Measured:
    meter, weights = _start_of(experiment)
    return meter.measure(weights)


@st.cache_data(max_entries=100, show_spinner="Measuring …")
def _decays(experiment: Experiment) -> dict[str, Decay]:
    meter, weights = _start_of(experiment)
    return meter.decays(weights)


def _start_of(experiment: Experiment) -> tuple[Meter, Weights]:
    task = build_task(experiment)
    models, samples = _sizes(experiment)
    experiment = experiment.replace(seeds=models)
    weights, _ = initial_weights(experiment, task.inputs, task.outputs, task.vocabulary)
    batch = task.measuring()
    batch = Batch(batch.inputs[:, :samples], batch.targets[..., :samples])
    return Meter(experiment, task, batch), weights
