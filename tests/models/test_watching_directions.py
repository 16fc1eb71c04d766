"""watch of bidirectional layers: either direction, wherever the loss reads it."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from analysis import gradient_decay, record, watch
from tests.helpers.modules import CELLS, MODULES

T, B = 12, 5
LENGTHS = torch.tensor([4, 12, 9, 12, 2])
LOSSES = {  # of the padded output (T, B, 2 · 6)
    "where each direction ends": lambda output: output[-1, :, :6].sum() + output[0, :, 6:].square().sum(),
    "a time step inside": lambda output: output[5].sin().sum(),
    "every time step": lambda output: output.cos().sum(),
}


def wanted(module, inputs, loss, direction, at=-1):
    """The decay of what the loss reads at the step `at` of a direction alone."""
    tape = record(module.double(), inputs, loss, direction=direction, at=at)
    return gradient_decay(tape).relative


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("cell", "layers"), [("rnn", 1), ("lstm", 2), ("gru", 3)])
def test_a_direction_is_measured_where_the_loss_reads_it(cell, layers, name, direction):
    module, inputs, loss = MODULES[cell](3, 6, layers, bidirectional=True), torch.randn(T, B, 3), LOSSES[name]
    with watch(module, every=1, direction=direction) as watched:
        loss(module(inputs)[0]).backward()
    at = (5 if direction == "forward" else T - 1 - 5) if "inside" in name else -1
    [snapshot] = watched.history
    assert np.allclose(snapshot.decay.relative, wanted(module, inputs, loss, direction, at), rtol=1e-4)
    assert len(snapshot.decay.distance) == at % T + 1 and not watched.skipped


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("cell", CELLS)
def test_packed_sequences_end_where_a_direction_ends(cell, direction):
    module, inputs = MODULES[cell](3, 6, bidirectional=True), torch.randn(T, B, 3)
    packed = pack_padded_sequence(inputs, LENGTHS, enforce_sorted=False)
    with watch(module, every=1, direction=direction) as watched:
        _, states = module(packed)
        (states[0] if cell == "lstm" else states).square().sum().backward()
    module.double()
    double = pack_padded_sequence(inputs.double(), LENGTHS, enforce_sorted=False)

    def loss(output):
        padded = pad_packed_sequence(output)[0]
        return padded[LENGTHS - 1, range(B), :6].square().sum() + padded[0, :, 6:].square().sum()

    [snapshot] = watched.history
    assert np.allclose(snapshot.decay.relative, wanted(module, double, loss, direction), rtol=1e-4)


def test_what_a_loss_does_not_read_is_said():
    module, inputs = nn.GRU(3, 6, bidirectional=True), torch.randn(T, B, 3)
    with watch(module, every=1, direction="backward") as watched:
        module(inputs)[0][-1].sum().backward()
        module(inputs)[0][..., :6].sum().backward()
    assert not watched.history
    first, nothing = watched.skipped
    assert "output[-1]" in first and "output[0] and h_n" in first and "reads no time step" in nothing


def test_of_a_whole_model_the_bidirectional_layers_are_watched():
    model = nn.ModuleDict({"below": nn.LSTM(3, 4, bidirectional=True), "above": nn.GRU(8, 5)})
    with watch(model, every=1, direction="backward") as watched:
        model["above"](model["below"](torch.randn(T, B, 3))[0])[0][-1].sum().backward()
    assert list(watched.history) == ["below"] and "goldfish/below.backward.l0/horizon" in watched.scalars()
    assert watched.result("mine")["below"].name == "mine, below.backward"


@pytest.mark.parametrize("module", [nn.GRU(3, 6), nn.Sequential(nn.GRU(3, 6))])
def test_a_direction_that_is_not_there_is_refused(module):
    with pytest.raises(ValueError, match=r"direction=.backward.: it .*expected bidirectional=True"):
        watch(module, direction="backward")
    with pytest.raises(ValueError, match="direction='both': expected forward or backward"):
        watch(module, direction="both")
