"""What a network reads of a word: its place in the vocabulary, its numbers, and as what a sentence enters."""

from collections import Counter

from analysis.language import join_sentences
from analysis.language import translate as _
from analysis.reading import Reading
from analysis.report.markdown import quote_word
from analysis.report.sentences.cell import unknown_warning
from analysis.report.wording import format_number

FIRST = 3  # numbers of a word that are listed


def frequency_sentence(place: int, known: int) -> str:
    """Say where a word stands among the `known` words of a model: its place by frequency, 0 for an unknown word."""
    vocabulary = _("The network knows {known} words and signs, its **vocabulary**, the most frequent first.")
    if place:
        found = _("This one is number {place}: under that number its list is looked up.").format(place=place)
    else:
        found = _("This one is not among them: all unknown words share one list.")
    return join_sentences(vocabulary.format(known=known), found)


def numbers_sentence(reading: Reading, word: int) -> str:
    """List a word's first numbers, and say how many it has."""
    numbers = reading.embedded[word]
    listed = "; ".join(f"**{format_number(number)}**" for number in numbers[:FIRST])
    return _("It enters as {count} numbers: {numbers} …").format(count=len(numbers), numbers=listed)


def columns_sentence(reading: Reading) -> str:
    """Say as how many columns of numbers a sentence enters, and of a word that comes again that it has the same."""
    words, numbers = reading.embedded.shape
    said = _(
        "So the sentence enters as {words} columns of {numbers} numbers each. The network never sees its letters."
    ).format(words=words, numbers=numbers)
    counts = Counter(word for word, known in zip(reading.words, reading.known, strict=True) if known)
    word, count = max(counts.items(), key=lambda item: (any(map(str.isalnum, item[0])), item[1]), default=("", 0))
    if count < 2:
        return said
    again = _("{word} comes {count} times, always with the same numbers.")
    return join_sentences(said, again.format(word=quote_word(word), count=count))


def strange_words_warning(reading: Reading) -> str:
    """Warn where a shipped model knows less than half of a sentence's words, as `unknown_warning`; "" else."""
    if not unknown_warning(reading):
        return ""
    return _(
        "Most of these words are not in the network's vocabulary. It reads them all as one unknown word, so its "
        "numbers say little about this sentence. Write one in everyday words, such as “The cat sleeps in the house.”"
    )
