"""The theory of tied gates against closed forms, brute-force sums, and random networks that fit its assumptions."""

from math import comb, exp, log, sqrt

import numpy as np
import pytest

from analysis.measures import mean_field
from analysis.measures.mean_field import Drive, Moments, growth_rate, mean_square_curve, sample_moments


def moments_of(keep, jump, *, fluctuation=0.0, share=None):
    """Moments of units with D = jump and f = keep, both times 1 ± fluctuation at random: together, or apart."""
    keep, jump = np.array(keep), np.array(jump)
    grown = 1 + fluctuation**2
    return Moments(
        keep=keep,
        keep_square=keep**2 * grown,
        jump_product=jump**2,
        jump_square=jump**2 * grown,
        jump_keep=jump**2 * keep * (1 - fluctuation**2 if share else 1),
        entry_product=1.0,
        entry_square=1.0,
        passing_square=0.0,
        hidden_square=0.0,
        hidden_product=0.0,
    )


def still(bias=0.0):
    """No input at all: the state stays zero."""
    gates = np.zeros((4, 1))
    gates[1] = bias
    return Drive(gates, np.zeros((4, 1)), np.zeros((4, 1)))


@pytest.mark.parametrize(("cell", "bias"), [("lstm", 0.0), ("lstm", 1.0), ("gru", 0.0), ("gru", -1.0), ("gru", 2.0)])
def test_zero_state_and_input_follow_the_closed_form(cell, bias):
    variance, T = 0.8, 40
    kept = 1 / (1 + exp(-bias))
    jump = {"lstm": 1 / 4, "gru": (1 - kept) / 2}[cell]
    moments = sample_moments(cell, variance, still(bias))
    wanted = [
        sum(comb(k, j) ** 2 * kept ** (2 * (k - j)) * (jump**2 * variance) ** j for j in range(k + 1)) for k in range(T)
    ]
    np.testing.assert_allclose(np.exp(mean_square_curve(moments, variance, T)), wanted, rtol=1e-6)
    assert growth_rate(moments, variance) == pytest.approx(2 * log(kept + jump * sqrt(variance)), abs=2e-3)


def test_equal_units_with_independent_gates_follow_the_closed_form():
    """Λ = p + √((χ - p)² + 4q²)."""
    f, d, variance, fluctuation = 0.6, 0.3, 1.2, 0.5
    grown = 1 + fluctuation**2
    p, q = f**2 + variance * d**2, sqrt(variance) * f * d
    χ = grown * p
    Λ = p + sqrt((χ - p) ** 2 + 4 * q * q)
    assert growth_rate(moments_of([f], [d], fluctuation=fluctuation), variance) == pytest.approx(log(Λ), abs=1e-6)


def test_units_that_differ_and_stay_the_same_follow_the_sum_over_paths():
    """Constant gates: with a_n = E[fⁿ], b_n = E[D² fⁿ], g_{k,l} = a_{k+l} + σ² Σ_{s,t} b_{s+t} g_{k-1-s,l-1-t}."""
    keep, jump, variance, T = np.array([0.3, 0.6, 0.9]), np.array([0.5, 0.2, 0.3]), 0.7, 14
    ends = [np.mean(keep**n) for n in range(2 * T)]
    jumps = [np.mean(jump**2 * keep**n) for n in range(2 * T)]
    found = np.zeros((T, T))
    for k in range(T):
        for m in range(T):
            inner = sum(jumps[s + t] * found[k - 1 - s, m - 1 - t] for s in range(k) for t in range(m))
            found[k, m] = ends[k + m] + variance * inner
    curve = np.exp(mean_square_curve(moments_of(keep, jump), variance, T))
    np.testing.assert_allclose(curve, np.diag(found), rtol=1e-6)


def test_random_networks_whose_gates_are_correlated_and_differ_by_unit():
    """J_t = diag(f_t) + diag(D_t) W with f and D of a unit moved by the same coin, against each other.

    Within 4 standard errors over 60 networks of 300 units, and 3 % for their finite width.
    """
    H, networks, T, variance, fluctuation = 300, 60, 25, 1.0, 0.4
    generator = np.random.default_rng(1)
    keep, jump = np.repeat([0.5, 0.8], H // 2), np.repeat([0.45, 0.2], H // 2)
    squares = np.empty((networks, T))
    for network in range(networks):
        W = generator.standard_normal((H, H)) * sqrt(variance / H)
        g = generator.standard_normal((H, 8))
        for k in range(T):
            squares[network, k] = np.square(g).sum(0).mean()
            coin = fluctuation * generator.choice([-1, 1], (H, 8))
            g = keep[:, None] * (1 + coin) * g + W.T @ (jump[:, None] * (1 - coin) * g)
    squares /= squares[:, :1]
    wanted = np.exp(mean_square_curve(moments_of(keep, jump, fluctuation=fluctuation, share=True), variance, T))
    error = squares.std(0) / sqrt(networks)
    assert (error < 0.05 * wanted).all()
    assert (abs(squares.mean(0) - wanted) <= 4 * error + 0.03 * wanted).all()


def test_a_curve_goes_on_at_its_asymptotic_rate():
    moments = moments_of([0.5, 0.7], [0.3, 0.2])
    short, long = mean_square_curve(moments, 0.9, 512), mean_square_curve(moments, 0.9, 700)
    np.testing.assert_allclose(long[:512], short, atol=1e-9)
    np.testing.assert_allclose(np.diff(long)[512:], growth_rate(moments, 0.9), atol=1e-9)
    assert np.diff(long)[511] == pytest.approx(np.diff(long)[510], abs=2e-3)


def test_enough_lags_are_kept(monkeypatch):
    """At 200 distances more of them move the root mean square by less than 5 %, and its rate by less than 0.001."""
    drive = Drive(np.full((4, 1), 1.0), np.full((4, 1), 0.1), np.full((4, 1), 0.3))
    moments = sample_moments("lstm", 1.0, drive)
    curve, rate = mean_square_curve(moments, 1.0, 200), growth_rate(moments, 1.0)
    monkeypatch.setattr(mean_field, "LAGS", 200)
    monkeypatch.setattr(mean_field, "FAR_LAGS", 300)
    np.testing.assert_allclose(mean_square_curve(moments, 1.0, 200) / 2, curve / 2, atol=0.05)
    assert growth_rate(moments, 1.0) == pytest.approx(rate, abs=2e-3)


def test_moments_are_the_same_at_each_call_and_leave_numpys_global_numbers_alone():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    drive = Drive(np.zeros((4, 1)), np.full((4, 1), 0.1), np.full((4, 1), 0.3))
    first, second = (sample_moments("lstm", 1.0, drive) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert np.array_equal(np.random.get_state()[1], before)
