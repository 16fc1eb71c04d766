"""What the loop carries from word to word, and what that changes."""

from analysis.language import mark
from analysis.language import translate as _
from analysis.reading import Alone, Reading
from analysis.report.markdown import escape_markdown, quote_word
from analysis.report.predicted import name_predicted
from analysis.report.wording import format_share

HANDED_ON = {
    "rnn": mark(
        "The loop hands on its **hidden state** h, the whole memory: {count} numbers. At every word a plain RNN makes "
        "all of them anew, from the old ones and the word."
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


def brought_sentence(reading: Reading, alone: Alone, word: int) -> str:
    """Say what the memory changes at a word: what is expected next with it, and with an empty one.

    Args:
        reading: of the sentence.
        alone: each of its words alone, which the same network reads with an empty memory.
        word: its place in the sentence.
    """
    read = quote_word(reading.words[word])
    if not word:
        return _("{word} is the first word: the memory is empty, and nothing comes back yet.").format(word=read)
    shares = {"share": format_share(reading.probability[word, 0]), "without": format_share(alone.probability[word])}
    expected, other = reading.predicted[word], alone.predicted[word]
    if expected == other:
        text = _(
            "After all words up to {word} it guesses {expected} next ({share}). Shown {word} with an empty memory, it "
            "guesses the same, but at {without}. The difference is what the loop carried."
        )
    else:
        text = _(
            "After all words up to {word} it guesses {expected} next ({share}). Shown {word} with an empty memory, it "
            "guesses {other} ({without}). The difference is what the loop carried."
        )
    return text.format(word=read, expected=_expected(expected), other=_expected(other), **shares)


def _expected(word: str) -> str:
    """Name a predicted word, written for Markdown."""
    return name_predicted(word, escape_markdown(word))
