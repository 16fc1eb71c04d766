"""The gradient matrix against autograd: every step's loss by every earlier memory state, one at a time."""

import numpy as np
import pytest
import torch
from torch import nn

from analysis import gradient_matrix, record
from analysis.engine.recording import unit_vector
from analysis.measures import spectrum
from tests.benchmarks.recording import cell_loop
from tests.helpers.modules import CELLS, MODULES, one_direction

T, B, D, H = 9, 4, 3, 6


def case(cell, **settings):
    torch.manual_seed(1)
    return MODULES[cell](D, H, **settings).double(), torch.randn(T, B, D, dtype=torch.float64)


def by_autograd(cell, module, inputs, loss):
    """T backward passes through a loop over the textbook's step."""
    kept = []
    memory = cell_loop(cell, [p.detach() for p in module.parameters()], inputs.clone().requires_grad_(), kept)
    per_step = len(kept) // T
    found = np.zeros((T, T))
    for t in range(T):
        hidden = kept[(t + 1) * per_step - 1]
        grads = torch.autograd.grad(loss(hidden).sum(), memory[: t + 1], retain_graph=True)
        found[t, : t + 1] = [np.median(grad.norm(dim=1).numpy()) for grad in grads]
    return found


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("samples", [1, 3, 4])
@pytest.mark.parametrize("few", [1, 4, 100])
def test_it_is_autograds(cell, samples, few, monkeypatch):
    """Whether losses share one Jacobian from the second on, from the fifth, or never."""
    monkeypatch.setattr(spectrum, "FEW", few)
    module, inputs = case(cell)
    inputs = inputs[:, :samples]

    def loss(output):
        return output.square().sum(1) + output[:, 0]

    found = gradient_matrix(module, inputs, loss)
    wanted = by_autograd(cell, module, inputs, loss)
    np.testing.assert_allclose(found, wanted, rtol=1e-8)
    assert (np.triu(found, 1) == 0).all()


@pytest.mark.parametrize("cell", CELLS)
def test_a_row_is_what_record_finds_for_that_step(cell):
    """Two layers, and the default loss: the same fixed direction at every step."""
    module, inputs = case(cell, num_layers=2)
    found = gradient_matrix(module, inputs)
    for t in range(T):
        tape = record(module, inputs[: t + 1])
        gradient = tape.hidden_grad if tape.cell_grad is None else tape.cell_grad
        wanted = np.median(np.linalg.norm(gradient[0, -1], axis=-1), axis=-1)
        np.testing.assert_allclose(found[t, : t + 1], wanted, rtol=1e-8)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_each_direction_is_what_record_finds(cell, direction):
    """And what a module with that direction's weights alone has, which reads in that order."""
    module, inputs = case(cell, bidirectional=True)
    found = gradient_matrix(module, inputs, direction=direction)
    for t in (3, T - 1):
        step, units = (t, slice(H)) if direction == "forward" else (T - 1 - t, slice(H, None))
        tape = record(
            module, inputs, lambda output, at=(step, ..., units): output[at] @ unit_vector(H, 0), direction=direction
        )
        gradient = tape.hidden_grad if tape.cell_grad is None else tape.cell_grad
        wanted = np.median(np.linalg.norm(gradient[0, 0], axis=-1), axis=-1)
        np.testing.assert_allclose(found[t], wanted, rtol=1e-8)
    alone, read = one_direction(cell, module, inputs, direction)
    np.testing.assert_array_equal(found, gradient_matrix(alone, read))


def test_relu_and_batch_first():
    torch.manual_seed(2)
    module, inputs = nn.RNN(D, H, nonlinearity="relu", batch_first=True), torch.randn(B, T, D)
    found = gradient_matrix(module, inputs)
    gradient = record(module, inputs).hidden_grad[0, 0]
    np.testing.assert_allclose(found[-1], np.median(np.linalg.norm(gradient, axis=-1), axis=-1), rtol=1e-8)


def test_what_leaves_the_finite_range_is_undefined_from_there_on():
    module = nn.RNN(D, H, nonlinearity="relu")
    with torch.no_grad():
        module.weight_hh_l0.copy_(torch.eye(H) * 1e30)
    found = gradient_matrix(module, torch.ones(20, B, D))
    (undefined,) = np.nonzero(np.isnan(np.diag(found)))
    assert 10 < undefined[0] < 19
    assert np.isnan(found[undefined[0] :][np.tri(20, dtype=bool)[undefined[0] :]]).all()
    assert not np.isnan(found[: undefined[0]]).any()
    assert (np.triu(found, 1) == 0).all()


def test_a_loss_of_another_shape_is_refused():
    module, inputs = case("gru")
    with pytest.raises(ValueError, match=r"loss returned \(\): expected a loss per sample \(4,\)"):
        gradient_matrix(module, inputs, lambda output: output.sum())


def test_a_lower_layer_that_overflows_makes_it_undefined_too():
    net = nn.RNN(1, 1, 2, nonlinearity="relu", bias=False)
    with torch.no_grad():
        for weight, value in zip(net.parameters(), (1e30, 1e30, -1, 1), strict=True):
            weight.fill_(value)
    assert np.isnan(gradient_matrix(net, torch.ones(20, B, 1))[-1, -1])


@pytest.mark.parametrize(
    ("loss", "message"),
    [(lambda output: 1.0, "loss returned float: expected a loss"), (lambda output: torch.ones(B), "doesn't depend")],
)
def test_a_loss_that_is_none_is_refused(loss, message):
    module, inputs = case("gru")
    with pytest.raises(ValueError, match=message):
        gradient_matrix(module, inputs, loss)
