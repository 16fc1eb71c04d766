"""What one part of a cell does at a word, and what its gates carried since the first word, with the numbers."""

import numpy as np

from analysis.language import join_sentences
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
        if not word:
            return _("{word} is the first word: there is nothing old yet.").format(word=name)
        text = (
            _("At {word} it lets {mean} of the past join in on average: {least} in unit {low}, {most} in unit {high}.")
            if view == "reset"
            else _("At {word} it keeps {mean} of the old on average: {least} in unit {low}, {most} in unit {high}.")
        )
        low, high = int(values.argmin()), int(values.argmax())
        return text.format(
            word=name, mean=_share(values.mean()), low=low + 1, least=_share(values[low]), high=high + 1,
            most=_share(values[high]),
        )  # fmt: skip
    if view in ("input", "candidate"):
        gate = parts["input"][word] if view == "input" else 1 - parts["update"][word]
        stored = parts["stored"][word]
        most = int(np.abs(stored).argmax())
        text = _("At {word} it lets in {mean} of the proposal on average; most is stored in unit {unit}, {most}.")
        return text.format(word=name, mean=_share(gate.mean()), unit=most + 1, most=_number(stored[most]))
    if view == "output":
        said = _("At {word} it shows {mean} on average.")
        mean = _share(parts["output"][word].mean())
        return join_sentences(said.format(word=name, mean=mean), _shown(reading, word, unit))
    values = parts[view][word]
    most = int(np.abs(values).argmax())
    text = _("After {word} its number farthest from 0 is {most}, in unit {unit}.")
    return text.format(word=name, most=_number(values[most]), unit=most + 1)


def _shown(reading: Reading, word: int, unit: int) -> str:
    """Say how what a unit of an LSTM holds becomes what it shows."""
    numbers = {name: _number(reading.parts[name][word, unit]) for name in ("cell", "squashed", "hidden")}
    text = (
        _("Unit {unit} holds {cell}, through tanh {squashed}: {share} of that is shown, {hidden}.")
        if reading.activation == "tanh"
        else _("Unit {unit} holds {cell}, of which {share} is shown: {hidden}.")
    )
    return text.format(unit=unit + 1, share=_share(reading.parts["output"][word, unit]), **numbers)


def headline_sentence(reading: Reading, view: str, word: int) -> str:
    """Say what the part of an LSTM that is explained decides, and what it did at a word, over all units."""
    name, parts = quote_word(reading.words[word]), reading.parts
    if view == "forget":
        return carried_sentence(reading, word)
    if view in ("input", "output"):
        text = {
            "input": _("Input gate: how much of the proposal is stored. At {word}: {mean} on average."),
            "output": _("Output gate: how much of the memory is shown. At {word}: {mean} on average; the rest waits."),
        }[view]
        return text.format(word=name, mean=_share(parts[view][word].mean()))
    if view == "cell":
        text = _("Cell state: the long memory. After {word} its numbers go from {low} to {high}.")
    else:
        text = _("Hidden state: what is shown of the memory. After {word} its numbers go from {low} to {high}.")
    values = parts[view][word]
    return text.format(word=name, low=_number(values.min()), high=_number(values.max()))


def carried_sentence(reading: Reading, word: int) -> str:
    """Say how much the forget gate keeps at a word, and how much of what a unit held all since the first word kept.

    What a unit holds after the first word is multiplied by its forget gate at every later one.
    """
    first = quote_word(reading.words[0])
    if not word:
        return _("{first} has just been read: nothing had to be kept yet.").format(first=first)
    gate = reading.parts["forget"]
    text = _(
        "Forget gate: how much of the long memory stays. At {word}: {mean}. Since {first}, half the units kept "
        "{median} or more."
    )
    return text.format(
        word=quote_word(reading.words[word]), mean=_share(gate[word].mean()), first=first,
        median=_share(float(np.median(gate[1 : word + 1].prod(0)))),
    )  # fmt: skip


def _number(value: float) -> str:
    """Write a number with three digits; tanh never reaches ±1, so what rounds to that is "almost ±1"."""
    written = format_number(value)
    return _("almost {number}").format(number=written) if written in ("1", "−1") and abs(value) < 1 else written


def _share(share: float) -> str:
    """Write a share from 0 to 1 with two digits."""
    return format_share(float(f"{share:.2g}"))
