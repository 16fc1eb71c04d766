"""Write out what one unit computes at one word, with numbers rounded so that the lines add up as shown."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import tanh

from analysis.experiment import PART_SYMBOLS
from analysis.lesson.reading import ACTIVATION
from analysis.reading import Reading

DECIMALS = 3


@dataclass(frozen=True)
class Line:
    """One line of a calculation, symbol = written = value; `part` is the value's name in `Reading.parts`."""

    symbol: str
    part: str
    written: str
    value: float

    def __str__(self) -> str:
        return f"{self.symbol} = {self.written} = {format_rounded(self.value)}"


def rounded(value: float) -> float:
    """Return a number rounded to the digits it is written with."""
    return float(f"{value:.{DECIMALS}f}" if abs(value) < 1e6 else f"{value:.{DECIMALS}e}") + 0.0  # no minus zero


def format_rounded(value: float) -> str:
    """Return a rounded number as text, with a typographic minus."""
    return (f"{value:.{DECIMALS}f}" if abs(value) < 1e6 else f"{value:.{DECIMALS}e}").replace("-", "−")


def lines_of_unit(reading: Reading, word: int, unit: int) -> tuple[Line, ...]:
    """Return the lines of one unit's calculation at one word, the hidden state last.

    Each number is rounded before it is used, so the last digit may differ from the model's own. A gate's sum has three
    terms: from the word, from the hidden state before, and the bias.
    """
    return tuple(LINES[reading.cell](reading, word, unit))


def _rnn(reading: Reading, word: int, unit: int) -> Iterator[Line]:
    """Yield the line of an RNN's unit."""
    yield _gate(reading, "hidden", reading.activation, word, unit)


def _lstm(reading: Reading, word: int, unit: int) -> Iterator[Line]:
    """Yield the lines of an LSTM's unit: its gates, its cell state, its hidden state."""
    φ = reading.activation
    f, i, g, o = lines = [
        _gate(reading, name, φ if name == "candidate" else "σ", word, unit)
        for name in ("forget", "input", "candidate", "output")
    ]
    yield from lines
    c = Line("c", "cell", *_sum((f.value, _value(reading, "cell_before", word, unit)), (i.value, g.value)))
    yield c
    written, squashed = _through(φ, format_rounded(c.value), c.value)
    product, h = _sum((o.value, squashed))
    yield Line("h", "hidden", product if φ == "identity" else f"{format_rounded(o.value)} × {written} = {product}", h)


def _gru(reading: Reading, word: int, unit: int) -> Iterator[Line]:
    """Yield the lines of a GRU's unit: its gates, its candidate, its hidden state."""
    r, z = lines = [_gate(reading, name, "σ", word, unit) for name in ("reset", "update")]
    yield from lines
    by_word, by_memory, bias, memory_bias = reading.shares["candidate"][word, unit]
    sum_ = _sum(rounded(by_word + bias), (r.value, rounded(by_memory + memory_bias)))
    n = Line("n", "candidate", *_through(reading.activation, *sum_))
    yield n
    before = _value(reading, "hidden_before", word, unit)
    product, h = _sum((rounded(1 - z.value), n.value), (z.value, before))
    update, candidate, state = map(format_rounded, (z.value, n.value, before))
    formula = f"(1 − {update}) × {candidate} + {update} × {state}"
    yield Line("h", "hidden", f"{formula} = {product}", h)


LINES = {"rnn": _rnn, "lstm": _lstm, "gru": _gru}


def _value(reading: Reading, part: str, word: int, unit: int) -> float:
    """Return one recorded number, rounded."""
    return rounded(reading.parts[part][word, unit])


def _gate(reading: Reading, name: str, φ: str, word: int, unit: int) -> Line:
    """Return the line of a gate, or of an RNN's state: φ of the sum of its three terms."""
    by_word, by_memory, *biases = reading.shares[name][word, unit]
    return Line(
        PART_SYMBOLS[name], name, *_through(φ, *_sum(rounded(by_word), rounded(by_memory), rounded(sum(biases))))
    )


def _sum(*terms: float | tuple[float, float]) -> tuple[str, float]:
    """Return a sum of numbers and products: as text, and rounded."""
    written, total = "", 0.0
    for term in terms:
        if isinstance(term, tuple):
            shown, value = f"{format_rounded(term[0])} × {format_rounded(term[1])}", term[0] * term[1]
            sign = " + "
        else:
            shown, value = format_rounded(abs(term) if written else term), term
            sign = " + " if term >= 0 else " − "
        written += sign + shown if written else shown
        total += value
    return written, rounded(total)


def _through(φ: str, written: str, value: float) -> tuple[str, float]:
    """Return σ, tanh or relu of a sum: as text, and rounded. Identity returns the sum unchanged."""
    if φ == "identity":
        return written, value
    result = rounded((1 + tanh(value / 2)) / 2 if φ == "σ" else float(ACTIVATION[φ](value)))
    inside = format_rounded(value)
    through = f"{φ}({written})" if inside == written else f"{φ}({written}) = {φ}({inside})"
    return through, result
