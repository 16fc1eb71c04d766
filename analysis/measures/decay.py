"""How the gradient decays with distance: curve, rate, half-life and horizon, of a state or through the keeping gate."""

from dataclasses import replace
from numbers import Real

import numpy as np

from analysis.engine.norms import flushed, norm
from analysis.results import GRADIENTS, SMALLEST, THRESHOLD, Decay, Tape


def gradient_decay(tape: Tape, of: str = "memory", layer: int = -1, threshold: float = THRESHOLD) -> Decay:
    """Measure how the gradient decays with the distance to the step whose output the loss reads.

    Args:
        tape: what `record` returned, its loss on one step alone.
        of: memory (the cell state of an LSTM, the hidden state of the others), hidden, cell, input, or
            weights (what each step adds to the gradient of the recurrent weights, a norm per sample), which a tape
            of `record_steps` does not have.
        layer: which layer; -1 is the top one. The input has none.
        threshold: the share of ‖g_0‖ that is left at the horizon.

    Raises:
        ValueError: for an unknown `of`, a layer or cell state that the tape does not have, or a loss on several
            steps, whose gradients would overlap and show no decay at all.
    """
    return decay_of_norms(gradient_norms(tape, of, layer), of, threshold)


def gradient_norms(tape: Tape, of: str = "memory", layer: int = -1) -> np.ndarray:
    """Return every sample's gradient norm by distance, (S, k, B), k = 0 … the step that the loss reads.

    A norm below the smallest normal number of the tape's precision is set to 0, since rounding there stops a decay.
    It is NaN before a sample's first step. All norms of a model are NaN if any of its states is not finite: its
    gradient can't be trusted then, as a relu may turn it into zeros.

    Raises:
        ValueError: as `gradient_decay`.
    """
    if of not in GRADIENTS:
        raise ValueError(f"of={of!r}: expected one of {', '.join(GRADIENTS)}")
    loss_step = _only_loss_step(tape)
    tape.require_layer(layer)
    norms = np.where(_finite_models(tape)[:, None, None], flushed(_norms(tape, of, layer), tape.hidden.dtype), np.nan)
    return _order_by_distance(norms, loss_step, tape.lengths)


def _norms(tape: Tape, of: str, layer: int) -> np.ndarray:
    """Return every sample's gradient norm by time step, (S, T, B)."""
    if of == "memory":
        of = "hidden" if tape.cell is None else "cell"
    if of == "weights":
        if not tape.weight_grad.size:
            raise ValueError(f"of='weights': this tape of {tape.model} holds no shares of its weights' gradient")
        return tape.weight_grad[:, layer]
    if of == "input":
        return norm(tape.input_grad)
    if of == "hidden":
        return norm(tape.hidden_grad[:, layer])
    if tape.cell_grad is None:
        raise ValueError(f"of='cell': this tape of {tape.model} has no cell state beside the hidden state")
    return norm(tape.cell_grad[:, layer])


def _finite_models(tape: Tape) -> np.ndarray:
    """Return which models' states are finite throughout, (S,)."""
    finite = np.isfinite(tape.hidden).all(axis=(1, 2, 3, 4))
    return finite if tape.cell is None else finite & np.isfinite(tape.cell).all(axis=(1, 2, 3, 4))


def _order_by_distance(norms: np.ndarray, loss_step: int, lengths: np.ndarray) -> np.ndarray:
    """Return norms (S, T, B) by distance, (S, k, B), from the step that the loss reads back to each sample's first.

    In a sample shorter than T, the loss reads a step as far from the sample's own end as `loss_step` is from T.
    """
    T = norms.shape[1]
    loss_steps = lengths - (T - loss_step)  # (B,)
    steps = loss_steps - np.arange(loss_steps.max() + 1)[:, None]  # (k, B)
    return np.where(steps >= 0, norms[:, np.maximum(steps, 0), np.arange(len(lengths))], np.nan)


def carry_decay(tape: Tape, layer: int = -1, threshold: float = THRESHOLD) -> Decay:
    """Measure how much of the gradient comes back through the forget (LSTM) or update (GRU) gate alone.

    At distance k that is g_0 times the product of the gate over the k steps in between, without the recurrent weights.

    Raises:
        ValueError: for an RNN, or a step that returns no such gate, and as `gradient_decay`.
    """
    return decay_of_norms(carry_norms(tape, layer)[0], "carry", threshold)


def carry_norms(tape: Tape, layer: int = -1, start: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the carry's norms by distance, (S, k, B), and what is carried on to the step before, (S, B, H).

    Args:
        tape: of an LSTM or a GRU, with samples of one length.
        layer: which layer; -1 is the top one.
        start: what is carried in from the steps after the tape's last, (S, B, H); None starts at the loss.

    Raises:
        ValueError: for a tape without a gate that keeps, or with samples of several lengths; as `gradient_decay`.
    """
    if tape.keep_gate is None:
        raise ValueError(
            f"a tape of {tape.model}: only an LSTM or a GRU has a gate that carries its memory, or a step giving one"
        )
    tape.require_layer(layer)
    T = tape.hidden.shape[2]
    if (tape.lengths != T).any():
        raise ValueError(f"samples of {tape.lengths.min()} to {tape.lengths.max()} steps: expected {T} in each")
    last = _only_loss_step(tape) if start is None else T - 1
    gate = tape.gates[tape.keep_gate][:, layer, last::-1]  # (S, k, B, H)
    gradient = tape.hidden_grad if tape.cell_grad is None else tape.cell_grad
    carried = gradient[:, layer, last] if start is None else start
    norms = np.empty(gate.shape[:3])
    for k in range(gate.shape[1]):  # k = 0 is g_0 itself; the gate at the last step leads to k = 1
        norms[:, k] = norm(carried)
        carried = carried * gate[:, k]
    return flushed(norms, gate.dtype), flushed(carried, gate.dtype)


def _only_loss_step(tape: Tape) -> int:
    """Return the step whose output the loss reads; ValueError where it reads several, or none."""
    if not tape.loss_steps:
        raise ValueError("the loss reads no step's output: its gradient is zero everywhere")
    if len(tape.loss_steps) > 1:
        raise ValueError(
            f"the loss reads {len(tape.loss_steps)} steps, whose gradients overlap and show no decay: "
            "record with at=-1 (the last step's share alone)"
        )
    return tape.loss_steps[0]


def decay_of_norms(norms: np.ndarray, of: str, threshold: float = THRESHOLD) -> Decay:
    """Summarise norms by model, distance and sample, (S, T, B), as a `Decay`.

    Raises:
        ValueError: for a threshold that is not above 0 and at most 1.
    """
    if not (isinstance(threshold, Real) and 0 < threshold <= 1):
        raise ValueError(f"threshold={threshold!r}: expected a share above 0, at most 1")
    S, T, _ = norms.shape
    ratios = [_ratios(of_model) for of_model in norms]
    finite = np.array([ratio is not None for ratio in ratios])
    usable = {s: ratio for s, ratio in enumerate(ratios) if ratio is not None and ratio.size}
    relatives = np.full((S, T), np.nan)
    for s, ratio in usable.items():
        relatives[s] = np.median(ratio, axis=1)
    low = relative = high = size = mean_square = np.full(T, np.nan)
    if usable:
        low, relative, high = np.quantile(np.concatenate(list(usable.values()), axis=1), (0.05, 0.5, 0.95), axis=1)
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


def _ratios(norms: np.ndarray) -> np.ndarray | None:
    """Return one model's norms (T, B) as shares of each sample's norm at distance 0, (T, ·).

    Samples without any gradient have no share and are left out. None where a norm or a share is not finite.
    """
    if not np.isfinite(norms).all():
        return None
    used = norms[:, norms[0] > 0]
    with np.errstate(over="ignore"):
        ratios = used / used[:1]
    return ratios if np.isfinite(ratios).all() else None


def at_threshold(decay: Decay, threshold: float) -> Decay:
    """Return a decay with its horizons computed for another threshold, a share of the gradient."""
    if threshold == decay.threshold:
        return decay
    horizons = np.array([_horizon(curve, threshold) for curve in decay.relatives])
    return replace(decay, threshold=threshold, horizon=_horizon(decay.relative, threshold), horizons=horizons)


def _fit(relative: np.ndarray) -> tuple[float, float]:
    """Fit a line to ln relative: return its slope per step and r², by least squares over normal numbers."""
    (k,) = np.nonzero(relative >= SMALLEST)
    if len(k) < 2:
        return np.nan, np.nan
    y = np.log(relative[k])
    k, y = k - k.mean(), y - y.mean()
    slope = k @ y / (k @ k)
    total = y @ y
    return float(slope), float((slope * (k @ y)) / total) if total > 0 else 1.0


def _half_life(rate: float) -> float:
    """Return the steps in which a gradient halves at a rate; infinite where it does not decay."""
    if np.isnan(rate):
        return np.nan
    return float(np.log(0.5) / rate) if rate < 0 else np.inf


def _horizon(relative: np.ndarray, threshold: float) -> float:
    """Return the largest distance up to which the gradient stays at or above a threshold."""
    if np.isnan(relative).any():
        return np.nan
    below = np.flatnonzero(relative < threshold)
    return float(below[0] - 1 if len(below) else len(relative) - 1)
