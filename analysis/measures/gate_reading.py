"""The gates of an experiment's first model while it reads a few sequences."""

import numpy as np

from analysis.experiment import Experiment
from analysis.measures.gates import example_batch, gate_moments, gate_sample, steps_read
from analysis.measures.meter import Meter
from analysis.measures.weights import Trained, weights_of
from analysis.results import GateMoments, GateSample, Tape
from analysis.tasks.registry import build_task

SEQUENCES = 16
MOST_VALUES = 4e6  # of one gate in a recording; a large model reads fewer sequences to stay below


def record_examples(
    experiment: Experiment, trained: Trained = None, model: int = 0
) -> tuple[Tape, dict[str, np.ndarray]]:
    """Record a model while it reads a few sequences; return the tape, and what is read at which step.

    Args:
        experiment: whose model.
        trained: the weights (S, ...) of the experiment's run; None reads with the initial weights.
        model: which of its models, from 0.

    Returns:
        The tape, and what `steps_read` returns for its inputs.
    """
    task = build_task(experiment)
    size = task.length * experiment.hidden_size * experiment.layers
    batch = example_batch(experiment, task, max(1, min(SEQUENCES, int(MOST_VALUES / size))))
    weights = weights_of(experiment, task, trained, range(model, model + 1))
    return Meter(experiment, task, batch).tape(weights), steps_read(task, batch.inputs)


def read_gates(experiment: Experiment, number: int, trained: Trained = None) -> tuple[GateSample, GateMoments]:
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
