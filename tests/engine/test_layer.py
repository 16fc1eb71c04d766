"""What the cells share: one step back, the ranges of gates, views by step."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from analysis.engine.layer import Layer, views_by_step
from analysis.engine.unroll import Unroll
from analysis.experiment import GATES
from tests.engine.test_cells import B, T, case
from tests.helpers.modules import CELLS

H = 5


@pytest.mark.parametrize("activation", ["tanh", "relu", "identity"])
@pytest.mark.parametrize("cell", CELLS)
def test_steps_back_one_by_one_are_the_backward_pass(cell, activation):
    """Two losses at once, one the double of the other; their gradients by every memory state, down to the initial."""
    weights, inputs, states, output_grad = case(cell, activation, 1, S=1)
    unroll = Unroll(cell, activation, weights, T, B)
    unroll.start(states)
    unroll.forward(inputs)
    unroll.backward(output_grad[-1])
    (layer,) = unroll.layers
    wanted = [grad[:, 0].clone() for grad in layer.memory_grads]  # (T + 1, H, B)
    layer.compute_local_derivatives()
    dh = torch.stack([output_grad[-1, 0], 2 * output_grad[-1, 0]], dim=1)  # (H, 2, B)
    grads = [dh, *(torch.zeros_like(dh) for _ in layer.memories[1:])]
    delta = torch.empty(layer.weight[:, layer.hidden_rows].shape[1], 2, B, dtype=dh.dtype)
    for t in range(T - 1, -1, -1):
        total = layer.total_memory_grad(t, grads)
        torch.testing.assert_close(total[:, 0], wanted[-1][t + 1], rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(total[:, 1], 2 * total[:, 0], rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(grads[0][:, 0], wanted[0][t + 1], rtol=1e-12, atol=1e-14)
        layer.pull_back(t, grads, delta)
    for grad, own in zip(grads, wanted, strict=True):
        torch.testing.assert_close(grad[:, 0], own[0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("activation", "bounds"), [("tanh", (-1, 1)), ("relu", None), ("identity", None)])
@pytest.mark.parametrize("cell", CELLS)
def test_a_tape_names_the_values_its_gates_lie_between(cell, activation, bounds):
    weights, inputs, states, _ = case(cell, activation, 1)
    unroll = Unroll(cell, activation, weights, T, B)
    unroll.start(states)
    unroll.forward(inputs)
    tape = unroll.tape()
    assert tape.ranges == {gate: bounds if gate == "candidate" else (0, 1) for gate in GATES[cell]}
    assert tape.keep_gate == {"rnn": None, "lstm": "forget", "gru": "update"}[cell]
    assert tape.lengths.tolist() == [T] * B


def test_a_layer_without_a_cell_cant_be_made():
    with pytest.raises(TypeError, match="abstract"):
        Layer(1, 2, 3, 4, 5, "tanh", torch.zeros(1))


def test_views_by_step_hold_each_buffers_view_by_its_name():
    class Views(NamedTuple):
        first: Tensor
        second: Tensor

    a, b = torch.arange(6.0).view(3, 2), torch.arange(3.0)
    steps = views_by_step(Views, second=b, first=a)
    assert len(steps) == 3
    steps[1].first.fill_(7)
    assert a.tolist() == [[0, 1], [7, 7], [4, 5]]
    assert steps[2].second == 2
