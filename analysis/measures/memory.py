"""How far back a network's answers depend on its inputs: its metric by distance."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from analysis.engine.initialization import Weights
from analysis.engine.network import answers
from analysis.engine.norms import norm
from analysis.engine.recording import Layout, Module, run_forward
from analysis.engine.unroll import one_thread
from analysis.experiment import Experiment
from analysis.results import Memory
from analysis.span import SAMPLES, finite_models, memory_spans, trained_distances
from analysis.tasks.task import EVALUATION_SEED, Batch, Task, seeded

POINTS = 60  # distances measured at most


@torch.no_grad()
def memory_curve(experiment: Experiment, task: Task, weights: Weights, exclude: Sequence[int] = ()) -> Memory:
    """Measure how far back a network's answers depend on the input.

    In recall, the value at distance k is the accuracy where the symbol stood k steps before the last. In the other
    tasks it is the metric at the last step of a network that starts from the zero state k steps before it.

    Args:
        experiment: gives cell and activation.
        task: the experiment's task.
        weights: torch's parameters by name, (S, ...), with the readout's.
        exclude: indices of models to leave out; their values are NaN.
    """
    by_symbol = task.draw_at is not None
    distances, batches = _symbol_batches(task) if by_symbol else _window_batches(task)
    with one_thread():
        scores = torch.stack([_scores(experiment, task, weights, batch) for batch in batches], 1).double()
    scores[list(exclude)] = torch.nan
    values = scores.mean(-1).numpy()  # (S, N)
    errors = scores.std(-1).numpy() / scores.shape[-1] ** 0.5
    counted = finite_models(values)
    memory = Memory(
        kind="symbol" if by_symbol else "window",
        metric_name=task.metric_name,
        distance=distances,
        value=np.median(values[counted], axis=0),
        low=values[counted].min(axis=0),
        high=values[counted].max(axis=0),
        values=values,
        chance=task.last_step_chance,
        span=np.nan,
        spans=np.full(len(values), np.nan),
        trained=trained_distances(experiment, distances),
        repeating=task.repeating,
    )
    span, spans = memory_spans(memory, errors)
    return replace(memory, span=span, spans=spans)


def _symbol_batches(task: Task) -> tuple[np.ndarray, Iterator[Batch]]:
    """Return distances, and draw for each a batch with the symbol at that distance."""
    distances, generator = _distances(task.length - 1), seeded(EVALUATION_SEED)
    return distances, (task.at_distance(int(k), SAMPLES, generator) for k in distances)


def _window_batches(task: Task) -> tuple[np.ndarray, Iterator[Batch]]:
    """Return distances, and for each the last steps of the evaluation sequences, up to that distance."""
    whole, lengths = task.evaluation(), _distances(task.length)
    N = whole.inputs.shape[1]
    chosen = torch.linspace(0, N - 1, min(2 * SAMPLES, N)).long()
    some = whole.of(chosen)
    if some.every_step:
        some = replace(some, targets=some.targets[-1])
    return lengths - 1, (some.last(int(k)) for k in lengths)  # the last step alone is distance 0


@torch.no_grad()
def output_memory(module: Module, inputs: torch.Tensor) -> Memory:
    """Measure how far back a network's last output depends on its input, without a task.

    The value at distance k is ‖y_k - y‖ / ‖y‖, the median over sequences; low and high are the 5th and 95th
    percentile. y is the top layer's last hidden state; y_k is the same when the network sees only the last k + 1 steps,
    from the zero state. The value is 0 where the network sees all; a value of 1 stands for chance. Whether its training
    had such starts is not known: `trained` is None.

    Args:
        module: nn.RNN, nn.LSTM or nn.GRU.
        inputs: as `record` takes them.

    Raises:
        TypeError, ValueError: as `record`.
    """
    axis = Layout.of(module, inputs).time_axis
    T = inputs.shape[axis]
    distances = _distances(T) - 1
    with one_thread():
        last = [
            run_forward([module], inputs.narrow(axis, T - 1 - k, k + 1), None, torch.float64)[1][-1, 0]
            for k in map(int, distances)
        ]
    states = torch.stack(last).numpy()  # (N, B, H)
    whole = norm(states[-1])  # (B,)
    with np.errstate(invalid="ignore", over="ignore"):  # of states that left the finite range
        changes = norm(states - states[-1])[:, whole > 0] / whole[whole > 0]  # (N, B)
    if not changes.size or not np.isfinite(changes).all():
        low = value = high = np.full(len(distances), np.nan)
    else:
        low, value, high = np.quantile(changes, (0.05, 0.5, 0.95), axis=1)
    far = np.flatnonzero(value >= 0.5)
    span = float(distances[far[-1] + 1] if len(far) else distances[0]) if np.isfinite(value).all() else np.nan
    return Memory(
        kind="window",
        metric_name="change of the last output",
        distance=distances,
        value=value,
        low=low,
        high=high,
        values=value[None],
        chance=1.0,
        span=span,
        spans=np.array([span]),
    )


def _distances(furthest: int) -> np.ndarray:
    """Return the distances from 1 to the furthest; if there are more than POINTS, a selection with growing gaps."""
    if furthest <= POINTS:
        return np.arange(1, furthest + 1)
    return np.unique(np.rint(np.geomspace(1, furthest, POINTS))).astype(int)


def _scores(experiment: Experiment, task: Task, weights: Weights, batch: Batch) -> torch.Tensor:
    """Return each sequence's score at the last step, (S, B); the metric is their mean."""
    outputs = torch.cat(list(answers(experiment, weights, batch, last=True)), dim=1)  # (S, B, O)
    if task.every_step:
        return task.score(outputs.unsqueeze(1), batch.targets[None])
    return task.score(outputs, batch.targets)
