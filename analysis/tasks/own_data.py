"""Someone's own data: sequences with answers from an .npz, series over time from a .csv. Independent of models.

All numbers are scaled: the mean of the training part becomes 0, its spread 1. The last fifth is held out.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from analysis.files.arrays import find_not_finite, read_named_arrays, read_table, reading
from analysis.files.errors import UnusableError

FEWEST = 10  # cases to train on, and as many to be held out
MOST_NUMBERS = 20_000_000  # of the inputs
MOST_INPUTS = MOST_CLASSES = 1000
LONGEST_UNLIKE = 500  # time steps, where sequences have unlike lengths
LARGEST = 1e12  # a number's size
FURTHEST = 1e4  # a scaled number's size: what lies further out than that is taken for a mistake
ARRAYS = {"x": "(N, T, D)", "y": "(N,) or (N, K)", "lengths": "(N,)", "split": "(N,)"}


class Sequences(NamedTuple):
    """N sequences of T steps with their answers; the answers are classes, or numbers as the inputs scaled."""

    inputs: Tensor  # (T, N, D) float32
    lengths: Tensor | None  # (N,) time steps of each, padded at its end; None where all have T
    held_out: Tensor  # (N,) of booleans
    answers: Tensor  # (N,) int64 classes, or (N,) or (K, N) float32
    outputs: int  # classes, or numbers that answer one sequence
    squared: bool  # whether the answers are numbers


class Series(NamedTuple):
    """C series over time, in rows."""

    rows: Tensor  # (M, C) float32
    held_out: int  # the first row that is held out
    times: tuple[str, ...]  # columns that count evenly, as a time does


@lru_cache(maxsize=2)
def read_sequences(content: bytes) -> Sequences:
    """Read sequences from the bytes of an .npz: x (N, T, D), y, and where it has them lengths (N,) and split (N,).

    y (N,) of whole numbers are classes; y (N,) or (N, K) of other numbers are what is wanted. Sequences shorter than T
    are padded at their end. split is 1 for what is held out; without it that is the last fifth.

    Raises:
        UnusableError: for anything else, and for what can't be learned from.
    """
    with reading("", content, "an .npz with x (N, T, D) and y (N,) or (N, K)"):
        arrays = read_named_arrays(content)
        x, y = _checked_shapes(arrays)
        inside, held_out = _steps_inside(arrays.get("lengths"), x), _held_out(arrays.get("split"), len(x))
        _require_finite("x", np.where(inside[..., None], x, 0))  # padding may hold anything
        inputs = np.zeros(x.swapaxes(0, 1).shape, np.float32)
        inputs[inside.T] = scale(x.swapaxes(0, 1)[inside.T], (inside & ~held_out[:, None]).T[inside.T])
        lengths = None if inside.all() else torch.from_numpy(inside.sum(1))
        read = partial(Sequences, torch.from_numpy(inputs), lengths, torch.from_numpy(held_out))
        if y.dtype.kind in "iub":
            classes = _classes(y, held_out)
            return read(torch.from_numpy(classes), int(classes.max()) + 1, squared=False)
        columns = y.reshape(len(y), -1)
        for k in np.flatnonzero(np.ptp(columns[~held_out], axis=0) == 0):
            raise UnusableError(f"y: all answers to train on are {columns[0, k]:g} in column {k + 1}: expected several")
        wanted = torch.from_numpy(scale(columns, ~held_out))
        K = columns.shape[1]
        return read(wanted[:, 0] if K == 1 else wanted.T.contiguous(), K, squared=True)


@lru_cache(maxsize=2)
def read_series(content: bytes, columns: str | None = None) -> Series:
    """Read series from the bytes of a .csv, a row for each time; `columns` are names or numbers, with commas.

    Raises:
        UnusableError: for cells that are no finite numbers, a column that never changes, and too few rows.
    """
    with reading("", content, "a .csv of numbers, a row for each time"):
        wanted = [each.strip() for each in columns.split(",")] if columns and columns.strip() else ()
        names, numbers = read_table(content, wanted)
        M, C = numbers.shape
        _require_sizes(M * C, C)
        if M < 5 * FEWEST:
            raise UnusableError(f"{M} rows: expected at least {5 * FEWEST}")
        training = np.arange(M) < M - M // 5
        for c in np.flatnonzero(np.ptp(numbers[training], axis=0) == 0):
            raise UnusableError(f"column {names[c]} is {numbers[0, c]:g} in all rows to train on: nothing to forecast")
        times = tuple(names[c] for c in range(C) if np.ptp(np.diff(numbers[:, c])) == 0)
        return Series(torch.from_numpy(scale(numbers, training, names)), int(training.sum()), times)


def scale(numbers: np.ndarray, training: np.ndarray, names: Sequence[str] = ()) -> np.ndarray:
    """Scale columns (N, C) so that the rows of `training` (N,) have mean 0 and spread 1; a constant one becomes 0.

    Raises UnusableError for numbers beyond 1e12, and those 10,000 spreads away from what is trained on.
    """
    numbers = numbers.astype(np.float64)
    if numbers.size and (largest := float(np.abs(numbers).max())) > LARGEST:
        raise UnusableError(f"a number of size {largest:.3g}: expected at most {LARGEST:g}")
    trained = numbers[training]
    constant = np.ptp(trained, axis=0) == 0  # whose mean and spread are rounded
    mean, spread = np.where(constant, trained[0], trained.mean(0)), np.where(constant, 1, trained.std(0))
    scaled = (numbers - mean) / np.maximum(spread, np.finfo(np.float64).tiny)
    if (far := np.abs(scaled) > FURTHEST).any():
        row, column = np.unravel_index(far.argmax(), far.shape)
        name = names[column] if names else column + 1
        raise UnusableError(
            f"column {name} has {numbers[row, column]:g}, over {FURTHEST:,.0f} spreads of what is trained on away from "
            "its mean: expected numbers alike"
        )
    return scaled.astype(np.float32)


def _checked_shapes(arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y; UnusableError where an array is missing, unknown, of another shape, or not finite."""
    expected = ", ".join(f"{name} {shape}" for name, shape in ARRAYS.items())
    for name in ("x", "y"):
        if name not in arrays:
            raise UnusableError(f"no array {name}: expected {expected}; the last two may be left out")
    for name in arrays:
        if name not in ARRAYS:
            raise UnusableError(f"an array {name!r}: expected {expected}")
    x, y = arrays["x"], arrays["y"]
    if x.ndim != 3:
        raise UnusableError(f"x of shape {x.shape}: expected (N, T, D): sequences, time steps, numbers at each step")
    N, T, D = x.shape
    if y.ndim not in (1, 2) or not y.size or (y.ndim == 2 and y.dtype.kind != "f"):
        raise UnusableError(f"y of shape {y.shape}, {y.dtype}: expected classes (N,), or numbers (N,) or (N, K)")
    for name, array in arrays.items():
        if len(array) != N or (name not in "xy" and array.ndim != 1):
            raise UnusableError(f"{name} of shape {array.shape}: expected {ARRAYS[name]} with N = {N} as in x")
        if name != "x":
            _require_finite(name, array)
    if T < 2:
        raise UnusableError(f"x of shape {x.shape}: expected at least 2 time steps")
    _require_sizes(x.size, max(D, y.shape[1] if y.ndim == 2 else 1))
    if N < 5 * FEWEST:
        raise UnusableError(f"{N} sequences: expected at least {5 * FEWEST}")
    return x, y


def _require_finite(name: str, array: np.ndarray) -> None:
    """Raise an UnusableError with the place of the first number that is not finite."""
    if place := find_not_finite(array):
        raise UnusableError(f"{name}{[*place]} is {array[place]}: expected finite numbers")


def _require_sizes(numbers: int, inputs: int) -> None:
    """Raise an UnusableError for more numbers, or more of them at each step, than can be used; and for none."""
    if not 0 < numbers <= MOST_NUMBERS:
        raise UnusableError(f"{numbers:,} numbers: expected 1 to {MOST_NUMBERS:,}")
    if inputs > MOST_INPUTS:
        raise UnusableError(f"{inputs:,} numbers at each step: expected at most {MOST_INPUTS:,}")


def _steps_inside(lengths: np.ndarray | None, x: np.ndarray) -> np.ndarray:
    """Return which time steps of sequences are no padding, (N, T) of booleans.

    Raises UnusableError for lengths that aren't whole numbers from 1 to T, reached by the longest.
    """
    N, T, _ = x.shape
    if lengths is None:
        return np.ones((N, T), bool)
    for row in np.flatnonzero((lengths % 1 != 0) | (lengths < 1) | (lengths > T)):
        raise UnusableError(f"lengths[{row}] is {lengths[row]}: expected a whole number from 1 to {T}, as x has steps")
    if (longest := int(lengths.max())) < T:
        raise UnusableError(f"lengths: the longest is {longest}: expected {T}, as x has steps; cut x")
    if T > LONGEST_UNLIKE and (lengths < T).any():
        raise UnusableError(f"lengths: unlike ones of up to {T} time steps: expected at most {LONGEST_UNLIKE}")
    return np.arange(T) < lengths.astype(int)[:, None]


def _held_out(split: np.ndarray | None, N: int) -> np.ndarray:
    """Return which of N sequences are held out, (N,) of booleans: those that `split` says, else the last fifth."""
    if split is None:
        return np.arange(N) >= N - N // 5
    for row in np.flatnonzero((split != 0) & (split != 1)):
        raise UnusableError(f"split[{row}] is {split[row]}: expected 0, to train on, or 1, held out")
    held_out = split == 1
    for count, what in ((held_out.sum(), "held out"), ((~held_out).sum(), "to train on")):
        if count < FEWEST:
            raise UnusableError(f"split: {count} sequences {what}: expected at least {FEWEST}")
    return held_out


def _classes(y: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Return classes (N,) numbered from 0; UnusableError where they can't be learned, or can't be told apart."""
    names, classes = np.unique(y, return_inverse=True)
    K, again = len(names), "shuffle the rows, or say in split what is held out"
    if min(MOST_CLASSES, len(y) // 2) < K:
        raise UnusableError(f"y has {K:,} classes in {len(y):,} rows: expected fewer, or numbers of a floating type")
    for part, what in ((classes[~held_out], "to train on"), (classes[held_out], "that is held out")):
        if len(np.unique(part)) == 1:
            raise UnusableError(f"y: the part {what} has one class alone, {names[part[0]]}: expected several; {again}")
    for unseen in np.setdiff1d(classes[held_out], classes[~held_out]):
        raise UnusableError(f"y: class {names[unseen]} is held out and never trained on: {again}")
    return classes.astype(np.int64)
