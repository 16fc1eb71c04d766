import re
from dataclasses import replace

import numpy as np
import pytest

from analysis import Experiment, measure_untrained
from analysis.experiment import SETTINGS
from analysis.lesson.repetition import repeat
from analysis.report.sentences.bounds import overflow_sentence, tanh_sentences, vector_sentences

ACTIVATIONS = SETTINGS["activation"].choices


@pytest.mark.parametrize("factor", [0, 0.5, 1, 1.01, 3, -2])
@pytest.mark.parametrize("start", [[0.0], [1.0], [0.1, -2.0, 0.0]])
def test_the_textbook_sentences_hold(start, factor):
    result = repeat(start, factor)
    sentence, detail = vector_sentences(result)
    assert "nan" not in sentence + detail
    assert ("erases size" in detail) == (len(start) == 3 and abs(factor) > 1.5)
    assert ("never leaves" in overflow_sentence(result)) == (factor == 1 or not any(start))


def test_the_lesson_is_stated_only_where_it_was_measured():
    def measured(**settings):
        return {a: measure_untrained(Experiment(cell="rnn", activation=a, seeds=2, **settings)) for a in ACTIVATIONS}

    grown = measured(init="orthogonal", gain=1.5)
    assert grown["tanh"].decay.relative[-1] > 1
    assert "not the gradient" in tanh_sentences("rnn", grown)[1]
    shrunk = measured(gain=0.5)
    assert shrunk["tanh"].decay.relative[-1] < 1
    assert "not the gradient" not in tanh_sentences("rnn", shrunk)[1]
    assert re.search(r"29 time steps back the gradient is ×", tanh_sentences("rnn", shrunk)[0])


def test_a_state_and_a_gradient_beyond_floating_point_are_told():
    wild = Experiment(cell="rnn", init="identity", gain=3, seeds=1, length=900, hidden_size=2)
    measured = {a: measure_untrained(wild.replace(activation=a)) for a in ACTIVATIONS}
    sentence, others = tanh_sentences("rnn", measured)
    assert sentence.startswith("RNN: with tanh |h| stays within ")
    assert "identity |h| reaches beyond floating point" in others
    lstm = {a: measure_untrained(wild.replace(cell="lstm", activation=a, length=6)) for a in ACTIVATIONS}
    assert tanh_sentences("lstm", lstm)[0].startswith("LSTM: with tanh |h| stays within ")


def test_growth_that_does_not_show_in_three_digits_is_none():
    measured = {
        a: measure_untrained(Experiment(cell="rnn", activation=a, seeds=1, length=2, hidden_size=4))
        for a in ACTIVATIONS
    }

    def sentences(*relative):
        tanh = measured["tanh"]
        decay = replace(tanh.decay, relative=np.array(relative))
        return tanh_sentences("rnn", measured | {"tanh": replace(tanh, decays=tanh.decays | {"memory": decay})})

    sentence, lesson = sentences(1.0, 1.0003)
    assert sentence.endswith(", and 1 time step back the gradient is ×1.") and "not the gradient" not in lesson
    sentence, lesson = sentences(1.0, 1.006)
    assert sentence.endswith(", yet 1 time step back the gradient has grown ×1.01.") and "not the gradient" in lesson
    assert sentences(np.nan, np.nan)[0].endswith(", and 1 time step back the gradient is zero.")


def test_a_vector_that_leaves_floating_point_names_the_step():
    growing, shrinking = repeat([0.02, 0.1, -0.5, 1], 3), repeat([0.02, 0.1, -0.5, 1], 0.5)
    assert vector_sentences(growing)[0].endswith("went from 1 to 59,049, through tanh to 0.995.")
    assert vector_sentences(growing)[1].startswith("Tanh also erases size: largest to smallest was 50 to 1 and ends ")
    assert vector_sentences(shrinking)[1].startswith("Largest to smallest was 50 to 1 and ends ")
    assert overflow_sentence(growing).endswith("grows beyond float32 at time step 81 and float64 at time step 647.")
    assert "falls below the normal numbers of float32 at time step 127" in overflow_sentence(shrinking)
