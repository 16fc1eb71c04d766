import numpy as np
import pytest

from analysis.figures.words import NAMED, embeddings
from tests.helpers.readings import SENTENCE, reading_of, words_experiment


@pytest.fixture(scope="module")
def reading():
    return reading_of(words_experiment("rnn"))


def named(figure, name):
    return next(np.array(trace.z, float) for trace in figure.data if trace.name == name)


@pytest.mark.parametrize("word", [0, 4, 9])
def test_words_so_far_are_their_embeddings_and_later_ones_are_empty(reading, word):
    figure = embeddings(reading, word)
    numbers, empty = named(figure, "numbers"), named(figure, "to come")
    np.testing.assert_array_equal(numbers[:, : word + 1], reading.embedded[: word + 1].T)
    assert np.isnan(numbers[:, word + 1 :]).all()
    assert np.isnan(empty[:, : word + 1]).all() and not empty[:, word + 1 :].any()
    (mark,) = figure.layout.shapes
    assert (mark.x0, mark.x1) == (word - 0.5, word + 0.5)


def test_all_words_share_one_scale_that_holds_every_number(reading):
    scales = {embeddings(reading, word).layout.coloraxis.cmax for word in range(len(reading.words))}
    assert scales == {np.abs(reading.embedded).max()}
    axis = embeddings(reading, 0).layout.coloraxis
    assert axis.cmin == -axis.cmax


def test_the_word_is_bold_and_later_ones_are_faint(reading):
    labels = embeddings(reading, 2).layout.xaxis.ticktext
    assert labels[:3] == ("If", "the", "<b>value</b>")
    assert all(label.startswith('<span style="color:') for label in labels[3:])


def test_of_many_words_some_are_named_and_always_the_one_that_is_read():
    long = reading_of(words_experiment("rnn"), " ".join([SENTENCE] * 3))
    axis = embeddings(long, 5).layout.xaxis
    assert len(axis.tickvals) <= NAMED + 1 and 5 in axis.tickvals
    assert len(axis.tickvals) == len(axis.ticktext)


def test_markup_in_a_word_is_shown_as_it_is():
    reading = reading_of(words_experiment("rnn"), "a < b")
    assert embeddings(reading, 1).layout.xaxis.ticktext[1] == "<b>&lt;</b>"


def test_chinese_characters_are_not_turned():
    chinese = reading_of(words_experiment("rnn", text_file="chinese"), "他在法国长大")
    assert embeddings(chinese, 1).layout.xaxis.autotickangles == (0,)
    assert len(embeddings(reading_of(words_experiment("rnn")), 1).layout.xaxis.autotickangles) == 3
