"""Lyapunov exponents and singular values against closed forms, and against autograd's Jacobians."""

from functools import partial
from math import log

import numpy as np
import pytest
import torch
from torch import nn

from analysis import jacobian_spectrum, lyapunov_exponents
from analysis.measures.lyapunov import _growth
from tests.benchmarks.recording import cell_loop
from tests.helpers.modules import CELLS, MODULES, one_direction


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(H):
    return torch.linalg.qr(normal(H, H)).Q


def linear_network(weight):
    """A relu network at a fixed point where every unit is active, so that it is linear; and its state there."""
    H = len(weight)
    net, state = nn.RNN(1, H, nonlinearity="relu").double(), torch.full((1, 1, H), 10.0, dtype=torch.float64)
    with torch.no_grad():
        net.weight_hh_l0.copy_(weight)
        net.bias_hh_l0.copy_((torch.eye(H) - weight) @ state[0, 0])
        net.bias_ih_l0.zero_()
    return net, state


def still_network(weight):
    """A tanh network without biases, whose state stays zero at inputs of zero."""
    net = nn.RNN(1, len(weight), bias=False).double()
    with torch.no_grad():
        net.weight_hh_l0.copy_(weight)
    return net


def symmetric(values):
    Q = rotation(len(values))
    return Q @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ Q.T


def jacobians(module, inputs, state):
    """(T, N, N) of one sequence, by autograd: ∂(all states after a step)/∂(all states before it)."""
    L, H = module.num_layers, module.hidden_size
    found, flat = [], torch.cat([part.flatten() for part in (state if isinstance(state, tuple) else (state,))])

    def step(x, flat):
        parts = flat.view(-1, L, 1, H).unbind(0)
        after = module(x.view(1, 1, -1), tuple(parts) if len(parts) == 2 else parts[0])[1]
        return torch.cat([part.flatten() for part in (after if isinstance(after, tuple) else (after,))])

    for x in inputs:
        found.append(torch.autograd.functional.jacobian(partial(step, x), flat))
        flat = step(x, flat).detach()
    return torch.stack(found)


@pytest.mark.parametrize("λ", [0.5, 0.9, 1.0, 1.25])
def test_a_scaled_rotation_has_one_exponent(λ):
    net, state = linear_network(λ * rotation(8))
    found = lyapunov_exponents(net, torch.zeros(40, 1, 1), state=state)
    np.testing.assert_allclose(found.exponents, np.full((1, 8), log(λ)), atol=1e-9)
    np.testing.assert_allclose(found.per_step, 0, atol=1e-9)
    singular = jacobian_spectrum(net, torch.zeros(40, 1, 1), [0, 1, 39], state=state)
    np.testing.assert_allclose(singular, λ ** np.array([0, 1, 39])[None, :, None] * np.ones(8), rtol=1e-9)


def test_products_of_gaussian_matrices_follow_newmans_formula():
    """λ_i = ½ [ln(2/n) + ψ((n - i + 1)/2)], within 5 standard errors."""
    n, T = 6, 3000
    matrices = normal(T, n, n) / n**0.5
    growth = _growth(lambda t, directions: matrices[t] @ directions, normal(1, 1, n, n, seed=1), T)[:, 0, 0]
    halves = torch.tensor([(n - i + 1) / 2 for i in range(1, n + 1)])
    wanted = (log(2 / n) + torch.digamma(halves).numpy()) / 2
    assert (abs(growth.mean(0) - wanted) < 5 * growth.std(0) / T**0.5).all()


def test_exponents_of_a_fixed_point_are_those_of_its_eigenvalues():
    values = [0.9, -0.7, 0.5, 0.2]
    found = lyapunov_exponents(still_network(symmetric(values)), torch.zeros(400, 1, 1), warmup=300)
    np.testing.assert_allclose(found.exponents[0], np.log(np.abs(values)), atol=1e-9)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2])
def test_their_sum_is_the_mean_log_determinant_and_all_match_autograd(cell, layers):
    """Two models, three sequences, an initial state of any kind."""
    D, H, T, B = 2, 4, 12, 3
    torch.manual_seed(0)
    modules = [MODULES[cell](D, H, layers).double() for _ in range(2)]
    inputs, width = normal(T, B, D), 2 if cell == "lstm" else 1
    parts = normal(width, layers, B, H, seed=1) / 2
    state = (parts[0], parts[1]) if width == 2 else parts[0]
    found = lyapunov_exponents(modules, inputs, state=state)
    assert found.exponents.shape == found.per_step.shape == (2, width * layers * H)
    assert (np.diff(found.exponents) <= 0).all()
    N = width * layers * H
    start = torch.randn(N, N, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for model, module in enumerate(modules):
        logs, growth = [], []
        for b in range(B):
            own = tuple(part[:, b : b + 1] for part in parts)
            J = jacobians(module, inputs[:, b], own if width == 2 else own[0])
            logs.append(torch.linalg.slogdet(J).logabsdet.mean())
            order = [p * layers * H + k * H + i for k in range(layers) for p in range(width) for i in range(H)]
            J = J[:, order][:, :, order]  # the engine's order: by layer, then h and c
            growth.append(_growth(lambda t, directions, J=J: J[t] @ directions, start[None, None], T)[:, 0, 0])
        assert found.exponents[model].sum() == pytest.approx(float(torch.stack(logs).mean()), abs=1e-9)
        wanted = np.mean(growth, axis=(0, 1))
        np.testing.assert_allclose(found.exponents[model], np.sort(wanted)[::-1], atol=1e-9)
        spread = np.std(growth, axis=(0, 1))[np.argsort(-wanted)]
        np.testing.assert_allclose(found.per_step[model], spread, atol=1e-9)


@pytest.mark.parametrize("cell", CELLS)
def test_the_first_few_are_the_largest_of_all(cell):
    torch.manual_seed(0)
    module, inputs = MODULES[cell](2, 6), normal(400, 2, 2)
    some, whole = (lyapunov_exponents(module, inputs, count, warmup=50) for count in (3, None))
    assert some.exponents.shape == (1, 3)
    np.testing.assert_allclose(some.exponents, whole.exponents[:, :3], atol=0.02)


def test_a_dead_direction_has_minus_infinity_and_a_diverged_model_nothing():
    dead, diverging = (nn.RNN(1, 2, nonlinearity="relu", bias=False) for _ in range(2))
    with torch.no_grad():
        dead.weight_hh_l0.copy_(torch.diag(torch.tensor([0.5, 0.0])))
        diverging.weight_hh_l0.copy_(torch.eye(2) * 1e10)
        for net in (dead, diverging):
            net.weight_ih_l0.fill_(1.0)
    found = lyapunov_exponents([dead, diverging], torch.ones(50, 1, 1)).exponents
    assert found[0, 0] == pytest.approx(log(0.5), abs=0.05)
    assert found[0, 1] == -np.inf
    assert np.isnan(found[1]).all()
    singular = jacobian_spectrum([dead, diverging], torch.ones(50, 1, 1), [0, 49])
    np.testing.assert_allclose(singular[0], [[1, 1], [0.5**49, 0]])
    assert np.isnan(singular[1]).all()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2])
def test_singular_values_are_those_of_autograds_jacobian(cell, layers):
    """Of the top layer's memory state."""
    D, H, T, B = 3, 5, 8, 3
    torch.manual_seed(1)
    module, inputs, distances = MODULES[cell](D, H, layers).double(), normal(T, B, D), [7, 0, 3, 3]
    found = jacobian_spectrum(module, inputs, distances)
    assert found.shape == (1, 4, H)
    parameters = [parameter.detach() for parameter in module.parameters()]
    if layers == 2:
        below = MODULES[cell](D, H).double()
        below.load_state_dict({name: module.state_dict()[name] for name in below.state_dict()})
        inputs = below(inputs)[0].detach()
    memory = cell_loop(cell, parameters[-4:], inputs.requires_grad_(), [])
    for at, k in enumerate(distances):
        rows = [
            torch.autograd.grad(memory[-1][:, unit].sum(), memory[-1 - k], retain_graph=True)[0] for unit in range(H)
        ]
        wanted = torch.linalg.svdvals(torch.stack(rows, 1))  # (B, H)
        np.testing.assert_allclose(found[0, at], np.median(wanted, axis=0), rtol=1e-8)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_direction_is_measured_as_a_module_of_its_own(cell, direction):
    torch.manual_seed(1)
    module, inputs, state = MODULES[cell](3, 5, bidirectional=True).double(), normal(8, 2, 3), normal(2, 2, 5, seed=1)
    alone, read = one_direction(cell, module, inputs, direction)
    own = state[int(direction == "backward")].unsqueeze(0)
    both, one = ({"state": (start, -start) if cell == "lstm" else start} for start in (state, own))
    both["direction"] = direction
    found, wanted = lyapunov_exponents(module, inputs, **both), lyapunov_exponents(alone, read, **one)
    np.testing.assert_array_equal(found.exponents, wanted.exponents)
    found, wanted = jacobian_spectrum(module, inputs, [0, 5], **both), jacobian_spectrum(alone, read, [0, 5], **one)
    np.testing.assert_array_equal(found, wanted)


def test_small_singular_values_hold_beside_large_ones():
    """Of Wᵏ with a symmetric W: |eigenvalue|ᵏ, over 150 orders of magnitude; some lie close together."""
    values = [1.1, 1.0, -0.99, 0.5, 0.1, 0.0999, 0.01, 0.001]
    found = jacobian_spectrum(still_network(symmetric(values)), torch.zeros(51, 1, 1), [50])[0, 0]
    np.testing.assert_allclose(found, np.abs(values) ** 50.0, rtol=1e-6)


def test_singular_values_of_a_long_way_multiply_to_the_determinant():
    """Their logarithms sum up, though the smallest is lost in the rounding of the largest."""
    torch.manual_seed(0)
    module, inputs, T = nn.GRU(2, 16).double(), normal(101, 1, 2), 101
    found = jacobian_spectrum(module, inputs, [T - 1])[0, 0]
    assert found[-1] < 1e-17 * found[0]
    J = jacobians(module, inputs[:, 0], torch.zeros(1, 1, 16, dtype=torch.float64))[1:]
    assert np.log(found).sum() == pytest.approx(float(torch.linalg.slogdet(J).logabsdet.sum()), abs=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net, x: lyapunov_exponents(net, x, 0), "count=0: expected a whole number from 1 to 8, or None"),
        (lambda net, x: lyapunov_exponents(net, x, 9), "count=9"),
        (lambda net, x: lyapunov_exponents(net, x, warmup=10), "warmup=10: expected a whole number from 0 to 9"),
        (lambda net, x: jacobian_spectrum(net, x, [10]), "distance 10: expected a whole number from 0 to 9"),
        (lambda net, x: jacobian_spectrum(net, x, [0.5]), "distance 0.5"),
        (lambda net, x: lyapunov_exponents(net, x[..., :1]), "inputs of shape"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(nn.LSTM(2, 4), torch.randn(10, 2, 2))
