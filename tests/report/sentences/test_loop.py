from dataclasses import replace

import numpy as np
import pytest

from analysis.language import in_language
from analysis.reading import UNKNOWN, Alone
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


def alone(reading, word, share):
    """The same with an empty memory."""
    return Alone(reading.words, (word,) * len(reading.words), np.full(len(reading.words), share))


def test_what_the_memory_changes_is_told(readings):
    reading = readings["rnn"]
    other = alone(reading, UNKNOWN, 0.125)
    assert brought_sentence(expecting(reading, "value", 0.25), other, 2).replace("\u00a0", " ") == (
        "After all words up to “and” it guesses “value” next (25 %). Shown “and” with an empty memory, it guesses a "
        "word outside its vocabulary (12.5 %). The difference is what the loop carried."
    )
    same = alone(reading, "value", 0.125)
    assert brought_sentence(expecting(reading, "value", 0.25), same, 1).replace("\u00a0", " ") == (
        "After all words up to “value” it guesses “value” next (25 %). Shown “value” with an empty memory, it guesses "
        "the same, but at 12.5 %. The difference is what the loop carried."
    )


def test_a_sign_that_is_expected_is_named(readings):
    reading = readings["rnn"]
    comma, quote = expecting(reading, ",", 0.25), alone(reading, '"', 0.125)
    assert "it guesses a comma next (25" in brought_sentence(comma, quote, 2)
    assert "it guesses a quotation mark (12.5" in brought_sentence(comma, quote, 2)
    with in_language("zh"):
        assert "它猜下一个是逗号" in brought_sentence(comma, quote, 2)
        assert "“value”" in brought_sentence(comma, quote, 1)


def test_at_the_first_word_nothing_comes_back(readings):
    reading = readings["gru"]
    assert brought_sentence(reading, alone(reading, "a", 1.0), 0) == (
        "“the” is the first word: the memory is empty, and nothing comes back yet."
    )
