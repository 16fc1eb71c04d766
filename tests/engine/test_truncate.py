"""Truncated backpropagation: every gradient is that of a loop by autograd that detaches the state between windows."""

from itertools import product

import numpy as np
import pytest
import torch

from analysis.engine.unroll import Unroll, cut_distance, cuts
from tests.helpers.modules import CELLS, MODULES

T, B, D, H = 9, 4, 3, 5


@pytest.mark.parametrize(
    ("truncate", "first", "end", "found"),
    [(None, 0, 9, []), (3, 0, 9, [3, 6]), (4, 0, 9, [4, 8]), (4, 4, 9, [0, 4]), (9, 0, 9, []), (1, 0, 3, [1, 2])],
)
def test_windows_count_from_the_first_step(truncate, first, end, found):
    assert cuts(truncate, first, end) == found
    if not first:
        assert cut_distance(truncate, end) == (end - found[-1] if found else None)


def by_autograd(module, inputs, output_grad, truncate):
    """Return the gradients by each layer's inputs and by the weights, of a module that is run window by window."""
    inputs = inputs.clone().requires_grad_()
    outputs, state = [], None
    for window in inputs.split(truncate):
        output, state = module(window, state)
        outputs.append(output)
        state = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
    (torch.cat(outputs) * output_grad).sum().backward()
    return inputs.grad, {name: parameter.grad for name, parameter in module.named_parameters()}


@pytest.mark.parametrize(("cell", "layers", "truncate"), [*product(CELLS, [1, 2, 3], [1, 2, 4, 8, 9])])
@pytest.mark.parametrize("every_step", [True, False])
def test_gradients_are_those_of_a_loop_that_detaches(cell, layers, truncate, every_step):
    module = MODULES[cell](D, H, layers).double()
    inputs, output_grad = torch.randn(T, B, D).double(), torch.randn(T, B, H).double()
    output_grad[:-1] *= every_step
    wanted, by_weights = by_autograd(module, inputs, output_grad, truncate)
    weights = {name: parameter.detach().unsqueeze(0) for name, parameter in module.named_parameters()}
    unroll = Unroll(cell, "tanh", weights, T, B)
    for _ in range(2):  # the second time on buffers used before
        unroll.start()
        unroll.forward(inputs)
        unroll.backward(output_grad.mT.unsqueeze(1), by_weights=True, cuts=cuts(truncate, 0, T))
    np.testing.assert_allclose(unroll.tape().input_grad[0], wanted, rtol=1e-9, atol=1e-14)
    for name, grad in unroll.weight_grads().items():
        np.testing.assert_allclose(grad[0], by_weights[name], rtol=1e-9, atol=1e-13, err_msg=name)
    if not every_step:
        left = (T - 1) % truncate + 1
        assert not unroll.tape().hidden_grad[:, :, : T - left].any()
