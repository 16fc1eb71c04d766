from dataclasses import replace

import numpy as np
import pytest

from analysis.report.sentences.words import (
    columns_sentence,
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
    for place, said in ((1, "This one is number 1: under"), (0, "This one is not among them: all unknown words share")):
        sentences = frequency_sentence(place, 799)
        assert sentences.startswith("The network knows 799 words and signs") and said in sentences


def test_a_words_first_numbers_are_told(reading):
    shown = with_numbers(reading, [0.5, -1.25, 0, 3, 9, 9])
    assert numbers_sentence(shown, 0) == "It enters as 6 numbers: **0.5**; **−1.25**; **0** …"


def test_a_sentence_is_columns_of_numbers_and_a_word_that_comes_again_is_told(reading):
    said = columns_sentence(with_numbers(reading, *np.eye(5)))
    assert said.startswith("So the sentence enters as 5 columns of 5 numbers each. ")
    assert said.endswith("“the” comes 2 times, always with the same numbers.")


def test_signs_and_unknown_words_come_again_without_a_word(reading):
    once = replace(reading, words=("the", "value", ",", "and", "zebra"))
    unknown = replace(reading, known=np.array([False, True, True, False, True]))
    for each in (once, unknown, replace(reading, known=np.zeros(5, bool))):
        assert "always with the same numbers" not in columns_sentence(each)
    signs = replace(reading, words=("a", ",", "b", ",", "c"))
    assert "comes" not in columns_sentence(signs)


def test_a_warning_stands_where_most_words_are_unknown(reading):
    assert strange_words_warning(replace(reading, known=np.array([True, True, True, False, False]))) == ""
    unknown = replace(reading, known=np.array([True, True, False, False, False]))
    assert strange_words_warning(unknown).startswith("Most of these words are not in the network's vocabulary.")
