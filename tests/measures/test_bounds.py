"""Bounds against numpy's quantiles, and what overflows."""

from math import inf, nan

import numpy as np
import pytest
import torch

from analysis import Experiment, activation_bounds, record
from analysis.measures.meter import measure_untrained
from tests.helpers.tapes import make_tape


def tape(hidden, cell=None):
    """A tape of these states (S, L, T, B, H) alone."""
    return make_tape(model="rnn" if cell is None else "lstm", activation="identity", hidden=hidden, cell=cell)


def test_quantiles_are_numpys():
    """101 · 1 · 1 sizes a step: the levels fall on entries, whatever is interpolated."""
    random = np.random.default_rng(0)
    hidden, cell = random.normal(size=(101, 2, 7, 1, 1)), random.normal(size=(101, 2, 7, 1, 1)) * 5
    for layer in (0, 1, -1):
        found = activation_bounds(tape(hidden, cell), layer)
        for states, sizes in ((hidden, found.hidden), (cell, found.cell)):
            wanted = np.quantile(np.abs(states[:, layer]), [0.01, 0.5, 0.99, 1.0], axis=(0, 2, 3))
            np.testing.assert_allclose(sizes, wanted, rtol=1e-12)
        assert found.hidden.shape == (4, 7)
    np.testing.assert_array_equal(found.levels, [0.01, 0.5, 0.99, 1.0])


def test_quantiles_are_entries_close_to_numpys():
    hidden = np.random.default_rng(0).normal(size=(3, 1, 5, 4, 6))
    found = activation_bounds(tape(hidden)).hidden
    flat = np.sort(np.abs(hidden[:, 0]).transpose(1, 0, 2, 3).reshape(5, -1), axis=1)
    positions = np.quantile(np.arange(72), [0.01, 0.5, 0.99, 1.0])
    for level, position in enumerate(positions):
        below, above = flat[:, int(np.floor(position))], flat[:, int(np.ceil(position))]
        assert ((found[level] == below) | (found[level] == above)).all()


def test_the_largest_and_the_saturated_share_by_hand():
    hidden = np.array([[0.5, -0.999], [0.99, -0.2], [1.0, 0.991]]).reshape(1, 1, 3, 1, 2)
    found = activation_bounds(tape(hidden))
    np.testing.assert_array_equal(found.hidden[-1], [0.999, 0.99, 1.0])
    np.testing.assert_array_equal(found.saturated, [0.5, 0, 1])
    assert found.cell is None
    assert found.overflow_step is None


@pytest.mark.parametrize("bad", [inf, -inf, nan])
@pytest.mark.parametrize("where", ["hidden", "cell"])
def test_the_first_step_that_overflows(bad, where):
    states = {name: np.random.default_rng(0).normal(size=(2, 1, 6, 3, 4)) for name in ("hidden", "cell")}
    states[where][1, 0, 4:, 2, 3] = bad
    found = activation_bounds(tape(**states))
    assert found.overflow_step == 4
    sizes = getattr(found, where)
    assert np.isfinite(sizes[:, :4]).all()
    assert (sizes[-1, 4:] == inf).all()
    assert np.isfinite(sizes[1]).all()  # the median of 24 is not the bad one


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_tanh_bounds_the_state(cell):
    module = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](3, 8)
    for parameter in module.parameters():
        parameter.data.mul_(20)
    found = activation_bounds(record(module, torch.randn(30, 5, 3)))
    assert (found.hidden <= 1).all()
    assert found.saturated.max() > 0
    assert (np.diff(found.hidden, axis=0) >= 0).all()


def test_without_tanh_it_overflows_and_the_step_is_told():
    """A gain of 3 leaves float64 at about step ln 1.8e308 / ln 3 = 646; the inputs start it off a little earlier."""
    measured = measure_untrained(
        Experiment(cell="rnn", activation="identity", init="identity", gain=3, length=700, seeds=2, hidden_size=4)
    )
    assert 630 <= measured.bounds.overflow_step <= 660
    assert np.isfinite(measured.bounds.hidden[:, : measured.bounds.overflow_step]).all()


def test_what_left_the_finite_range_is_beyond_99():
    measured = measure_untrained(
        Experiment(cell="rnn", activation="identity", init="orthogonal", gain=3, length=700, seeds=2, hidden_size=4)
    )
    assert measured.bounds.overflow_step < 690
    assert (measured.bounds.saturated[600:] == 1).all()
