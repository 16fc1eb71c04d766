"""A model that leaves the finite range ends, and the other models train on as without it."""

import re

import numpy as np
import pytest
import torch

from analysis import train
from analysis.tasks.registry import build_task
from analysis.training import optimizers
from analysis.training.trainer import Trainer
from tests.helpers.trainings import spoilt, tiny

REASONS = {  # what is spoilt at one step -> the reason given
    "loss": "its loss left the finite range",
    "gradient": "its gradient left the finite range",
}


@pytest.mark.parametrize(("optimizer", "what"), [("adam", "loss"), ("adam", "gradient"), ("sgd", "loss")])
def test_a_model_that_diverges_ends_and_the_others_go_on(what, optimizer, monkeypatch):
    experiment = tiny(optimizer=optimizer, steps=8, snapshot_every=2)
    healthy, before = train(experiment), train(experiment.replace(steps=3))
    spoilt(monkeypatch, model=1, step=3, what=what)
    run = train(experiment)
    (failure,) = run.diverged
    assert (failure.model, failure.step, failure.reason) == (1, 3, REASONS[what])
    assert run.status == "finished"
    assert [snapshot.step for snapshot in run.snapshots] == [0, 2, 4, 6, 8]
    assert run.snapshots[:2] == healthy.snapshots[:2]
    for name, weight in run.weights.items():
        np.testing.assert_array_equal(weight[[0, 2]], healthy.weights[name][[0, 2]])
        np.testing.assert_array_equal(weight[1], before.weights[name][1])
    np.testing.assert_array_equal(run.metric[[0, 2]], healthy.metric[[0, 2]])
    np.testing.assert_array_equal(run.loss[[0, 2]], healthy.loss[[0, 2]])
    np.testing.assert_array_equal(run.after.relatives[[0, 2]], healthy.after.relatives[[0, 2]])
    assert np.isnan([run.metric[1], run.loss[1]]).all()
    assert run.before == healthy.before
    assert all(decay.excluded == 1 and np.isnan(decay.rates[1]) for decay in run.measured_after.decays.values())
    assert run.snapshots[-1].decay.excluded == 1
    assert np.isnan([run.snapshots[-1].loss[1], run.snapshots[-1].metric[1]]).all()
    assert np.isnan(run.memory.values[1]).all()
    np.testing.assert_array_equal(run.memory.low, run.memory.values[[0, 2]].min(0))


def test_a_step_that_blows_up_the_weights_is_taken_back(monkeypatch):
    experiment = tiny(steps=5)
    healthy, early = train(experiment), train(experiment.replace(steps=2))
    step = optimizers.step

    def blow_up(name, weights, grad, lr, state):
        step(name, weights, grad, lr, state)
        if int(state["step"]) == 3:
            weights[1] = torch.inf

    monkeypatch.setattr(optimizers, "step", blow_up)
    run = train(experiment)
    assert [(failure.model, failure.step, failure.reason) for failure in run.diverged] == [
        (1, 2, "its weights left the finite range")
    ]
    for name, weight in run.weights.items():
        np.testing.assert_array_equal(weight[1], early.weights[name][1])
        np.testing.assert_array_equal(weight[[0, 2]], healthy.weights[name][[0, 2]])


def test_where_every_model_diverges_the_run_ends_and_says_so(monkeypatch):
    for model in range(3):
        spoilt(monkeypatch, model, step=2 + model)
    run = train(tiny(steps=50, snapshot_every=2))
    assert run.status == "diverged"
    assert [(failure.model, failure.step) for failure in run.diverged] == [(0, 2), (1, 3), (2, 4)]
    assert [snapshot.step for snapshot in run.snapshots] == [0, 2, 4, 5]
    assert np.isnan(run.metric).all()
    assert all(np.isfinite(weight).all() for weight in run.weights.values())


def test_a_network_that_explodes_on_its_own():
    """A linear RNN with gain 3 over 200 steps: 3^200 leaves float32."""
    run = train(
        tiny(cell="rnn", activation="identity", init="identity", gain=3, task="adding", length=200, clip=0, steps=3)
    )
    assert run.status == "diverged"
    assert [failure.step for failure in run.diverged] == [0, 0, 0]
    assert all("left the finite range" in failure.reason for failure in run.diverged)
    assert all(np.isfinite(weight).all() for weight in run.weights.values())
    assert np.isfinite(run.before.norm).all()  # float64 still holds 3^200


def test_it_is_told_where_a_model_left_the_finite_range():
    """A linear RNN that triples its state leaves float32, 3.4e38, near step 81; float64 has no trouble."""
    wild = {"cell": "rnn", "activation": "identity", "init": "identity", "gain": 3, "clip": 0, "steps": 1, "seeds": 1}
    (failure,) = train(tiny(task="adding", length=120, **wild)).diverged
    step = int(
        re.fullmatch(r"its loss left the finite range at time step (\d+) of 120, going forward", failure.reason)[1]
    )
    assert 70 < step < 95


def test_a_gradient_that_overflows_on_the_way_back_is_told_from_a_state(monkeypatch):
    """Weights that triple the gradient where the state stays at zero: inputs and biases are 0."""
    experiment = tiny(cell="rnn", activation="identity", init="identity", gain=3, clip=0, seeds=1, length=120, steps=1)
    trainer = Trainer(experiment, build_task(experiment))
    for name, weight in trainer.weights.items():
        if "bias" in name or "weight_ih" in name:
            weight.zero_()
    trainer.advance()
    (failure,) = trainer.diverged
    step = int(
        re.fullmatch(r"its gradient left the finite range at time step (\d+) of 120, going back", failure.reason)[1]
    )
    assert 25 < step < 50
