"""How a cell reads a sentence, in words: which model reads, how large its state becomes, what it depends on."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.language import join_sentences, mark, translate_count
from analysis.language import translate as _
from analysis.reading import Held, Reading
from analysis.report.markdown import quote_word
from analysis.report.wording import (
    PER_CENT,
    RAISED,
    format_number,
    format_percent,
    format_share,
    join_words,
    raise_power,
)
from analysis.results import Run

GATE_NAMES = {
    "forget": mark("forget"), "input": mark("input"), "output": mark("output"), "reset": mark("reset"),
    "update": mark("update"),
}  # fmt: skip
SMALLEST_SHARE = 0.01  # of the strongest dependence; a weaker one doesn't count
SMALLEST_WRITTEN = 1e-5  # a share of the gradient that is written out
MOST_UNKNOWN = 8  # unknown words that are listed


def reader_sentences(reading: Reading, run: Run | None, waiting: bool) -> str:
    """Describe which model reads the sentence, and which words it does not read or know.

    Args:
        reading: the reading that is shown.
        run: the training of the model that reads; None where it is untrained.
        waiting: whether the visitor chose a trained model, which is not there yet.
    """
    if run:
        metric, chance = format_number(float(run.metric[0])), format_number(run.chance)
        sentences = [
            f"Trained for {run.experiment.steps:,} updates: {metric} nats per word on a part of the text it hasn't "
            f"seen, {chance} by counting words alone."
        ]
        if reading.activation != run.experiment.activation:
            sentences.append(
                "That is with tanh. Drawn here is the same network without it, which is not what was trained."
            )
    else:
        later = " Train teaches it to predict the next word." if waiting else ""
        sentences = [f"Untrained: the weights are random, and so are its predictions.{later}"]
    T = len(reading.words)
    if run and run.experiment.task_length < T:
        trained = run.experiment.task_length
        sentences.append(
            f"Its training read {trained} words at a time: what it says after word {trained} was never trained."
        )
    if reading.left_out:
        sentences.append(f"Only the first {T} of {T + reading.left_out} words and signs are read.")
    unknown = list(dict.fromkeys(word for word, known in zip(reading.words, reading.known, strict=True) if not known))
    if unknown:
        more = f" and {len(unknown) - MOST_UNKNOWN} more" if len(unknown) > MOST_UNKNOWN else ""
        listed = ", ".join(map(quote_word, unknown[:MOST_UNKNOWN]))
        sentences.append(f"Not in its vocabulary, so it can't tell these words apart: {listed}{more}.")
    return " ".join(sentences)


def count_unknown(words: Sequence[str], known: Sequence[bool] | np.ndarray) -> tuple[int, int]:
    """Count the words that a model does not know, and all words; signs are not counted."""
    counted = [bool(each) for word, each in zip(words, known, strict=True) if any(map(str.isalnum, word))]
    return len(counted) - sum(counted), len(counted)


def unknown_warning(reading: Reading) -> str:
    """Warn where a model knows less than half of a sentence's words, signs not counted; "" where it knows more."""
    unknown, whole = count_unknown(reading.words, reading.known)
    if unknown <= whole / 2:
        return ""
    return (
        f"{unknown} of these {whole} words are not in the model's vocabulary, so it reads them as if they were "
        "all the same: its numbers say little about this sentence. Choose another text in the sidebar, or upload one "
        "that has such words, and press Train; or write a sentence with words that it knows."
    )


def largest_state_sentence(reading: Reading) -> str:
    """Describe how large the hidden state and an LSTM's cell state become, and after which word."""
    parts = []
    for state in ("hidden", "cell"):
        if state not in reading.parts:
            continue
        sizes = np.abs(reading.parts[state]).max(1)  # (T,)
        if not np.isfinite(sizes).all():
            return f"Without tanh the {state} state leaves floating point."
        t = int(sizes.argmax())
        rounded = format_number(sizes[t])
        size = "almost 1" if sizes[t] < 1 and rounded == "1" else rounded
        parts.append(f"the {state} state reaches {size} at {quote_word(reading.words[t])}")
    return f"One loop over {_count_words(reading.words)}: {join_words(parts)}."


def _count_words(words: Sequence[str]) -> str:
    """Count words and signs, such as commas, apart."""
    signs = sum(not any(map(str.isalnum, word)) for word in words)
    counts = {"word": len(words) - signs, "sign": signs}
    return join_words([f"{count} {what}{'s' * (count != 1)}" for what, count in counts.items() if count])


def place_sentence(reading: Reading, word: int) -> str:
    """Name the word that a picture or a calculation is of, and where it stands in the sentence."""
    return f"At {quote_word(reading.words[word])}, {word + 1} of {len(reading.words)}."


def dependence_sentence(readings: Mapping[str, Reading], word: int) -> str:
    """Describe how many words back each cell's prediction depends on, to 1 % of the strongest dependence."""
    parts = []
    for cell, reading in readings.items():
        counted = np.flatnonzero(reading.relative[word, : word + 1] >= SMALLEST_SHARE)
        if len(counted):
            parts.append(f"{_words_back(word - int(counted[0]))} in the {cell.upper()}")
    if not parts:
        return ""
    return f"More than {format_percent(SMALLEST_SHARE)} of the strongest dependence is found up to {join_words(parts)}."


def held_sentences(as_it_is: Held, held: Held, trained: bool) -> str:
    """Compare what is left of the gradient at the first word with a gate held and as it is; "" for a single word.

    `trained` says whether the model is. A memory that stays empty is said too: nothing can be taught to keep there.
    """
    back = len(held.words) - 1
    if not back:
        return ""
    left, before = held.left[-1], as_it_is.left[-1]
    if not held.gradient.any():
        text = _("With the {gate} gate held at {value}, no gradient reaches the memory.")
    elif np.isnan(left):
        text = _("With the {gate} gate held at {value}, the gradient leaves floating point.")
    else:
        text = translate_count(
            "With the {gate} gate held at {value}, {share} of the prediction's gradient is left {count} word back.",
            "With the {gate} gate held at {value}, {share} of the prediction's gradient is left {count} words back.",
            back,
        )
    gate = _(GATE_NAMES[held.gate])
    sentences = [text.format(gate=gate, value=f"{held.value:g}", share=_small_share(left), count=back)]
    if held.through_gate is not None and np.isfinite(left):
        power = f"{held.value:g}{str(back).translate(RAISED)}"
        share = raise_power(format_share(held.through_gate[-1]))
        sentences.append(_("Through the gate alone: {power} = {share}.").format(power=power, share=share))
    if np.isfinite(before):
        as_before = _("As it is, trained: {share}.") if trained else _("As it is, untrained: {share}.")
        sentences.append(as_before.format(share=_small_share(before)))
    if not held.memory.any():
        sentences.append(_("But the memory stays empty: no word gets in."))
    return join_sentences(*sentences)


def _small_share(share: float) -> str:
    """Write a share, one that is too small to mean much as "less than 0.001 %"."""
    if 0 < share < SMALLEST_WRITTEN:
        return _("less than {share}").format(share=f"0.001{PER_CENT}")
    return format_share(share)


def _words_back(count: int) -> str:
    """Write a distance in words: "1 word back", "7 words back"."""
    return f"{count} word{'s' * (count != 1)} back"


def savings_sentence(lstm: Mapping[str, int], gru: Mapping[str, int]) -> str:
    """Compare the parameters and the multiply_adds per word of a GRU with those of an LSTM of the same size."""
    saved = [
        f"{format_percent(1 - gru[name] / lstm[name])} fewer {what}"
        for name, what in (("parameters", "parameters"), ("multiply_adds", "multiply-adds"))
    ]
    return f"Here the GRU has {join_words(saved)} than the LSTM."
