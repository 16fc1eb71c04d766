"""Gate saturation by hand, on tapes made for it."""

from math import inf, nan

import numpy as np
import pytest
import torch

from analysis import gate_saturation, record
from tests.helpers.tapes import make_tape

NAMES = {"rnn": [], "lstm": ["input", "forget", "candidate", "output"], "gru": ["reset", "update", "candidate"]}
BAD = [(0, 0.9), (0.1, 1), (0.9, 0.1), (0.5, 0.5), (-0.1, 0.9), (0.1, 1.1), (nan, 0.9), (0.1, nan)]


def tape(activation="tanh", model="lstm", **gates):
    """A tape of these gates (S, L, T, B, H) alone."""
    ranges = dict.fromkeys(gates, (0.0, 1.0))
    if "candidate" in gates:
        ranges["candidate"] = (-1.0, 1.0) if activation == "tanh" else None
    return make_tape(model=model, activation=activation, gates=gates, ranges=ranges)


def test_shares_by_hand():
    """Five (time, sample) pairs a unit: one below .1, two above .9; exactly .1 and .9 are neither."""
    values = np.array([[0.05, 0.1, 0.9, 0.95, 0.99], [0.5, 0.5, 0.5, 0.5, 0.5]]).T.reshape(1, 1, 5, 1, 2)
    found = gate_saturation(tape(forget=values))["forget"]
    np.testing.assert_allclose(found.left, [[[0.2, 0]]])
    np.testing.assert_allclose(found.right, [[[0.4, 0]]])
    assert (found.low, found.high) == (0.1, 0.9)
    found = gate_saturation(tape(forget=values), low=0.3, high=0.97)["forget"]
    np.testing.assert_allclose(found.left, [[[0.4, 0]]])
    np.testing.assert_allclose(found.right, [[[0.2, 0]]])


def test_a_tanh_candidate_has_its_ends_at_both_signs():
    values = np.array([-0.95, -0.9, -0.05, 0.05, 0.95, 0.99]).reshape(1, 1, 3, 2, 1)
    found = gate_saturation(tape(candidate=values))["candidate"]
    np.testing.assert_allclose([found.left.item(), found.right.item()], [1 / 6, 2 / 6])
    assert (found.low, found.high) == (-0.9, 0.9)
    assert (found.edges[0], found.edges[-1]) == (-1, 1)


@pytest.mark.parametrize("activation", ["relu", "identity"])
def test_a_candidate_without_bounds_has_no_ends(activation):
    values = np.array([-100.0, -3.9, 0.0, 3.9, 100.0]).reshape(1, 1, 5, 1, 1)
    found = gate_saturation(tape(activation, candidate=values, input=0.95 + 0 * values))
    assert found["candidate"].left is found["candidate"].right is None
    assert found["input"].right.item() == 1
    counts = found["candidate"].counts
    assert (counts[0], counts[-1], counts[len(counts) // 2], counts.sum()) == (2, 2, 1, 5)


def test_what_is_undefined_counts_neither_as_open_nor_in_all():
    values = np.array([0.05, 0.95, 0.95, 0.5, nan, nan]).reshape(1, 1, 6, 1, 1)
    found = gate_saturation(tape(forget=values))["forget"]
    assert found.ends == (0.25, 0.5)
    assert (found.shares[:4].sum(), found.shares[-4:].sum()) == (0.25, 0.5)


@pytest.mark.parametrize("value", [inf, -inf, nan, 1e308, -1e308])
def test_values_beyond_any_bin_count_without_a_warning(value):
    found = gate_saturation(tape("identity", candidate=np.full((1, 1, 2, 3, 1), value)))["candidate"]
    assert found.counts.sum() == found.counts[[0, -1]].sum() == (0 if value != value else 6)


def test_counts_are_the_histogram():
    values = np.random.default_rng(0).uniform(0, 1, (2, 3, 4, 5, 6))
    found = gate_saturation(tape(update=values))["update"]
    counts, edges = np.histogram(values, bins=len(found.counts), range=(0, 1))
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_allclose(found.edges, edges)
    assert found.left.shape == found.right.shape == (2, 3, 6)
    np.testing.assert_array_equal(found.left, (values < 0.1).mean((2, 3)))


def test_the_ends_count_in_the_outermost_bins():
    counts = gate_saturation(tape(update=np.array([0.0, 1.0]).reshape(1, 1, 2, 1, 1)))["update"].counts
    assert (counts[0], counts[-1], counts.sum()) == (1, 1, 2)


@pytest.mark.parametrize("cell", NAMES)
def test_of_a_recorded_network(cell):
    module = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](3, 4, 2)
    found = gate_saturation(record(module, torch.randn(6, 5, 3)))
    assert list(found) == NAMES[cell]
    for saturation in found.values():
        assert saturation.left.shape == saturation.right.shape == (1, 2, 4)
        assert saturation.counts.sum() == 2 * 6 * 5 * 4


@pytest.mark.parametrize(("low", "high"), BAD)
def test_bad_ends_are_named(low, high):
    with pytest.raises(ValueError, match=rf"low={low}, high={high}: expected 0 < low < high < 1"):
        gate_saturation(tape(), low, high)
