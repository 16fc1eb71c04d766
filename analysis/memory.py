"""What a trained network still knows about a distance: its metric by how far back the answer lies."""

import numpy as np
import torch

from analysis.bptt import one_thread
from analysis.config import Experiment
from analysis.ensemble import answers
from analysis.results import Memory
from analysis.tasks import EVALUATION_SEED, Batch, Task, seeded
from analysis.weights import Weights

POINTS = 60  # distances measured at most
SAMPLES = 128  # sequences per distance


@torch.no_grad()
def memory_curve(experiment: Experiment, task: Task, weights: Weights) -> Memory:
    """Measure how far back the answers of a network really depend on the input.

    In recall, the accuracy by the symbol's distance. In the other tasks the metric at the last step when only the
    steps up to a distance are seen, the state before them being zero.

    Args:
        experiment: gives cell and activation.
        task: from `tasks.build`.
        weights: torch's parameters by name, (S, ...), with the readout's.
    """
    T = task.length
    by_symbol = task.name == "recall"
    distances = np.unique(np.rint(np.geomspace(1, T - 1 if by_symbol else T, min(POINTS, T)))).astype(int)
    if T <= POINTS:
        distances = np.arange(1, T + (not by_symbol))
    if by_symbol:
        generator = seeded(EVALUATION_SEED)
        batches = (task.at_distance(int(k), SAMPLES, generator) for k in distances)
    else:
        whole = task.evaluation()
        chosen = torch.linspace(0, whole.inputs.shape[1] - 1, min(2 * SAMPLES, whole.inputs.shape[1])).long()
        targets = whole.targets[-1] if task.every_step else whole.targets
        batches = (Batch(whole.inputs[-k:, chosen], targets[chosen]) for k in distances)
        distances = distances - 1  # the last step alone is distance 0
    with one_thread():
        scores = torch.stack([_scores(experiment, task, weights, batch) for batch in batches], 1).double()
    values = scores.mean(-1).numpy()  # (S, N)
    errors = scores.std(-1).numpy() / scores.shape[-1] ** 0.5
    value = np.median(values, axis=0)
    return Memory(
        kind="symbol" if by_symbol else "window",
        metric_name=task.metric_name,
        distance=distances,
        value=value,
        low=values.min(axis=0),
        high=values.max(axis=0),
        values=values,
        chance=task.last_step_chance,
        span=_span(value, distances, task, errors.max(axis=0)),
        spans=np.array([_span(own, distances, task, error) for own, error in zip(values, errors, strict=True)]),
    )


def _scores(experiment: Experiment, task: Task, weights: Weights, batch: Batch) -> torch.Tensor:
    """Each sequence's part in the metric at the last step, (S, B)."""
    found = torch.cat(list(answers(experiment, weights, batch, last=True)), dim=1)  # (S, B, O)
    return task.score(found.unsqueeze(1), batch.targets[None]) if task.every_step else task.score(found, batch.targets)


def _span(value: np.ndarray, distance: np.ndarray, task: Task, error: np.ndarray) -> float:
    gain = (value - task.last_step_chance) * (1 if task.higher_is_better else -1)
    best = gain.argmax()
    if not np.isfinite(gain).all() or gain[best] <= 4 * error[best]:  # no better than chance, as far as samples tell
        return np.nan
    worse = np.flatnonzero(gain <= gain[best] / 2)
    if not len(worse):
        return float(distance[-1] if task.name == "recall" else distance[0])
    if task.name == "recall":
        return float(distance[worse[0] - 1]) if worse[0] else 0.0
    return float(distance[worse[-1] + 1]) if worse[-1] + 1 < len(distance) else np.nan
