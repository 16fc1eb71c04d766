"""Does the horizon foretell success? What a comparison shows of it, over all lengths and with the length kept fixed."""

from collections.abc import Iterator

import numpy as np

from analysis.comparison import (
    FEWEST_RANKED,
    FEWEST_SHUFFLED,
    PHASES,
    Comparison,
    Correlation,
    Threshold,
    WithinLengths,
)
from analysis.report.wording import format_number, format_p, format_percent, join_words

HORIZONS = {"before": "horizon at start", "after": "horizon after training"}
ALIKE = "all settings there have the same horizon, or do equally well"


def claim_sentences(comparison: Comparison) -> list[str]:
    """Say of the horizon at start and after training whether it goes with success; what holds of both comes last."""
    before, after = ([*_phase_sentences(comparison, phase)] for phase in PHASES)
    shared = [sentence for sentence in before if sentence in after]
    return [*(sentence for sentence in before + after if sentence not in shared), *shared]


def _phase_sentences(comparison: Comparison, phase: str) -> Iterator[str]:
    """Say whether the horizon goes with success, over all lengths and at equal ones, and which one parts them."""
    correlation = comparison.correlations[phase]
    if correlation.settings < 3:
        return
    solvable = all(row.solvable for row in comparison.rows)
    if correlation.settings < FEWEST_RANKED:
        few = f"{correlation.settings} settings are too few to tell whether the horizon predicts success"
        yield f"{few}: {FEWEST_RANKED} or more can."
        return
    sentence = _correlation_sentence(correlation, HORIZONS[phase], solvable)
    if "length" in comparison.axes:
        alone = " The lengths alone may explain it." if correlation.sign and not correlation.within.enough else ""
        yield f"Over all lengths, {sentence[0].lower()}{sentence[1:]}{alone}"
        if not np.isnan(correlation.rho):
            yield _within_sentence(correlation, HORIZONS[phase], solvable)
    else:
        yield sentence
    if phase in comparison.thresholds:
        yield _threshold_sentence(comparison.thresholds[phase], HORIZONS[phase])
    elif solvable and correlation.predicts:
        yield f"No {HORIZONS[phase]} clearly parts the settings that solved the task from the others."


def _success(solvable: bool) -> str:
    return "the more seeds solved the task" if solvable else "the better the metric"


def _correlation_sentence(correlation: Correlation, horizon: str, solvable: bool) -> str:
    """Say how a horizon, as a share of the length, and success go together."""
    if np.isnan(correlation.rho):
        all_ = ALIKE.replace("all settings there", f"all {correlation.settings} settings")
        return f"Whether the {horizon} predicts success can't be told: {all_}."
    low, high = format_number(correlation.low), format_number(correlation.high)
    numbers = f"Spearman's rho {format_number(correlation.rho)}, {low} to {high}, over {correlation.settings} settings"
    if not correlation.sign:
        return f"The {horizon} does not clearly predict success here ({numbers})."
    which = "longer" if correlation.sign > 0 else "shorter"
    return f"The {which} the {horizon}, as a share of the length, {_success(solvable)} ({numbers})."


def _within_sentence(correlation: Correlation, horizon: str, solvable: bool) -> str:
    """Say how they go together among settings of the same length: longer sequences are harder by themselves."""
    within = correlation.within
    if not within.enough:
        return f"At equal length nothing can be told: {_why_nothing(within)}."
    numbers = f"rank correlation within lengths {format_number(within.rho)}, p {format_p(within.p)}"
    rests_on = f"over {within.settings} settings at {within.lengths} length{'s' * (within.lengths != 1)}"
    return f"{_within_claim(correlation, horizon, solvable)} ({numbers}, {rests_on}).{_silent(within.silent)}"


def _why_nothing(within: WithinLengths) -> str:
    """Return why settings of the same length tell nothing."""
    if within.settings == 1:
        return "each length has one setting alone"
    if not within.lengths:
        return ALIKE.replace(" there", " of a length")
    return f"{within.settings} settings besides the lengths are too few, {FEWEST_SHUFFLED} or more can tell"


def _within_claim(correlation: Correlation, horizon: str, solvable: bool) -> str:
    """Return what holds at equal length, without its numbers."""
    sign = correlation.within.sign
    if sign:
        also = " too" if sign == correlation.sign else ""
        return f"At equal length{also}, the {'longer' if sign > 0 else 'shorter'} the {horizon}, {_success(solvable)}"
    alone = ", so the lengths alone may explain it" if correlation.sign else ""
    return f"At equal length, the {horizon} does not clearly predict success{alone}"


def _silent(lengths: tuple[str, ...]) -> str:
    """Return that some lengths tell nothing, as a sentence to follow another."""
    if not lengths:
        return ""
    which, verb = ("Lengths", "tell") if lengths[1:] else ("Length", "tells")
    return f" {which} {join_words(lengths)} {verb} nothing: {ALIKE}."


def _threshold_sentence(threshold: Threshold, horizon: str) -> str:
    """Say how settings below and above a horizon did."""
    if np.isfinite(threshold.horizon):
        where = f"{format_number(threshold.horizon)} of {format_number(threshold.furthest)} steps"
    else:
        where = f"{format_percent(threshold.share)} of the furthest distance"
    above = f"of the {threshold.above} from there on, {threshold.above_solved} did in every seed"
    chosen = "The value was chosen on these same settings."
    if not threshold.below_solved:
        return f"No setting whose {horizon} was below {where} learned it; {above}. {chosen}"
    below = f"Of the {threshold.below} settings whose {horizon} was below {where}, {threshold.below_solved} learned it"
    return f"{below} in some seed; {above}. {chosen}"
