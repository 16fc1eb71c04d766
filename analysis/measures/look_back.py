"""How many of the last time steps a prediction needs, given a function that predicts from a window of them."""

from collections.abc import Callable, Sequence

import numpy as np

from analysis.answers import LookBack, Windows
from analysis.engine.norms import norm

EXACT = 100  # windows up to this one are all tried; beyond, the next is larger by GAP at most
GAP = 0.03
HALF = 0.5
Predict = Callable[[int, bool], np.ndarray]  # (last steps, from a reached state) -> predictions (B, P)


def windows_of(length: int) -> np.ndarray:
    """Return the windows that are tried of sequences of some time steps: all up to 100, then some with 3 % between.

    >>> windows_of(110)[-5:]
    array([100, 103, 106, 109, 110])
    """
    windows = list(range(1, min(length, EXACT) + 1))
    while windows[-1] < length:
        windows.append(min(length, int(windows[-1] * (1 + GAP))))
    return np.array(windows)


def measure_look_back(
    predict: Predict, whole: np.ndarray, length: int, shares: Sequence[float], of_head: bool
) -> LookBack:
    """Return how many of the last time steps give a prediction within each share of the whole past's.

    Args:
        predict: returns the predictions from the last steps, (B, P); a shorter sequence is read whole.
        whole: predictions from the whole past, (B, P).
        length: time steps of the longest sequence.
        shares: of the prediction's size, above 0, below 1.
        of_head: whether predictions are a model's own output.

    Raises:
        ValueError: for shares beyond 0 and 1, or none.
    """
    wanted = np.array(shares, float)
    if wanted.ndim != 1 or not len(wanted) or not ((wanted > 0) & (wanted < 1)).all():
        raise ValueError(f"shares={shares!r}: expected some between 0 and 1, as in (0.1, 0.05, 0.01)")
    window = windows_of(length)
    start, reached = (
        _windows(np.stack([_change(predict(int(n), own), whole) for n in window]), window, wanted)
        for own in (False, True)
    )
    return LookBack(wanted, window, start, reached, length, _spread(whole), of_head)


def _change(predicted: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return ‖y_n - y‖ / ‖y‖ of each sequence, (B,); NaN where y is zero, or one of them not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        away, size = norm(predicted - whole), norm(whole)
    known = np.isfinite(away) & np.isfinite(size) & (size > 0)
    return np.where(known, away, np.nan) / np.where(known, size, np.nan)


def _windows(changes: np.ndarray, window: np.ndarray, shares: np.ndarray) -> Windows:
    """Return what changes (W, B) of windows say."""
    known = changes[:, ~np.isnan(changes).any(0)]
    low, median, high = (
        np.quantile(known, (0.05, 0.5, 0.95), axis=1) if known.size else np.full((3, len(window)), np.nan)
    )
    *steps, half = (_smallest(changes, window, share) for share in (*shares, HALF))
    return Windows(median, low, high, np.array(steps), half)


def _smallest(changes: np.ndarray, window: np.ndarray, share: float) -> np.ndarray:
    """Return each sequence's smallest window from which on its change stays within a share, (B,)."""
    beyond = changes > share
    last = len(window) - 1 - beyond[::-1].argmax(0)  # the largest window whose change is beyond
    steps = np.where(beyond.any(0), np.append(window, np.inf)[last + 1], window[0])
    return np.where(np.isnan(changes).any(0), np.nan, steps)


def _spread(whole: np.ndarray) -> float:
    """Return the root mean square of the predictions' distances to their mean, as a share of that of their sizes."""
    finite = whole[np.isfinite(whole).all(1)]
    size = norm(finite.ravel()) if finite.size else 0.0
    if len(finite) < 2 or not np.isfinite(size) or size == 0:
        return np.nan
    return float(norm((finite - finite.mean(0)).ravel()) / size)
