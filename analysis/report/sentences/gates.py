"""Gates in words: which are often shut or open, and how many units stay at one end."""

from collections.abc import Mapping

import numpy as np

from analysis.report.wording import format_percent, join_words
from analysis.results import Saturation

STUCK = 0.99  # share of the time at one end from which a unit's gate counts as stuck
RARELY = 0.05  # share of the time at an end below which a gate counts as in between
ENDS = (
    "Shaded are a gate's two ends, below 0.1 and above 0.9 (of a candidate, beyond −0.9 and 0.9); "
    "above them, how much of the time it is there."
)


def saturation_sentence(
    name: str, now: Mapping[str, Saturation], before: Mapping[str, Saturation] | None = None
) -> str:
    """Describe which gate of a cell is most often at an end, and how many units are stuck there.

    Args:
        name: the cell's name in the sentence.
        now: saturation by gate.
        before: the same before training; None leaves out the comparison.
    """
    gates = [gate for gate in now if gate != "candidate"]
    ends = {gate: _ends(now[gate]) for gate in gates}
    share, gate, side = max((ends[gate][side], gate, side) for gate in gates for side in (0, 1))
    if share < RARELY:
        most = "all gates stand in between, none is open or shut for long"
    else:
        was = f", untrained {format_percent(_ends(before[gate])[side])}" if before else ""
        most = f"the {gate} gate is {'open' if side else 'shut'} {format_percent(share)} of the time{was}"
    counts = {gate: _count_stuck(now[gate]) for gate in gates}
    stuck = [f"{count} of {_size(now[gate])} {gate} gates" for gate, count in counts.items() if count]
    verb = "is" if sum(counts.values()) == 1 else "are"
    return f"{name}: {most}; {f'{join_words(stuck)} {verb} stuck' if stuck else 'none is stuck'}."


def _ends(saturation: Saturation) -> tuple[float, float]:
    """Return the shares of all values at the left and at the right end."""
    assert saturation.ends is not None, "only a candidate has no ends"
    return saturation.ends


def _size(saturation: Saturation) -> int:
    """Return the number of units, over models and layers."""
    assert saturation.left is not None, "only a candidate has no ends"
    return saturation.left.size


def _count_stuck(saturation: Saturation) -> int:
    """Return how many units, over models and layers, almost never leave one end."""
    assert saturation.left is not None and saturation.right is not None, "only a candidate has no ends"
    return int((np.maximum(saturation.left, saturation.right) >= STUCK).sum())
