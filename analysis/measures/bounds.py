"""How large the states become, with tanh and without."""

import numpy as np

from analysis.results import LEVELS, Bounds, Tape

SATURATED = 0.99


def activation_bounds(tape: Tape, layer: int = -1) -> Bounds:
    """Return quantiles of |h_t| and |c_t| over models, samples and units, and where they leave the finite range.

    Raises:
        ValueError: for a layer there isn't.
    """
    tape.require_layer(layer)
    hidden = np.abs(tape.hidden[:, layer])
    cell = None if tape.cell is None else np.abs(tape.cell[:, layer])
    finite = np.isfinite(hidden).all(axis=(0, 2, 3))
    if cell is not None:
        finite &= np.isfinite(cell).all(axis=(0, 2, 3))
    overflow = np.flatnonzero(~finite)
    saturated = (~(hidden <= SATURATED)).mean(axis=(0, 2, 3))  # with NaN, which only follows an overflow
    return Bounds(
        levels=LEVELS,
        hidden=_quantiles(hidden),
        cell=None if cell is None else _quantiles(cell),
        saturated=saturated,
        overflow_step=int(overflow[0]) if len(overflow) else None,
    )


def _quantiles(sizes: np.ndarray) -> np.ndarray:
    """Quantiles at LEVELS by time step, (levels, T), of sizes (S, T, B, H), by the nearest value at hand.

    Infinity counts as the largest value, and so does NaN, which only follows an overflow. Sizes may be reordered.
    """
    flat = sizes.transpose(1, 0, 3, 2).reshape(sizes.shape[1], -1)  # as the engine has it in memory: no copy
    flat[np.isnan(flat)] = np.inf
    positions = np.rint(LEVELS * (flat.shape[1] - 1)).astype(int)
    flat.partition(positions, axis=1)
    return flat[:, positions].T
