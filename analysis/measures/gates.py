"""Gate saturation (how often each gate is shut or open), and gates by time step."""

import numpy as np
from torch import Tensor

from analysis.experiment import Experiment
from analysis.results import GateMoments, GateSample, Saturation, Tape
from analysis.tasks.symbolic import COPIED
from analysis.tasks.task import MEASURING_SEED, Batch, Task, seeded

BINS = 40
UNBOUNDED = (-4.0, 4.0)  # the bins of a gate without bounds; values beyond them count in the outermost two


def gate_saturation(tape: Tape, low: float = 0.1, high: float = 0.9) -> dict[str, Saturation]:
    """Return by gate how often it is left- (below `low`) and right-saturated (above `high`).

    A candidate through tanh lies between -1 and 1: left is below -`high`, right above `high`. A candidate through relu
    or identity is unbounded: left and right are None. An RNN has no gates: the dict is empty. NaN, which follows an
    overflow, counts neither as a share nor in the total.
    Karpathy, Johnson & Li (2015).

    Raises:
        ValueError: where 0 < low < high < 1 doesn't hold.
    """
    if not 0 < low < high < 1:
        raise ValueError(f"low={low}, high={high}: expected 0 < low < high < 1")
    return {name: _saturation(values, tape.ranges[name], low, high) for name, values in tape.gates.items()}


def _saturation(values: np.ndarray, bounds: tuple[float, float] | None, low: float, high: float) -> Saturation:
    """Count the values (S, L, T, B, H) of a gate that lies between `bounds`; None = unbounded."""
    start, end = bounds or UNBOUNDED
    if start < 0:
        low = -high
    edges = np.linspace(start, end, BINS + 1)
    bins = np.clip(values, start, end)  # then in place: a new array of this size costs more than the arithmetic
    bins -= start
    bins *= BINS / (end - start)
    np.minimum(bins, BINS - 1, out=bins)
    missing = np.isnan(bins)
    total = np.full(missing.shape[:2] + missing.shape[-1:], missing.shape[2] * missing.shape[3])  # (S, L, H)
    if missing.any():
        bins[missing] = BINS
        total -= missing.sum(axis=(2, 3))
    with np.errstate(invalid="ignore"):  # 0 / 0
        left, right = (beyond.sum(axis=2).sum(axis=2) / total for beyond in (values < low, values > high))
    return Saturation(
        left=None if bounds is None else left,
        right=None if bounds is None else right,
        counts=np.bincount(bins.astype(np.intp).ravel(order="K"), minlength=BINS)[:BINS],
        edges=edges,
        low=low,
        high=high,
    )


def time_scales(tape: Tape) -> np.ndarray:
    """Return for how many time steps each unit keeps its memory, -1 / ln of its mean gate that keeps, (S, L, H).

    The mean is over time steps and sequences. A gate of 1 gives infinity, of 0 zero; after as many time steps as a
    unit's time scale, 1/e of its memory is left. What the unit gets back through the recurrent weights isn't in it.

    Raises:
        ValueError: for a cell without a gate that keeps.
    """
    if not tape.keep_gate:
        raise _no_gates(tape)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.nanmean(tape.gates[tape.keep_gate], axis=(2, 3))
        return np.abs(1 / np.log(np.minimum(mean, 1)))  # a mean of 1 may be rounded up


def example_batch(experiment: Experiment, task: Task, count: int = 16) -> Batch:
    """Draw sequences of an experiment's task to show the gates on.

    In recall, the symbol stands in the middle, with blanks on both sides; where training had it first alone, first.
    """
    if task.draw_at is not None and experiment.position == "anywhere":
        return task.at_distance(max(task.length // 2, 1), count, seeded(MEASURING_SEED))
    return task.draw_measuring(count, seeded(MEASURING_SEED))


def steps_read(task: Task, inputs: Tensor) -> dict[str, np.ndarray]:
    """Return at which steps inputs (T, B, D) show what is to be remembered, and the cue: (T, B) of booleans each.

    In text, words and digits every step is to be remembered: the dict is empty.
    """
    if task.name not in ("recall", "copy", "adding", "order"):
        return {}
    codes = inputs.argmax(-1).numpy()
    D = inputs.shape[-1]
    if task.name == "recall":
        return {"symbol": codes < D - 2, "cue": codes == D - 1}
    if task.name == "copy":
        shown = np.broadcast_to(np.arange(len(codes))[:, None] < COPIED, codes.shape)
        return {"symbol": shown, "cue": codes == D - 1}
    if task.name == "adding":
        return {"marked value": inputs[..., 1].numpy() == 1}
    return {"symbol": codes >= D - 2}


def gate_sample(
    tape: Tape, reads: dict[str, np.ndarray] | None = None, model: int = 0, sample: int = 0, layer: int = -1
) -> GateSample:
    """Return one model's gates in one sequence, units sorted by the mean of the gate that keeps, if there is one.

    Args:
        tape: of an LSTM, a GRU, or a step that returns gates.
        reads: what `steps_read` returned for the tape's inputs.
        model: which of the S models.
        sample: which of the B sequences.
        layer: which layer; -1 is the top one.

    Raises:
        ValueError: for an RNN, which has no gates.
    """
    if not tape.gates:
        raise _no_gates(tape)
    gates = {
        name: values[model, layer, : tape.lengths[sample], sample] for name, values in tape.gates.items()
    }  # (T, H)
    H = next(iter(gates.values())).shape[1]
    units = np.argsort(gates[tape.keep_gate].mean(0), kind="stable") if tape.keep_gate else np.arange(H)
    return GateSample(
        gates={name: values[:, units] for name, values in gates.items()},
        units=units,
        reads={what: np.flatnonzero(steps[:, sample]) for what, steps in (reads or {}).items()},
    )


def gate_moments(tape: Tape, reads: dict[str, np.ndarray], layer: int = -1) -> GateMoments:
    """Average each gate before, at and after what is to be remembered, and at the cue if there is one.

    Args:
        tape: of an LSTM or a GRU.
        reads: what `steps_read` returned for the tape's inputs; where it is empty, so are the moments.
        layer: which layer; -1 is the top one.

    Raises:
        ValueError: for an RNN, which has no gates.
    """
    if not tape.gates:
        raise _no_gates(tape)
    if not reads:
        return GateMoments((), {}, {}, {}, {})
    masks = _moment_masks(reads)

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


def _moment_masks(reads: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return by moment which steps belong to it, (T, B) of booleans.

    "before" is before the first step that is to be remembered; "after" is after it and before the cue.
    """
    what, *cue = reads
    shown = reads[what]
    seen = np.cumsum(shown, axis=0) > 0
    over = np.cumsum(reads["cue"], axis=0) > 0 if cue else np.zeros_like(shown)
    masks = {"before": ~seen & ~over, f"at the {what}": shown, "after": seen & ~shown & ~over}
    return {**masks, "at the cue": reads["cue"]} if cue else masks


def _no_gates(tape: Tape) -> ValueError:
    """Return the error for a tape of a cell without gates."""
    return ValueError(f"a tape of {tape.model}: only an LSTM or a GRU has gates, or a step giving some")
