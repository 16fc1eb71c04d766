"""What the loop carries from word to word, and what that changes."""

from analysis.language import mark
from analysis.language import translate as _
from analysis.reading import UNKNOWN, Reading
from analysis.report.markdown import quote_word
from analysis.report.wording import format_share

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


def brought_sentence(reading: Reading, alone: Reading, word: int) -> str:
    """Say what the memory changes at a word: what is expected next with it, and with an empty one.

    Args:
        reading: of the sentence.
        alone: of that word alone, which the same network reads with an empty memory.
        word: its place in the sentence.
    """
    read = quote_word(reading.words[word])
    if not word:
        return _("{word} is the first word: the memory is empty, and nothing comes back yet.").format(word=read)
    shares = {"share": format_share(reading.probability[word, 0]), "without": format_share(alone.probability[0, 0])}
    expected, other = reading.predicted[word], alone.predicted[0]
    if expected == other:
        text = _(
            "With what the loop brought, it expects {expected} after {word} at {share}; with an empty memory, at "
            "{without}. That difference is the past."
        )
    else:
        text = _(
            "With what the loop brought, it expects {expected} after {word} ({share}); with an empty memory, {other} "
            "({without}). That difference is the past."
        )
    return text.format(word=read, expected=_expected(expected), other=_expected(other), **shares)


def _expected(word: str) -> str:
    """Return a predicted word in quotation marks, or what stands for all that the network doesn't know."""
    return _("a word it doesn't know") if word == UNKNOWN else quote_word(word)
