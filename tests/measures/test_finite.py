"""A finite change beside a tiny one: where both are the same, and where the network has latched."""

from itertools import product

import numpy as np
import pytest
import torch

from analysis import Experiment
from analysis.engine.initialization import initial_weights
from analysis.measures.advice import measure_trial
from analysis.measures.finite import _draw, finite_change, measure_changes
from analysis.sources import with_own_length
from analysis.tasks.registry import build_task
from tests.helpers.data import X, sequences, table, waves
from tests.helpers.modules import MODULES

TASKS = ("recall", "adding", "order", "copy", "text", "words")


def start(experiment):
    task = build_task(experiment)
    return task, initial_weights(experiment, task.inputs, task.outputs, task.vocabulary)[0]


def measured(experiment, **changes):
    task, weights = start(experiment)
    return finite_change(experiment, task, weights | changes)


def latch(self_recurrence):
    """One unit that the symbol turns to +1 or -1, and that holds itself there."""
    experiment = Experiment(cell="rnn", hidden_size=1, symbols=2, length=15, seeds=1)
    weights = {
        "weight_ih_l0": torch.tensor([[[5.0, -5.0, 0.0, 0.0]]]),
        "weight_hh_l0": torch.tensor([[[self_recurrence]]]),
        "bias_ih_l0": torch.zeros(1, 1),
        "bias_hh_l0": torch.zeros(1, 1),
        "readout.weight": torch.tensor([[[1.0], [-1.0]]]),
        "readout.bias": torch.zeros(1, 2),
    }
    return finite_change(experiment, build_task(experiment), weights)


def test_a_latch_keeps_what_its_gradient_has_lost():
    found = latch(10.0)
    np.testing.assert_allclose(found.state, 2, rtol=1e-3)  # from +1 to -1
    assert found.tiny[-1] < 1e-60
    assert (found.right == 1).all() and (found.answer == 1).all() and found.chance == 0.5


@pytest.mark.parametrize("init", ["default", "orthogonal"])
def test_in_a_linear_network_both_are_the_same(init):
    found = measured(Experiment(cell="rnn", init=init, activation="identity", hidden_size=5, length=12, seeds=2))
    np.testing.assert_allclose(found.state, found.tiny, rtol=1e-9)
    np.testing.assert_allclose(found.state_high, found.tiny_high, rtol=1e-9)
    assert found.state[-1] > 0


@pytest.mark.parametrize("cell, task, layers", list(product(MODULES, ("recall", "adding", "order"), (1, 2))))
def test_a_tiny_change_is_the_derivative_along_the_change(cell, task, layers):
    experiment = Experiment(cell=cell, task=task, hidden_size=5, length=8, seeds=1, layers=layers, gain=1.5)
    built, weights = start(experiment)
    found = finite_change(experiment, built, weights, pairs=4)
    module = MODULES[cell](built.inputs, 5, layers).double()
    module.load_state_dict({name: w[0] for name, w in weights.items() if name in dict(module.named_parameters())})

    def memory(inputs):
        state = module(inputs)[1]
        return (state[1] if cell == "lstm" else state)[-1].detach().numpy()

    for n, pairs in enumerate(_draw(built, built.measuring().inputs, found.distance, 4)):
        inputs = pairs.inputs.double()
        others = inputs.roll(4, 1)
        size = np.linalg.norm(memory(inputs), axis=-1)
        moved = np.linalg.norm(memory(others) - memory(inputs), axis=-1) / size
        assert found.state[n] == pytest.approx(np.median(moved), rel=1e-6)
        e = 1e-6
        slope = (memory(inputs + e * (others - inputs)) - memory(inputs - e * (others - inputs))) / (2 * e)
        assert found.tiny[n] == pytest.approx(np.median(np.linalg.norm(slope, axis=-1) / size), rel=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_each_task_changes_one_input(task):
    built = build_task(Experiment(task=task, length=6))
    for pairs, k in zip(_draw(built, built.measuring().inputs, np.array([1, 3]), 4), (1, 3), strict=True):
        one, other = pairs.inputs.chunk(2, 1)
        differs = (one != other).flatten(2).any(-1) if one.dim() == 3 else one != other
        assert differs[built.length - 1 - k].all()
        assert differs.sum() == 4
        assert (pairs.targets is not None) == (task == "recall")


@pytest.mark.parametrize("task", TASKS)
def test_each_task_is_measured(task):
    found = measured(Experiment(task=task, hidden_size=4, length=6, seeds=2))
    assert np.isfinite(found.state).all() and np.isfinite(found.tiny).all() and np.isfinite(found.answer).all()
    assert found.classes == (task != "adding")
    assert np.isfinite(found.right).all() == np.isfinite(found.chance) == (task == "recall")


def test_long_sequences_are_run_in_pieces(monkeypatch):
    experiment = Experiment(cell="lstm", hidden_size=4, length=23, seeds=2)
    whole = measured(experiment)
    monkeypatch.setattr("analysis.measures.finite.LONGEST", 5)
    pieces = measured(experiment)
    np.testing.assert_allclose(pieces.tiny, whole.tiny, rtol=1e-12)
    np.testing.assert_allclose(pieces.state, whole.state, rtol=1e-6)


def test_models_that_leave_the_finite_range_are_left_out():
    experiment = Experiment(
        cell="rnn", activation="identity", gain=3, init="orthogonal", length=800, hidden_size=2, seeds=1
    )
    task, weights = start(experiment)
    found = finite_change(experiment, task, weights)
    assert np.isnan(found.state).all() and np.isnan(found.answer).all()
    assert np.isnan(measured_without(experiment, 0).state).all()


def measured_without(experiment, model):
    task, weights = start(experiment)
    return finite_change(experiment, task, weights, exclude=[model])


SERIES = {
    "classes.npz": (sequences(), "input", True),
    "unlike.npz": (sequences(lengths=np.repeat([4, 6], 30)), "input", True),
    "numbers.npz": (sequences(y=X[:, 0]), "input", False),
    "waves.csv": (table(waves(), "year,wave"), "input", False),
}


@pytest.mark.parametrize("name", SERIES)
def test_data_of_ones_own_is_measured_on_its_longest_sequences(name, tmp_path):
    content, what, classes = SERIES[name]
    (tmp_path / name).write_bytes(content)
    settings = {"columns": "wave"} if name.endswith(".csv") else {}
    experiment = with_own_length(
        Experiment(task="series", hidden_size=4, seeds=2, data_file=str(tmp_path / name), **settings)
    )
    found = measure_changes(experiment)
    assert (found.what, found.classes) == (what, classes)
    assert np.isfinite([found.state, found.tiny, found.answer]).all() and (found.state > 0).all()
    trial = measure_trial(experiment)
    assert np.isfinite(trial.price).all() and np.isfinite(trial.decay.horizon)
