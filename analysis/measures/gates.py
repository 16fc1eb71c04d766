"""Gate saturation: how often each gate is shut, open, or in between."""

import numpy as np
from torch import Tensor

from analysis.experiment import KEEP_GATE
from analysis.results import GateMoments, GateSample, Saturation, Tape
from analysis.tasks.symbolic import COPIED
from analysis.tasks.task import MEASURING_SEED, Batch, Task, seeded

BINS = 40
UNBOUNDED = (-4.0, 4.0)  # bins of a candidate without bounds; what lies outside counts in the outermost two


def gate_saturation(tape: Tape, low: float = 0.1, high: float = 0.9) -> dict[str, Saturation]:
    """Return by gate how often it is left- (below `low`) and right-saturated (above `high`).

    A candidate through tanh runs from -1 to 1: left is below -`high`, right above `high`. One through relu or
    identity has no such ends: left and right are None. An RNN has no gates: the dict is empty. What is NaN, as gates
    are after an overflow, counts nowhere.
    Karpathy, Johnson & Li (2015).

    Raises:
        ValueError: where 0 < low < high < 1 doesn't hold.
    """
    if not 0 < low < high < 1:
        raise ValueError(f"low={low}, high={high}: expected 0 < low < high < 1")
    return {name: _saturation(values, name, tape.activation, low, high) for name, values in tape.gates.items()}


def _saturation(values: np.ndarray, name: str, activation: str, low: float, high: float) -> Saturation:
    unbounded = name == "candidate" and activation != "tanh"
    start, end = (0.0, 1.0) if name != "candidate" else UNBOUNDED if unbounded else (-1.0, 1.0)
    if name == "candidate":
        low = -high
    edges = np.linspace(start, end, BINS + 1)
    bins = np.clip(values, start, end)  # and on in place: another array of this size costs more than the arithmetic
    bins -= start
    bins *= BINS / (end - start)
    np.minimum(bins, BINS - 1, out=bins)
    missing = np.isnan(bins)  # follows an overflow, and counts nowhere
    total = np.full(missing.shape[:2] + missing.shape[-1:], missing.shape[2] * missing.shape[3])  # (S, L, H)
    if missing.any():
        bins[missing] = BINS
        total -= missing.sum(axis=(2, 3))
    with np.errstate(invalid="ignore"):  # 0 / 0
        left, right = (beyond.sum(axis=2).sum(axis=2) / total for beyond in (values < low, values > high))
    return Saturation(
        left=None if unbounded else left,
        right=None if unbounded else right,
        counts=np.bincount(bins.astype(np.intp).ravel(order="K"), minlength=BINS)[:BINS],
        edges=edges,
        low=low,
        high=high,
    )


def example_batch(task: Task, count: int = 16) -> Batch:
    """Draw sequences to look at the gates on: recall's symbol in the middle, so that there is a before and after."""
    if task.name == "recall":
        return task.at_distance(max(task.length // 2, 1), count, seeded(MEASURING_SEED))
    return task.draw_measuring(count, seeded(MEASURING_SEED))


def steps_read(task: Task, inputs: Tensor) -> dict[str, np.ndarray]:
    """Return at which steps inputs (T, B, D) show what is to be remembered, and the cue: (T, B) each.

    Text, words and digits are to be remembered throughout: the dict is empty.
    """
    if task.name not in ("recall", "copy", "adding", "order"):
        return {}
    codes = inputs.argmax(-1).numpy()
    D = inputs.shape[-1]
    if task.name == "recall":
        return {"symbol": codes < D - 2, "cue": codes == D - 1}
    if task.name == "copy":
        return {"symbol": np.arange(len(codes))[:, None] + 0 * codes < COPIED, "cue": codes == D - 1}
    if task.name == "adding":
        return {"marked value": inputs[..., 1].numpy() == 1}
    return {"symbol": codes >= D - 2}


def gate_sample(
    tape: Tape, reads: dict[str, np.ndarray] | None = None, model: int = 0, sample: int = 0, layer: int = -1
) -> GateSample:
    """Pick one model's gates in one sequence, units sorted by the mean of the gate that keeps.

    `reads` is what `steps_read` says of the tape's inputs.

    Raises:
        ValueError: for an RNN, which has no gates.
    """
    _require_gates(tape)
    gates = {name: values[model, layer, :, sample] for name, values in tape.gates.items()}  # (T, H)
    units = np.argsort(gates[KEEP_GATE[tape.model]].mean(0), kind="stable")
    return GateSample(
        gates={name: values[:, units] for name, values in gates.items()},
        units=units,
        reads={what: np.flatnonzero(steps[:, sample]) for what, steps in (reads or {}).items()},
    )


def gate_moments(tape: Tape, reads: dict[str, np.ndarray], layer: int = -1) -> GateMoments:
    """Average each gate before, at and after what is to be remembered, and at the cue if there is one.

    Before is before the first such step; after is after it and before the cue. `reads` is what `steps_read` says
    of the tape's inputs; where it says nothing, neither does this.

    Raises:
        ValueError: for an RNN, which has no gates.
    """
    _require_gates(tape)
    if not reads:
        return GateMoments((), {}, {}, {}, {})
    what, *cue = reads
    shown = reads[what]
    seen = np.cumsum(shown, axis=0) > 0
    over = np.cumsum(reads["cue"], axis=0) > 0 if cue else np.zeros_like(shown)
    masks = {"before": ~seen & ~over, f"at the {what}": shown, "after": seen & ~shown & ~over}
    if cue:
        masks["at the cue"] = reads["cue"]

    def mean(gate: np.ndarray, mask: np.ndarray) -> np.ndarray:
        S, _, _, _, H = gate.shape
        return gate[:, layer][:, mask].mean(1) if mask.any() else np.full((S, H), np.nan)

    with np.errstate(over="ignore", invalid="ignore"):  # a candidate without tanh may leave the finite range
        units = {name: np.stack([mean(gate, mask) for mask in masks.values()]) for name, gate in tape.gates.items()}
        low, high = (
            {name: np.quantile(gate, level, axis=(1, 2)) for name, gate in units.items()} for level in (0.05, 0.95)
        )
        means = {name: gate.mean((1, 2)) for name, gate in units.items()}
    return GateMoments(tuple(masks), units, means, low, high)


def _require_gates(tape: Tape) -> None:
    if not tape.gates:
        raise ValueError(f"a tape of {tape.model}: only an LSTM or a GRU has gates")
