"""What one unit computes at one word, written out as on paper: it adds up to the digits shown."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import tanh

from analysis.lesson.reading import SQUASH
from analysis.results import Reading

DECIMALS = 3
SYMBOLS = {
    "forget": "f", "input": "i", "candidate": "g", "output": "o", "cell": "c", "hidden": "h", "reset": "r",
    "update": "z",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """symbol = written = value; `part` names it in `Reading.parts`."""

    symbol: str
    part: str
    written: str
    value: float

    def __str__(self) -> str:
        return f"{self.symbol} = {self.written} = {text(self.value)}"


def rounded(value: float) -> float:
    """Round a number to the digits it is written with."""
    return float(f"{value:.{DECIMALS}f}" if abs(value) < 1e6 else f"{value:.{DECIMALS}e}") + 0.0  # no minus zero


def text(value: float) -> str:
    """Write a rounded number."""
    return (f"{value:.{DECIMALS}f}" if abs(value) < 1e6 else f"{value:.{DECIMALS}e}").replace("-", "−")


def arithmetic(reading: Reading, word: int, unit: int) -> tuple[Line, ...]:
    """Write out one unit's steps at one word, the hidden state last.

    Each number is rounded before it is used, so the last digit may differ from the model's own. The three numbers
    of a gate's sum are what comes from the word, what from the hidden state before, and its bias.
    """
    return tuple(STEPS[reading.cell](reading, word, unit))


def _rnn(reading: Reading, word: int, unit: int) -> Iterator[Line]:
    yield _gate(reading, "hidden", reading.activation, word, unit)


def _lstm(reading: Reading, word: int, unit: int) -> Iterator[Line]:
    φ = reading.activation
    f, i, g, o = lines = [
        _gate(reading, name, φ if name == "candidate" else "σ", word, unit)
        for name in ("forget", "input", "candidate", "output")
    ]
    yield from lines
    c = Line("c", "cell", *_sum((f.value, _at(reading, "cell_before", word, unit)), (i.value, g.value)))
    yield c
    written, squashed = _through(φ, text(c.value), c.value)
    product, h = _sum((o.value, squashed))
    yield Line("h", "hidden", product if φ == "identity" else f"{text(o.value)} × {written} = {product}", h)


def _gru(reading: Reading, word: int, unit: int) -> Iterator[Line]:
    r, z = lines = [_gate(reading, name, "σ", word, unit) for name in ("reset", "update")]
    yield from lines
    by_word, by_memory, bias, memory_bias = reading.shares["candidate"][word, unit]
    own = _sum(rounded(by_word + bias), (r.value, rounded(by_memory + memory_bias)))
    n = Line("n", "candidate", *_through(reading.activation, *own))
    yield n
    before = _at(reading, "hidden_before", word, unit)
    product, h = _sum((rounded(1 - z.value), n.value), (z.value, before))
    formula = f"(1 − {text(z.value)}) × {text(n.value)} + {text(z.value)} × {text(before)}"
    yield Line("h", "hidden", f"{formula} = {product}", h)


STEPS = {"rnn": _rnn, "lstm": _lstm, "gru": _gru}


def _at(reading: Reading, part: str, word: int, unit: int) -> float:
    return rounded(reading.parts[part][word, unit])


def _gate(reading: Reading, name: str, φ: str, word: int, unit: int) -> Line:
    by_word, by_memory, *biases = reading.shares[name][word, unit]
    return Line(SYMBOLS[name], name, *_through(φ, *_sum(rounded(by_word), rounded(by_memory), rounded(sum(biases)))))


def _sum(*terms: float | tuple[float, float]) -> tuple[str, float]:
    """Write numbers and products as a sum; return it with its value."""
    written, total = "", 0.0
    for term in terms:
        a, b = term if isinstance(term, tuple) else (term, None)
        sign = " + " if b is not None or a >= 0 else " − "
        shown = text(a) if not written or b is not None else text(abs(a))
        written += sign * bool(written) + shown + (f" × {text(b)}" if b is not None else "")
        total += a if b is None else a * b
    return written, rounded(total)


def _through(φ: str, written: str, value: float) -> tuple[str, float]:
    """Write what σ, tanh or relu makes of a sum; identity leaves it as it is."""
    if φ == "identity":
        return written, value
    result = rounded((1 + tanh(value / 2)) / 2 if φ == "σ" else float(SQUASH[φ](value)))
    inside = text(value)
    return f"{φ}({written})" + (f" = {φ}({inside})" if inside != written else ""), result
