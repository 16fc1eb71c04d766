"""How the gradient decays with distance: curve, rate, half-life and horizon, of a state or through the keeping gate."""

from collections.abc import Callable
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
    norms, present = gradient_norms(tape, of, layer), distances_present(tape)
    if of == "weights" and not present.all():
        present = with_shares(norms, present)
    return decay_of_norms(norms, of, threshold, present)


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
    steps, present = _steps_by_distance(tape)
    tape.require_layer(layer)
    norms = np.where(_finite_models(tape)[:, None, None], flushed(_norms(tape, of, layer), tape.hidden.dtype), np.nan)
    by_distance = norms[:, steps, np.arange(steps.shape[1])]
    by_distance[:, ~present] = np.nan
    return by_distance


def distances_present(tape: Tape) -> np.ndarray:
    """Return which distances each sample has, (k, B) of booleans, counted from the step that its loss reads."""
    return _steps_by_distance(tape)[1]


def with_shares(norms: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return at which distances a sample's step adds to the weights' gradient, (k, B) of booleans.

    Its first step adds nothing where the state before it is zero; there the norms (S, k, B) are set to NaN.
    """
    firsts = present & ~np.pad(present, ((0, 1), (0, 0)))[1:]
    nothing = firsts & (norms == 0).all(0)
    norms[:, nothing] = np.nan
    return present & ~nothing


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
    """Return which models' states are finite up to each sample's last step, (S,)."""
    states = [tape.hidden, *([] if tape.cell is None else [tape.cell])]
    if (tape.lengths < tape.hidden.shape[2]).any():
        inside = np.arange(tape.hidden.shape[2])[:, None] < tape.lengths
        states = [np.where(inside[..., None], state, 0) for state in states]
    return np.all([np.isfinite(state).all(axis=(1, 2, 3, 4)) for state in states], axis=0)


def _steps_by_distance(tape: Tape) -> tuple[np.ndarray, np.ndarray]:
    """Return the step of each sample at distance k from the one that its loss reads, and whether it has one, (k, B).

    A sample has no step before its first, nor before the one where the sequence begins anew that the loss reads, and
    none at all where the loss doesn't read it. There, the step is 0.
    """
    loss_steps = loss_step_by_sample(tape)
    firsts = np.zeros(len(loss_steps), int)
    if tape.begins is not None:
        T, B = tape.begins.shape
        begun = np.maximum.accumulate(np.where(tape.begins, np.arange(T)[:, None], 0))  # by step, the last one begun
        firsts = begun[loss_steps, np.arange(B)]
    firsts[loss_steps < 0] = 0
    return _back_from(loss_steps, firsts)


def _back_from(steps: np.ndarray, firsts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps (k, B) at distances 0, 1, … from these, (B,), back to the firsts, and which there are."""
    back = steps - np.arange((steps - firsts).max() + 1)[:, None]
    return np.maximum(back, 0), back >= firsts


def loss_step_by_sample(tape: Tape) -> np.ndarray:
    """Return the step whose output each sample's loss reads, (B,); below 0 where it reads none.

    A tape that doesn't hold which sample reads which steps has one step for all: in a sample shorter than T, it is as
    far from the sample's own end as from T.

    Raises:
        ValueError: where a sample reads several steps, or none reads any.
    """
    T = tape.hidden.shape[2]
    several = len(tape.loss_steps) if tape.reads is None else int(tape.reads.sum(0).max())
    if not several:
        raise ValueError("the loss reads no step's output: its gradient is zero everywhere")
    if several > 1:
        raise ValueError(
            f"the loss reads {several} steps of a sequence, whose gradients overlap and show no decay: "
            "record with at=-1 (the last step's share alone)"
        )
    if tape.reads is None:
        return tape.lengths - (T - tape.loss_steps[0])
    return np.where(tape.reads.any(0), tape.reads.argmax(0), -1)


def carry_decay(tape: Tape, layer: int = -1, threshold: float = THRESHOLD) -> Decay:
    """Measure how much of the gradient comes back through the forget (LSTM) or update (GRU) gate alone.

    At distance k that is g_0 times the product of the gate over the k steps in between, without the recurrent weights.

    Raises:
        ValueError: for an RNN, or a step that returns no such gate, and as `gradient_decay`.
    """
    norms, _ = carry_norms(tape, layer)
    return decay_of_norms(norms, "carry", threshold, distances_present(tape))


def carry_norms(tape: Tape, layer: int = -1, start: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the carry's norms by distance, (S, k, B), and what is carried on to the step before, (S, B, H).

    Args:
        tape: of an LSTM or a GRU.
        layer: which layer; -1 is the top one.
        start: what is carried in from the steps after the tape's last, (S, B, H); None starts at the loss.

    Raises:
        ValueError: for a tape without a gate that keeps; as `gradient_decay`.
    """
    if tape.keep_gate is None:
        raise ValueError(
            f"a tape of {tape.model}: only an LSTM or a GRU has a gate that carries its memory, or a step giving one"
        )
    tape.require_layer(layer)
    T, B = tape.hidden.shape[2:4]
    steps, present = _steps_by_distance(tape) if start is None else _back_from(np.full(B, T - 1), np.zeros(B, int))
    gate = tape.gates[tape.keep_gate][:, layer]  # (S, T, B, H)
    gradient = (tape.hidden_grad if tape.cell_grad is None else tape.cell_grad)[:, layer]
    alike = bool((steps == steps[:, :1]).all())  # then the step of all samples is a view
    places = [(slice(None), at[0]) if alike else (slice(None), at, np.arange(B)) for at in steps]
    carried = gradient[places[0]] if start is None else start
    norms = np.empty((len(gate), *steps.shape))
    for k, place in enumerate(places):  # k = 0 is g_0 itself; the gate at the last step leads to k = 1
        norms[:, k] = norm(carried)
        carried = carried * gate[place]
    norms[:, ~present] = np.nan
    return flushed(norms, gate.dtype), flushed(carried, gate.dtype)


def decay_of_norms(
    norms: np.ndarray, of: str, threshold: float = THRESHOLD, present: np.ndarray | None = None
) -> Decay:
    """Summarise norms by model, distance and sample, (S, T, B), as a `Decay`.

    `present` (T, B) says which distances each sample has; None = all. What is not finite there is a diverged model's.

    Raises:
        ValueError: for a threshold that is not above 0 and at most 1.
    """
    if not (isinstance(threshold, Real) and 0 < threshold <= 1):
        raise ValueError(f"threshold={threshold!r}: expected a share above 0, at most 1")
    present = np.ones(norms.shape[1:], bool) if present is None else present
    ratios = [_ratios(of_model, present) for of_model in norms]
    finite = np.array([ratio is not None for ratio in ratios])
    usable = {s: ratio for s, ratio in enumerate(ratios) if ratio is not None and ratio.size}
    samples = present[:, (norms[[*usable], 0] > 0).any(0)].sum(1) if usable else present.sum(1)
    T = np.count_nonzero(samples)
    relatives = np.full((len(norms), T), np.nan)
    for s, ratio in usable.items():
        relatives[s] = _over_samples(_median, ratio[:T])
    low = relative = high = np.full(T, np.nan)
    if usable:
        together = np.concatenate([ratio[:T] for ratio in usable.values()], axis=1)
        low, relative, high = _over_samples(lambda row: np.quantile(row, (0.05, 0.5, 0.95), axis=-1), together)
    size, mean_square = _sizes(norms[finite, :T])
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
        excluded=int(len(norms) - finite.sum()),
        samples=samples[:T],
    )


def _sizes(norms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the median and the mean square of norms (S, T, B) by distance, (T,) each; NaN where there are none."""
    S, T, B = norms.shape
    if not S:
        return np.full(T, np.nan), np.full(T, np.nan)
    sizes = norms.transpose(1, 0, 2).reshape(T, S * B)
    with np.errstate(over="ignore", under="ignore"):
        return _over_samples(_median, sizes), _over_samples(lambda row: np.mean(row, axis=-1), sizes**2)


def _ratios(norms: np.ndarray, present: np.ndarray) -> np.ndarray | None:
    """Return one model's norms (T, B) as shares of each sample's norm at distance 0, (T, ·).

    Samples without any gradient have no share and are left out; what isn't `present` is NaN. None where a norm or a
    share is not finite.
    """
    if not (np.isfinite(norms) | ~present).all():
        return None
    counted = norms[0] > 0
    used = norms[:, counted]
    with np.errstate(over="ignore"):
        ratios = used / used[:1]
    return ratios if (np.isfinite(ratios) | ~present[:, counted]).all() else None


def _median(rows: np.ndarray) -> np.ndarray:
    return np.median(rows, axis=-1)


def _over_samples(measure: Callable[[np.ndarray], np.ndarray], values: np.ndarray) -> np.ndarray:
    """Return a measure of each row of values (T, N), along T as its last axis, without what is missing (NaN)."""
    missing = np.isnan(values)
    if not missing.any():
        return measure(values)
    rows = [row[~gone] if not gone.all() else row for row, gone in zip(values, missing, strict=True)]
    return np.stack([measure(row) for row in rows], axis=-1)


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
