from dataclasses import replace

import numpy as np
import pytest

from analysis import Experiment, train
from analysis.lesson.reading import MOST_WORDS, read_with_model
from analysis.reading import Held
from analysis.report.markdown import quote_word
from analysis.report.sentences.cell import (
    dependence_sentence,
    held_sentences,
    largest_state_sentence,
    place_sentence,
    reader_sentences,
    savings_sentence,
    unknown_warning,
)

SMALL = {"task": "words", "seeds": 1, "hidden_size": 3}


@pytest.fixture(scope="module")
def reading():
    return read_with_model(Experiment(cell="lstm", **SMALL), ["the", "list", "qzx"])


def test_a_users_word_is_quoted_for_markdown():
    assert quote_word("a_b*$:") == "“a\\_b\\*\\$\\:”"
    assert quote_word("<b>") == "“\\<b\\>”"


@pytest.mark.parametrize(
    ("size", "written"), [(0.9996, "almost 1"), (-0.9996, "almost 1"), (0.99, "0.99"), (1.2, "1.2")]
)
def test_a_state_below_1_does_not_reach_1(size, written):
    reading = read_with_model(Experiment(cell="rnn", **SMALL), ["the"])
    reading.parts["hidden"][0, 0] = size
    assert largest_state_sentence(reading).endswith(f"the hidden state reaches {written} at “the”.")


def test_the_state_of_an_lstm_is_two(reading):
    sentence = largest_state_sentence(reading)
    assert sentence.startswith("One loop over 3 words: the hidden state reaches ")
    assert " and the cell state reaches " in sentence
    endless = replace(reading, parts=reading.parts | {"cell": np.full((3, 3), np.inf)})
    assert largest_state_sentence(endless) == "Without tanh the cell state leaves floating point."


def test_the_reader_is_untrained_or_a_run(reading):
    assert reader_sentences(reading, None, False) == (
        "Untrained: the weights are random, and so are its predictions. "
        "Not in its vocabulary, so it can't tell these words apart: “qzx”."
    )
    assert "predictions. Train teaches it to predict the next word." in reader_sentences(reading, None, True)
    run = train(Experiment(cell="lstm", **SMALL, length=3, steps=2, batch_size=2))
    assert reader_sentences(reading, run, True).startswith("Trained for 2 updates: ")
    assert "That is with tanh." not in reader_sentences(reading, run, True)
    assert "That is with tanh." in reader_sentences(replace(reading, activation="identity"), run, True)


def test_a_sentence_longer_than_those_of_the_training_is_told(reading):
    experiment = Experiment(cell="lstm", **SMALL, steps=1, batch_size=2)
    said = {n: reader_sentences(reading, train(experiment.replace(length=n)), False) for n in (2, 3)}
    assert "Its training read 2 words at a time: what it says after word 2 was never trained." in said[2]
    assert "never trained" not in said[3]


def test_words_beyond_the_first_are_counted():
    reading = read_with_model(Experiment(cell="gru", **SMALL), ["the"] * (MOST_WORDS + 2))
    assert reader_sentences(reading, None, False).endswith(
        f"Only the first {MOST_WORDS} of {MOST_WORDS + 2} words and signs are read."
    )


def test_unknown_words_are_listed_once_and_at_most_eight():
    unknown = [f"qzx{chr(97 + k)}" for k in range(10)]
    reading = read_with_model(Experiment(cell="gru", **SMALL), [*unknown, unknown[0]])
    assert reader_sentences(reading, None, False).endswith("“qzxg”, “qzxh” and 2 more.")


def test_dependence_is_counted_in_words_back(reading):
    connectivity = np.array([[1, np.nan, np.nan], [0.001, 1, np.nan], [0.5, 0.1, 1]])
    readings = {"lstm": replace(reading, connectivity=connectivity)}
    assert dependence_sentence(readings, 1).endswith("is found up to 0 words back in the LSTM.")
    assert dependence_sentence(readings, 2) == (
        "More than 1 % of the strongest dependence is found up to 2 words back in the LSTM."
    )
    nothing = {"lstm": replace(reading, connectivity=np.zeros((3, 3)))}
    assert dependence_sentence(nothing, 2) == ""


def test_what_a_gru_saves():
    lstm, gru = {"parameters": 400, "multiply_adds": 200}, {"parameters": 300, "multiply_adds": 140}
    assert savings_sentence(lstm, gru) == (
        "Here the GRU has 25 % fewer parameters and 30 % fewer multiply-adds than the LSTM."
    )


@pytest.mark.parametrize(
    ("words", "counted"),
    [
        (["the", "list", ",", "is", "."], "3 words and 2 signs"),
        (["don't", "x2", "!"], "2 words and 1 sign"),
        (["?"], "1 sign"),
    ],
)
def test_signs_are_no_words(words, counted):
    reading = read_with_model(Experiment(cell="gru", **SMALL), words)
    assert largest_state_sentence(reading).startswith(f"One loop over {counted}: ")


def test_a_place_is_a_word_and_its_number(reading):
    assert place_sentence(reading, 1) == "At “list”, 2 of 3."


def held(gradient, value=0.9, cell="lstm", gate="forget", memory=1.0):
    """A reading of as many words as there are distances, with one unit."""
    states = np.full((len(gradient), 1), memory)
    words = ("the",) * len(gradient)
    return Held(cell, gate, value, words, states, states if cell == "lstm" else None, np.array(gradient))


AS_IT_IS = held([2.0, 1.0, 0.06], None)


def said_of_held(*what, **how):
    """What is said of a held gate, with plain spaces."""
    return held_sentences(*what, **how).replace("\u00a0", " ")


def test_a_held_gate_is_compared_with_the_gate_as_it_is():
    assert said_of_held(AS_IT_IS, held([0.5, 0.2, 0.06]), trained=True) == (
        "With the forget gate held at 0.9, 12 % of the prediction's gradient is left 2 words back. "
        "Through the gate alone: 0.9² = 81 %. As trained: 3 %."
    )
    assert said_of_held(AS_IT_IS, held([0.5, 0.2, 0.06], 0.0, "gru", "reset"), trained=False) == (
        "With the reset gate held at 0, 12 % of the prediction's gradient is left 2 words back. As it starts: 3 %."
    )
    long = held([1.0] * 24, 0.35, "gru", "update")
    assert "23 words back. Through the gate alone: 0.35²³ = 3.26e−9 %." in said_of_held(long, long, True)
    assert "1 word back" in said_of_held(held([1.0, 0.5], None), held([1.0, 0.5]), True)


def test_a_held_gate_that_empties_the_memory_or_stops_the_gradient_says_so():
    empty = said_of_held(AS_IT_IS, held([1.0, 1.0, 1.0], 1.0, "gru", "update", memory=0.0), True)
    assert empty.endswith(" As trained: 3 %. But the memory stays empty: no word gets in.")
    assert said_of_held(AS_IT_IS, held([0.0, 0.0, 0.0], 0.0, gate="output"), True) == (
        "With the output gate held at 0, no gradient reaches the memory. As trained: 3 %."
    )
    endless = held([np.inf, np.inf, np.inf])
    assert said_of_held(endless, endless, True) == (
        "With the forget gate held at 0.9, the gradient leaves floating point."
    )


def test_a_single_word_has_nothing_before_it():
    assert said_of_held(held([1.0], None), held([1.0]), True) == ""


@pytest.mark.parametrize(
    "known, warned", [((0, 1, 1, 0), False), ((0, 0, 1, 1), True), ((1, 1, 1, 0), False), ((0, 0, 0, 1), True)]
)
def test_a_warning_stands_where_less_than_half_of_the_words_are_known(known, warned):
    reading = read_with_model(Experiment(cell="rnn", **SMALL), ["one", "two", "three", "."])
    said = unknown_warning(replace(reading, known=np.array(known, bool)))
    assert bool(said) == warned
    if warned:
        assert said.startswith(f"{3 - sum(known[:3])} of these 3 words are not in the model's vocabulary")
