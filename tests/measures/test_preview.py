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


def test_seconds_follow_from_the_speed(monkeypatch):
    before = preview.preview_seconds(SMALL)
    monkeypatch.setattr(preview, "SPEED", preview.SPEED / 2)
    assert preview.preview_seconds(SMALL) == 2 * before


def test_settings_of_training_alone_make_no_other_preview():
    assert preview.without_training(SMALL.replace(steps=7, clip=0.5)) == SMALL
