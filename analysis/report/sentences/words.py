"""What a network reads of a word: its place in the vocabulary, its numbers, and which words have similar ones."""

import numpy as np

from analysis.language import translate as _
from analysis.reading import Reading
from analysis.report.markdown import quote_word
from analysis.report.sentences.cell import unknown_warning
from analysis.report.wording import format_number

FIRST = 3  # numbers of a word that are listed


def frequency_sentence(place: int, known: int) -> str:
    """Say where a word stands among the `known` words of a model: its place by frequency, 0 for an unknown word."""
    if not place:
        return _(
            "It is not in the vocabulary, the {known} words and signs that the network knows: it is read as any other "
            "unknown word."
        ).format(known=known)
    return _(
        "It is number {place} in the vocabulary, the {known} words and signs that the network knows, "
        "the most frequent first."
    ).format(place=place, known=known)


def numbers_sentence(reading: Reading, word: int) -> str:
    """List a word's first numbers, and say how many it has."""
    numbers = reading.embedded[word]
    listed = "; ".join(f"**{format_number(number)}**" for number in numbers[:FIRST])
    return _("It enters as {count} numbers: {numbers} …").format(count=len(numbers), numbers=listed)


def alike_sentence(reading: Reading) -> str:
    """Name the two known words of a sentence whose numbers have the largest cosine; "" where there are no two.

    Signs are left out, and of a word that comes again only the first is compared.
    """
    places: list[int] = []
    for t, word in enumerate(reading.words):
        again = any(np.array_equal(reading.embedded[t], reading.embedded[other]) for other in places)
        if reading.known[t] and any(map(str.isalnum, word)) and not again:
            places.append(t)
    if len(places) < 2:
        return ""
    vectors = reading.embedded[places]
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = np.where(np.tri(len(places), dtype=bool), -np.inf, vectors @ vectors.T)
    one, other = np.unravel_index(cosine.argmax(), cosine.shape)
    return _(
        "Of the words here, {one} and {other} have the most similar numbers: "
        "a cosine of {cosine}, where 1 is the same direction and 0 nothing in common."
    ).format(
        one=quote_word(reading.words[places[one]]),
        other=quote_word(reading.words[places[other]]),
        cosine=format_number(float(cosine[one, other])),
    )


def strange_words_warning(reading: Reading) -> str:
    """Warn where a shipped model knows less than half of a sentence's words, as `unknown_warning`; "" else."""
    if not unknown_warning(reading):
        return ""
    return _(
        "Most of these words are not in the network's vocabulary. It reads them all as one unknown word, so its "
        "numbers say little about this sentence. Write one in everyday words, such as “The cat sleeps in the house.”"
    )
