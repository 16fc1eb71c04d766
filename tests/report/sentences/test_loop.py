from dataclasses import replace

import numpy as np
import pytest

from analysis.reading import UNKNOWN
from analysis.report.sentences.loop import brought_sentence, handed_on_sentences
from tests.helpers.readings import reading_of, words_experiment

SENTENCE = "the value and the zebra"


@pytest.fixture(scope="module")
def readings():
    return {cell: reading_of(words_experiment(cell), SENTENCE) for cell in ("rnn", "lstm", "gru")}


@pytest.mark.parametrize("cell, said", [("rnn", "anew"), ("lstm", "cell state"), ("gru", "mixes")])
def test_what_is_handed_on_is_named_with_its_size(readings, cell, said):
    sentences = handed_on_sentences(readings[cell])
    assert said in sentences and "7 numbers" in sentences


def expecting(reading, word, share):
    """A reading that expects a word with a probability after each of its words."""
    return replace(reading, predicted=(word,) * len(reading.words), probability=np.full((len(reading.words), 2), share))


def test_what_the_memory_changes_is_told(readings):
    reading = readings["rnn"]
    other = expecting(reading, UNKNOWN, 0.125)
    assert brought_sentence(expecting(reading, "value", 0.25), other, 2).replace("\u00a0", " ") == (
        "With what the loop brought, it expects “value” after “and” (25 %); with an empty memory, a word it doesn't "
        "know (12.5 %). That difference is the past."
    )
    same = expecting(reading, "value", 0.125)
    assert brought_sentence(expecting(reading, "value", 0.25), same, 1).replace("\u00a0", " ") == (
        "With what the loop brought, it expects “value” after “value” at 25 %; with an empty memory, at 12.5 %. That "
        "difference is the past."
    )


def test_at_the_first_word_nothing_comes_back(readings):
    reading = readings["gru"]
    assert brought_sentence(reading, reading, 0) == (
        "“the” is the first word: the memory is empty, and nothing comes back yet."
    )
