from dataclasses import replace

import numpy as np
import pytest

from analysis.language import in_language
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
        "Having read all up to “and”, it expects “value” next (25 %); had it read “and” alone, a word it doesn't know "
        "(12.5 %). The difference comes from the loop."
    )
    same = expecting(reading, "value", 0.125)
    assert brought_sentence(expecting(reading, "value", 0.25), same, 1).replace("\u00a0", " ") == (
        "Having read all up to “value”, it expects “value” next at 25 %; had it read “value” alone, the same, but at "
        "12.5 %. The loop changed how sure it is."
    )


def test_a_sign_that_is_expected_is_named(readings):
    reading = readings["rnn"]
    comma, quote = expecting(reading, ",", 0.25), expecting(reading, '"', 0.125)
    assert "it expects a comma next (25" in brought_sentence(comma, quote, 2)
    assert "alone, a quotation mark (12.5" in brought_sentence(comma, quote, 2)
    with in_language("zh"):
        assert "预计下一个是逗号" in brought_sentence(comma, quote, 2)
        assert "「value」" in brought_sentence(comma, quote, 1)


def test_at_the_first_word_nothing_comes_back(readings):
    reading = readings["gru"]
    assert brought_sentence(reading, reading, 0) == (
        "“the” is the first word: the memory is empty, and nothing comes back yet."
    )
