"""Time how long an LSTM and a GRU of the same size take to read the same sentence."""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from analysis.engine.network import embed
from analysis.engine.unroll import Unroll, one_thread
from analysis.experiment import Experiment
from analysis.lesson.reading import encode_for_first, model_weights
from analysis.reading import Race

REPEATS = 8
READINGS = 100  # in one repeat: a single one is too short to be timed


@torch.inference_mode()
def race(
    experiments: Mapping[str, Experiment], words: Sequence[str], trained: Mapping[str, Mapping[str, np.ndarray]]
) -> Race:
    """Read words with an LSTM and a GRU in turn, eight times each, forward alone, and return the times.

    They take turns, so that what slows the machine for a while slows both. Seconds are those of the processor: what
    other programs take doesn't count.

    Args:
        experiments: words tasks, "lstm" and "gru".
        words: at least one.
        trained: the weights (S, ...) of each experiment's run; those of its first model read.

    Raises:
        ValueError: as `read_sentence`.
    """
    with one_thread():
        read = {cell: _reader(experiments[cell], words, trained[cell]) for cell in ("lstm", "gru")}
        for each in read.values():
            each()  # the first reading finds no memory ready
        seconds = [[_seconds(read[cell]) for cell in ("lstm", "gru")] for _ in range(REPEATS)]
    lstm, gru = np.array(seconds).T
    return Race(words=tuple(words), lstm=lstm, gru=gru)


def _reader(
    experiment: Experiment, words: Sequence[str], trained: Mapping[str, np.ndarray]
) -> Callable[[], torch.Tensor]:
    """Return a function that reads the words once with an experiment's first model."""
    _, weights, codes = encode_for_first(experiment, model_weights(experiment, trained), list(words))
    inputs = embed(weights, codes.unsqueeze(1))
    unroll = Unroll(experiment.cell, experiment.activation, weights, len(codes), 1, backward=False)
    unroll.start()
    return lambda: unroll.forward(inputs)


def _seconds(read: Callable[[], object]) -> float:
    """Return the processor's seconds of one reading, the mean of several in a row."""
    started = time.thread_time()
    for _ in range(READINGS):
        read()
    return (time.thread_time() - started) / READINGS
