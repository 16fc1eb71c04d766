"""What tanh does to the size of a vector and of a cell's state, in words."""

from collections.abc import Mapping

import numpy as np

from analysis.language import join_sentences
from analysis.language import translate as _
from analysis.reading import Repeated
from analysis.report.wording import format_number, format_steps, gradient_grows, join_words, raise_power
from analysis.results import SMALLEST, Decay, Measured

NEAR_ONE = 0.9  # a size above it is called near 1


def multiplied_sentences(repeated: Repeated, step: int = -1) -> str:
    """Say what multiplying made of a vector's largest and smallest size but 0, and what it made of them with tanh.

    Both up to a time step, the last one where none is given.
    """
    count = step % len(repeated.plain)
    start, plain, bounded = repeated.plain[0], repeated.plain[count], repeated.bounded[count]
    if not start.any():
        return _("Zero stays zero, with tanh and without.")
    if not count:
        return _("Nothing is multiplied yet. Press Play, or choose a later time step.")
    sizes = np.abs(start)
    large, small = int(sizes.argmax()), int(np.where(sizes > 0, sizes, np.inf).argmin())
    growth = int(np.sign(abs(repeated.factor) - 1))
    if start[large] == start[small]:
        said = [_first_of_one(growth), _second_of_one(abs(bounded[large]))]
    else:
        said = [_first_of_two(growth), _second_of_two(bounded[large], bounded[small], growth)]
    numbers = {
        "factor": repeated.factor, "ratio": sizes[large] / sizes[small],
        "large": start[large], "large_end": plain[large], "large_bounded": bounded[large],
        "small": start[small], "small_end": plain[small], "small_bounded": bounded[small],
    }  # fmt: skip
    written = {name: raise_power(format_number(number)) for name, number in numbers.items()}
    return join_sentences(*said).format(count=count, **written)


def _first_of_one(growth: int) -> str:
    """Return the sentence on one size without tanh, which grows (1), stays (0) or fades (−1)."""
    return {
        1: _("After {count} time steps, each ×{factor}, {large} became {large_end}: nothing holds the size."),
        0: _("After {count} time steps, each ×{factor}, {large} stayed {large_end}."),
        -1: _("After {count} time steps, each ×{factor}, {large} became {large_end}: it fades."),
    }[growth]


def _second_of_one(bounded: float) -> str:
    """Return the sentence on one size with tanh, given what it ends at."""
    return (
        _("With tanh it ends at {large_bounded}: held within ±1.")
        if bounded > NEAR_ONE
        else _("With tanh it ends at {large_bounded}.")
    )


def _first_of_two(growth: int) -> str:
    """Return the sentence on two sizes without tanh, as `_first_of_one`."""
    return {
        1: _(
            "After {count} time steps, each ×{factor}, {large} became {large_end} and {small} became {small_end}: "
            "still {ratio} to 1, but nothing holds the size."
        ),
        0: _("After {count} time steps, each ×{factor}, {large} and {small} stayed as they were."),
        -1: _(
            "After {count} time steps, each ×{factor}, {large} became {large_end} and {small} became {small_end}: "
            "still {ratio} to 1, but both fade."
        ),
    }[growth]


def _second_of_two(large: float, small: float, growth: int) -> str:
    """Return the sentence on two numbers with tanh, given what they end at."""
    same, near = format_number(large) == format_number(small), min(abs(large), abs(small)) > NEAR_ONE
    if growth < 0:
        return _("With tanh they end at {large_bounded} and {small_bounded}: it can't stop them fading.")
    if same and near:
        return _("With tanh both end at {large_bounded}: held within ±1, though their difference is lost.")
    if near and large * small > 0:
        return _("With tanh they end at {large_bounded} and {small_bounded}: held within ±1, and almost the same.")
    if near:
        return _("With tanh they end at {large_bounded} and {small_bounded}: within ±1, but only their signs differ.")
    if same:
        return _("With tanh both end at {large_bounded}.")
    return _("With tanh they end at {large_bounded} and {small_bounded}.")


def ratio_sentences(repeated: Repeated) -> str:
    """Say how tanh changed the ratio of a vector's sizes, and what they tend to; "" where fewer than two are not 0."""
    start, bounded = (np.abs(row[row != 0]) for row in (repeated.plain[0], repeated.bounded[-1]))
    if len(bounded) < 2:
        return ""
    before, after = (sizes.max() / sizes.min() for sizes in (start, bounded))
    subject = "Tanh also erases size: largest" if after < 1.01 < before else "Largest"
    ratios = (
        f"{subject} to smallest was {format_number(before)} to 1 and ends {format_number(after)} to 1 through tanh."
    )
    limit = f"±{format_number(repeated.limit)}, whatever its size was" if repeated.limit else "0"
    return f"{ratios} There every entry tends to {limit}. "


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
    grown, back = gradient_grows(decay), f"{format_steps(decay.furthest)} back"
    effect = f"yet {back} the gradient has grown" if grown else f"and {back} the gradient is"
    sentence = f"{cell.upper()}: with tanh |h| stays within {sizes['tanh']}, {effect} {gradients['tanh']}."
    others = "; ".join(
        f"with {name} |h| reaches {sizes[name]}, the gradient {gradients[name]}" for name in measured if name != "tanh"
    )
    lesson = " tanh bounds the state, not the gradient." if grown and largest["tanh"] <= 1 else ""
    return sentence, f"The same weights: {others}.{lesson}"


def _describe_furthest(decay: Decay) -> str:
    """Return the share of the gradient at the largest distance."""
    share = decay.relative[decay.furthest]
    if np.isnan(share):
        return "beyond floating point" if decay.excluded else "zero"
    return f"×{format_number(share)}" if share >= SMALLEST else "below floating point"
