"""Decay against closed forms: a linear orthogonal RNN, and every cell at zero state and input."""

from math import comb, exp, log

import numpy as np
import pytest
import torch

from analysis import Experiment, gradient_decay
from analysis.engine.unroll import Unroll
from analysis.measures.decay import gradient_norms
from analysis.measures.meter import measure_untrained
from tests.helpers.modules import CELLS

ROWS = {"rnn": 1, "lstm": 4, "gru": 3}


@pytest.mark.parametrize("λ", [0.5, 0.9, 1.0, 1.25])
def test_linear_orthogonal_rnn_decays_by_exactly_its_scale(λ):
    S, T, B, H = 3, 41, 4, 8
    generator = torch.Generator().manual_seed(0)
    square = torch.randn(S, H, H, generator=generator, dtype=torch.float64)
    weights = {
        "weight_ih_l0": torch.randn(S, H, 2, generator=generator, dtype=torch.float64),
        "weight_hh_l0": λ * torch.linalg.qr(square).Q,
    }
    unroll = Unroll("rnn", "identity", weights, T, B)
    unroll.start()
    unroll.forward(torch.randn(T, B, 2, generator=generator, dtype=torch.float64))
    unroll.backward(torch.randn(S, H, B, generator=generator, dtype=torch.float64))
    found = gradient_decay(unroll.tape())
    k = np.arange(T)
    np.testing.assert_allclose(found.relative, λ**k, rtol=1e-12)
    np.testing.assert_allclose(found.relatives, np.broadcast_to(λ**k, (S, T)), rtol=1e-12)
    np.testing.assert_allclose(found.low, found.high, rtol=1e-12)
    np.testing.assert_allclose(found.norm, found.norm[0] * λ**k, rtol=1e-12)
    np.testing.assert_allclose(found.mean_square, found.mean_square[0] * λ ** (2 * k), rtol=1e-12)
    assert found.rate == pytest.approx(log(λ), abs=1e-14)
    assert found.factor == pytest.approx(λ, rel=1e-13)
    np.testing.assert_allclose(found.rates, log(λ), atol=1e-14)
    if λ < 1:
        horizon = min(T - 1, int(log(0.01) / log(λ)))
        assert found.r_squared == pytest.approx(1)
        assert found.half_life == pytest.approx(log(2) / -log(λ))
        assert found.horizon == horizon
        np.testing.assert_allclose(found.half_lives, found.half_life)
        np.testing.assert_array_equal(found.horizons, horizon)
    assert found.censored == (λ > 0.89)


@pytest.mark.parametrize(("cell", "bias"), [("rnn", 0.0), ("lstm", 0.0), ("lstm", 1.0), ("gru", 0.0), ("gru", -1.0)])
def test_zero_state_and_input_follow_the_closed_form(cell, bias):
    """J = aI + bW: E‖g_k‖²/‖g_0‖² = Σ_j C(k,j)² a^{2(k-j)} (bσ)^{2j}.

    Within 5 standard errors and 2 %, over 400 models of H = 64.
    """
    S, T, H, σ = 400, 7, 64, 0.9
    generator = torch.Generator().manual_seed(0)
    rows = ROWS[cell] * H
    weights = {
        "weight_ih_l0": torch.zeros(S, rows, 1, dtype=torch.float64),
        "weight_hh_l0": torch.randn(S, rows, H, generator=generator, dtype=torch.float64) * σ / H**0.5,
        "bias_ih_l0": torch.zeros(S, rows, dtype=torch.float64),
        "bias_hh_l0": torch.zeros(S, rows, dtype=torch.float64),
    }
    weights["bias_ih_l0"][:, H : 2 * H] = bias  # forget gate of the LSTM, update gate of the GRU; the RNN has no row
    unroll = Unroll(cell, "tanh", weights, T, 1)
    unroll.start()
    unroll.forward(torch.zeros(T, 1, 1, dtype=torch.float64))
    unroll.backward(torch.randn(S, H, 1, generator=generator, dtype=torch.float64))
    kept = 1 / (1 + exp(-bias))
    a, b = {"rnn": (0, 1), "lstm": (kept, 1 / 4), "gru": (kept, (1 - kept) / 2)}[cell]
    wanted = [sum(comb(k, j) ** 2 * a ** (2 * (k - j)) * (b * σ) ** (2 * j) for j in range(k + 1)) for k in range(T)]
    tape = unroll.tape()
    squares = gradient_norms(tape)[..., 0] ** 2
    ratios = squares / squares[:, :1]
    error = ratios.std(0) / S**0.5
    assert (error <= 0.04 * ratios.mean(0)).all()
    assert (abs(ratios.mean(0) - wanted) <= 5 * error + 0.02 * np.array(wanted)).all()  # 2 %: H is finite
    np.testing.assert_allclose(gradient_decay(tape).mean_square, squares.mean(0), rtol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_no_norm_of_a_default_network_is_zero_at_1000_steps(cell):
    found = measure_untrained(Experiment(cell=cell, length=1000, seeds=1)).decay
    assert (found.norm > 0).all()
    assert found.relative[999] < 1e-150  # which squares would not hold
    assert np.isfinite(found.rate)
    assert found.rate == pytest.approx(np.polyfit(np.arange(1000), np.log(found.relative), 1)[0], rel=1e-9)
