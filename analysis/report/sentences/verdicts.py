"""Sentences on a comparison: on which terms it was made, which setting did better, and whether the horizon tells.

Each verdict follows from intervals and exact tests alone, which the comparison holds.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from analysis.comparison import LEVEL, PHASES, Comparison, Contest, Correlation, Fairness, Row, Threshold
from analysis.experiment import SETTINGS, Experiment
from analysis.report.wording import format_ends, format_number, format_percent, format_range, join_words
from analysis.results import finite_median

MANY = 5  # tests from which it is said that some look clear by chance
LENGTH_ALONE = "Part of that may be length alone: longer sequences are harder, and the same horizon is less of them."
HORIZONS = {"before": "horizon at start", "after": "horizon after training"}
EQUALLY = {
    "hidden_size": "All cells have the same hidden size and as many updates",
    "parameters": "All cells have equally many parameters, within 2 %, and as many updates",
    "time": "All cells train for the same time, within 5 %",
}


def verdicts(comparison: Comparison) -> list[str]:
    """Return what a comparison shows so far, a sentence or two each; nothing where no training has ended.

    Where there are several groups to choose a winner in, the first sentence sums them up.
    """
    groups = list(_by_group(comparison.contests))
    said = [_summary(comparison)] if len(groups) > 1 else []
    said += [_contest_sentence(comparison, contests) for contests in groups]
    said += _repeating_sentences(comparison)
    for phase in PHASES:
        said += _claim_sentences(comparison, phase)
    return said


def _summary(comparison: Comparison) -> str:
    """Say who won clearly where: "Clear in 2 of 8 tests: GRU over RNN at length 50 and at length 100"."""
    count, wins = len(comparison.contests), dict[str, list[str]]()
    for contest in comparison.contests:
        if contest.clear:
            best, other = (comparison.rows[place].experiment for place in contest.rows)
            who = f"{_subject(best, contest.axis)} over {_named(other, contest.axis)}"
            wins.setdefault(who, []).append(_short_place(best, contest.axis, comparison))
    if not wins:
        return f"No clear winner in any of {count} tests."
    clear = sum(map(len, wins.values()))
    won = "; ".join(f"{who} {join_words(where)}".rstrip() for who, where in wins.items())
    by_chance = " Where nothing differs, up to about 1 test in 20 still looks clear." if count >= MANY else ""
    rest = " No clear winner in the others." if clear < count else ""
    return f"Clear in {clear} of {count} tests: {won}.{rest}{by_chance}"


def fairness_sentence(fairness: Fairness) -> str:
    """Say what was equal, which learning rates were taken, and what was left out."""
    return " ".join([f"{EQUALLY[fairness.equal]}.", *_rate_sentences(fairness), *_left_out_sentences(fairness)])


def _rate_sentences(fairness: Fairness) -> Iterator[str]:
    """Say where the learning rates come from."""
    rates = [f"{format_number(rate)} for the {cell.upper()}" for cell, rate in fairness.learning_rates.items()]
    if fairness.offered:
        lengths = join_words([str(length) for length in fairness.pilot_lengths])
        how = (
            f"from {join_words([format_number(rate) for rate in fairness.offered])}, on {fairness.pilot_seeds} seeds "
            f"that aren't counted, at length {lengths}"
        )
        if fairness.settled:
            yield f"Each cell's learning rate was chosen {how}: {join_words(rates)}."
        else:
            yield f"Each cell's learning rate is being chosen {how}."
    elif len({*fairness.learning_rates.values()}) == 1:
        yield f"One learning rate for all: {format_number(next(iter(fairness.learning_rates.values())))}."


def _left_out_sentences(fairness: Fairness) -> Iterator[str]:
    if fairness.left_out:
        yield f"Left out: {'; '.join(fairness.left_out)}."


def _by_group(contests: Sequence[Contest]) -> Iterator[list[Contest]]:
    """Yield the contests of one best setting against each other one."""
    for _key, group in groupby(contests, key=lambda contest: (contest.axis, contest.rows[0])):
        yield list(group)


def _contest_sentence(comparison: Comparison, contests: Sequence[Contest]) -> str:
    """Say how the best of a group did, how the others did, and which differences are more than chance."""
    best = comparison.rows[contests[0].rows[0]]
    others = [comparison.rows[contest.rows[1]] for contest in contests]
    axis = contests[0].axis
    lead = _counts(best, others, axis, comparison) if _any_solved(best) else _metrics(best, others, axis, comparison)
    if max(best.metric.size, *(row.metric.size for row in others)) == 1:
        return f"{lead}: one seed each says little."
    if len(contests) == 1:
        return f"{lead}: {_judgement(contests[0], best, others[0])}."
    against: dict[str, list[str]] = {}  # judgements, and against whom
    for contest, row in zip(contests, others, strict=True):
        against.setdefault(_judgement(contest, best, row), []).append(_named(row.experiment, axis))
    return f"{lead}: {'; '.join(f'against {join_words(who)} {said}' for said, who in against.items())}."


def _any_solved(row: Row) -> bool:
    return row.solvable and bool(row.solved.any())


def _counts(best: Row, others: Sequence[Row], axis: str, comparison: Comparison) -> str:
    """Return in how many seeds each solves the task: "GRU solves length 100 in 4 of 4 seeds, LSTM in 1 of 4"."""
    lead = f"{_subject(best.experiment, axis)} solves {_task(best.experiment, axis, comparison)}"
    parts = [f"{_value(row.experiment, axis)} in {_count(row)}" for row in others]
    return f"{lead} in {_count(best)} seeds, {', '.join(parts)}"


def _metrics(best: Row, others: Sequence[Row], axis: str, comparison: Comparison) -> str:
    """Return the metric of each with its range over seeds, where none solves the task."""
    lead = f"{_subject(best.experiment, axis)} {_where(best.experiment, axis, comparison)}"
    parts = [f"{_value(row.experiment, axis)} {format_range(row.metric)}" for row in others]
    reached = f"{best.metric_name} {format_range(best.metric)}, {', '.join(parts)}, chance {format_number(best.chance)}"
    return f"{lead}: {reached}{'; no seed solves it' if best.solvable else ''}"


def _count(row: Row) -> str:
    return f"{int(row.solved.sum())} of {row.solved.size}"


def _judgement(contest: Contest, best: Row, other: Row) -> str:
    """Return whether a difference is more than chance, and what would settle it, to follow a colon."""
    seeds = _seeds(best, other)
    unclear = f"no clear winner with {seeds}" + (", whose intervals overlap" if contest.p < LEVEL else "")
    if contest.by == "solved":
        if contest.clear:
            return f"more than chance gives (Fisher p {_p(contest.p)})"
        return f"with {seeds} this may be chance (Fisher p {_p(contest.p)}), no clear winner{_settled(contest)}"
    if contest.by == "chance":
        return "neither does better than guessing"
    if contest.by == "metric":
        won = "the difference is more than chance gives" if contest.clear else unclear
        return f"{won} (p {_p(contest.p)}){_settled(contest)}"
    medians = f"median {_time(contest.by, best)} against {_time(contest.by, other)} (p {_p(contest.p)})"
    which, unit = ("fewer", "updates") if contest.by == "updates" else ("less", "time")
    if contest.clear:
        return f"it needs {which} {unit}, {medians}"
    return f"{unclear} in {unit}, {medians}{_settled(contest)}"


def _time(by: str, row: Row) -> str:
    """Return the median updates or seconds in which a row's seeds solve the task."""
    if not np.isfinite(row.median_steps):
        return "unreached"
    if by == "updates":
        return format_number(row.median_steps)
    return f"{format_number(row.median_steps * row.ms_per_step / 1e3)} s"


def _seeds(one: Row, two: Row) -> str:
    """Return how many seeds two rows have: "4 seeds", "4 and 8 seeds"."""
    counts = sorted({one.metric.size, two.metric.size})
    return f"{join_words([str(count) for count in counts])} seeds"


def _settled(contest: Contest) -> str:
    """Return how many seeds would settle a contest that isn't clear."""
    if contest.clear or np.isnan(contest.seeds):
        return ""
    return (
        "; more than 100 seeds each would be needed to settle it"
        if np.isinf(contest.seeds)
        else f"; about {format_number(contest.seeds)} seeds each would settle it"
    )


def _p(p: float) -> str:
    """Return a probability with its sign: "= .14", "< .001".

    >>> _p(1 / 7), _p(1e-5), _p(1.0)
    ('= .14', '< .001', '= 1')
    """
    if p < 0.001:
        return "< .001"
    return f"= {p:.2g}".replace("0.", ".", 1)


def describe_setting(experiment: Experiment, axes: Sequence[str]) -> str:
    """Return an experiment's values of a comparison's axes: "GRU, length 50, forget bias 1"."""
    return ", ".join(_named(experiment, axis) for axis in axes) or experiment.cell.upper()


def _named(experiment: Experiment, axis: str) -> str:
    """Return one setting in words: "GRU", "length 50", "forget bias 1", "forget bias unset"."""
    value = getattr(experiment, axis)
    if axis == "cell":
        return str(value).upper()
    if axis == "length":
        return f"length {experiment.task_length}"
    shown = format_number(value) if isinstance(value, int | float) else value
    return f"{SETTINGS[axis].label.lower()} {'unset' if value is None else shown}"


def _value(experiment: Experiment, axis: str) -> str:
    """Return the setting that a contest varies, as it follows another: "LSTM", "with forget bias 1"."""
    return _named(experiment, axis) if axis == "cell" else f"with {_named(experiment, axis)}"


def _subject(experiment: Experiment, axis: str) -> str:
    """Return who did best: "GRU", "LSTM with forget bias 3"."""
    return experiment.cell.upper() + ("" if axis == "cell" else f" {_value(experiment, axis)}")


def _task(experiment: Experiment, axis: str, comparison: Comparison) -> str:
    """Return what was to be solved: "length 100", "adding at length 50 with forget bias 1"."""
    where = f"length {experiment.task_length}"
    if "length" not in comparison.axes or "task" in comparison.axes:
        where = f"{experiment.task} at {where}"
    return where + _beside(experiment, axis, comparison)


def _beside(experiment: Experiment, axis: str, comparison: Comparison) -> str:
    """Return the settings beside cell, length and task that a contest shares: " with forget bias 1", or ""."""
    others = [_named(experiment, each) for each in comparison.axes if each not in ("cell", "length", "task", axis)]
    return f" with {join_words(others)}" if others else ""


def _where(experiment: Experiment, axis: str, comparison: Comparison) -> str:
    """Return what it was tried on: "at length 100", "on adding at length 50 with forget bias 1"."""
    task = _task(experiment, axis, comparison)
    return f"{'at' if task.startswith('length') else 'on'} {task}"


def _short_place(experiment: Experiment, axis: str, comparison: Comparison) -> str:
    """Return the same without a task and a length that all rows share: "at length 100", "with forget bias 1", ""."""
    if "length" in comparison.axes or "task" in comparison.axes:
        return _where(experiment, axis, comparison)
    return _beside(experiment, axis, comparison).strip()


def _repeating_sentences(comparison: Comparison) -> Iterator[str]:
    """Say of forecasts which settings do not beat repeating the last value, by the median of their seeds."""
    forecasts = [row for row in comparison.finished if np.isfinite(row.repeating)]
    if not forecasts:
        return
    repeating = f"repeating the last value ({forecasts[0].metric_name} {format_ends(r.repeating for r in forecasts)})"
    lost = [row for row in forecasts if not finite_median(row.metric) < row.repeating]
    if not lost:
        yield f"Every setting forecasts better than {repeating}."
    elif len(lost) == len(forecasts):
        yield f"No setting forecasts better than {repeating}."
    else:
        named = "; ".join(describe_setting(row.experiment, comparison.axes) for row in lost)
        yield f"{len(lost)} of {len(forecasts)} settings forecast no better than {repeating}: {named}."


def _claim_sentences(comparison: Comparison, phase: str) -> Iterator[str]:
    """Say whether the horizon goes with success over the settings, and which horizon parts them."""
    correlation = comparison.correlations[phase]
    if correlation.settings < 3:
        return
    solvable = all(row.solvable for row in comparison.finished)
    yield _correlation_sentence(correlation, HORIZONS[phase], solvable)
    if correlation.sign > 0 and "length" in comparison.axes:
        yield LENGTH_ALONE
    if phase in comparison.thresholds:
        yield _threshold_sentence(comparison.thresholds[phase], HORIZONS[phase])
    elif solvable and correlation.sign > 0:
        yield f"No {HORIZONS[phase]} clearly parts the settings that solved the task from the others."


def _correlation_sentence(correlation: Correlation, horizon: str, solvable: bool) -> str:
    """Say how a horizon, as a share of the length, and success go together."""
    success = "the more seeds solved the task" if solvable else "the better the metric"
    if np.isnan(correlation.rho):
        return f"Whether the {horizon} predicts success can't be told: all {correlation.settings} settings are alike."
    low, high = format_number(correlation.low), format_number(correlation.high)
    numbers = f"Spearman's rho {format_number(correlation.rho)}, {low} to {high}, over {correlation.settings} settings"
    if correlation.sign > 0:
        return f"The longer the {horizon}, as a share of the length, {success} ({numbers})."
    if correlation.sign < 0:
        return f"The shorter the {horizon}, as a share of the length, {success} ({numbers})."
    return f"The {horizon} does not clearly predict success here ({numbers})."


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
