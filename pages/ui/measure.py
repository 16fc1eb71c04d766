"""Measurements for pictures, cached: how models start, before any training."""

from dataclasses import replace

import streamlit as st

from analysis.config import SETTINGS, Experiment
from analysis.decay import decay_of_norms
from analysis.measuring import Meter
from analysis.results import Decay, Measured
from analysis.tasks import MEASURED, Batch, build
from analysis.training import cost
from analysis.weights import initial_weights

BUDGET = 6e7  # multiply-adds forward of one cell: about 0.05 s on one core
FEWEST = 8  # sequences
TRAINING_ONLY = ("batch_size", "steps", "learning_rate", "optimizer", "clip", "snapshot_every")


def untrained(experiment: Experiment) -> Measured:
    """Measure the models as they start; long or wide ones on fewer sequences, so that a picture comes at once.

    Where the task can't be built, say why and end the page.
    """
    try:
        return _untrained(experiment.replace(**{name: SETTINGS[name].default for name in TRAINING_ONLY}))
    except (ValueError, ModuleNotFoundError) as error:
        st.error(str(error))
        st.stop()


@st.cache_data(max_entries=100, show_spinner="Measuring …")
def _untrained(experiment: Experiment) -> Measured:
    task = build(experiment)
    each = cost(experiment, task)["multiply_adds"] * task.length
    models = max(1, min(experiment.seeds, int(BUDGET / each / FEWEST)))
    samples = max(FEWEST, min(MEASURED, int(BUDGET / each / models)))
    experiment = experiment.replace(seeds=models)
    weights, _ = initial_weights(experiment, task.inputs, task.outputs, task.vocabulary)
    batch = task.measuring()
    batch = Batch(batch.inputs[:, :samples], batch.targets[..., :samples])
    return Meter(experiment, task, batch).measure(weights)


def at_threshold(decay: Decay, threshold: float) -> Decay:
    """Return a decay with the horizons of another threshold."""
    if threshold == decay.threshold:
        return decay
    whole = decay_of_norms(decay.relative[None, :, None], decay.of, threshold)
    each = decay_of_norms(decay.relatives[:, :, None], decay.of, threshold)
    return replace(decay, threshold=threshold, horizon=whole.horizon, horizons=each.horizons)
