"""Sentences on decays: how far back a gradient reaches, untrained, through the gate alone, and to the weights."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.experiment import KEEP_GATE
from analysis.report.wording import (
    WHOLE,
    cell_with_state,
    format_number,
    format_percent,
    format_steps,
    gradient_grows,
    join_cells,
    why_unmeasured,
)
from analysis.results import Decay


def untrained_sentence(decays: Mapping[str, Decay]) -> str:
    """Describe how far back untrained cells' gradients reach, which grow, and which can't be measured."""
    growing = {cell: decay for cell, decay in decays.items() if gradient_grows(decay)}
    parts = _reached({cell: decay for cell, decay in decays.items() if cell not in growing})
    sentences = []
    if parts:
        sentences.append(
            f"Untrained, {format_percent(next(iter(decays.values())).threshold)} of the gradient is left {parts}."
        )
    for cell, decay in growing.items():
        what = "it" if sentences else "the gradient"
        over = format_steps(decay.distance[-1])
        sentences.append(f"In the {cell.upper()} {what} grows ×{format_number(decay.relative[-1])} over {over}.")
    missing: dict[str, list[str]] = {}
    for cell, decay in decays.items():
        if np.isnan(decay.horizon):
            missing.setdefault(why_unmeasured(decay), []).append(cell)
    sentences += [f"In {_the(cells)} no gradient can be measured: {why}." for why, cells in missing.items()]
    return " ".join(sentences)


def _reached(decays: Mapping[str, Decay]) -> str:
    """List the cells by horizon: "7 steps back in the RNN, 8 in LSTM and GRU"."""
    cells: dict[float, list[str]] = {}
    for cell, decay in decays.items():
        if not np.isnan(decay.horizon):
            cells.setdefault(decay.horizon, []).append(cell)
    parts: list[str] = []
    for reach in sorted(cells):
        whole = bool(decays[cells[reach][0]].censored)
        unit = "" if parts else " step back" if reach == 1 else " steps back"
        least, end = ("at least ", WHOLE) if whole else ("", "")
        parts.append(f"{least}{format_number(reach)}{unit} in {_the(cells[reach])}{end}")
    return ", ".join(parts)


def carry_sentence(cell: str, decay: Decay, carry: Decay, states: Mapping[str, str] | None = None) -> str:
    """Compare the gradient through the gate alone with the whole gradient, at the largest distance.

    The ratio of the two sizes is not a share: it may be larger than 1.
    """
    with np.errstate(over="ignore"):
        share = carry.relative[-1] / decay.relative[-1] if decay.relative[-1] > 0 else np.nan
    if not np.isfinite(share):
        return ""
    gate, distance = KEEP_GATE[cell], decay.distance[-1]
    would = f"at distance {distance} the {gate} gate alone would bring {format_number(share)} times what comes in fact"
    return f"{cell_with_state(cell, states or {})}: {would}."


def half_update_steps(weights: Decay) -> float:
    """Return how many of the last steps add half of what all steps add to the weights, by size; NaN if not finite.

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
        "Half of what the steps add to the recurrent weights (their sizes summed) comes from the last steps alone: "
        f"{', '.join(parts)}."
    )


def _the(cells: Sequence[str]) -> str:
    """Return "the RNN" for one cell, "LSTM and GRU" for several."""
    return join_cells(cells) if len(cells) > 1 else f"the {join_cells(cells)}"
