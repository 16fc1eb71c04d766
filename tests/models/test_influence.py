"""Which inputs matter: compared with torch's automatic differentiation, finite differences and closed forms."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from analysis import gradient_decay, input_influence, record
from analysis.models.influence import ALONE, LARGEST, OWN_INPUTS, READ
from tests.helpers.modules import MODULES
from tests.models.test_look_back import B, D, Head, Loop, T, Tagger, draw


@pytest.mark.parametrize("cell, batch_first", list(product(MODULES, (False, True))))
def test_of_layers_it_is_what_record_finds(cell, batch_first):
    torch.manual_seed(0)
    module, inputs = MODULES[cell](D, 6, 2, batch_first=batch_first), draw(T, B, D)
    given = inputs.transpose(0, 1) if batch_first else inputs
    found = input_influence(module, given)
    tape = record(module, given)
    gradient = tape.input_grad[0, ::-1]  # (T, B, D) by distance
    assert np.allclose(found.gradient, np.abs(gradient).mean(1), rtol=1e-9)
    assert np.allclose(found.product, np.abs(gradient * inputs.numpy()[::-1]).mean(1), rtol=1e-9)
    assert np.allclose(found.size, np.linalg.norm(gradient, axis=-1).mean(1), rtol=1e-9)
    assert found.shares.sum() == pytest.approx(1)
    ends = record(module, given, state=_others(module, given))
    assert np.allclose(found.reached, np.linalg.norm(ends.input_grad[0, ::-1], axis=-1).mean(1), rtol=1e-9)


def _others(module, given):
    """The state in which the sequence before each one ended."""
    with torch.no_grad():
        state = module.double()(given)[1]
    return tuple(part.roll(1, 1) for part in state) if isinstance(state, tuple) else state.roll(1, 1)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("packed", [False, True])
def test_of_unlike_lengths_distance_counts_from_each_ones_last(direction, packed):
    torch.manual_seed(0)
    module, lengths, inputs = nn.GRU(D, 5, bidirectional=True), [T, 5, 9, T], draw(T, B, D)
    given = pack_padded_sequence(inputs, torch.tensor(lengths), enforce_sorted=False) if packed else inputs
    found = input_influence(module, given, lengths=None if packed else lengths, direction=direction)
    tape = record(module, inputs, lengths=lengths, direction=direction)
    assert tape.input_grad.shape[1] == T
    sizes = np.full((T, B), np.nan)
    for b, n in enumerate(lengths):
        sizes[:n, b] = np.linalg.norm(tape.input_grad[0, :n, b], axis=-1)[::-1]
    assert np.allclose(found.size, np.nanmean(sizes, 1), rtol=1e-9)


@pytest.mark.parametrize("outputs, every_step", list(product((1, 3), (False, True))))
def test_of_a_whole_model_by_finite_differences(outputs, every_step):
    torch.manual_seed(0)
    net, inputs = Head(nn.LSTM(D, 4, batch_first=True), outputs, every_step=every_step).double(), draw(B, T, D)

    def prediction(x):
        with torch.no_grad():
            output = net(x)
        output = output[:, -1] if every_step else output
        return output[torch.arange(B), chosen]

    with torch.no_grad():
        output = net(inputs)[:, -1] if every_step else net(inputs)
    chosen = output.argmax(1)
    expected, small = np.zeros((T, B, D)), 1e-6
    for t, column in product(range(T), range(D)):
        step = torch.zeros_like(inputs)
        step[:, t, column] = small
        expected[T - 1 - t, :, column] = (prediction(inputs + step) - prediction(inputs - step)).numpy() / (2 * small)
    found = input_influence(net, inputs)
    assert np.allclose(found.gradient, np.abs(expected).mean(1), atol=1e-8)
    assert (found.of, found.columns) == (ALONE if outputs == 1 else LARGEST, OWN_INPUTS)
    assert all(parameter.grad is None for parameter in net.parameters()) and net.training


def test_of_words_it_is_by_what_the_layer_reads():
    torch.manual_seed(0)
    net, lengths = Tagger().double(), torch.tensor([T, 5, 9, T])
    words = torch.randint(0, 9, (B, T), generator=torch.Generator().manual_seed(1))
    found = input_influence(net, (words, lengths))
    last = (torch.arange(B), lengths - 1)
    tape = record(net, (words, lengths), loss=lambda output: output["logits"][last].amax(1))
    assert found.columns == READ and found.gradient.shape == (T, D)
    first = np.linalg.norm(tape.input_grad[0], axis=-1)[lengths - 1, np.arange(B)]
    assert found.size[0] == pytest.approx(first.mean(), rel=1e-9)


def test_of_a_model_that_calls_a_cell_at_each_step():
    torch.manual_seed(0)
    net, inputs = Loop().double(), draw(T, B, D)
    leaf = inputs.clone().requires_grad_()
    [gradient] = torch.autograd.grad(net(leaf)[0].amax(1).sum(), leaf)
    assert np.allclose(input_influence(net, inputs).gradient, gradient.abs().mean(1).flip(0))


def test_a_sum_takes_as_much_from_every_step_and_nothing_from_an_unread_column():
    total = nn.RNN(2, 1, nonlinearity="relu", bias=False)
    with torch.no_grad():
        total.weight_ih_l0.copy_(torch.tensor([[1.0, 0.0]]))
        total.weight_hh_l0.fill_(1)
    found = input_influence(total, torch.ones(20, 4, 2))
    assert np.allclose(found.size, found.size[0]) and found.shares.tolist() == [1, 0] and not found.rises


def test_the_rise_at_the_first_step_is_told_where_the_zero_state_causes_it():
    """Large weights saturate all units but those of the zero state, whose tanh still has its full slope."""
    torch.manual_seed(1)
    module, inputs = nn.RNN(3, 32), 2 * torch.randn(60, 16, 3)
    assert not input_influence(module, inputs).rises
    with torch.no_grad():
        module.weight_hh_l0 *= 3
    found = input_influence(module, inputs)
    assert found.rises and found.size[-1] > 1.5 * found.size[-2] and found.reached[-1] < found.reached[-2]


def test_nothing_moves_where_nothing_is_read():
    silent = nn.RNN(D, 4)
    with torch.no_grad():
        silent.weight_ih_l0.zero_()
    assert np.isnan(input_influence(silent, draw(T, B, D)).shares).all()


def test_the_gradient_by_distance_falls_as_the_decay_of_the_input_does():
    torch.manual_seed(0)
    module, inputs = nn.GRU(D, 6), draw(40, 1, D)
    found, decay = input_influence(module, inputs), gradient_decay(record(module, inputs), "input")
    assert np.allclose(found.size, decay.norm)
