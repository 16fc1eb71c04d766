"""A race between an LSTM and a GRU: both read, in turn, and the ratio is of neighbours."""

import numpy as np
import pytest

from analysis.lesson import race as module
from analysis.lesson.race import race
from tests.helpers.readings import weights_of, words_experiment

EXPERIMENTS = {cell: words_experiment(cell) for cell in ("lstm", "gru")}
TRAINED = {
    cell: {name: weight.numpy() for name, weight in weights_of(each).items()} for cell, each in EXPERIMENTS.items()
}


def test_both_are_timed_in_turn(monkeypatch):
    clock = iter(np.cumsum([0, 3, 0, 2] * 8))  # each reading of the LSTM takes 3 s, of the GRU 2 s
    monkeypatch.setattr(module.time, "thread_time", lambda: next(clock))
    found = race(EXPERIMENTS, ["if", "it"], TRAINED)
    np.testing.assert_allclose(found.lstm, 3 / module.READINGS)
    np.testing.assert_allclose(found.gru, 2 / module.READINGS)
    np.testing.assert_allclose(found.ratios, 2 / 3)
    assert found.differs and found.words == ("if", "it")


def test_real_times_are_positive():
    found = race(EXPERIMENTS, ["if", "it"], TRAINED)
    assert len(found.lstm) == len(found.gru) == module.REPEATS
    assert (found.lstm > 0).all() and (found.gru > 0).all()


def test_nothing_to_read_is_refused():
    with pytest.raises(ValueError, match="at least one word"):
        race(EXPERIMENTS, [], TRAINED)
