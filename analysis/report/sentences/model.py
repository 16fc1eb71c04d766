"""How far back a user's own model reaches, in words."""

import math

from analysis.report.wording import (
    describe_half_life,
    describe_rate,
    describe_reach,
    format_number,
    format_percent,
    format_steps,
    gradient_grows,
)
from analysis.results import Decay, Memory


def reach_sentence(cell: str, decay: Decay, memory: Memory) -> str:
    """Describe how far back the gradient reaches, and on how many steps the last output depends."""
    gradient = f"{cell.upper()}: {_describe_gradient(decay)}"
    if math.isnan(memory.span):
        return f"{gradient}. What the output depends on can't be measured: it is zero or not finite."
    last = "time step alone decides" if memory.span == 0 else f"{format_steps(memory.span + 1)} alone decide"
    return f"{gradient}; the last {last} more than half of its last output."


def _describe_gradient(decay: Decay) -> str:
    """Describe how far back the gradient reaches, or how much it grows."""
    share = f"{format_percent(decay.threshold)} of the gradient is left"
    if math.isnan(decay.horizon):
        return "how far back the gradient reaches is not measurable"
    if decay.horizon == 0:
        return f"less than {share} 1 time step back"
    if not decay.censored:
        return f"{share} {describe_reach(decay)} back"
    if gradient_grows(decay):
        return f"the gradient {describe_reach(decay)} over the whole sequence"
    return f"at least {share} over the whole sequence"


def rate_sentence(decay: Decay) -> str:
    """Describe how fast the gradient decays, and how well one rate fits it; "" where it has no rate."""
    if math.isnan(decay.rate):
        return ""
    half_life = describe_half_life(decay)
    halves = f"; half-life {half_life}" if half_life[0].isdigit() else ""
    return f"The gradient: {describe_rate(decay)}{halves}, r² {format_number(decay.r_squared)}."
