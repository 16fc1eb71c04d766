"""What is left of the learning signal, in networks that keep and as torch starts them, and why."""

from collections.abc import Mapping

import numpy as np

from analysis.language import translate as _
from analysis.report.wording import format_number, format_percent
from analysis.results import Decay

LEAST = 0.001  # a smaller share is not told apart from others
HALF = (0.4, 0.6)  # what a gate keeps per time step that counts as "near one half"


def left_sentence(decays: Mapping[str, Decay]) -> str:
    """Say what is left of the gradient at the largest distance, cell by cell."""
    shares = _(", ").join(f"{cell.upper()} {_share(decay.relative[-1])}" for cell, decay in decays.items())
    count = max(int(decay.distance[-1]) for decay in decays.values())
    return _("Left of the learning signal from {count} time steps back: {shares}.").format(count=count, shares=shares)


def gate_sentence(carries: Mapping[str, Decay]) -> str:
    """Say what the gate that keeps lets through per time step, and where it halves; "" where no cell has one."""
    factors = {cell: decay.factor for cell, decay in carries.items() if np.isfinite(decay.factor)}
    if not factors:
        return ""
    kept = _(", ").join(f"{cell.upper()} ×{format_number(float(f'{factor:.2g}'))}" for cell, factor in factors.items())
    if all(HALF[0] <= factor <= HALF[1] for factor in factors.values()):
        return _("A gate near one half halves the memory at every time step; these keep {kept}.").format(kept=kept)
    return _("Kept by the gates at every time step: {kept}.").format(kept=kept)


def _share(share: float) -> str:
    """Write a share with two digits: "31 %", "< 0.1 %", "more than all (×1.6)"."""
    if share > 1:
        return _("more than all (×{factor})").format(factor=format_number(float(f"{share:.2g}")))
    return f"< {format_percent(LEAST)}" if share < LEAST else format_percent(float(f"{share:.2g}"))
