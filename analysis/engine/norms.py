"""2-norms of gradients, which reach sizes whose squares no float holds."""

import numpy as np

_SQUARES_HOLD = {np.float32: (1e-35, 1e37), np.float64: (1e-280, 1e280)}


def norm(vectors: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return the 2-norms along an axis in float64, as m ‖v / m‖ with m = max|v| where squares would not hold."""
    vectors = np.moveaxis(vectors, axis, -1)
    squares = np.asarray(np.einsum("...i,...i->...", vectors, vectors))  # in one pass, without a copy
    norms = np.sqrt(squares, dtype=np.float64, out=np.empty(squares.shape))
    low, high = _SQUARES_HOLD[vectors.dtype.type]
    unsafe = ~((squares >= low) & (squares <= high))
    if unsafe.any():
        rest = vectors[unsafe]
        norms[unsafe] = _scaled(rest) if rest.dtype == np.float64 else norm(rest.astype(np.float64))
    return norms


def flushed(sizes: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return sizes with 0 for what lies below the smallest normal number of a dtype.

    There a product with a factor from ½ on may round to what it was: a decay ends in a plateau.
    """
    return np.where(np.abs(sizes) < np.finfo(dtype).tiny, 0, sizes)


def _scaled(vectors: np.ndarray) -> np.ndarray:
    largest = np.abs(vectors).max(-1)
    scale = np.where(np.isfinite(largest) & (largest > 0), largest, 1)
    with np.errstate(over="ignore"):  # beside an infinite number, which stays
        return np.sqrt(np.square(vectors / scale[..., None]).sum(-1)) * scale
