"""How large the states become: quantiles of their sizes over time, and where they leave the finite range."""

import numpy as np

from analysis.results import LEVELS, Bounds, Tape

SATURATED = 0.99  # of a state through tanh, which lies between -1 and 1


def activation_bounds(tape: Tape, layer: int = -1) -> Bounds:
    """Return quantiles of |h_t| and |c_t| over models, samples and units, and where they leave the finite range.

    Raises:
        ValueError: for a layer that the tape does not have.
    """
    tape.require_layer(layer)
    hidden = np.abs(tape.hidden[:, layer])
    cell = None if tape.cell is None else np.abs(tape.cell[:, layer])
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
    flat.partition(positions, axis=1)
    return flat[:, positions].T
