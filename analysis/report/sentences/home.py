"""What is left of the learning signal, in networks that keep and as torch starts them, and why."""

from collections.abc import Mapping

import numpy as np

from analysis.language import translate as _
from analysis.reading import Trace
from analysis.report.markdown import quote_word
from analysis.report.sentences.fading import describe_share
from analysis.report.wording import format_number, format_share
from analysis.results import Decay

LEAST = 0.001  # a smaller share is not told apart from others
MORE = 1.005  # a share that is written as more than 100 %
MANY = 100  # a share that is written as a factor
ALIKE = 0.1  # lines that are nowhere farther apart lie on one another
HALF = (0.4, 0.6)  # what a gate keeps per time step that counts as "near one half"


def kept_sentence(traces: Mapping[str, Trace], word: int) -> str:
    """Say how much of a sentence's first word is left in each cell at a later one."""
    words = traces["rnn"].words
    shares = {cell: describe_share(trace.own[word]) for cell, trace in traces.items()}
    return _("At {word} the RNN has {rnn} of {first} left, the LSTM {lstm} and the GRU {gru}.").format(
        word=quote_word(words[word]), first=quote_word(words[0]), **shares
    )


def alike_sentence(decays: Mapping[str, Decay]) -> str:
    """Say that the lines of several cells lie on one another, where they do."""
    lines = np.array([decay.relative for decay in decays.values()])
    if len(lines) < 2 or not np.ptp(lines, axis=0).max() < ALIKE:
        return ""
    return _("The lines lie nearly on one another: here all of these cells forget alike.")


def left_sentence(decays: Mapping[str, Decay]) -> str:
    """Say what is left of the gradient at the largest distance, cell by cell."""
    shares = _(", ").join(f"{cell.upper()} {_share(decay.relative[-1])}" for cell, decay in decays.items())
    count = max(int(decay.distance[-1]) for decay in decays.values())
    return _("{count} time steps back, this is left: {shares}.").format(count=count, shares=shares)


def gate_sentence(carries: Mapping[str, Decay]) -> str:
    """Say what the gates keep per time step, and where they halve the memory; "" where no cell has gates."""
    factors = {cell: decay.factor for cell, decay in carries.items() if np.isfinite(decay.factor)}
    if not factors:
        return ""
    kept = _(", ").join(f"{cell.upper()} ×{format_number(float(f'{factor:.2g}'))}" for cell, factor in factors.items())
    if all(HALF[0] <= factor <= HALF[1] for factor in factors.values()):
        return _("A gate near one half halves the memory at every time step; these keep {kept}.").format(kept=kept)
    return _("At every time step these gates keep {kept}.").format(kept=kept)


def more_sentence(decays: Mapping[str, Decay], carries: Mapping[str, Decay]) -> str:
    """Say why more than all is left at the largest distance, where it is: "" where no cell with gates has more."""
    cells = [cell for cell in carries if decays[cell].relative[-1] > MORE]
    if not cells:
        return ""
    alone = _(", ").join(f"{cell.upper()} {_share(carries[cell].relative[-1])}" for cell in cells)
    return _(
        "More than 100 %: it isn't that more is remembered; a small early change has grown. Through the gates alone "
        "{alone} would be left."
    ).format(alone=alone)


def _share(share: float) -> str:
    """Write a share with two digits: "31 %", "< 0.1 %"; from ×100 on as a factor."""
    rounded = float(f"{share:.2g}")
    if share >= MANY:
        return f"×{format_number(rounded)}"
    return f"<\u00a0{format_share(LEAST)}" if share < LEAST else format_share(rounded)
