"""What a GRU saves beside an LSTM of the same size, in words: counted, and measured."""

from collections.abc import Mapping

import numpy as np

from analysis.language import join_sentences
from analysis.language import translate as _
from analysis.reading import Race
from analysis.report.wording import PER_CENT


def costs_sentence(lstm: Mapping[str, int], gru: Mapping[str, int], race: Race | None = None) -> str:
    """Compare a GRU's parameters, its multiply_adds per word, and its time if measured, with those of an LSTM."""
    parameters, multiply_adds = (100 * (1 - gru[name] / lstm[name]) for name in ("parameters", "multiply_adds"))
    text = _(
        "Yes: {parameters} fewer parameters (numbers to learn) than the LSTM, and {adds} less work per word "
        "(multiply-adds)."
    )
    counted = text.format(parameters=f"{parameters:.0f}{PER_CENT}", adds=f"{multiply_adds:.0f}{PER_CENT}")
    return join_sentences(counted, _time_sentence(race) if race else "")


def _time_sentence(race: Race) -> str:
    """Compare the times, with the range over repeats; where that holds 100 %, say that no difference is measured."""
    ratios = race.ratios
    share, low, high = (f"{100 * each:.0f}" for each in (np.median(ratios), ratios.min(), ratios.max()))
    text = (
        _("Reading takes it {share} of the LSTM's time ({low}–{high} in {count} repeats).")
        if race.differs
        else _("No measurable difference in time here: {share} ({low}–{high} in {count} repeats).")
    )
    return text.format(share=share + PER_CENT, low=low, high=high + PER_CENT, count=len(ratios))
