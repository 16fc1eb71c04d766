"""Gradient against distance: its curve, rate, half-life and horizon; of any state, or through the carry alone."""

from dataclasses import replace
from numbers import Real

import numpy as np

from analysis.engine.norms import flushed, norm
from analysis.experiment import KEEP_GATE
from analysis.results import GRADIENTS, SMALLEST, Decay, Tape


def gradient_decay(tape: Tape, of: str = "memory", layer: int = -1, threshold: float = 0.01) -> Decay:
    """Measure how the gradient decays with the distance to the step whose output the loss reads.

    Args:
        tape: what `record` returned, its loss on one step alone.
        of: memory (the cell state of an LSTM, the hidden state of the others), hidden, cell, input, or
            weights (what each step adds to the gradient of the recurrent weights, a norm per sample).
        layer: which layer; -1 is the top one. The input has none.
        threshold: the share of ‖g_0‖ that the horizon asks for.

    Raises:
        ValueError: for an unknown `of`, a layer or cell state there isn't, or a loss on several steps, whose
            gradients would overlap and show no decay at all.
    """
    return decay_of_norms(gradient_norms(tape, of, layer), of, threshold)


def gradient_norms(tape: Tape, of: str = "memory", layer: int = -1) -> np.ndarray:
    """Return every sample's gradient norm by distance, (S, k, B), k = 0 … the step the loss reads.

    0 below the smallest normal number of the tape, where rounding stops a decay; NaN for a model whose states leave
    the finite range, whatever its gradient: a relu's may come back as zeros.
    """
    if of not in GRADIENTS:
        raise ValueError(f"of={of!r}: expected one of {', '.join(GRADIENTS)}")
    last = _loss_step(tape)
    tape.require_layer(layer)
    if of == "memory":
        of = "hidden" if tape.cell is None else "cell"
    if of == "cell" and tape.cell is None:
        raise ValueError(f"of='cell': only an LSTM has a cell state, this is a tape of {tape.model}")
    if of == "weights":
        norms = tape.weight_grad[:, layer]
    else:
        gradient = tape.input_grad if of == "input" else getattr(tape, f"{of}_grad")[:, layer]
        norms = norm(gradient)
    finite = np.isfinite(tape.hidden).all(axis=(1, 2, 3, 4))
    if tape.cell is not None:
        finite &= np.isfinite(tape.cell).all(axis=(1, 2, 3, 4))
    return np.where(finite[:, None, None], flushed(norms, tape.hidden.dtype), np.nan)[:, last::-1]


def carry_decay(tape: Tape, layer: int = -1, threshold: float = 0.01) -> Decay:
    """Measure what of the gradient comes back through the forget (LSTM) or update (GRU) gate alone.

    That is g_0 times the product of the gates on the way, without the recurrent weights.

    Raises:
        ValueError: for an RNN, which has no such gate, and as `gradient_decay`.
    """
    return decay_of_norms(carry_norms(tape, layer)[0], "carry", threshold)


def carry_norms(tape: Tape, layer: int = -1, start: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the carry's norms by distance, (S, k, B), and what is carried on to the step before, (S, B, H).

    `start` is what comes in from the steps after the tape's last, instead of the loss.
    """
    if tape.model not in KEEP_GATE:
        raise ValueError(f"a tape of {tape.model}: only an LSTM or a GRU has a gate that carries its memory")
    tape.require_layer(layer)
    last = tape.hidden.shape[2] - 1 if start is not None else _loss_step(tape)
    gate = tape.gates[KEEP_GATE[tape.model]][:, layer, last::-1]  # (S, k, B, H)
    gradient = tape.hidden_grad if tape.cell_grad is None else tape.cell_grad
    g_0 = gradient[:, layer, last] if start is None else start
    norms, carried = np.empty(gate.shape[:3]), g_0
    for k in range(gate.shape[1]):  # k = 0 is g_0 itself; the gate at the last step leads to k = 1
        norms[:, k] = norm(carried)
        carried = carried * gate[:, k]
    return flushed(norms, gate.dtype), flushed(carried, gate.dtype)


def _loss_step(tape: Tape) -> int:
    if len(tape.loss_steps) != 1:
        raise ValueError(
            f"the loss reads {len(tape.loss_steps)} steps, whose gradients overlap and show no decay: "
            "record with at=-1 (the last step's share alone)"
            if tape.loss_steps
            else "the loss reads no step's output: its gradient is zero everywhere"
        )
    return tape.loss_steps[0]


def decay_of_norms(norms: np.ndarray, of: str, threshold: float = 0.01) -> Decay:
    """Summarise norms by model, distance and sample, (S, T, B), as a `Decay`."""
    if not (isinstance(threshold, Real) and 0 < threshold <= 1):
        raise ValueError(f"threshold={threshold!r}: expected a share above 0, at most 1")
    S, T, _ = norms.shape
    finite = np.isfinite(norms).all(axis=(1, 2))
    relatives = np.full((S, T), np.nan)
    ratios = []  # (T, ·) of every model
    for s in np.flatnonzero(finite):
        used = norms[s][:, norms[s, 0] > 0]  # a sample without any gradient has no ratio
        with np.errstate(over="ignore"):
            ratio = used / used[:1]
        finite[s] = np.isfinite(ratio).all()
        if finite[s] and used.size:
            ratios.append(ratio)
            relatives[s] = np.median(ratio, axis=1)
    nothing = np.full(T, np.nan)
    low = relative = high = size = mean_square = nothing
    if ratios:
        low, relative, high = np.quantile(np.concatenate(ratios, axis=1), (0.05, 0.5, 0.95), axis=1)
    if finite.any():
        sizes = norms[finite].transpose(1, 0, 2).reshape(T, -1)
        size = np.median(sizes, axis=1)
        with np.errstate(over="ignore", under="ignore"):
            mean_square = np.mean(sizes**2, axis=1)
    rate, r_squared = _fit(relative)
    rates = np.array([_fit(curve)[0] for curve in relatives])
    return Decay(
        of=of,
        threshold=threshold,
        distance=np.arange(T),
        norm=size,
        mean_square=mean_square,
        relative=relative,
        low=low,
        high=high,
        relatives=relatives,
        rate=rate,
        factor=float(np.exp(rate)),
        r_squared=r_squared,
        half_life=_half_life(rate),
        horizon=_horizon(relative, threshold),
        rates=rates,
        half_lives=np.array([_half_life(r) for r in rates]),
        horizons=np.array([_horizon(curve, threshold) for curve in relatives]),
        excluded=int(S - finite.sum()),
    )


def at_threshold(decay: Decay, threshold: float) -> Decay:
    """Return a decay with the horizons of another threshold."""
    if threshold == decay.threshold:
        return decay
    horizons = np.array([_horizon(curve, threshold) for curve in decay.relatives])
    return replace(decay, threshold=threshold, horizon=_horizon(decay.relative, threshold), horizons=horizons)


def _fit(relative: np.ndarray) -> tuple[float, float]:
    """Slope of ln relative per step and r², by least squares over what floating point holds."""
    (k,) = np.nonzero(relative >= SMALLEST)
    if len(k) < 2:
        return np.nan, np.nan
    y = np.log(relative[k])
    k, y = k - k.mean(), y - y.mean()
    slope = k @ y / (k @ k)
    total = y @ y
    return float(slope), float((slope * (k @ y)) / total) if total > 0 else 1.0


def _half_life(rate: float) -> float:
    if np.isnan(rate):
        return np.nan
    return float(np.log(0.5) / rate) if rate < 0 else np.inf


def _horizon(relative: np.ndarray, threshold: float) -> float:
    if np.isnan(relative).any():
        return np.nan
    below = np.flatnonzero(relative < threshold)
    return float(below[0] - 1 if len(below) else len(relative) - 1)
