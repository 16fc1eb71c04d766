"""Measurements for pictures, cached: how models start, before any training."""

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

import streamlit as st

from analysis.experiment import SETTINGS, Experiment
from analysis.measures.preview import preview_meter, preview_seconds, preview_sizes, quicker_settings, without_training
from analysis.measures.theory import predicted_decay
from analysis.reasons import Prediction
from analysis.report.sentences.estimate import describe_duration
from analysis.report.wording import join_words
from analysis.results import Decay, Measured
from analysis.tasks.task import MEASURED
from pages.ui import session, sidebar, sources

PATIENCE = 5  # seconds that a page measures without being asked
AT_ONCE = 2  # seconds that it measures at most with a setting which it offers instead
Found = TypeVar("Found")


def measure_untrained(experiments: Mapping[str, Experiment]) -> dict[str, Measured]:
    """Measure models as they start; long or wide ones on fewer sequences, so that a picture comes at once.

    Where even that takes long, ask first: say how long, and end the page. Where a task can't be built, say why and
    end the page.
    """
    return measure_each(experiments, _untrained)


def measure_decays(experiments: Mapping[str, Experiment]) -> dict[str, dict[str, Decay]]:
    """Measure only the decays of memory and carry of models as they start, sooner; otherwise as `measure_untrained`."""
    return measure_each(experiments, _decays)


def predict_decays(experiments: Mapping[str, Experiment]) -> dict[str, Prediction]:
    """Return what theory predicts of models as they start; otherwise as `measure_untrained`."""
    return measure_each(experiments, _predicted)


def measure_each(experiments: Mapping[str, Experiment], measured: Callable[[Experiment], Found]) -> dict[str, Found]:
    """Measure models as they start by a function of one's experiment; otherwise as `measure_untrained`."""
    starts = {name: without_training(experiment) for name, experiment in experiments.items()}
    if not starts:
        return {}
    with sources.saying_why(next(iter(starts.values()))):
        asked = session.MEASURE_ANYWAY.get()
        new = {each for each in starts.values() if each not in asked}
        if (seconds := sum(map(preview_seconds, new))) > PATIENCE:
            _ask(seconds, new)
        return {name: measured(start) for name, start in starts.items()}


def mention_sizes(experiments: Mapping[str, Experiment]) -> None:
    """State how many sequences and models were measured, if fewer than the command line measures."""
    cells: dict[str, list[str]] = {}
    for cell, experiment in experiments.items():
        models, samples = preview_sizes(without_training(experiment))
        if (models, samples) != (experiment.seeds, MEASURED):
            seeds = f" ({models} of {experiment.seeds} seeds)" if models < experiment.seeds else ""
            cells.setdefault(f"{samples} of {MEASURED}{seeds}", []).append(cell.upper())
    if cells:
        said = "; ".join(f"{join_words(names)} {sizes}" for sizes, names in cells.items())
        st.caption(f"Measured on fewer sequences, so that it comes at once: {said}.")


def _ask(seconds: float, experiments: Collection[Experiment]) -> None:
    """Say how long measuring takes; offer to do it anyway, and smaller settings that come at once; end the page."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"To measure this untrained takes about {describe_duration(seconds)}.")
        st.button(
            "Measure anyway", key="measure_anyway_button", icon=":material/hourglass_top:",
            on_click=session.MEASURE_ANYWAY.get().update, args=(set(experiments),),
        )  # fmt: skip
        for name, value in quicker_settings(experiments, AT_ONCE).items():
            label = f"Use {SETTINGS[name].label.lower()} {value}"
            st.button(label, key=f"use_{name}_button", on_click=sidebar.put, args=({name: value},))
    st.stop()


@st.cache_resource(max_entries=200, show_spinner="Measuring …", hash_funcs={Experiment: repr})
def _untrained(experiment: Experiment) -> Measured:
    meter, weights = preview_meter(experiment)
    return meter.measure(weights)


@st.cache_resource(max_entries=200, show_spinner="Measuring …", hash_funcs={Experiment: repr})
def _decays(experiment: Experiment) -> dict[str, Decay]:
    meter, weights = preview_meter(experiment)
    return meter.decays(weights)


@st.cache_resource(max_entries=200, show_spinner=False, hash_funcs={Experiment: repr})
def _predicted(experiment: Experiment) -> Prediction:
    return predicted_decay(experiment)
