"""What one part of a cell does at a word, and what its gates carried since the first word, with the numbers."""

import numpy as np

from analysis.language import translate as _
from analysis.reading import Reading
from analysis.report.markdown import quote_word
from analysis.report.wording import format_number, format_share


def part_sentence(reading: Reading, view: str, word: int, unit: int) -> str:
    """Say what a part does at a word: of a gate its mean and its least unit, of a state its largest number.

    Args:
        reading: of a sentence.
        view: as in `analysis.figures.parts.VIEWS`.
        word: place of the word.
        unit: of whom the view of the output gate speaks, from 0; what is said counts from 1.
    """
    name, parts = quote_word(reading.words[word]), reading.parts
    if view in ("forget", "update", "reset"):
        values = parts[view][word]
        least = int(values.argmin())
        text = {
            "forget": _("At {word} it keeps {mean} of the old memory on average; least in unit {unit}, {least}."),
            "update": _("At {word} it keeps {mean} of the old state on average; least in unit {unit}, {least}."),
            "reset": _("At {word} it lets {mean} of the past join in on average; least in unit {unit}, {least}."),
        }[view]
        return text.format(
            word=name, mean=_share(values.mean()), unit=least + 1, least=_share(values[least])
        )  # fmt: skip
    if view in ("input", "candidate"):
        gate = parts["input"][word] if view == "input" else 1 - parts["update"][word]
        stored = parts["stored"][word]
        most = int(np.abs(stored).argmax())
        text = _("At {word} it lets in {mean} of the proposal on average; most is stored in unit {unit}, {most}.")
        return text.format(word=name, mean=_share(gate.mean()), unit=most + 1, most=_number(stored[most]))
    if view == "output":
        text = _("At {word} it shows {mean} of the memory on average; unit {unit} holds {held} and shows {shown}.")
        held, shown = (_number(parts[each][word, unit]) for each in ("cell", "hidden"))
        return text.format(word=name, mean=_share(parts["output"][word].mean()), unit=unit + 1, held=held, shown=shown)
    values = parts[view][word]
    most = int(np.abs(values).argmax())
    text = _("After {word} its number farthest from 0 is {most}, in unit {unit}.")
    return text.format(word=name, most=_number(values[most]), unit=most + 1)


def carried_sentence(reading: Reading, word: int) -> str:
    """Say how much the forget gates since the first word have kept of what a unit held: the best unit and the median.

    What a unit holds after the first word is multiplied by its forget gate at every later one.
    """
    first = quote_word(reading.words[0])
    if not word:
        return _("{first} has just been read: nothing had to be kept yet.").format(first=first)
    kept = reading.parts["forget"][1 : word + 1].prod(0)
    best = int(kept.argmax())
    if np.allclose(kept, kept[best], rtol=1e-9):
        text = _("From {first} to {word} the forget gate kept {most} in every unit.")
    else:
        text = _("From {first} to {word} the forget gate kept {most} in unit {unit}, and {median} in the median unit.")
    return text.format(
        first=first, word=quote_word(reading.words[word]), most=_share(kept[best]), unit=best + 1,
        median=_share(float(np.median(kept))),
    )  # fmt: skip


def _number(value: float) -> str:
    """Write a number with three digits; tanh never reaches ±1, so what rounds to that is "almost ±1"."""
    written = format_number(value)
    return _("almost {number}").format(number=written) if written in ("1", "−1") and abs(value) < 1 else written


def _share(share: float) -> str:
    """Write a share from 0 to 1 with two digits."""
    return format_share(float(f"{share:.2g}"))
