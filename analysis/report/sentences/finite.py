"""Whether memory outlasts the gradient: what another input far back does, beside what a tiny change does, in words."""

from collections.abc import Mapping

import numpy as np

from analysis.reasons import Change
from analysis.report.wording import cell_with_state, format_number, format_percent, format_steps, the_cells

MOVES = 0.1  # share of its own size by which a memory state at least moves in some sequences, where a change lasts
FAR_LESS = 0.1  # of the real move: a tiny change that moves less, scaled up, has been lost where the real one was not
FOLLOWS = 0.5  # share of answers that change, where it isn't known which are right
OUTLASTS, TOGETHER = "outlasts", "together"  # answers are right
STAYS, MOVES_TOO = "stays", "moves too"  # it isn't known which answers are right; the gradient is lost, or it isn't
EXPLODES, SCRAMBLED, FADES, UNKNOWN = "explodes", "scrambled", "fades", "unknown"
VERDICTS = {
    OUTLASTS: "In {} memory outlasts the gradient.",
    TOGETHER: "In {} the gradient reaches as far as the memory.",
    STAYS: "In {} a change lasts that the gradient misses; whether it serves the answers isn’t known on this task.",
    MOVES_TOO: "In {} a change and the gradient last; whether that serves the answers isn’t known on this task.",
    EXPLODES: "In {} tiny changes explode: that a change moves the answers is no sign of memory.",
    SCRAMBLED: "In {} a change moves the state, but most answers don’t follow: that alone is no memory.",
    FADES: "In {} little is left of a change.",
}


def verdict_sentence(changes: Mapping[str, Change], states: Mapping[str, str]) -> str:
    """Say of which cells the memory outlasts the gradient, at the furthest distance; of which not, and why not."""
    cells: dict[str, list[str]] = {}
    for cell, change in changes.items():
        cells.setdefault(verdict(change), []).append(cell)
    said = [sentence.format(_named(cells[kind], states)) for kind, sentence in VERDICTS.items() if kind in cells]
    if not said:
        return ""
    furthest = max(int(change.distance[-1]) for change in changes.values())
    return f"{format_steps(furthest)} back: {' '.join(said)[0].lower()}{' '.join(said)[1:]}"


def _named(cells: list[str], states: Mapping[str, str]) -> str:
    """Name cells with articles, and with their states where these differ."""
    name = the_cells(cells)
    for cell in cells:
        name = name.replace(cell.upper(), cell_with_state(cell, states))
    return name


def verdict(change: Change) -> str:
    """Return what comes of an input at the furthest distance: one of the keys of VERDICTS, or UNKNOWN."""
    state, tiny = change.state[-1], change.tiny[-1]
    if not np.isfinite([state, tiny]).all():
        return UNKNOWN
    lasts, missed = change.state_high[-1] >= MOVES, _cut(change) or tiny < FAR_LESS * state
    if np.isfinite(change.chance):
        if change.right[-1] > (1 + change.chance) / 2:
            return OUTLASTS if missed else TOGETHER
        return SCRAMBLED if lasts else FADES
    if not (change.answer[-1] > FOLLOWS if change.classes else lasts):
        return SCRAMBLED if lasts else FADES
    if FAR_LESS * tiny > state:
        return EXPLODES
    return STAYS if missed else MOVES_TOO


def _cut(change: Change) -> int | None:
    """Return the distance at which truncation cuts training's gradient; None where that is not before the furthest."""
    return change.cut if change.cut is not None and change.distance[-1] >= change.cut else None


def change_sentence(cell: str, change: Change, states: Mapping[str, str]) -> str:
    """Give the numbers of one cell at the furthest distance, and what they mean."""
    name, kind = cell_with_state(cell, states), verdict(change)
    if kind == UNKNOWN:
        return f"{name}: not measurable, its last memory state is zero, or states or gradients leave the finite range."
    back = format_steps(change.distance[-1])
    if change.state_high[-1] == 0:
        return f"{name}: another {change.what} {back} back moves the last memory state by less than rounding errors."
    numbers = (
        f"{name}: another {change.what} {back} back moves the last memory state by {format_number(change.state[-1])} "
        f"of its size ({format_number(change.state_low[-1])} to {format_number(change.state_high[-1])} in nine of ten "
        f"sequences), {_tiny(change)}; {_answers(change)}"
    )
    missed = "truncation cuts the gradient" if _cut(change) else "tiny changes hardly reach it: the gradient misses it"
    means = {
        OUTLASTS: f"What is stored lasts, though {missed}.",
        STAYS: f"The change lasts, though {missed}.",
        TOGETHER: "The change and the gradient both come through.",
        MOVES_TOO: "The change and the gradient both come through.",
        EXPLODES: "A tiny change grows by far more than states can move: what comes of it may be chance.",
        SCRAMBLED: "The state becomes another one, but most answers don’t follow.",
        FADES: "Little of the change is left to answer by.",
    }
    return f"{numbers}. {means[kind]}"


def _tiny(change: Change) -> str:
    """Say what a tiny change at the furthest distance does, or that training's gradient is cut before."""
    if cut := _cut(change):
        return f"training’s gradient is cut {format_steps(cut)} back"
    return f"a tiny such change, scaled up again, by {format_number(change.tiny[-1])}"


def _answers(change: Change) -> str:
    """Say what answers make of the change at the furthest distance."""
    if np.isfinite(change.chance):
        return f"{format_percent(change.right[-1])} of the answers are right (chance {format_percent(change.chance)})"
    if change.classes:
        return f"{format_percent(change.answer[-1])} of the answers change"
    return f"the answer changes by {format_number(change.answer[-1])}"
