"""What trainings are said to take: monotone in every setting, and after their own pace once they go. No clock."""

import numpy as np
import pytest

from analysis.engine import speed
from analysis.experiment import Experiment
from analysis.jobs import estimate
from analysis.jobs.estimate import Forecast


@pytest.fixture(autouse=True)
def typical(monkeypatch):
    """Estimate for one machine, whatever the one of the tests is."""
    monkeypatch.setattr(estimate, "machine_speed", lambda: speed.TYPICAL)


def test_workers_take_trainings_in_their_order(monkeypatch):
    monkeypatch.setattr(estimate.os, "cpu_count", lambda: 2)
    assert estimate.estimate_ends([3.0, 1.0, 4.0, 1.0]) == [3.0, 1.0, 5.0, 4.0]
    assert estimate.estimate_ends([2.0]) == [2.0]
    assert estimate.estimate_ends([]) == []


def test_a_page_takes_its_share_where_all_cores_train(monkeypatch):
    monkeypatch.setattr(estimate.os, "cpu_count", lambda: 4)
    alone, *together = (Forecast(Experiment()).seconds(together=count) for count in (1, 3, 4, 9))
    assert together == pytest.approx([alone, (4 + estimate.PAGE) / 4 * alone, (4 + estimate.PAGE) / 4 * alone])


RAISED = {
    "hidden_size": (1, 2, 7, 8, 9, 31, 32, 64, 512),
    "layers": (1, 2, 3, 4),
    "seeds": (1, 2, 3, 8, 64),
    "batch_size": (1, 2, 3, 8, 9, 15, 16, 31, 32, 100, 256, 257, 4096),
    "length": (2, 3, 49, 50, 51, 60, 61, 100, 101, 500, 501, 1000),
}


@pytest.mark.parametrize("task", ["recall", "adding", "copy", "words"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("name", RAISED)
def test_no_estimate_falls_where_a_setting_is_raised(name, cell, task, monkeypatch):
    monkeypatch.setattr(estimate, "require_memory", lambda *_, **__: None)
    for others in ({}, {"hidden_size": 5, "seeds": 1, "batch_size": 1}):
        base = Experiment(cell=cell, task=task, **others)
        seconds = [Forecast(base.replace(**{name: value})).seconds() for value in RAISED[name]]
        assert (np.diff(seconds) > 0).all(), seconds


def test_updates_and_snapshots_are_proportional():
    def seconds(steps, snapshot_every):
        return Forecast(Experiment(steps=steps, snapshot_every=snapshot_every)).seconds()

    by_500 = seconds(1000, 10) - seconds(500, 10)
    assert by_500 > 0
    assert seconds(2000, 10) - seconds(1000, 10) == pytest.approx(2 * by_500)
    by_50 = seconds(1000, 10) - seconds(1000, 20)
    assert by_50 > 0
    assert seconds(1000, 5) - seconds(1000, 10) == pytest.approx(2 * by_50)


def test_updates_that_were_made_are_not_counted():
    left = Forecast(Experiment(steps=1000)).seconds(900)
    assert left == pytest.approx(Forecast(Experiment(steps=100)).seconds())


def test_a_training_of_the_defaults_takes_some_seconds():
    assert 1 < Forecast(Experiment()).seconds() < 20
    assert Forecast(Experiment(hidden_size=512, seeds=16)).seconds() > 300


def test_the_time_left_follows_a_runs_own_pace():
    experiment = Experiment(steps=1000)
    forecast, machine = Forecast(experiment), Forecast(experiment)
    assert forecast.seconds_left(0, 0.0) == machine.seconds()
    slow = forecast.seconds_left(100, 60.0)
    assert slow > 8 * 60
    ending = slow - 9 * 60  # of what is measured at the end, at the same pace
    assert forecast.seconds_left(200, 120.0) == pytest.approx(8 * 60 + ending)


def test_the_recent_pace_counts_not_the_average():
    forecast = Forecast(Experiment(steps=1000))
    assert forecast.seconds_left(100, 100.0) > 800  # something else took the core
    for step in range(110, 500, 10):  # a tenth of a second each from now on
        left = forecast.seconds_left(step, 100.0 + (step - 100) / 10)
    assert 50 < left < 60


def test_a_run_that_went_back_to_its_checkpoint_starts_anew():
    forecast = Forecast(Experiment(steps=1000))
    forecast.seconds_left(500, 5.0)
    fresh = Forecast(Experiment(steps=1000))
    assert forecast.seconds_left(100, 2.0) == pytest.approx(fresh.seconds_left(100, 2.0))


def test_a_training_that_does_not_fit_in_memory_is_refused():
    with pytest.raises(ValueError, match="this machine has"):
        Forecast(Experiment(hidden_size=512, seeds=64, length=1000, batch_size=4096))
