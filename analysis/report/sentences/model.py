"""How far back a user's own model reaches, in words."""

import math
from collections.abc import Sequence

from analysis.answers import LookBack
from analysis.report.markdown import escape_markdown
from analysis.report.sentences.answers import needs_sentence
from analysis.report.wording import (
    describe_half_life,
    describe_rate,
    describe_reach,
    format_number,
    format_percent,
    gradient_grows,
    join_words,
)
from analysis.results import Decay

NAMED = 3  # modules that are named; of more, the number is told
GATES = "The first sequence; units in the same order for all gates. Of many units, evenly spaced ones are shown."
MATRIX = (
    "A row is the loss at one time step; going left is going back. Dark red: the gradient fades. Gold: it grows. "
    "The loss is the output at that time step along the same direction; states are the top layer's."
)
NO_MATRIX = "Only for layers that read in one direction, without projections, can the matrix be measured here."


def reach_sentence(cell: str, decay: Decay, past: LookBack) -> str:
    """Describe how far back the gradient reaches, and how many of the last time steps nearly give the last output."""
    return f"{cell.upper()}: {_describe_gradient(decay)}. {needs_sentence(past)}"


def _describe_gradient(decay: Decay) -> str:
    """Describe how far back the gradient reaches, or how much it grows."""
    share = f"{format_percent(decay.threshold)} of the gradient is left"
    if math.isnan(decay.horizon):
        return "how far back the gradient reaches can't be measured"
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


def method_sentence(layers: int, others: Sequence[str], layer: int = -1) -> str:
    """Say which loss the gradient is of, which layer is shown, and what of the file is not used.

    Args:
        layers: how many recurrent layers are measured together.
        others: the names of the model's other modules.
        layer: which one is shown; -1 is the top.
    """
    sentences = ["The gradient is of the last output along one fixed random direction: weights alone hold no loss."]
    if layers > 1:
        shown = layer % layers
        which = "the top one" if shown == layers - 1 else f"layer {shown}, counted from 0,"
        sentences.append(f"Curves, gates and sizes are of {which} of {layers} layers.")
    if others:
        named = [escape_markdown(name) for name in others[:NAMED]]
        rest = len(others) - len(named)
        sentences.append(
            f"Not used: {join_words([*named, *([f'{rest} more'] if rest else [])])}; "
            "the inputs go straight into the recurrent layers."
        )
    return " ".join(sentences)
