import re
from dataclasses import replace

import numpy as np
import pytest

from analysis import Experiment, measure_untrained
from analysis.experiment import SETTINGS
from analysis.lesson.repetition import repeat
from analysis.report.sentences.bounds import multiplied_sentences, overflow_sentence, ratio_sentences, tanh_sentences

ACTIVATIONS = SETTINGS["activation"].choices


@pytest.mark.parametrize("factor", [0, 0.5, 1, 1.01, 3, -2])
@pytest.mark.parametrize("start", [[0.0], [1.0], [0.1, -2.0, 0.0]])
def test_the_textbook_sentences_hold(start, factor):
    result = repeat(start, factor)
    sentence, detail = multiplied_sentences(result), ratio_sentences(result)
    assert not {"nan", "{", "}"} & set(re.findall(r"nan|[{}]", sentence + detail))
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
    assert ratio_sentences(growing).startswith("Tanh also erases size: largest to smallest was 50 to 1 and ends ")
    assert ratio_sentences(shrinking).startswith("Largest to smallest was 50 to 1 and ends ")
    assert overflow_sentence(growing).endswith("grows beyond float32 at time step 81 and float64 at time step 647.")
    assert "falls below the normal numbers of float32 at time step 127" in overflow_sentence(shrinking)


@pytest.mark.parametrize(
    "start, factor, sentences",
    [
        (
            [0.02, 0.1, -0.5, 1],
            3,
            "After 10 time steps, each ×3, 1 became 59,049 and 0.02 became 1,181: still 50 to 1, but nothing holds the "
            "size. With tanh both end at 0.995: held within ±1, though their difference is lost.",
        ),
        (
            [0, 0.02, 1],
            0.5,
            "After 10 time steps, each ×0.5, 1 became 9.77 × 10⁻⁴ and 0.02 became 1.95 × 10⁻⁵: still 50 to 1, but both "
            "fade. With tanh they end at 8.82 × 10⁻⁴ and 1.95 × 10⁻⁵: it can't stop them fading.",
        ),
        (
            [2, 4],
            1.2,
            "After 10 time steps, each ×1.2, 4 became 24.8 and 2 became 12.4: still 2 to 1, but nothing holds the "
            "size. With tanh both end at 0.664.",
        ),
        (
            [0.3, -2],
            3,
            "After 10 time steps, each ×3, −2 became −1.18 × 10⁵ and 0.3 became 17,715: still 6.67 to 1, but nothing "
            "holds the size. With tanh they end at −0.995 and 0.995: within ±1, but only their signs differ.",
        ),
        (
            [0.02, 1],
            1.9,
            "After 10 time steps, each ×1.9, 1 became 613 and 0.02 became 12.3: still 50 to 1, but nothing holds the "
            "size. With tanh they end at 0.947 and 0.946: held within ±1, and almost the same.",
        ),
        (
            [1, 2],
            1,
            "After 10 time steps, each ×1, 2 and 1 stayed as they were. With tanh they end at 0.371 and 0.356.",
        ),
        (
            [-1],
            3,
            "After 10 time steps, each ×3, −1 became −59,049: nothing holds the size. With tanh it ends at −0.995: "
            "held within ±1.",
        ),
        ([0], 3, "Zero stays zero, with tanh and without."),
    ],
)
def test_the_lessons_sentences_on_a_vector(start, factor, sentences):
    assert multiplied_sentences(repeat(start, factor)) == sentences


def test_the_sentences_follow_the_time_step():
    result = repeat([0.02, 1], 3)
    assert multiplied_sentences(result, 2).startswith("After 2 time steps, each ×3, 1 became 9 and 0.02 became 0.18:")
    assert multiplied_sentences(result, 0).startswith("Nothing is multiplied yet.")
