"""watch under losses that read a part of a call: some sequences, lower layers, several backward passes, autocast."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from analysis import gradient_decay, record, watch
from tests.helpers.modules import CELLS, MODULES


class Ends(nn.Module):
    """A recurrent layer that answers with h_n of one of its layers."""

    def __init__(self, layer, k):
        super().__init__()
        self.layer, self.k = layer, k

    def forward(self, inputs):
        states = self.layer(inputs)[1]
        return (states[0] if isinstance(self.layer, nn.LSTM) else states)[self.k]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("k", [0, 1, 2])
def test_a_loss_of_a_lower_layers_final_state(cell, k):
    model, inputs = Ends(MODULES[cell](3, 6, 3), k), torch.randn(12, 5, 3)
    with watch(model.layer, every=1) as watched:
        model(inputs).square().sum().backward()
    tape = record(model.double(), inputs.double(), lambda state: state.square().sum(-1))
    wanted = gradient_decay(tape, layer=k).relative
    assert np.isfinite(wanted).all()
    assert np.allclose(watched.history[0].decay.relative, wanted, rtol=1e-4)


@pytest.mark.parametrize("batch_first", [True, False])
def test_sequences_that_the_loss_reads_are_measured(batch_first):
    module = nn.GRU(3, 6, batch_first=batch_first)
    inputs, state, mask = torch.randn(12, 40, 3), torch.randn(1, 40, 6), torch.zeros(40)
    mask[[9, 20, 21, 30, 31, 39]] = torch.rand(6) + 0.5
    given = inputs.transpose(0, 1) if batch_first else inputs
    with watch(module, every=1, samples=4) as watched:
        output = module(given, state)[0]
        ((output[:, -1] if batch_first else output[-1]).sum(1) * mask).sum().backward()
    places = [9, 20, 21, 30]
    plain = nn.GRU(3, 6)
    plain.load_state_dict(module.state_dict())
    tape = record(plain, inputs[:, places], lambda out: out[-1].sum(-1), state=state[:, places])
    [snapshot] = watched.history
    assert np.allclose(snapshot.decay.low, gradient_decay(tape).low, rtol=1e-4)
    assert snapshot.sequences == 4


def test_sequences_of_several_lengths_are_measured_where_the_longest_ends():
    module, inputs, ends = nn.LSTM(3, 6), torch.randn(12, 6, 3), torch.tensor([4, 9, 9, 2, 9, 7])
    with watch(module, every=1) as watched:
        module(inputs)[0][ends, torch.arange(6)].sum().backward()
    tape = record(module, inputs[:10, [1, 2, 4]], lambda out: out[-1].sum(-1))
    [snapshot] = watched.history
    assert snapshot.sequences == 3 and len(snapshot.decay.relative) == 10
    assert np.allclose(snapshot.decay.relative, gradient_decay(tape).relative, rtol=1e-4)


def test_a_second_backward_pass_through_one_call_is_named():
    module, inputs = nn.LSTM(3, 6), torch.randn(12, 5, 3)
    with watch(module, every=2) as watched:
        for _ in range(4):
            output, (h, _) = module(inputs)
            output[-1].sum().backward(retain_graph=True)
            (h.square().sum() + output[3].sum()).backward()
    assert watched.backwards == 4 and len(watched.history) == 2
    [(reason, count)] = watched.skipped.items()
    assert count == 2 and "a second backward pass through one call" in reason and "left out" in reason


def test_one_backward_pass_of_several_losses_is_one():
    module, inputs = nn.LSTM(3, 6), torch.randn(12, 5, 3)
    with watch(module, every=1) as watched:
        output, (h, _) = module(inputs)
        torch.autograd.backward([output[-1].sum(), h.square().sum()])
    tape = record(module, inputs, lambda out: (out[-1] + out[-1].square()).sum(-1))
    assert not watched.skipped
    assert np.allclose(watched.history[0].decay.relative, gradient_decay(tape).relative, rtol=1e-4)


@pytest.mark.parametrize("within", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_a_call_under_autocast(cell, within):
    """The call may round to bfloat16; the measurement is of its weights and inputs as they are, in full precision."""
    module, inputs = MODULES[cell](3, 6), torch.randn(12, 5, 3)
    with watch(module, every=1) as watched:
        with torch.autocast("cpu", torch.bfloat16):
            output = module(inputs)[0]
            loss = output[-1].float().sum()
            if within:
                loss.backward()
        if not within:
            loss.backward()
    assert not watched.skipped
    wanted = gradient_decay(record(module, inputs, lambda out: out[-1].sum(-1)))
    assert np.allclose(watched.history[0].decay.relative, wanted.relative, rtol=1e-6)


def test_what_overflows_in_the_trainings_own_precision_is_told():
    """In float32, 3^120 is infinite; in float64, in which is measured, it is not."""
    module = nn.RNN(2, 2, nonlinearity="relu")
    with torch.no_grad():
        for name, weight in module.named_parameters():
            weight.copy_(3 * torch.eye(2) if "weight_hh" in name else torch.ones_like(weight))
    with watch(module, every=1) as watched:
        module(torch.ones(120, 4, 2))[0][-1].square().mean().backward()
        (module(torch.ones(5, 4, 2))[0][-1] * torch.inf).sum().backward()
    first, second = watched.skipped
    assert re.search(
        r"finite range of torch.float32, the state at time step (7|8)\d of 120 left it on the way forward", first
    )
    assert second.endswith("finite range of torch.float32, no state left it on the way forward")
    assert not watched.history
