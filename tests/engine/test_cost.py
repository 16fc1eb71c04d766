"""What a cell costs: numbers kept, multiply-adds, parameters."""

import pytest
import torch

from analysis import Experiment
from analysis.engine.cost import count_cell_cost, count_cost, multiply_adds, numbers_per_step
from analysis.engine.unroll import Unroll
from analysis.tasks.registry import build_task
from tests.helpers.modules import CELLS, MODULES


@pytest.mark.parametrize("cell", CELLS)
def test_a_cells_multiply_adds_are_those_of_its_training(cell):
    experiment = Experiment(cell=cell, task="words", length=6, hidden_size=4, seeds=1)
    task = build_task(experiment)
    cost = count_cell_cost(experiment, task)
    assert cost["multiply_adds"] == count_cost(experiment, task)["multiply_adds"]
    assert cost["parameters"] == sum(weight.numel() for weight in MODULES[cell](task.inputs, 4).parameters())


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_numbers_per_step_are_those_of_an_unrolls_buffers(cell, layers):
    T, B, D, H = 50, 16, 3, 8
    module = MODULES[cell](D, H, layers)
    weights = {name: weight.detach().unsqueeze(0) for name, weight in module.named_parameters()}
    unroll = Unroll(cell, "tanh", weights, T, B)
    kept = [(layer.column[:, :, :-1], layer.grad, layer.gate, layer.delta) for layer in unroll.layers]  # less the bias
    extra = [(layer.c, layer.dc, layer.squashed, layer.exposed) for layer in unroll.layers if cell == "lstm"]
    counted = sum(buffer[:T].numel() for buffers in kept + extra for buffer in buffers)
    assert numbers_per_step(cell, D, H, layers) == counted / (T * B)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(("cell", "elementwise"), [("rnn", 0), ("lstm", 3), ("gru", 3)])
def test_multiply_adds_are_those_of_the_weights_and_the_gates(cell, elementwise, layers):
    D, H = 3, 8
    module = MODULES[cell](D, H, layers, bias=False)
    products = sum(torch.numel(weight) for weight in module.parameters())
    assert multiply_adds(cell, D, H, layers) == products + layers * elementwise * H
