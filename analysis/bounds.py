"""How large the states become, with tanh and without."""

import numpy as np

from analysis.results import Bounds, Tape

LEVELS = np.array([0.01, 0.5, 0.99, 1.0])
SATURATED = 0.99


def activation_bounds(tape: Tape, layer: int = -1) -> Bounds:
    """Return quantiles of |h_t| and |c_t| over models, samples and units, and where they leave the finite range."""
    hidden = np.abs(tape.hidden[:, layer])
    cell = None if tape.cell is None else np.abs(tape.cell[:, layer])
    finite = np.isfinite(hidden).all(axis=(0, 2, 3))
    if cell is not None:
        finite &= np.isfinite(cell).all(axis=(0, 2, 3))
    overflow = np.flatnonzero(~finite)
    return Bounds(
        levels=LEVELS,
        hidden=_quantiles(hidden),
        cell=None if cell is None else _quantiles(cell),
        saturated=(hidden > SATURATED).mean(axis=(0, 2, 3)),
        overflow_step=int(overflow[0]) if len(overflow) else None,
    )


def _quantiles(sizes: np.ndarray) -> np.ndarray:
    """Quantiles at LEVELS by time step, (levels, T), of sizes (S, T, B, H), by the nearest value at hand.

    Infinity counts as the largest value, and so does NaN, which only follows an overflow.
    """
    flat = np.nan_to_num(sizes.transpose(1, 0, 2, 3).reshape(sizes.shape[1], -1), nan=np.inf, posinf=np.inf)
    positions = np.rint(LEVELS * (flat.shape[1] - 1)).astype(int)
    return np.partition(flat, positions, axis=1)[:, positions].T
