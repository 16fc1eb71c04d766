"""Gates in words: how often the gate that carries memory keeps, and which others are often at an end."""

from collections.abc import Mapping
from statistics import median_low

import numpy as np

from analysis.experiment import KEEP_GATE
from analysis.report.wording import join_words
from analysis.results import Saturation

ALWAYS = 0.99  # share of the time at one end from which a unit's gate counts as always there
RARELY = 0.05  # share of the time at an end below which a gate counts as in between
LOSES = {"forget": "erases", "update": "replaces"}  # what a gate that carries memory does near 0; near 1 it keeps
SIDES = (1, 0)  # near 1, then near 0
ENDS = (
    "Shaded are a gate's two ends, below 0.1 and above 0.9 (of a candidate, beyond −0.9 and 0.9); "
    "above them, the share of its values there."
)


def name_ends(gate: str) -> tuple[str, str]:
    """Return what a gate does near 0 and near 1: "erases" and "keeps" for a forget gate, "shut" and "open" for most."""
    return (LOSES[gate], "keeps") if gate in LOSES else ("shut", "open")


def saturation_sentence(
    name: str, now: Mapping[str, Saturation], before: Mapping[str, Saturation] | None = None
) -> str:
    """Say what share of its values the gate that carries a cell's memory keeps, and what share erases or replaces.

    Args:
        name: the cell's name in the sentence.
        now: saturation by gate, of an LSTM or a GRU.
        before: the same before training; None leaves out the comparison.
    """
    gate = next(gate for gate in KEEP_GATE.values() if gate in now)
    share, was = _ends(now[gate]), _ends(before[gate]) if before else None
    sides = [side for side in SIDES if max(share[side], was[side] if was else 0) >= RARELY]
    if not sides:
        loses = LOSES[gate]
        if all(max(_ends(now[each])) < RARELY for each in _gates(now)):
            return f"{name}: all gates are half open: they neither keep nor {loses.removesuffix('s')}."
        return f"{name}: the {gate} gate stays between its ends: it neither keeps nor {loses}."
    ends = name_ends(gate)
    if max(share) >= ALWAYS:
        side = share.index(max(share))
        untrained = f" (untrained {_percent(was[side])} of it)" if was else ""
        return f"{name}: the {gate} gate always {ends[side]} everything{untrained}."
    does = [f"{_percent(share[side])} {ends[side].removesuffix('s')}" for side in sides]
    untrained = f" (untrained {join_words([_percent(was[side]) for side in sides])})" if was else ""
    return f"{name}: of the {gate} gate's values {join_words(does)}{untrained}."


def describe_notable_gates(
    name: str, now: Mapping[str, Saturation], before: Mapping[str, Saturation] | None = None
) -> str:
    """Describe the mean of the gate that carries memory, units that never leave one end, other gates at their ends.

    The arguments are those of `saturation_sentence`.
    """
    said = []
    for gate in _gates(now):
        share, does = _ends(now[gate]), []
        for side in SIDES:
            end, always = name_ends(gate)[side], _count_always(now[gate], side)
            if gate in LOSES:
                does += [f"lets through {_percent(_mean(now[gate]))} on average"] * (side == SIDES[0])
                does += [f"always {end} in {always}"] if always else []
            elif share[side] >= RARELY:
                was = f" (untrained {_percent(_ends(before[gate])[side])})" if before else ""
                does.append(f"{_percent(share[side])} {end}{was}{always and f', always in {always}'}")
        if does:
            said.append(f"{gate} gate {join_words(does)}")
    return f"{name}: {'; '.join(said)}."


def _gates(saturation: Mapping[str, Saturation]) -> list[str]:
    """Return the names of the gates proper: a candidate is none."""
    return [gate for gate in saturation if gate != "candidate"]


def _ends(saturation: Saturation) -> tuple[float, float]:
    """Return the shares of all values at the left and at the right end."""
    assert saturation.ends is not None, "only a candidate has no ends"
    return saturation.ends


def _mean(saturation: Saturation) -> float:
    """Return the mean of a gate's values, to half a bin of its histogram."""
    middles = (saturation.edges[1:] + saturation.edges[:-1]) / 2
    return float((saturation.shares * middles).sum())


def _percent(share: float) -> str:
    """Write a share as a whole percentage."""
    return f"{100 * share:.0f} %"


def _count_always(saturation: Saturation, side: int) -> str:
    """Return how many units of one network almost never leave an end, with the range over seeds; "" if none do."""
    shares = (saturation.left, saturation.right)[side]
    assert shares is not None, "only a candidate has no ends"
    counts = [int(count) for count in (shares >= ALWAYS).sum(axis=(1, 2))]  # (S,)
    spread = f" ({min(counts)}–{max(counts)})" if min(counts) < max(counts) else ""
    return f"{median_low(counts)}{spread} of {np.prod(shares.shape[1:])} units" if any(counts) else ""
