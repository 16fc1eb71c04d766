"""How large the states become: quantiles of their sizes over time, and where they leave the finite range."""

import numpy as np

from analysis.results import LEVELS, Bounds, Tape

SATURATED = 0.99  # of a state through tanh, which lies between -1 and 1


def activation_bounds(tape: Tape, layer: int = -1) -> Bounds:
    """Return quantiles of |h_t| and |c_t| over models, samples and units, and where they leave the finite range.

    What lies after a sample's last step isn't counted.

    Raises:
        ValueError: for a layer that the tape does not have.
    """
    tape.require_layer(layer)
    hidden, cell = tape.hidden[:, layer], None if tape.cell is None else tape.cell[:, layer]
    if (tape.lengths == hidden.shape[1]).all():
        return _bounds(hidden, cell)
    steps = [
        _bounds(hidden[:, t : t + 1, there], None if cell is None else cell[:, t : t + 1, there])
        for t in range(tape.lengths.max())
        for there in [tape.lengths > t]
    ]
    overflow = [t for t, step in enumerate(steps) if step.overflow_step is not None]
    return Bounds(
        levels=LEVELS,
        hidden=np.concatenate([step.hidden for step in steps], axis=1),
        cell=None if cell is None else np.concatenate([step.cell for step in steps], axis=1),
        saturated=np.concatenate([step.saturated for step in steps]),
        overflow_step=overflow[0] if overflow else None,
    )


def _bounds(hidden: np.ndarray, cell: np.ndarray | None) -> Bounds:
    """Return the bounds of states (S, T, B, H)."""
    hidden, cell = np.abs(hidden), None if cell is None else np.abs(cell)
    finite = np.isfinite(hidden).all(axis=(0, 2, 3))
    if cell is not None:
        finite &= np.isfinite(cell).all(axis=(0, 2, 3))
    overflow = np.flatnonzero(~finite)
    saturated = (~(hidden <= SATURATED)).mean(axis=(0, 2, 3))  # counts NaN too, which only follows an overflow
    return Bounds(
        levels=LEVELS,
        hidden=_quantiles(hidden),
        cell=None if cell is None else _quantiles(cell),
        saturated=saturated,
        overflow_step=int(overflow[0]) if len(overflow) else None,
    )


def _quantiles(sizes: np.ndarray) -> np.ndarray:
    """Return the quantiles at LEVELS by time step, (levels, T), of sizes (S, T, B, H): each the nearest value.

    Infinity counts as the largest value, and so does NaN, which only follows an overflow. It may reorder `sizes`.
    """
    flat = sizes.transpose(1, 0, 3, 2).reshape(sizes.shape[1], -1)  # the engine's order in memory: no copy
    flat[np.isnan(flat)] = np.inf
    positions = np.rint(LEVELS * (flat.shape[1] - 1)).astype(int)
    flat.sort(axis=1)  # which numpy does several times faster than a partition
    return flat[:, positions].T
