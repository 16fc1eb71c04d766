"""Gate saturation: how often each gate is shut, open, or in between."""

import numpy as np

from analysis.results import Saturation, Tape

BINS = 40
UNBOUNDED = (-4.0, 4.0)  # bins of a candidate without bounds; what lies outside counts in the outermost two


def gate_saturation(tape: Tape, low: float = 0.1, high: float = 0.9) -> dict[str, Saturation]:
    """Return by gate how often it is left- (below `low`) and right-saturated (above `high`).

    A candidate through tanh runs from -1 to 1: left is below -`high`, right above `high`. One through relu or
    identity has no such ends: left and right are None. An RNN has no gates: the dict is empty.
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
    bins = (values - start) * (BINS / (end - start))
    bins = np.fmax(np.fmin(bins, BINS - 1, out=bins), 0, out=bins)  # NaN, which follows an overflow, counts as that
    counts = np.bincount(bins.astype(np.intp).ravel(order="K"), minlength=BINS)
    return Saturation(
        left=None if unbounded else (values < low).mean(axis=(2, 3)),
        right=None if unbounded else (values > high).mean(axis=(2, 3)),
        counts=counts,
        edges=edges,
        low=low,
        high=high,
    )
