"""Mean-field theory of LSTM and GRU with tied recurrent weights: moments of the gates, and the gradient from them.

A gradient on its way back either stays in a unit, times the gate that keeps, or jumps through the recurrent weights to
another. In the mean square over Gaussian (or orthogonal) weights W two copies of the path meet. The weights are tied,
the same at each time step, so the j-th jump of one copy pairs with the j-th jump of the other, though they may be some
time steps apart, their *lag*. In wide networks all other pairs vanish. So E‖g_k‖² is a sum over paths whose parts are

    stay in unit i: E_t f, of both copies at once E_t f²;   jump out of it: σ² times E_t D, E_t D², or E_t fD,

averaged over units i, where D = ∂(memory)/∂(a unit's recurrent input). It is the coefficient of x^{2k} in
Σ_j e_0 Kʲ F, where K holds the weight of two jumps that follow each other, by their lags, and F that of the end.
For equal units and no correlation of f with D, it grows by Λ = p + √((χ - p)² + 4q²) per time step with
p = (E f)² + σ²(E D)², q = σ E f E D and χ = E f² + σ² E D²; at constant gates that is (f + σD)².
"""

from collections.abc import Callable
from math import exp, log, pi, sqrt
from typing import NamedTuple

import numpy as np
import torch

from analysis.engine.unroll import one_thread

UNITS, WARMUP, STEPS = 600, 150, 600  # of the sample; time steps
LAGS, FAR_LAGS = 96, 200  # the largest lag of two jumps in a curve, and in its asymptotic rate
EXACT = 1e-9  # of a rate
COEFFICIENTS = 512  # distances up to which a curve is computed; further on it goes on at its asymptotic rate
GATES = {"lstm": ("input", "forget", "candidate", "output"), "gru": ("reset", "update", "recalled", "candidate")}


class Drive(NamedTuple):
    """What a cell's gates get besides the recurrent input, (G, 1 or UNITS) each, in the order of `GATES`."""

    bias: np.ndarray
    lasting: np.ndarray  # variance over units of what is the same at every time step
    changing: np.ndarray  # variance of what is new at every time step


class Moments(NamedTuple):
    """Means over time of each unit's gates, (UNITS,), and of what all units share."""

    keep: np.ndarray  # f of an LSTM, z of a GRU
    keep_square: np.ndarray
    jump_product: np.ndarray  # of D at two different times, summed over the ways through the gates
    jump_square: np.ndarray  # of D², summed
    jump_keep: np.ndarray  # of D and f at one time, times D at another
    entry_product: float  # of ∂h/∂c at two different times; 1 in a GRU
    entry_square: float
    passing_square: float  # of ∂h/∂(recurrent input of the output gate)
    hidden_square: float  # E h²
    hidden_product: float  # of h at two different times


class Step(NamedTuple):
    """One time step of all units in two copies, (2, UNITS) each, or with the ways to jump in front."""

    h: np.ndarray
    keep: np.ndarray
    jumps: np.ndarray  # (ways, 2, UNITS)
    entry: np.ndarray
    passing: np.ndarray
    c: np.ndarray


def sample_moments(cell: str, weight_variance: float, drive: Drive) -> Moments:
    """Simulate independent units of an LSTM or GRU, and return the moments of their gates.

    The recurrent input of a unit is Gaussian, with the variance σ²E h² of the population at that time, and independent
    from unit to unit; of it σ²E h_t h_s lasts. The rest is taken as new at every time step. Two copies of each unit
    share what lasts and differ in what changes: products over both are means over two different times. The random
    numbers come from a generator of their own: the same call returns the same moments.
    """
    generator = np.random.default_rng(0)
    step = _lstm_step if cell == "lstm" else _gru_step
    lasting_input, lasting_recurrent = generator.standard_normal((2, 4, 1, UNITS))
    bias = drive.bias[:, None] + np.sqrt(drive.lasting)[:, None] * lasting_input
    noise = np.sqrt(drive.changing)[:, None]
    h = c = np.zeros((2, UNITS))
    square = product = 0.0
    sums: dict[str, np.ndarray] = {}
    for t in range(WARMUP + STEPS):
        share = 0.05 if t > 1 / 0.05 else 1.0  # of the newest value in the running means
        square += share * (float(np.mean(h * h)) - square)
        product += share * (min(max(float(np.mean(h[0] * h[1])), 0.0), square) - product)
        changing = sqrt(weight_variance * max(square - product, 0.0))
        recurrent = sqrt(weight_variance * product) * lasting_recurrent
        recurrent = recurrent + changing * generator.standard_normal((4, 2, UNITS))
        now = step(recurrent, bias + noise * generator.standard_normal((4, 2, UNITS)), h, c)
        h, c = now.h, now.c
        if t >= WARMUP:
            _add(sums, now, square, product)
    return _moments({name: total / STEPS for name, total in sums.items()})


def _add(sums: dict[str, np.ndarray], now: Step, square: float, product: float) -> None:
    """Add one time step's terms to the sums over time."""
    terms = {
        "keep": now.keep, "keep_square": now.keep**2, "jump": now.jumps, "jump_square": (now.jumps**2).sum(0),
        "jump_keep": now.jumps * now.keep, "entry": now.entry, "entry_square": now.entry**2,
        "passing_square": now.passing**2, "square": np.array(square), "product": np.array(product),
    }  # fmt: skip
    for name, term in terms.items():
        sums[name] = sums.get(name, 0) + term


def _moments(mean: dict[str, np.ndarray]) -> Moments:
    """Return the moments, given the means over time of both copies."""
    jump, jump_keep, entry = mean["jump"], mean["jump_keep"], mean["entry"]
    return Moments(
        keep=mean["keep"].mean(0),
        keep_square=mean["keep_square"].mean(0),
        jump_product=(jump[:, 0] * jump[:, 1]).sum(0),
        jump_square=mean["jump_square"].mean(0),
        jump_keep=(jump[:, 0] * jump_keep[:, 1] + jump[:, 1] * jump_keep[:, 0]).sum(0) / 2,
        entry_product=float(np.mean(entry[0] * entry[1])),
        entry_square=float(mean["entry_square"].mean()),
        passing_square=float(mean["passing_square"].mean()),
        hidden_square=float(mean["square"]),
        hidden_product=float(mean["product"]),
    )


def _lstm_step(recurrent: np.ndarray, given: np.ndarray, h: np.ndarray, c: np.ndarray) -> Step:
    """Return a step of an LSTM: D = i(1-g²), g i(1-i), c₋f(1-f) by the candidate, input and forget gate."""
    i, f, o = (_logistic(recurrent[k] + given[k]) for k in (0, 1, 3))
    g = np.tanh(recurrent[2] + given[2])
    after = f * c + i * g
    squashed = np.tanh(after)
    jumps = np.stack([i * (1 - g * g), g * i * (1 - i), c * f * (1 - f)])
    return Step(o * squashed, f, jumps, o * (1 - squashed**2), squashed * o * (1 - o), after)


def _gru_step(recurrent: np.ndarray, given: np.ndarray, h: np.ndarray, c: np.ndarray) -> Step:
    """Return a step of a GRU: D = (1-z)(1-n²) r, (h₋-n) z(1-z), (1-z)(1-n²) a r(1-r) by a, update and reset gate."""
    r, z = (_logistic(recurrent[k] + given[k]) for k in (0, 1))
    a = recurrent[2] + given[2]
    n = np.tanh(given[3] + r * a)
    slope = (1 - z) * (1 - n * n)
    jumps = np.stack([slope * r, (h - n) * z * (1 - z), slope * a * r * (1 - r)])
    return Step((1 - z) * n + z * h, z, jumps, np.ones_like(h), np.zeros_like(h), c)


def _logistic(x: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def growth_rate(moments: Moments, weight_variance: float) -> float:
    """Return the asymptotic slope of ln E‖g_k‖² per time step: ln Λ where K at x = Λ^(-1/2) has the eigenvalue 1.

    Where biases differ, it is that of the sampled units that keep best; at finite distances less is left to them.
    """
    shortest = max(float(moments.keep_square.max()), weight_variance * moments.passing_square, 1e-12)
    low = log(shortest) / 2 + 1e-9  # ln of 1/x

    def excess(height: float) -> float:
        """Return 1 over the largest eigenvalue, minus 1: it rises with the height, from -1 where K is infinite."""
        kernel, _ = _kernels(moments, weight_variance, np.array([exp(-height)]), FAR_LAGS)
        with one_thread():  # numpy takes every core, and several times as long where these are busy
            return 1 / max(float(torch.linalg.eigvals(torch.from_numpy(kernel[0])).abs().max()), 1e-300) - 1

    high = low + 1
    while excess(high) < 0:
        high += 1
    return 2 * _root(excess, low, high, -1.0)


def _root(rising: Callable[[float], float], low: float, high: float, at_low: float) -> float:
    """Return where a rising function is 0, by false position; `at_low`, below 0, is its value at `low`.

    The value at an end that stays is halved (the Illinois rule); each third step halves the interval.
    """
    at_high, side = rising(high), 0
    for step in range(60):
        middle = (low + high) / 2 if step % 3 == 2 else (low * at_high - high * at_low) / (at_high - at_low)
        value = rising(middle)
        if abs(value) < EXACT or high - low < EXACT:
            break
        if value < 0:
            low, at_low, at_high, side = middle, value, at_high / (2 if side < 0 else 1), -1
        else:
            high, at_high, at_low, side = middle, value, at_low / (2 if side > 0 else 1), 1
    return middle


def mean_square_curve(moments: Moments, weight_variance: float, T: int) -> np.ndarray:
    """Return ln E‖g_k‖²/‖g_0‖² at distances 0 to T - 1.

    The sum over paths is a power series in x², whose coefficients are found by a Fourier transform on a circle a little
    inside its radius of convergence. It is exact for T up to `LAGS`; beyond `COEFFICIENTS` it goes on at its asymptotic
    rate.
    """
    slope = growth_rate(moments, weight_variance)
    known = min(T, COEFFICIENTS)
    points = 4 * known
    inside = 20 / points  # so that coefficients `points` further on add e^-20 of theirs
    squares = np.exp(-slope - inside + 2j * pi * np.arange(points // 2 + 1) / points)
    values = []
    for some in np.array_split(squares, 1 + known // 64):  # in parts, to bound memory
        kernels, ends = _kernels(moments, weight_variance, np.sqrt(some), min(known, LAGS))
        unit = np.eye(kernels.shape[-1])
        values.append(np.linalg.solve(unit - kernels, ends[..., None])[:, 0, 0])
    scaled = np.fft.irfft(np.concatenate(values).conj(), points)[:known]
    curve = np.log(scaled) + np.arange(known) * (slope + inside)
    beyond = curve[-1] + slope * np.arange(1, T - known + 1)
    return np.concatenate([curve - curve[0], beyond])


def _kernels(moments: Moments, weight_variance: float, x: np.ndarray, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Return K, (n, lags + 1, lags + 1), and F, (n, lags + 1), at n values of x, which stands for one time step.

    The copy that comes first into a unit stays alone for as many time steps as the lag, unless it jumps on before; then
    both are there, until both jump at once (lag 0), or one, and the other some steps later. Lags of both signs are
    alike: row and column k > 0 stand for both.
    """
    m = moments
    most = max(float(m.keep.max()), 1e-300)  # |x| most <= 1: neither part of (x keep)ⁿ leaves the range of floats
    powers = np.vander(m.keep / most, 2 * lags + 1, increasing=True)  # (UNITS, 2 lags + 1)
    both = 1 / (1 - m.keep_square[:, None] * x**2)  # (UNITS, n): any number of time steps together

    def mean(weights: np.ndarray) -> np.ndarray:  # over units, (n, 2 lags + 1)
        return (weights.T @ powers) * np.vander(x * most, 2 * lags + 1, increasing=True) / len(powers)

    together = x[:, None] ** 2 * mean(m.jump_square[:, None] * both)
    one_first = x[:, None] ** 3 * mean(m.jump_keep[:, None] * both)
    apart = x[:, None] ** 2 * mean(np.repeat(m.jump_product[:, None], len(x), 1))
    steps = np.zeros((len(x), 2 * lags + 3), apart.dtype)  # [n + 2]: the sum of `apart` over n, n - 2, n - 4, …
    for parity in (0, 1):
        steps[:, 2 + parity :: 2] = np.cumsum(apart[:, parity::2], 1)
    lag = np.arange(lags + 1)
    sides = np.where(lag > 0, 2, 1)
    kernel = np.empty((len(x), lags + 1, lags + 1), apart.dtype)
    kernel[:, :, 0] = sides * together[:, : lags + 1]
    kernel[:, 0, 1:] = one_first[:, :lags]
    before, after = lag[1:, None], lag[None, 1:]
    kernel[:, 1:, 1:] = 2 * one_first[:, before + after - 1] + steps[:, before + after] - steps[:, abs(before - after)]
    kernel *= weight_variance
    kernel[:, :, 0] *= (m.entry_square / (1 - weight_variance * m.passing_square * x**2))[:, None]
    kernel[:, :, 1:] *= m.entry_product
    return kernel, sides * mean(both)[:, : lags + 1]
