import numpy as np
import pytest

from analysis import Experiment, measure_untrained
from analysis.measures.advice import VALUES, advise, measure_trial, try_setting, variations
from analysis.reasons import Advice, Trial

SMALL = Experiment(hidden_size=6, length=12, seeds=2)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_each_variation_changes_one_setting_and_the_present_one_is_among_them(cell):
    experiment = SMALL.replace(cell=cell, gain=1.1)
    for setting in VALUES:
        found = variations(experiment, setting)
        assert bool(found) == (setting != "truncate" and (setting != "forget_bias" or cell != "rnn"))
        for value, each in found.items():
            changed = {name for name, now in each.as_dict().items() if now != getattr(experiment, name)}
            assert changed == (set() if each == experiment else {setting})
            assert getattr(each, setting) == value
        assert not found or experiment in found.values()
    assert "chrono" in variations(experiment, "init") or cell == "rnn"
    assert list(variations(experiment, "gain")) == sorted(variations(experiment, "gain"))


def test_what_does_not_go_together_is_left_out():
    assert "chrono" not in variations(SMALL.replace(forget_bias=1), "init")
    assert not variations(SMALL.replace(init="chrono"), "forget_bias")
    assert list(variations(SMALL.replace(forget_bias=-1.5), "forget_bias"))[:2] == [None, -1.5]
    assert variations(Experiment(task="text"), "length").keys() >= {50}  # unset, the task's own


def test_a_fixed_length_is_no_setting():
    pytest.importorskip("sklearn")
    assert not variations(Experiment(task="digits"), "length")


def test_a_trial_is_measured_as_the_experiment_is():
    trial = measure_trial(SMALL)
    np.testing.assert_allclose(trial.decay.horizons, measure_untrained(SMALL).decay.horizons)
    assert trial.price.shape == (2,) and (trial.price > 0).all()


def test_values_whose_task_cannot_be_built_are_left_out():
    def measured(experiment):
        if experiment.task_length > 30:
            raise ValueError("too short a text")
        return experiment.task_length

    assert try_setting(SMALL, "length", measured) == {10: 10, 12: 12, 30: 30}
    with pytest.raises(ValueError, match="too short"):
        try_setting(SMALL.replace(length=40), "length", measured)


def test_advice_measures_the_present_settings_once_and_its_progress_ends_at_all():
    shares = []
    advice = advise(SMALL, shares.append)
    assert shares[-1] == 1
    assert all(any(trial is advice.now for trial in by_value.values()) for by_value in advice.trials.values())
    setting, value = advice.best
    assert advice.trials[setting][value].decay.horizon > advice.now.decay.horizon


def trial(horizon, left, price=1.0):
    made = measure_trial(SMALL.replace(length=3))
    decay = made.decay
    relative = np.array([1.0, 1.0, left])
    changed = {"horizon": float(horizon), "relative": relative}
    decay = type(decay)(**{name: changed.get(name, getattr(decay, name)) for name in vars(decay)})
    return Trial(SMALL, decay, np.array([price, price]))


def test_the_best_reaches_furthest_without_exploding():
    now = trial(1, 0.001)
    far, dear, exploding = trial(2, 0.02), trial(2, 0.9, price=5.0), trial(2, 1e3, price=0.1)
    trials = {"gain": {1.0: now, 1.5: far, 2.0: dear, 3.0: exploding}, "length": {100: trial(90, 1.0)}}
    assert Advice(now, trials).best == ("gain", 1.5)  # as far as gain 2, at a lower price
    assert Advice(dear, {"gain": {1.0: dear, 1.5: far}}).best is None
    assert Advice(exploding, {"gain": {1.0: far}}).best == ("gain", 1.0)


def test_truncation_ends_what_is_compared():
    advice = advise(SMALL.replace(truncate=5, init="orthogonal", forget_bias=3.0))
    assert advice.now.decay.furthest == 1 and advice.now.left > 0  # 12 steps end with a window of 2
    assert advice.best == ("truncate", None)
    assert list(advice.trials["truncate"]) == [5, None]
