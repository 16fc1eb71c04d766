"""Multiply a vector by the same number at every step, with tanh and without: the simplest recurrent network."""

import re
from collections.abc import Sequence
from math import ceil, log2, tanh

import numpy as np

from analysis.language import translate as _
from analysis.reading import Repeated

ENTRIES, LARGEST = 8, 1e6  # how many numbers a vector may have, and how large they may be


def parse_vector(text: str) -> np.ndarray:
    """Return the vector of a text such as "0.5, -1, 2", whose numbers are separated by commas or spaces.

    Raises:
        ValueError: for anything but 1 to 8 numbers from -1e6 to 1e6, in the language in use.
    """
    words = [word for word in re.split(r"[\s,;，、；]+", text.strip()) if word]
    if not 1 <= len(words) <= ENTRIES:
        text = _("{count} numbers: expected 1 to {most} numbers, such as 0.5, -1, 2")
        raise ValueError(text.format(count=len(words), most=ENTRIES))
    for word in words:
        try:
            number = float(word)
        except ValueError:
            text = _("{word} is not a number: expected 1 to {most} numbers, such as 0.5, -1, 2")
            raise ValueError(text.format(word=repr(word[:20]), most=ENTRIES)) from None
        if not abs(number) <= LARGEST:
            text = _("{word} is out of reach: expected 1 to {most} numbers from {low} to {high}, such as 0.5, -1, 2")
            raise ValueError(text.format(word=word[:20], most=ENTRIES, low=f"{-LARGEST:g}", high=f"{LARGEST:g}"))
    return np.array([float(word) for word in words])


def repeat(start: Sequence[float], factor: float = 3.0, steps: int = 10) -> Repeated:
    """Multiply a vector by a number at every step, with and without tanh.

    Raises:
        ValueError: for an empty vector, or a number that is not finite.
    """
    values = np.asarray(start, float)
    if values.ndim != 1 or not values.size or not np.isfinite([*values, factor]).all():
        raise ValueError(f"start={start!r}, factor={factor}: expected one or more finite numbers, and a finite one")
    plain, bounded = [values], [values]
    with np.errstate(over="ignore", invalid="ignore"):
        for _time_step in range(steps):
            plain.append(factor * plain[-1])
            bounded.append(np.tanh(factor * bounded[-1]))
    size = float(np.abs(values).max())
    formats: dict[str, np.finfo] = {"float32": np.finfo(np.float32), "float64": np.finfo(np.float64)}
    return Repeated(
        factor=float(factor),
        plain=np.stack(plain),
        bounded=np.stack(bounded),
        limit=fixed_point(abs(factor)),
        overflow={
            name: first_beyond(size, factor, f.maxexp) if abs(factor) > 1 else None for name, f in formats.items()
        },
        underflow={
            name: first_beyond(size, factor, f.minexp) if abs(factor) < 1 else None for name, f in formats.items()
        },
    )


def first_beyond(size: float, factor: float, exponent: int) -> int | None:
    """Return the first step k at which size · |factor|^k has passed 2^exponent; None where it never does.

    With a factor above 1 the size grows, and has passed the limit when it reaches it. With a factor below 1 it shrinks,
    and has passed the limit when it is below it. k = (exponent − log2 size) / log2 |factor|, rounded up.
    """
    factor = abs(factor)
    if size == 0 or factor == 1:
        return None
    if factor == 0:
        return 1
    k = (exponent - log2(size)) / log2(factor)
    return max(0, ceil(k) if factor > 1 else int(k // 1) + 1)


def fixed_point(factor: float) -> float:
    """Return the limit of |h|, the x >= 0 with x = tanh(factor · x): 0 up to a factor of 1, below 1 for larger ones."""
    if factor <= 1:
        return 0.0
    low, high = 0.0, 1.0
    for _halving in range(60):  # bisection: tanh(factor · x) is above x up to the fixed point, and below x after it
        middle = (low + high) / 2
        low, high = (middle, high) if tanh(factor * middle) > middle else (low, middle)
    return low
