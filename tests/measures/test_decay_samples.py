"""Decay where samples have unlike lengths, begin anew, or are read at steps of their own."""

from math import nan

import numpy as np
import pytest
import torch

from analysis import carry_decay, gradient_decay, record
from analysis.measures.decay import gradient_norms
from tests.helpers.tapes import make_tape
from tests.measures.test_decay import module


def test_the_carry_of_samples_of_several_lengths_ends_at_each_ones_first_step():
    gate = np.full((1, 1, 4, 3, 1), 0.5)
    tape = make_tape(hidden=1 + 0 * gate, gates={"keep": gate}, keep_gate="keep", lengths=np.array([4, 3, 1]))
    found = carry_decay(tape)
    np.testing.assert_array_equal(found.relative, [1, 0.5, 0.25, 0.125])
    np.testing.assert_array_equal(found.samples, [3, 2, 2, 1])


def test_each_distance_rests_on_the_samples_that_have_it():
    """Samples of 4, 2 and 1 of 4 steps, and one that the loss doesn't read."""
    norms = np.array([[1.0, 2, 3, 9], [2, 8, nan, 9], [4, nan, nan, 9], [8, nan, nan, 9]])[..., None]  # (T, B, 1)
    reads = np.zeros((4, 4), bool)
    reads[[3, 1, 0], [0, 1, 2]] = True
    tape = make_tape(hidden=norms[None, None], lengths=np.array([4, 2, 1, 4]), reads=reads, loss_steps=(0, 1, 3))
    found = gradient_decay(tape)
    np.testing.assert_array_equal(found.samples, [3, 2, 1, 1])
    np.testing.assert_array_equal(found.norm, [8, 3, 2, 1])
    np.testing.assert_array_equal(found.relative, [1, (1 / 2 + 1 / 4) / 2, 1 / 4, 1 / 8])
    np.testing.assert_array_equal(found.relatives, [found.relative])
    assert found.horizon == 3 and found.excluded == 0


def test_distance_ends_where_a_sequence_begins_anew():
    begins = np.zeros((4, 2), bool)
    begins[1, 0] = begins[3, 0] = begins[2, 1] = True
    hidden = np.arange(1.0, 9).reshape(1, 1, 4, 2, 1)
    tape = make_tape(hidden=hidden, begins=begins, loss_steps=(2,))
    np.testing.assert_array_equal(gradient_norms(tape), [[[5, 6], [3, nan]]])
    np.testing.assert_array_equal(gradient_decay(tape).samples, [2, 1])
    with_gate = make_tape(hidden=hidden, begins=begins, loss_steps=(2,), gates={"k": hidden}, keep_gate="k")
    np.testing.assert_array_equal(carry_decay(with_gate).norm, [5.5, 25])


def test_a_model_that_leaves_the_finite_range_is_no_sample_that_is_missing():
    hidden = np.ones((2, 1, 4, 2, 1))
    hidden[0, 0, 2] = np.inf
    hidden[:, :, 3, 1] = nan  # after the second sample's end
    found = gradient_decay(make_tape(hidden=hidden, hidden_grad=hidden, lengths=np.array([4, 3])))
    assert found.excluded == 1
    np.testing.assert_array_equal(found.samples, [2, 2, 2, 1])
    np.testing.assert_array_equal(found.relatives, [[nan] * 4, [1] * 4])


def test_one_sequence_alone_makes_a_loss_on_several_steps():
    """A padded batch whose loss reads each sequence's own last step is aligned; a sequence read twice is refused."""
    net, x, ends = module("gru"), torch.randn(9, 3, 3), torch.tensor([8, 4, 2])
    found = gradient_decay(record(net, x, lambda output: output[ends, torch.arange(3)].sum(-1)))
    alone = [gradient_decay(record(net, x[: end + 1, b : b + 1], lambda output: output[-1].sum(-1)))
             for b, end in enumerate(ends)]  # fmt: skip
    np.testing.assert_array_equal(found.samples, [3] * 3 + [2] * 2 + [1] * 4)
    np.testing.assert_allclose(found.relative[5:], alone[0].relative[5:], rtol=1e-9)
    middle = np.median([decay.relative[:3] for decay in alone], axis=0)
    np.testing.assert_allclose(found.relative[:3], middle, rtol=1e-9)
    with pytest.raises(ValueError, match="the loss reads 2 steps of a sequence"):
        gradient_decay(record(net, x, lambda output: output[[8, 4, 4], [0, 0, 1]].sum()))
