"""What is measured of a machine, once, and the file in which it is kept."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from analysis.engine import speed
from analysis.engine.speed import BATCHES, TYPICAL, Speed


@pytest.fixture
def path(monkeypatch, tmp_path):
    """Return where the speed is kept, beside a history of this test alone."""
    monkeypatch.setenv("GOLDFISH_STORE", str(tmp_path / "runs.sqlite"))
    return tmp_path / "runs.sqlite.speed.json"


@pytest.fixture
def measured(monkeypatch):
    """Measure nothing, and return how often it was asked for."""
    asked = []
    monkeypatch.setattr(speed, "measure_speed", lambda: asked.append(1) or Speed(**asdict(TYPICAL) | {"call": 5.0}))
    return asked


def test_a_machine_is_measured_once(path, measured):
    assert speed.machine_speed() == TYPICAL  # nobody waits for the measurement
    speed.keep_speed()
    speed.keep_speed()
    assert measured == [1]
    assert speed.machine_speed().call == 5.0
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("spoil", ["", "{", "[]", "null", '{"machine": 1}'])
def test_a_broken_file_is_made_anew(path, measured, spoil):
    path.write_text(spoil)
    assert speed.machine_speed() == TYPICAL
    speed.keep_speed()
    assert speed.machine_speed().call == 5.0


@pytest.mark.parametrize(
    "change",
    [
        {"call": -1.0},
        {"entry": float("nan")},
        {"training": [1.0]},
        {"measuring": "fast"},
        {"alone": None},
        {"other": 1.0},
    ],
)
def test_prices_that_can_not_be_are_made_anew(path, measured, change):
    kept = {"machine": speed._machine(), "speed": asdict(TYPICAL) | change}
    path.write_text(json.dumps(kept))
    assert speed.kept_speed() is None


def test_a_file_of_another_machine_or_torch_is_made_anew(path, measured, monkeypatch):
    speed.keep_speed()
    monkeypatch.setattr(speed.torch, "__version__", "9.0")
    path.touch()
    speed.keep_speed()
    assert measured == [1, 1]


def test_a_folder_that_is_not_there_or_a_history_in_memory_keeps_nothing(monkeypatch, tmp_path, measured):
    monkeypatch.chdir(tmp_path)
    for store in (str(tmp_path / "missing" / "runs.sqlite"), ":memory:"):
        monkeypatch.setenv("GOLDFISH_STORE", store)
        speed.keep_speed()
        assert speed.machine_speed() == TYPICAL
    assert not list(tmp_path.iterdir())


def test_what_is_measured_are_prices_that_rise_with_the_sequences():
    found = speed.measure_speed()
    for prices in (found.training, found.measuring):
        assert (np.diff(prices) >= 0).all()
    assert found.alone <= found.training[0]


def test_products_cost_as_measured_and_in_proportion_beyond():
    assert [TYPICAL.product(4, B, training=True) for B in BATCHES] == pytest.approx(TYPICAL.training)
    assert TYPICAL.product(4, 1024, training=False) == pytest.approx(4 * TYPICAL.measuring[-1])
    assert TYPICAL.product(1, 1, training=True) == TYPICAL.alone
    assert TYPICAL.training[4] < TYPICAL.product(4, 48, training=True) < TYPICAL.training[5]
