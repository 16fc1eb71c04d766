"""Answers on a model of one's own in words: how much past it needs, what is in force, which inputs matter."""

import math

import numpy as np

from analysis.answers import Influence, InForce, LookBack, Windows, bias_for_half_life, half_life_of_bias
from analysis.report.wording import format_number, format_percent, format_steps

FEW_DIFFER = 0.1  # spread of the predictions below which a share of their size says little
LOOK_BACK = (
    "The change is the distance of the prediction from the one that the whole past gives, as a share of its size. "
    "A window begins where the sequences begin, which the network may never have met in their middle; or in a state of "
    "its own, in which it ended after another sequence."
)
IN_FORCE = (
    "Torch adds two biases, b_ih and b_hh: in force is their sum. Eigenvalues inside the circle shrink what the block "
    "hands on, those outside let it grow, until its nonlinearity and gates bound it."
)
INFLUENCE = (
    "Means over sequences of absolute values. Gradient × input is what an input adds to the prediction, to first order."
)


def needs_sentence(result: LookBack) -> str:
    """Say how many of the last time steps decide half of a prediction, and which give all but the smallest share."""
    half, needed = result.start.decides_half, float(result.start.median[np.argmin(result.shares)])
    if math.isnan(half):
        return "What the output depends on can't be measured: it is zero or not finite."
    if result.last_alone:
        return "Its output needs nothing but the last time step."
    if half >= result.length > 1:
        return "Its output needs the whole sequence."
    rest = f"the last {format_number(needed)}" if needed > 1 else "no more than that one"
    rest = "the whole sequence" if needed >= result.length else rest
    decide = "decides" if half == 1 else "decide"
    last, within = "time step" if half == 1 else f"{format_steps(half)}", format_percent(result.shares.min())
    return f"The last {last} {decide} half of its output; to give it within {within} takes {rest}."


def look_back_sentence(result: LookBack) -> str:
    """Give the windows by share from both starts, with their range over sequences, and what is plain about them."""
    if math.isnan(result.start.decides_half):
        return needs_sentence(result)
    shares = " / ".join(format_number(100 * share) for share in result.shares)
    what = "its prediction" if result.of_head else "its last state"
    whole = f"To give {what} within {shares} %, it needs {_windows(result.start, result.length)}"
    own = _windows(result.reached, result.length).replace(" time steps", "")
    if math.isnan(result.reached.decides_half):
        own = "that can't be measured"
    sentences = [f"{whole}; from a state of its own {own}.", *_never(result), *_plain(result)]
    return " ".join(sentences)


def _never(result: LookBack) -> list[str]:
    """Say what it means where not even a whole sequence leads from another one's end to the prediction."""
    if not np.isinf(result.reached.median).any():
        return []
    return [
        f"More than {result.length}: begun where another sequence ended, not even the whole sequence leads there: "
        "the network holds on to what it read before. Begin each sequence in its first state, as in training; or train "
        "on sequences that begin where others ended."
    ]


def _windows(windows: Windows, length: int) -> str:
    """Write the medians by share, and the range over sequences at the smallest share."""
    medians = " / ".join(_steps(value, length) for value in windows.median)
    low, high = windows.lowest[-1], windows.highest[-1]
    spread = "" if low == high else f" ({_steps(low, length)} to {_steps(high, length)} for the last of these)"
    return f"{medians} time steps{spread}"


def _steps(value: float, length: int) -> str:
    """Write a window; one that not even the whole sequence is enough for as more than its length."""
    if math.isnan(value):
        return "–"
    return f"> {length}" if math.isinf(value) else format_number(value)


def _plain(result: LookBack) -> list[str]:
    """Return what makes the windows say little, or all: a constant prediction, or one of the last value alone."""
    if result.constant:
        return [
            f"It predicts nearly a constant: its predictions differ by {format_percent(result.spread)} of their size "
            "between sequences."
        ]
    if result.last_alone:
        return ["It uses nothing but its last value."]
    if result.spread < FEW_DIFFER:
        return [
            f"Its predictions differ by only {format_percent(result.spread)} of their size between sequences, so that "
            "much of what is within a share is what they have in common."
        ]
    return []


def measured_on(result: LookBack) -> str:
    """Say on how many sequences and time steps a look-back was measured."""
    count = result.start.steps.shape[1]
    return f"Measured on {count:,} sequence{'s' * (count != 1)} of {format_steps(result.length)}."


def in_force_sentence(result: InForce, layer: int = -1) -> str:
    """Say which bias the gate that keeps has in a layer, and how large that layer's recurrent weights are."""
    number = format_number
    sentences = []
    if result.gate:
        both, parts = result.bias[:, layer], (result.input_bias[:, layer], result.hidden_bias[:, layer])
        mean = float(both.mean())
        halves = format_steps(half_life_of_bias(mean))
        spread = "" if both.min() == both.max() else f", from {number(both.min())} to {number(both.max())}"
        sentences.append(
            f"The {result.gate} gate's bias in force is {number(mean)} ({number(parts[0].mean())} + "
            f"{number(parts[1].mean())}{spread}): by itself it halves the memory in {halves}."
        )
    gains = ", ".join(f"{block} {number(float(np.median(gain[:, layer])))}" for block, gain in result.gain.items())
    radii = ", ".join(f"{block} {number(float(np.median(each[:, layer])))}" for block, each in result.radius.items())
    if len(result.gain) == 1:
        gains, radii = gains.removeprefix("state "), radii.removeprefix("state ")
    sentences.append(f"Gain of the recurrent weights: {gains}; largest eigenvalue: {radii}.")
    return " ".join(sentences)


def time_scale_sentence(scales: np.ndarray, gate: str) -> str:
    """Say which time scales the units of a layer have, (S, H)."""
    known = scales[~np.isnan(scales)]
    if not known.size:
        return f"The {gate} gate isn't finite."
    low, high = format_number(float(known.min())), format_number(float(known.max()))
    spread = f" ({low} to {high})" if low != high else ""
    return f"By their mean {gate} gates, units keep their memory for {format_steps(float(np.median(known)))}{spread}."


def wanted_bias_sentence(result: InForce, half_life: float) -> str:
    """Say which bias would give a wanted half-life."""
    bias = format_number(bias_for_half_life(half_life))
    return f"For a half-life of {format_steps(half_life)}, that bias would be {bias} in all."


def influence_sentence(result: Influence) -> str:
    """Say which column moves the prediction most, from where most of it comes, and whether the first step rises."""
    if not np.isfinite(result.shares).any():
        return "What moves the prediction can't be measured: the gradient or the inputs are zero or not finite."
    by_distance = result.product.sum(1)
    reach = int(np.searchsorted(np.cumsum(by_distance), 0.5 * by_distance.sum())) + 1
    last = "time step" if reach == 1 else format_steps(reach)
    sentences = [f"Half of gradient × input is from the last {last}."]
    if len(result.shares) > 1:
        best = int(np.nanargmax(result.shares))
        sentences.append(f"Column {best} (from 0) has the largest share, {format_percent(float(result.shares[best]))}.")
    if result.rises:
        rise, own = (format_number(float(sizes[-1] / sizes[-2])) for sizes in (result.size, result.reached))
        sentences.append(
            f"The gradient rises ×{rise} at the first time step because the sequence begins in zero: from a state of "
            f"its own it is ×{own}."
        )
    return " ".join(sentences)
