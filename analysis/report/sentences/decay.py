"""Sentences on decays: how far back a gradient reaches, untrained, through the gate alone, and to the weights."""

from collections.abc import Mapping

import numpy as np

from analysis.experiment import KEEP_GATE
from analysis.report.wording import (
    cell_with_state,
    format_number,
    format_percent,
    format_steps,
    gradient_grows,
    join_words,
    the_cells,
    why_unmeasured,
)
from analysis.results import Decay


def untrained_sentence(decays: Mapping[str, Decay]) -> str:
    """Describe how far back untrained cells can learn from, in which the gradient grows, which can't be measured."""
    growing = {cell: decay for cell, decay in decays.items() if gradient_grows(decay)}
    fading = {cell: decay for cell, decay in decays.items() if cell not in growing and not np.isnan(decay.horizon)}
    sentences = [f"Before training, the learning signal {_reached(fading)}."] if fading else []
    for cell, decay in growing.items():
        what = "it" if sentences else "the gradient"
        over, grown = format_steps(decay.furthest), format_number(decay.relative[decay.furthest])
        sentences.append(f"In the {cell.upper()} {what} grows ×{grown} over {over}.")
    missing: dict[str, list[str]] = {}
    for cell, decay in decays.items():
        if np.isnan(decay.horizon):
            missing.setdefault(why_unmeasured(decay), []).append(cell)
    sentences += [f"In {the_cells(cells)} no gradient can be measured: {why}." for why, cells in missing.items()]
    return " ".join(sentences)


def _reached(decays: Mapping[str, Decay]) -> str:
    """List cells by horizon: "falls below 1 % after 7 time steps in the RNN and after 8 in the LSTM and the GRU"."""
    share = format_percent(next(iter(decays.values())).threshold)
    cells: dict[tuple[bool, float], list[str]] = {}
    for cell, decay in decays.items():
        cells.setdefault((decay.censored, decay.horizon), []).append(cell)
    falls = [(reach, names) for (whole, reach), names in sorted(cells.items()) if not whole]
    parts: list[str] = []
    for reach, names in falls:
        has_unit = any("time step" in part for part in parts)
        when = "at once" if reach == 0 else f"after {format_number(reach) if has_unit else format_steps(reach)}"
        parts.append(f"{when} in {the_cells(names)}")
    said = [f"falls below {share} {join_words(parts)}"] if parts else []
    for (whole, reach), names in sorted(cells.items()):
        if whole:
            left = "" if decays[names[0]].cut is None else " that truncation leaves"
            said.append(f"stays above {share} over all {format_steps(reach)}{left} in {the_cells(names)}")
    return join_words(said)


def carry_sentence(cell: str, decay: Decay, carry: Decay, states: Mapping[str, str] | None = None) -> str:
    """Compare the gradient through the gate alone with the whole gradient, at the largest distance.

    The ratio of the two sizes is not a share: it may be larger than 1.
    """
    with np.errstate(over="ignore"):
        share = carry.relative[-1] / decay.relative[-1] if decay.relative[-1] > 0 else np.nan
    if not np.isfinite(share):
        return ""
    back, whose = format_steps(decay.distance[-1]), f"the gradient of the {cell_with_state(cell, states or {})}"
    if share > 1:
        return f"{back} back, the {KEEP_GATE[cell]} gates alone would bring {format_number(share)} times {whose}."
    return f"{back} back, the {KEEP_GATE[cell]} gates alone account for {format_percent(share)} of {whose}."


def half_update_steps(weights: Decay) -> float:
    """Return how many of the last time steps add half of what all add to the weights, by size; NaN if not finite.

    The size at a distance is the median over models and sequences, and sizes are summed. What steps add may cancel
    out, so this is not half of the update itself.
    """
    with np.errstate(over="ignore"):
        total = np.cumsum(weights.norm)
    return float(np.argmax(total >= total[-1] / 2) + 1) if np.isfinite(total[-1]) and total[-1] > 0 else np.nan


def update_sentence(decays: Mapping[str, Decay], states: Mapping[str, str] | None = None) -> str:
    """Describe how many of the last steps add half of what all steps add to the recurrent weights, by size."""
    parts = [
        f"{cell_with_state(cell, states or {})} {format_number(half_update_steps(decay))}"
        for cell, decay in decays.items()
        if not np.isnan(half_update_steps(decay))
    ]
    if not parts:
        return ""
    return (
        "Half of what all time steps add to the recurrent weights (their sizes summed) comes from the last few alone: "
        f"{', '.join(parts)}."
    )
