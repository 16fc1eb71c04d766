"""The gradient of a watched pass, and its shares by distance, against autograd through loops that are cut."""

import numpy as np
import pytest
import torch
from torch import nn

from analysis import watch
from tests.helpers.modules import CELLS, MODULES

T, B = 130, 3


def cut_gradients(module, inputs, steps):
    """The gradient by every weight where it may flow back over so many time steps, from the last one's output."""
    state = None
    with torch.no_grad():
        if steps < T:
            _, state = module(inputs[: T - steps])
    grads = torch.autograd.grad(module(inputs[T - steps :], state)[0][-1].sum(), list(module.parameters()))
    return torch.cat([grad.flatten() for grad in grads])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_shares_equal_those_of_a_gradient_that_is_cut(cell, bias):
    """Of one layer: in a stack, a cut also keeps what the upper layer hands down earlier."""
    torch.manual_seed(0)
    module, inputs = MODULES[cell](2, 6, bias=bias).double(), torch.randn(T, B, 2).double()
    for block in module.weight_hh_l0.data.split(6):
        nn.init.orthogonal_(block)
    if bias and cell != "rnn":
        module.bias_hh_l0.data[6:12] += 4  # of the gate that keeps: most comes from far
    inputs *= 0.1
    with watch(module, every=1, samples=B) as watched:
        module(inputs)[0][-1].sum().backward()
    near, middle, whole = (cut_gradients(module, inputs, steps) for steps in (10, 100, T))
    parts = torch.stack([near, middle - near, whole - middle])
    [snapshot] = watched.history
    assert np.allclose(snapshot.shares, (parts @ whole / (whole @ whole)).numpy(), rtol=1e-9, atol=1e-12)
    assert sum(snapshot.shares) == pytest.approx(1)
    assert abs(snapshot.shares[-1]) > 1e-4 or not (bias or cell == "rnn")
    assert snapshot.gradient == pytest.approx(float(whole.norm()), rel=1e-9)


@pytest.mark.parametrize("cell", CELLS)
def test_of_a_stack_the_shares_add_up(cell):
    module, inputs = MODULES[cell](2, 6, 3), torch.randn(T, B, 2)
    with watch(module, every=1) as watched:
        module(inputs)[0][-1].sum().backward()
        module(inputs[:5])[0][-1].sum().backward()
    assert sum(watched.history[0].shares) == pytest.approx(1)
    assert watched.history[1].shares == pytest.approx((1, 0, 0))


def test_the_gradient_is_of_this_pass_alone_before_clipping():
    """Of the whole batch and of all that the loss reads, whatever was there before; nothing stays on the weights."""
    module, inputs = nn.LSTM(3, 6, 2), torch.randn(12, 40, 3)
    with watch(module, every=1) as watched:
        for _ in range(3):  # accumulation
            module(inputs)[0].square().mean().backward()
        clipped = nn.utils.clip_grad_norm_(module.parameters(), 1e-3)
    assert [each.gradient for each in watched.history] == pytest.approx([float(clipped) / 3] * 3, rel=1e-5)
    assert not any(weight._backward_hooks for weight in module.parameters())


def test_the_gradient_by_frozen_weights_is_unknown():
    module, inputs = nn.GRU(3, 6).requires_grad_(False), torch.randn(12, 4, 3, requires_grad=True)
    with watch(module, every=1) as watched:
        module(inputs)[0][-1].sum().backward()
        torch.autograd.grad(module(inputs)[0][-1].sum(), inputs)
    assert all(np.isnan(each.gradient) for each in watched.history) and len(watched.history) == 2


def test_a_gradient_that_is_not_finite_has_no_shares():
    module = nn.RNN(3, 6, nonlinearity="relu")
    nn.init.constant_(module.weight_hh_l0, 1e5)
    with watch(module, every=1) as watched:
        module(torch.rand(300, 2, 3))[0][-1].sum().backward()
    assert watched.history[0].shares == ()
