"""2-norms of gradients, which may be so small or so large that their squares leave the range of floats."""

import numpy as np

_SAFE_SQUARES = {np.float32: (1e-35, 1e37), np.float64: (1e-280, 1e280)}  # sums of squares that keep their digits


def norm(vectors: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return the 2-norms along an axis, in float64.

    Where squares would leave the range of floats, it computes m ‖v / m‖ with m = max|v|.
    """
    vectors = np.moveaxis(vectors, axis, -1)
    squares = np.asarray(np.einsum("...i,...i->...", vectors, vectors))  # one pass, no copy
    norms = np.sqrt(squares, dtype=np.float64, out=np.empty(squares.shape))
    low, high = _SAFE_SQUARES[vectors.dtype.type]
    unsafe = ~((squares >= low) & (squares <= high))
    if unsafe.any():
        extreme = vectors[unsafe]
        norms[unsafe] = _scaled(extreme) if extreme.dtype == np.float64 else norm(extreme.astype(np.float64))
    return norms


def flushed(sizes: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return sizes with 0 for what lies below the smallest normal number of a dtype.

    Subnormal numbers times a factor of at least ½ can round to themselves: a decay would end in a plateau.
    """
    return np.where(np.abs(sizes) < np.finfo(dtype).tiny, 0, sizes)


def _scaled(vectors: np.ndarray) -> np.ndarray:
    """Return the 2-norms along the last axis, each vector scaled by its largest entry first."""
    largest = np.abs(vectors).max(-1)
    scale = np.where(np.isfinite(largest) & (largest > 0), largest, 1)
    with np.errstate(over="ignore"):  # beside an infinite entry, whose norm stays infinite
        return np.sqrt(np.square(vectors / scale[..., None]).sum(-1)) * scale
