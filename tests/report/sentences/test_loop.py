from dataclasses import replace

import numpy as np
import pytest

from analysis.reading import UNKNOWN
from analysis.report.sentences.loop import expected_sentence, handed_on_sentences, memory_moves, move_sentences
from tests.helpers.readings import reading_of, words_experiment

SENTENCE = "the value and the zebra"


@pytest.fixture(scope="module")
def readings():
    return {cell: reading_of(words_experiment(cell), SENTENCE) for cell in ("rnn", "lstm", "gru")}


def remembering(reading, *states):
    """The reading of a cell without a cell state whose memory was this after each word."""
    hidden = np.array(states, float)
    before = np.concatenate([np.zeros_like(hidden[:1]), hidden[:-1]])
    return replace(reading, parts=reading.parts | {"hidden": hidden, "hidden_before": before})


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_memory_moves_by_a_share_of_its_size(readings, cell):
    states = readings[cell].parts["cell" if cell == "lstm" else "hidden"]
    moves = memory_moves(readings[cell])
    assert np.isnan(moves[0])
    for t in range(1, len(states)):
        moved = np.sqrt(((states[t] - states[t - 1]) ** 2).sum()) / np.sqrt((states[t - 1] ** 2).sum())
        assert moves[t] == pytest.approx(moved, rel=1e-12)


def test_the_sentences_name_what_came_back_and_where_the_memory_moved_most(readings):
    shown = remembering(readings["rnn"], [3, 4], [3, 9], [3, 9.5], [-3, -9.5], [0, 0])
    assert move_sentences(shown, 0) == "At “the” the memory is still empty: nothing comes back yet."
    assert move_sentences(shown, 1) == (
        "What was left after “the” came back to “value”, and the memory moved by 100 % of its size: the most so far."
    )
    assert move_sentences(shown, 2) == (
        "What was left after “value” came back to “and”, and the memory moved by 5.27 % of its size. It moved most at "
        "“value”, by 100 %."
    )
    assert move_sentences(shown, 3).endswith("by 200 % of its size: the most so far.")
    assert move_sentences(shown, 4).endswith("by 100 % of its size. It moved most at “the”, by 200 %.")


def test_an_empty_memory_later_on_is_told(readings):
    shown = remembering(readings["gru"], [0, 0], [1, 0], [1, 1], [1, 0], [1, 0])
    assert move_sentences(shown, 1).startswith("At “value” the memory is still empty")
    assert "“and”, and the memory moved by 100 %" in move_sentences(shown, 2)


@pytest.mark.parametrize("cell, said", [("rnn", "anew"), ("lstm", "cell state"), ("gru", "mixes")])
def test_what_is_handed_on_is_named_with_its_size(readings, cell, said):
    sentences = handed_on_sentences(readings[cell])
    assert said in sentences and "7 numbers" in sentences


def test_the_expected_word_is_the_predicted_one(readings):
    reading = readings["rnn"]
    shown = replace(reading, predicted=("value", UNKNOWN, *reading.predicted[2:]), probability=np.full((5, 2), 0.25))
    assert expected_sentence(shown, 0) == "After “the” it expects “value” (25 %)."
    assert expected_sentence(shown, 1) == "After “value” it expects a word outside its vocabulary (25 %)."
