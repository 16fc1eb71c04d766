"""What tanh does to the size of a vector and of a cell's state, in words."""

from collections.abc import Mapping

import numpy as np

from analysis.report.wording import format_number, format_steps, gradient_grows, join_words
from analysis.results import SMALLEST, Decay, Measured, Repeated


def vector_sentences(repeated: Repeated) -> tuple[str, str]:
    """Describe how multiplying changed the sizes of a vector's entries: one sentence, and details."""
    rows = (repeated.plain[0], repeated.plain[-1], repeated.bounded[-1])
    start, end, bounded = (np.abs(row[row != 0]) for row in rows)
    if not len(start):
        return "Zero stays zero, with tanh and without.", ""
    largest = [format_number(sizes.max(initial=0)) for sizes in (start, end, bounded)]
    sentence = (
        f"After {len(repeated.plain) - 1} time steps the largest size went from {largest[0]} to {largest[1]}, "
        f"through tanh to {largest[2]}."
    )
    if len(bounded) < 2:
        return sentence, ""
    before, after = (sizes.max() / sizes.min() for sizes in (start, bounded))
    subject = "Tanh also erases size: largest" if after < 1.01 < before else "Largest"
    ratios = (
        f"{subject} to smallest was {format_number(before)} to 1 and ends {format_number(after)} to 1 through tanh."
    )
    limit = f"±{format_number(repeated.limit)}, whatever its size was" if repeated.limit else "0"
    return sentence, f"{ratios} There every entry tends to {limit}. "


def overflow_sentence(repeated: Repeated) -> str:
    """Describe at which time step the vector without tanh leaves floating point."""
    for event, steps in (
        ("grows beyond", repeated.overflow),
        ("falls below the normal numbers of", repeated.underflow),
    ):
        if steps["float64"] is not None:
            formats = join_words([f"{name} at time step {step:,}" for name, step in steps.items()])
            return f"Without tanh, ×{repeated.factor:g} at every time step, the largest entry {event} {formats}."
    return f"×{repeated.factor:g} at every time step never leaves floating point."


def tanh_sentences(cell: str, measured: Mapping[str, Measured]) -> tuple[str, str]:
    """Describe how large state and gradient became: one sentence on tanh, and one on the other activations.

    `measured` holds the same experiment with each activation, including tanh.
    """
    largest = {name: result.bounds.hidden[-1].max() for name, result in measured.items()}
    sizes = {
        name: format_number(size) if np.isfinite(size) else "beyond floating point" for name, size in largest.items()
    }
    gradients = {name: _describe_furthest(result.decay) for name, result in measured.items()}
    decay = measured["tanh"].decay
    grown, back = gradient_grows(decay), f"{format_steps(decay.distance[-1])} back"
    effect = f"yet {back} the gradient has grown" if grown else f"and {back} the gradient is"
    sentence = f"{cell.upper()}: with tanh |h| stays within {sizes['tanh']}, {effect} {gradients['tanh']}."
    others = "; ".join(
        f"with {name} |h| reaches {sizes[name]}, the gradient {gradients[name]}" for name in measured if name != "tanh"
    )
    lesson = " tanh bounds the state, not the gradient." if grown and largest["tanh"] <= 1 else ""
    return sentence, f"The same weights: {others}.{lesson}"


def _describe_furthest(decay: Decay) -> str:
    """Return the share of the gradient at the largest distance."""
    share = decay.relative[-1]
    if np.isnan(share):
        return "beyond floating point" if decay.excluded else "zero"
    return f"×{format_number(share)}" if share >= SMALLEST else "below floating point"
