"""The memory span of a curve of answers by distance, and which distances the training had."""

from dataclasses import replace

import numpy as np

from analysis.experiment import Experiment, higher_is_better
from analysis.results import Memory, Run

EVERY_START = ("text", "words")  # tasks whose sequences start anywhere, and whose loss reads every step
SURE = 4  # standard errors by which the best answers must be better than chance
SAMPLES = 128  # sequences per distance of recall


def trained_distances(experiment: Experiment, distance: np.ndarray) -> np.ndarray:
    """Return at which distances (N,) the training had what a memory curve asks for, (N,) of booleans.

    In recall: where the symbol stood in training. In other tasks: whether a sequence of the last `distance` + 1 steps
    alone was trained on. Text is cut anywhere and answered at every step; the others' sequences were always whole.
    """
    if experiment.task in EVERY_START or (experiment.task == "recall" and experiment.position == "anywhere"):
        return np.ones(len(distance), bool)
    return distance == distance[-1]


def had_in_training(memory: Memory) -> np.ndarray:
    """Return at which distances the training had what a memory asks for, (N,); all, where that is not known."""
    return np.ones(len(memory.distance), bool) if memory.trained is None else memory.trained


def memory_spans(memory: Memory, errors: np.ndarray) -> tuple[float, np.ndarray]:
    """Return `Memory.span` and `Memory.spans` for a memory's values; NaN where nothing is better than chance.

    Args:
        memory: its span and spans are not read.
        errors: standard errors of `memory.values`, (S, N).
    """
    counted = finite_models(memory.values)
    median, error = np.median(memory.values[counted], axis=0), errors[counted].max(axis=0)
    spans = [_span(memory, own, e) for own, e in zip(memory.values, errors, strict=True)]
    return _span(memory, median, error), np.array(spans)


def finite_models(values: np.ndarray) -> np.ndarray:
    """Return which models' curves (S, N) are finite, (S,); where none is, all count: the median is NaN."""
    finite = np.isfinite(values).all(axis=1)
    return finite | ~finite.any()


def _span(memory: Memory, value: np.ndarray, error: np.ndarray) -> float:
    """Return the span of one curve (N,) with its standard errors (N,).

    In recall all answers can be right, so a distance counts where more than midway from chance to that are. Elsewhere
    the network's own best stands for what can be reached.
    """
    trained = had_in_training(memory)
    gain = (value - memory.chance) * (1 if higher_is_better(memory.metric_name) else -1)
    if not np.isfinite(gain).all() or not trained.any():
        return np.nan
    best = np.where(trained, gain, -np.inf).argmax()
    if gain[best] <= SURE * error[best]:
        return np.nan
    if memory.kind == "symbol":
        answered = memory.distance[trained & (gain > (1 - memory.chance) / 2)]
        return float(answered[-1]) if len(answered) else np.nan
    missed = np.flatnonzero(gain <= gain[best] / 2)
    start = missed[-1] + 1 if len(missed) else 0
    return float(memory.distance[start]) if start < len(value) else np.nan


def marked(run: Run) -> Run:
    """Return a run with its memory's trained distances, and the span over these, where it was stored without them.

    An accuracy's standard error follows from its value, so that the span is the one that would be measured now. The
    span of other tasks is as it was.
    """
    if run.memory.trained is not None:
        return run
    memory = replace(run.memory, trained=trained_distances(run.experiment, run.memory.distance))
    if memory.kind == "symbol":
        share = np.clip(memory.values, 0, 1)
        errors = np.sqrt(share * (1 - share) / (SAMPLES - 1))
        span, spans = memory_spans(memory, errors)
        memory = replace(memory, span=span, spans=spans)
    return replace(run, memory=memory)
