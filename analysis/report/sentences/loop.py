"""What the loop carries from word to word: how far the memory moved, what came back, what is expected next."""

import numpy as np

from analysis.language import mark
from analysis.language import translate as _
from analysis.reading import UNKNOWN, Reading
from analysis.report.markdown import quote_word
from analysis.report.wording import format_percent

HANDED_ON = {
    "rnn": mark(
        "The loop hands on its **hidden state** h, the whole memory: {count} numbers. A plain RNN makes all of them "
        "anew at every word."
    ),
    "lstm": mark(
        "The loop hands on two lists of {count} numbers: the **cell state** c, the long memory, and the **hidden "
        "state** h, what of it is shown now."
    ),
    "gru": mark(
        "The loop hands on its **hidden state** h, the whole memory: {count} numbers. At each word a GRU mixes the old "
        "ones with new ones."
    ),
}


def handed_on_sentences(reading: Reading) -> str:
    """Say what a cell hands on from word to word."""
    return _(HANDED_ON[reading.cell]).format(count=reading.parts["hidden"].shape[1])


def memory_moves(reading: Reading) -> np.ndarray:
    """Return how far the memory moved at each word, as a share of its size, (T,): ‖m_t − m_{t−1}‖ / ‖m_{t−1}‖.

    m is an LSTM's cell state, and the hidden state of the others. NaN where the memory was empty, as before the first
    word.
    """
    name = "cell" if reading.cell == "lstm" else "hidden"
    before, after = reading.parts[f"{name}_before"], reading.parts[name]
    size = np.linalg.norm(before, axis=1)
    return np.linalg.norm(after - before, axis=1) / np.where(size > 0, size, np.nan)


def move_sentences(reading: Reading, word: int) -> str:
    """Say how far the memory moved at a word, and at which word so far it moved most."""
    moves = memory_moves(reading)
    read = quote_word(reading.words[word])
    if np.isnan(moves[word]):
        return _("At {word} the memory is still empty: nothing comes back yet.").format(word=read)
    last = quote_word(reading.words[word - 1])
    share = format_percent(moves[word])
    if (most := int(np.nanargmax(moves[: word + 1]))) == word:
        return _(
            "What was left after {last} came back to {word}, and the memory moved by {share} of its size: the most "
            "so far."
        ).format(last=last, word=read, share=share)
    return _(
        "What was left after {last} came back to {word}, and the memory moved by {share} of its size. "
        "It moved most at {most}, by {most_share}."
    ).format(
        last=last, word=read, share=share, most=quote_word(reading.words[most]), most_share=format_percent(moves[most])
    )


def expected_sentence(reading: Reading, word: int) -> str:
    """Say which word the network expects after a word, and how likely it finds it."""
    read, share = quote_word(reading.words[word]), format_percent(reading.probability[word, 0])
    if reading.predicted[word] == UNKNOWN:
        return _("After {word} it expects a word outside its vocabulary ({share}).").format(word=read, share=share)
    expected = quote_word(reading.predicted[word])
    return _("After {word} it expects {expected} ({share}).").format(word=read, expected=expected, share=share)
