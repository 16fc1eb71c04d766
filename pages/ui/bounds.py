"""What the bounds page says and exports."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from analysis.report import wording
from analysis.report.tables import csv_table
from analysis.report.wording import format_number, join_words
from analysis.results import Decay, Measured, Repeated

ACTIVATIONS = ("tanh", "relu", "identity")


def multiplied(result: Repeated) -> tuple[str, str]:
    """Say what multiplying did to a vector, with tanh and without, in a sentence and in detail."""
    rows = (result.plain[0], result.plain[-1], result.bounded[-1])
    start, end, held = (np.abs(row[row != 0]) for row in rows)
    if not len(start):
        return "Zero stays zero, with tanh and without.", ""
    largest = [format_number(sizes.max(initial=0)) for sizes in (start, end, held)]
    said = f"After {len(result.plain) - 1} steps the largest size went from {largest[0]} to {largest[1]}, "
    said += f"through tanh to {largest[2]}."
    if len(held) < 2:
        return said, ""
    was, now = (sizes.max() / sizes.min() for sizes in (start, held))
    erased = "Tanh also erases size: " if now < 1.01 < was else ""
    detail = (
        f"{erased}largest to smallest was {format_number(was)} to 1 and ends {format_number(now)} to 1 through tanh. "
    )
    limit = f"±{format_number(result.limit)}, whatever its size was" if result.limit else "0"
    return said, f"{detail[0].upper()}{detail[1:]}There every entry tends to {limit}. "


def left(result: Repeated) -> str:
    """Say at which step the vector without tanh leaves floating point."""
    for what, steps in (("grows beyond", result.overflow), ("falls below the normal numbers of", result.underflow)):
        if steps["float64"] is not None:
            each = join_words([f"{name} at step {step:,}" for name, step in steps.items()])
            return f"Without tanh, ×{result.factor:g} at every step, the largest entry {what} {each}."
    return f"×{result.factor:g} at every step never leaves floating point."


def held_back(cell: str, measured: Mapping[str, Measured]) -> tuple[str, str]:
    """Say how large state and gradient became with tanh, in a sentence, and with the others."""
    largest = {name: found.bounds.hidden[-1].max() for name, found in measured.items()}
    reached = {name: format_number(h) if np.isfinite(h) else "beyond floating point" for name, h in largest.items()}
    times = {name: _times(found.decay) for name, found in measured.items()}
    bounded = measured["tanh"].decay
    grown, back = wording.gradient_grows(bounded), f"{wording.format_steps(bounded.distance[-1])} back"
    yet = f"yet {back} the gradient has grown" if grown else f"and {back} the gradient is"
    said = f"{cell.upper()}: with tanh |h| stays within {reached['tanh']}, {yet} {times['tanh']}."
    others = [f"with {name} |h| reaches {reached[name]}, the gradient {times[name]}" for name in ACTIVATIONS[1:]]
    lesson = " tanh bounds the state, not the gradient." if grown and largest["tanh"] <= 1 else ""
    return said, f"The same weights: {'; '.join(others)}.{lesson}"


def _times(decay: Decay) -> str:
    grown = decay.relative[-1]
    if np.isnan(grown):
        return "beyond floating point" if decay.excluded else "zero"
    return f"×{format_number(grown)}" if grown >= np.finfo(float).tiny else "below floating point"


def cell_tables(cell: str, measured: Mapping[str, Measured]) -> dict[str, Callable[[], str]]:
    """Return the states' sizes and the gradients as CSV to be written when asked for."""
    sizes = [
        {"cell": cell, "activation": name, "step": np.arange(len(found.bounds.saturated))}
        | {"share_beyond_.99": found.bounds.saturated}
        | {
            f"{of}_{level:g}": row
            for of in ("hidden", "cell")
            if getattr(found.bounds, of) is not None
            for level, row in zip(found.bounds.levels, getattr(found.bounds, of), strict=True)
        }
        for name, found in measured.items()
    ]
    gradients = [
        {"cell": cell, "activation": name}
        | {column: getattr(found.decay, column) for column in ("distance", "relative", "low", "high")}
        for name, found in measured.items()
    ]
    return {"state": partial(csv_table, *sizes), "gradient": partial(csv_table, *gradients)}


def textbook_table(result: Repeated) -> Callable[[], str]:
    """Return the multiplied vector as CSV to be written when asked for."""
    steps = np.arange(len(result.plain))
    rows = zip(result.plain[0], result.plain.T, result.bounded.T, strict=True)
    return partial(csv_table, *({"start": s, "step": steps, "plain": plain, "tanh": held} for s, plain, held in rows))
