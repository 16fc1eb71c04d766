from dataclasses import replace

import numpy as np
import pytest

from analysis.reasons import Advice
from analysis.report.reasons import trials_csv
from analysis.report.sentences.advice import advice_sentence, best_sentence, describe_value, trial_lines
from tests.measures.test_advice import trial

NOW = trial(1, 0.001)
DEAR = Advice(NOW, {"gain": {1.0: NOW, 2.0: trial(2, 0.9, price=5.0)}})
CHEAP = Advice(NOW, {"forget_bias": {None: NOW, 3.0: trial(2, 0.5, price=0.1)}})
NONE = Advice(NOW, {"gain": {1.0: NOW, 0.5: trial(0, 1e-9)}})
EXPLODES = Advice(NOW, {"gain": {1.0: NOW, 3.0: trial(2, 1e6)}})


def test_it_names_each_cells_best_change_with_its_horizon():
    assert best_sentence({"rnn": DEAR, "lstm": CHEAP, "gru": NONE}) == (
        "Before training, the one change with which 1 % of the gradient reaches furthest back: in the RNN gain 2 "
        "(horizon ≥ 2 instead of 1) and in the LSTM forget bias 3 (horizon ≥ 2 instead of 1). "
        "In the GRU no single change tried here reaches further."
    )
    assert best_sentence({"rnn": DEAR, "gru": DEAR}).count("gain 2") == 1
    wild = Advice(trial(2, 1e6), {"gain": {1.0: trial(2, 0.9)}})
    assert "gain 1 (horizon ≥ 2; now the gradient explodes ×1e6)." in best_sentence({"rnn": wild})
    lost = Advice(trial(np.nan, np.nan), {"gain": {1.0: trial(2, 0.9)}})
    assert "gain 1 (horizon ≥ 2; now the gradient is not measurable)." in best_sentence({"rnn": lost})
    assert "distance." in advice_sentence("rnn", lost, {})
    some = replace(NOW, decay=replace(NOW.decay, excluded=1))
    assert "horizon ≥ 2 instead of 1)" in best_sentence({"rnn": Advice(some, {"gain": {1.0: trial(2, 0.9)}})})
    assert "already" not in best_sentence({"rnn": Advice(trial(2, 1e6), {"gain": {3.0: trial(2, 1e9)}})})
    whole = trial(2, 0.1)
    already = best_sentence({"rnn": Advice(whole, {"gain": {1.0: whole, 2.0: trial(2, 0.9)}})})
    assert already == "In the RNN the gradient reaches over the whole sequence already: try a longer one."
    cut = replace(whole, decay=replace(whole.decay, cut=3))
    assert (
        best_sentence({"rnn": Advice(cut, {})})
        == "In the RNN the gradient reaches as far as truncation lets it already."
    )
    one_step = replace(trial(0, 0.1), decay=replace(trial(0, 0.1).decay, cut=1))
    assert "as far as truncation lets it" in best_sentence({"rnn": Advice(one_step, {})})
    assert best_sentence({"rnn": EXPLODES}) == "In the RNN no single change tried here reaches further."


def test_what_is_left_has_its_distance_where_truncation_makes_them_differ():
    cut = replace(NOW, decay=replace(NOW.decay, cut=2))
    advice = Advice(cut, {"truncate": {2: cut, None: trial(2, 0.5)}})
    assert "truncate unset leaves 50 % of the gradient 2 time steps back instead of ×1, 1 time step back." in (
        advice_sentence("rnn", advice, {})
    )


def test_the_price_is_said_where_it_differs():
    assert "moves ×5 as much with the recurrent weights, which makes it harder to train" in advice_sentence(
        "rnn", DEAR, {}
    )
    assert "moves only ×0.1 as much" in advice_sentence("lstm", CHEAP, {})
    assert advice_sentence("gru", NONE, {}) == ""
    alike = Advice(NOW, {"gain": {1.0: NOW, 2.0: trial(2, 0.9)}})
    assert "recurrent weights" not in advice_sentence("rnn", alike, {})


def test_runs_are_compared_where_both_are_there():
    assert "Trained" not in advice_sentence("rnn", DEAR, {"gain": {2.0: [1.0]}})
    said = advice_sentence("rnn", DEAR, {"gain": {1.0: [0.2, 0.4], 2.0: [1.0, None]}})
    assert said.endswith("Trained, it got 1 instead of 0.3 (0.2–0.4).")


def test_every_value_has_its_horizon_and_price():
    assert trial_lines(CHEAP) == ["forget bias: unset (now) → 1, price 1; 3 → ≥ 2, price 0.1"]
    assert "3 → explodes ×1e6" in trial_lines(EXPLODES)[0]
    assert [describe_value(value) for value in (None, -1.5, "chrono", 64)] == ["unset", "−1.5", "chrono", "64"]


def test_the_table_has_a_row_for_each_model():
    lines = trials_csv({"lstm": CHEAP}).splitlines()
    assert len(lines) == 1 + 2 * len(NOW.price)
    assert lines[1].startswith("lstm,forget_bias,unset,0,")


def test_a_price_that_is_not_finite_is_not_compared():
    lost = Advice(NOW, {"gain": {1.0: NOW, 2.0: trial(2, 0.9, price=np.inf)}})
    assert "recurrent weights" not in advice_sentence("rnn", lost, {})


@pytest.mark.parametrize("price", [0.0, np.nan])
def test_nor_is_one_that_is_nothing_now(price):
    assert "recurrent weights" not in advice_sentence(
        "rnn", Advice(trial(1, 0.01, price), {"gain": {2.0: trial(2, 0.9)}}), {}
    )
