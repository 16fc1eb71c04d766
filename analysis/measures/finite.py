"""What a finite change of one input does to the last memory state and the answer, beside what a tiny one does.

What is stored robustly no longer moves with small changes: latching implies a vanishing gradient (Bengio, Simard &
Frasconi 1994). So a network can remember what its gradient no longer reaches.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from analysis.engine.initialization import Weights
from analysis.engine.network import embed, pieces, readout
from analysis.engine.norms import norm
from analysis.engine.unroll import Unroll, cut_distance, one_thread
from analysis.experiment import Experiment
from analysis.measures.lyapunov import push_forward
from analysis.measures.preview import preview_sizes
from analysis.measures.weights import Trained, weights_of
from analysis.reasons import Change
from analysis.tasks.registry import build_task
from analysis.tasks.task import Task, seeded

PAIRS = 16  # pairs of sequences that differ in one input, at each distance
POINTS = 20  # distances at most
LONGEST = 100  # time steps kept at once
ROUNDING = 1e-13  # a move below it may be a rounding error, and counts as none
SEED = 3_000_000_003  # no experiment can have it
QUANTILES = (0.05, 0.5, 0.95)


class Pairs(NamedTuple):
    """B pairs of sequences that differ in the input of one step: first all the one, then all the other."""

    inputs: Tensor  # (T, 2B, D), or words (T, 2B)
    step: int
    targets: Tensor | None  # (2B,) right answers, where they are known of both


class Moved(NamedTuple):
    """What came of the changes at one distance, of S models and 2B sequences."""

    state: np.ndarray  # (S, 2B) ‖s' - s‖ / ‖s‖
    tiny: np.ndarray  # (S, 2B) ‖∂s/∂x Δx‖ / ‖s‖
    answer: np.ndarray  # (S,) share of answers that are others, or their mean distance
    right: np.ndarray  # (S,) share of right answers; NaN where that isn't known


def finite_change(
    experiment: Experiment, task: Task, weights: Weights, exclude: Sequence[int] = (), pairs: int = PAIRS
) -> Change:
    """Measure what another input at each distance does to the last memory state of the top layer, and to the answer.

    In recall, the other input is another symbol to remember; elsewhere another symbol, or another sequence's input of
    that step. Both sequences of a pair are read; each one's move is divided by its own state's size. Tiny changes are
    carried along by the exact Jacobian of each step. The sequences are the same at every call.

    Args:
        experiment: gives cell and activation.
        task: the experiment's task.
        weights: torch's parameters by name, (S, ...), with the readout's.
        exclude: indices of models to leave out, like models whose states leave the finite range.
        pairs: how many pairs of sequences, at each distance.
    """
    weights = {name: weight.detach().double() for name, weight in weights.items()}
    measuring = task.measuring().longest()
    T, distances = len(measuring.inputs), _distances(len(measuring.inputs) - 1)
    with one_thread(), torch.no_grad(), torch.inference_mode():
        unrolls: dict[int, Unroll] = {}  # by length of a piece
        pairs = pairs if task.draw_at is not None else min(pairs, measuring.inputs.shape[1])
        for piece in pieces(T, LONGEST):
            steps = piece.stop - piece.start
            unrolls.setdefault(steps, Unroll(experiment.cell, experiment.activation, weights, steps, 2 * pairs))
        moved = [_move(task, weights, unrolls, drawn) for drawn in _draw(task, measuring.inputs, distances, pairs)]
    used = np.setdiff1d(np.arange(len(moved[0].answer)), list(exclude))
    state, tiny = (np.array([_quantiles(getattr(each, name)[used]) for each in moved]).T for name in ("state", "tiny"))
    return Change(
        what="word" if task.vocabulary else "symbol" if _has_symbols(task) else "input",
        distance=distances,
        state=state[1],
        state_low=state[0],
        state_high=state[2],
        tiny=tiny[1],
        tiny_low=tiny[0],
        tiny_high=tiny[2],
        classes=not task.squared,
        answer=_medians([each.answer[used] for each in moved]),
        right=_medians([each.right[used] for each in moved]),
        chance=task.chance if task.draw_at is not None else np.nan,
        cut=cut_distance(experiment.truncate, T),
    )


def measure_changes(experiment: Experiment, trained: Trained = None) -> Change:
    """Measure the finite changes of an experiment's models, on fewer models and sequences if it is large.

    Args:
        experiment: whose models.
        trained: the weights (S, ...) of the experiment's run; None measures the models as they start.

    Raises:
        ValueError, ModuleNotFoundError: where the task can't be built.
    """
    task = build_task(experiment)
    models, samples = preview_sizes(experiment)
    weights = weights_of(experiment, task, trained, range(models))
    return finite_change(experiment, task, weights, pairs=min(PAIRS, samples // 2))


def _distances(furthest: int) -> np.ndarray:
    """Return the distances from 1 to the furthest; if there are more than POINTS, a selection with growing gaps."""
    if furthest <= POINTS:
        return np.arange(1, furthest + 1)
    return np.unique(np.rint(np.geomspace(1, furthest, POINTS))).astype(int)


def _draw(task: Task, measuring: Tensor, distances: np.ndarray, count: int) -> Iterator[Pairs]:
    """Draw pairs for each distance; but for recall, from the inputs of the measuring sequences, (T, B, D) or (T, B)."""
    generator = seeded(SEED)
    for k in map(int, distances):
        step = len(measuring) - 1 - k
        if task.draw_at is not None:
            batch = task.at_distance(k, count, generator)
            codes, K = batch.targets, task.outputs
            others = (codes + torch.randint(1, K, codes.shape, generator=generator)) % K
            changed = batch.inputs.clone()
            changed[step, :, :K] = torch.nn.functional.one_hot(others, K).float()
            yield Pairs(torch.cat([batch.inputs, changed], 1), step, torch.cat([codes, others]))
        else:
            inputs = measuring[:, :count]
            changed = inputs.clone()
            changed[step] = _others(task, measuring[step], generator)[:count]
            yield Pairs(torch.cat([inputs, changed], 1), step, None)


def _others(task: Task, inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Return another input for each of one step, (B, D) or words (B,)."""
    if task.vocabulary:
        return (inputs + torch.randint(1, task.vocabulary, inputs.shape, generator=generator)) % task.vocabulary
    if not _has_symbols(task):
        return inputs.roll(1, 0)
    D = inputs.shape[-1]
    codes = (inputs.argmax(-1) + torch.randint(1, D, inputs.shape[:1], generator=generator)) % D
    return torch.nn.functional.one_hot(codes, D).to(inputs)


def _has_symbols(task: Task) -> bool:
    """Return whether each input is one of several symbols, one-hot."""
    inputs = task.measuring().inputs
    return task.inputs > 1 and bool((inputs.sum(-1) == 1).all()) and bool((inputs.amax(-1) == 1).all())


def _move(task: Task, weights: Weights, unrolls: dict[int, Unroll], pairs: Pairs) -> Moved:
    """Run both sequences of each pair, with a tiny change carried along in each; compare their ends."""
    B = pairs.inputs.shape[1] // 2
    state, change = None, None
    for piece in pieces(len(pairs.inputs), LONGEST):
        unroll = unrolls[piece.stop - piece.start]
        unroll.start(state)
        inputs = embed(weights, pairs.inputs[piece])
        top = unroll.forward(inputs if inputs.dim() == 4 else inputs.double())[-1]
        state = unroll.state()
        if piece.stop > pairs.step:
            change = _carry_change(unroll, inputs, pairs.step - piece.start, change)
    assert state is not None and change is not None, "the step lies in one of the pieces"
    last = state[-1][-1].mT.numpy()  # (S, 2B, H)
    size = norm(last)
    tiny = norm(change[:, :, -last.shape[-1] :, 0].numpy())
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        moved = np.tile(norm(last[:, B:] - last[:, :B]), 2) / size
        moved[moved < ROUNDING] = 0
        return Moved(moved, tiny / size, *_answers(task, weights, top, pairs))


def _carry_change(unroll: Unroll, inputs: Tensor, step: int, change: Tensor | None) -> Tensor:
    """Carry tiny changes (S, 2B, N, 1) through a piece; they begin in it at a step, or before it where that is < 0."""
    layers = unroll.layers
    for layer in layers:
        layer.compute_local_derivatives()
    S, B = layers[0].S, layers[0].B
    for t in range(max(step, 0), unroll.T):
        of_input = None
        if t == step:
            read = inputs[t].expand(S, -1, -1).double()  # (S, 2B, D)
            one, other = read.chunk(2, 1)
            of_input = torch.cat([other - one, one - other], 1).unsqueeze(-1)
            change = read.new_zeros(S, B, sum(layer.H * len(layer.memories) for layer in layers), 1)
        assert change is not None, "a change begins at its step"
        change = push_forward(layers, t, change, of_input)
    assert change is not None, "a piece has a step"
    return change


def _answers(task: Task, weights: Weights, top: Tensor, pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Return by model how much answers change, and the share that are right, (S,) each."""
    outputs = readout(weights, top)  # (S, 2B, O)
    one, other = outputs.chunk(2, 1)
    finite = outputs.isfinite().flatten(1).all(1)
    changed = (other - one).norm(dim=-1) if task.squared else (other.argmax(-1) != one.argmax(-1)).double()
    answer = torch.where(finite, changed.mean(-1), torch.nan).numpy()
    if pairs.targets is None:
        return answer, np.full(len(answer), np.nan)
    right = (outputs.argmax(-1) == pairs.targets).double().mean(-1)
    return answer, torch.where(finite, right, torch.nan).numpy()


def _quantiles(moves: np.ndarray) -> np.ndarray:
    """Return quantiles of moves (S, 2B) over the models that are finite; NaN where none is."""
    finite = moves[np.isfinite(moves).all(-1)]
    return np.quantile(finite, QUANTILES) if finite.size else np.full(len(QUANTILES), np.nan)


def _medians(by_model: Sequence[np.ndarray]) -> np.ndarray:
    """Return the median over models that are finite, of each distance."""
    return np.array([np.median(each[np.isfinite(each)]) if np.isfinite(each).any() else np.nan for each in by_model])
