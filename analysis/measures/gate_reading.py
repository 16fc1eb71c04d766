"""The gates of an experiment's first model while it reads a few sequences."""

from collections.abc import Mapping

import numpy as np
import torch

from analysis.engine.initialization import initial_weights
from analysis.experiment import Experiment
from analysis.measures.gates import example_batch, gate_moments, gate_sample, steps_read
from analysis.measures.meter import Meter
from analysis.results import GateMoments, GateSample, Tape
from analysis.tasks.registry import build_task

SEQUENCES = 16
MOST_VALUES = 4e6  # of one gate in a recording; a large model reads fewer sequences to stay below


def record_examples(
    experiment: Experiment, trained: Mapping[str, np.ndarray] | None = None
) -> tuple[Tape, dict[str, np.ndarray]]:
    """Record the first model while it reads a few sequences; return the tape, and what is read at which step.

    Args:
        experiment: whose model.
        trained: the weights (S, ...) of the experiment's run; None reads with the initial weights.

    Returns:
        The tape, and what `steps_read` returns for its inputs.
    """
    task = build_task(experiment)
    size = task.length * experiment.hidden_size * experiment.layers
    batch = example_batch(experiment, task, max(1, min(SEQUENCES, int(MOST_VALUES / size))))
    if trained is None:
        weights, _ = initial_weights(experiment.replace(seeds=1), task.inputs, task.outputs, task.vocabulary)
    else:
        weights = {name: torch.from_numpy(weight[:1]) for name, weight in trained.items()}
    return Meter(experiment, task, batch).tape(weights), steps_read(task, batch.inputs)


def read_gates(
    experiment: Experiment, number: int, trained: Mapping[str, np.ndarray] | None = None
) -> tuple[GateSample, GateMoments]:
    """Read a few sequences; return the gates of one of them, and their means over all of them by moment.

    Args:
        experiment: of an LSTM or a GRU.
        number: which sequence, from 1; the last one where there are fewer.
        trained: as `record_examples`.

    Raises:
        ValueError: for an RNN, which has no gates.
    """
    tape, reads = record_examples(experiment, trained)
    return gate_sample(tape, reads, sample=min(number, tape.hidden.shape[3]) - 1), gate_moments(tape, reads)
