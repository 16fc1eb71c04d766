from dataclasses import replace

import numpy as np
import pytest

from analysis.report.sentences.words import (
    alike_sentence,
    frequency_sentence,
    numbers_sentence,
    strange_words_warning,
)
from tests.helpers.readings import reading_of, words_experiment


@pytest.fixture(scope="module")
def reading():
    return reading_of(words_experiment("rnn"), "the value and the zebra")


def with_numbers(reading, *rows, known=True):
    return replace(reading, embedded=np.array(rows, float), known=np.full(len(rows), known))


def test_a_words_place_is_told(reading):
    assert frequency_sentence(1, 799).startswith("It is number 1 in the vocabulary, the 799 words and signs ")
    assert frequency_sentence(0, 799).startswith("It is not in the vocabulary, the 799 words and signs ")


def test_a_words_first_numbers_are_told(reading):
    shown = with_numbers(reading, [0.5, -1.25, 0, 3, 9, 9])
    assert numbers_sentence(shown, 0) == "It enters as 6 numbers: **0.5**; **−1.25**; **0** …"


def test_the_most_similar_words_have_the_largest_cosine(reading):
    """Of "the" only the first is compared: both have the same numbers. Lengths don't count."""
    shown = with_numbers(reading, [1, 0], [0, 1], [-1, 0.1], [1, 0], [30, 40])
    sentence = alike_sentence(shown)
    assert sentence.startswith("Of the words here, “value” and “zebra” have the most similar numbers: a cosine of 0.8,")


def test_unknown_words_and_signs_are_not_compared(reading):
    shown = with_numbers(reading, [1, 0], [0, 1], [1, 1], [1, 0], [1, 0.01])
    known = np.array([True, True, True, True, False])
    sentence = alike_sentence(replace(shown, known=known, words=("the", "value", ",", "the", "zebra")))
    assert "“the” and “value”" in sentence and "cosine of 0," in sentence


def test_one_word_is_like_no_other(reading):
    assert alike_sentence(with_numbers(reading, [1, 0], [1, 0], [1, 0], [1, 0], [1, 0])) == ""
    assert alike_sentence(with_numbers(reading, *np.eye(5), known=False)) == ""


def test_a_warning_stands_where_most_words_are_unknown(reading):
    assert strange_words_warning(replace(reading, known=np.array([True, True, True, False, False]))) == ""
    unknown = replace(reading, known=np.array([True, True, False, False, False]))
    assert strange_words_warning(unknown).startswith("Most of these words are not in the network's vocabulary.")
