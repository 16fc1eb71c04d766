from dataclasses import asdict

import numpy as np
import pytest

from analysis.engine.speed import TYPICAL, Speed
from analysis.experiment import Experiment
from analysis.measures import preview

SMALL = Experiment(length=6, hidden_size=4, seeds=2)


def test_a_small_experiment_is_measured_whole():
    assert preview.preview_sizes(SMALL) == (2, 64)


def test_a_large_experiment_is_measured_on_fewer_models_and_sequences(monkeypatch):
    monkeypatch.setattr(preview, "BUDGET", 1.0)
    assert preview.preview_sizes(SMALL) == (1, 8)
    meter, weights = preview.preview_meter(SMALL)
    assert len(meter.measure(weights).decay.horizons) == 1


LARGE = Experiment(hidden_size=512, layers=4, length=1000)


def test_seconds_follow_from_the_machines_speed(monkeypatch):
    before = preview.preview_seconds(SMALL)
    prices = {name: np.multiply(2, price).tolist() for name, price in asdict(preview.machine_speed()).items()}
    monkeypatch.setattr(preview, "machine_speed", lambda: Speed(**prices))
    assert preview.preview_seconds(SMALL) == pytest.approx(2 * before)


def test_a_smaller_setting_that_comes_in_time_is_the_largest_such(monkeypatch):
    monkeypatch.setattr(preview, "machine_speed", lambda: TYPICAL)
    cells = [LARGE.replace(cell=cell) for cell in ("rnn", "lstm", "gru")]
    enough = sum(map(preview.preview_seconds, cells)) / 3
    found = preview.quicker_settings(cells, enough)
    assert found.keys() == {"hidden_size", "length"}
    for name, value in found.items():
        offered = preview.SMALLER[name]
        larger = [getattr(LARGE, name), *offered][offered.index(value)]
        for setting, fits in ((value, True), (larger, False)):
            changed = [each.replace(**{name: setting}) for each in cells]
            assert (sum(map(preview.preview_seconds, changed)) <= enough) is fits


def test_no_setting_is_offered_that_is_fixed_larger_or_not_enough():
    assert preview.quicker_settings([LARGE.replace(length=2, hidden_size=1)], 1e9) == {}
    assert preview.quicker_settings([LARGE], 0.0) == {}
    pytest.importorskip("sklearn")
    digits = Experiment(task="digits", hidden_size=512)
    assert preview.quicker_settings([digits], 1e9) == {"hidden_size": 256}


def test_settings_of_training_alone_make_no_other_preview():
    assert preview.without_training(SMALL.replace(steps=7, clip=0.5)) == SMALL
