import pytest

from analysis.experiment import Experiment
from analysis.jobs import estimate

SMALL = {"length": 6, "hidden_size": 4, "seeds": 2, "steps": 10, "batch_size": 4}


def test_trainings_side_by_side_take_as_long_as_the_last_of_them(monkeypatch):
    monkeypatch.setattr(estimate.os, "cpu_count", lambda: 2)
    assert estimate.estimate_all([3.0, 1.0, 4.0]) == 5.0
    assert estimate.estimate_all([2.0]) == 2.0


def test_an_estimate_tries_all_models_on_a_shorter_sequence(monkeypatch):
    tried = []

    class Tried(estimate.Trainer):
        def __init__(self, experiment, task):
            tried.append(experiment)
            super().__init__(experiment, task)

    monkeypatch.setattr(estimate, "Trainer", Tried)
    long = Experiment(hidden_size=64, length=500)
    estimate.estimate_training(long)
    assert tried[0].length < 250 and tried[0].replace(length=500) == long
    assert estimate.estimate_training(Experiment(**SMALL)) > 0
    assert tried[1] == Experiment(**SMALL)


def test_a_training_that_does_not_fit_in_memory_is_refused():
    with pytest.raises(ValueError, match="this machine has"):
        estimate.estimate_training(Experiment(hidden_size=512, seeds=64, length=1000, batch_size=4096))
