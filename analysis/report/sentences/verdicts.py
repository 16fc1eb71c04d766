"""Verdicts on a comparison: which setting did better, and which are not told apart.

Each follows from intervals and exact tests alone, which the comparison holds.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from analysis.comparison import FEWEST_SEEDS, LEVEL, Comparison, Contest, Row
from analysis.experiment import SETTINGS, Experiment
from analysis.report.sentences.foretelling import claim_sentences
from analysis.report.wording import format_ends, format_number, format_p, format_range, join_words
from analysis.results import finite_median

FEW = 4  # clear tests that are listed one by one
MANY = 5  # tests from which it is said that some look clear by chance


def verdicts(comparison: Comparison) -> list[str]:
    """Return what a comparison shows so far, a sentence or two each; nothing where no training has ended.

    Where there are several contests, the first sentence sums them up.
    """
    said = [_summary(comparison)] if len(comparison.contests) > 1 else []
    if len(comparison.contests) >= MANY and any(contest.clear for contest in comparison.contests):
        said.append("Where nothing differs, up to about 1 test in 20 still looks clear.")
    said += [_contest_sentence(comparison, contests) for contests in _by_group(comparison.contests)]
    said += _repeating_sentences(comparison)
    return said + claim_sentences(comparison)


def _summary(comparison: Comparison) -> str:
    """Say which cell to take, and on what that rests: "LSTM or GRU, not RNN; clear in 2 of 8 tests: GRU over …"."""
    clear = [contest for contest in comparison.contests if contest.clear]
    unsolved = all(row.solvable and not row.solved.any() for row in comparison.finished)
    none = " No seed of any solved the task." if unsolved else ""
    if not clear:
        return _no_winner(comparison) + none
    won = _wins(comparison, clear) if len(clear) <= FEW else _counted_wins(comparison, clear)
    rest = " No clear winner in the others." if len(clear) < len(comparison.contests) else ""
    found = f"clear in {len(clear)} of {len(comparison.contests)} tests: {won}.{rest}{none}"
    answer = _answer(comparison)
    return f"{answer}; {found}" if answer else f"C{found[1:]}"


def _wins(comparison: Comparison, clear: Sequence[Contest]) -> str:
    """List who won over whom, and where: "GRU over RNN at length 50 and at length 100"."""
    wins: dict[str, list[str]] = {}
    for contest in clear:
        best, other = (comparison.rows[place].experiment for place in contest.rows)
        who = f"{_subject(best, contest.axis)} over {_named(other, contest.axis)}"
        wins.setdefault(who, []).append(_short_place(best, contest.axis, comparison))
    return "; ".join(f"{who} {join_words(where)}".rstrip() for who, where in wins.items())


def _counted_wins(comparison: Comparison, clear: Sequence[Contest]) -> str:
    """Count who won over whom: "GRU over LSTM in 3, between values of forget bias in 13"."""
    counts = Counter[str]()
    for contest in clear:
        best, other = (comparison.rows[place].experiment.cell.upper() for place in contest.rows)
        values = f"between values of {SETTINGS[contest.axis].label.lower()}"
        counts[f"{best} over {other}" if contest.axis == "cell" else values] += 1
    return ", ".join(f"{who} in {count}" for who, count in counts.items())


def _cells(comparison: Comparison) -> list[str]:
    """Return the cells that were tried against each other, in the order of the plan."""
    tried = {comparison.rows[place].experiment.cell for each in _of_cells(comparison) for place in each.rows}
    return [cell for cell in comparison.plan.cells if cell in tried]


def _of_cells(comparison: Comparison) -> list[Contest]:
    return [contest for contest in comparison.contests if contest.axis == "cell"]


def _answer(comparison: Comparison) -> str:
    """Name the cells that no other clearly beats, and those that one does; "" where cells aren't told apart."""
    beaten = {comparison.rows[each.rows[1]].experiment.cell for each in _of_cells(comparison) if each.clear}
    if not beaten:
        return ""
    unbeaten = [cell.upper() for cell in _cells(comparison) if cell not in beaten]
    if not unbeaten:
        return "It depends"
    losers = [cell.upper() for cell in _cells(comparison) if cell in beaten]
    return f"{join_words(unbeaten, 'or')}, not {join_words(losers, 'or')}"


def _no_winner(comparison: Comparison) -> str:
    """Say that no test is clear, and who did best all the same."""
    contests, cells = comparison.contests, [cell.upper() for cell in _cells(comparison)]
    if all(contest.by == "chance" for contest in contests):
        return f"No clear winner in any of {len(contests)} tests: none does better than guessing."
    among = f" among {join_words(cells)}" if cells else ""
    best = {comparison.rows[each.rows[0]].experiment.cell.upper() for each in _of_cells(comparison)}
    also = f": {best.pop()} did best each time, which may be chance" if len(best) == 1 else ""
    seeds = max(comparison.rows[place].metric.size for each in contests for place in each.rows)
    few = f" With fewer than {FEWEST_SEEDS} seeds each no test can be clear." if seeds < FEWEST_SEEDS else ""
    return f"No clear winner{among} in any of {len(contests)} tests{also}.{few}"


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
            return f"more than chance gives (Fisher p {format_p(contest.p)})"
        return f"with {seeds} this may be chance (Fisher p {format_p(contest.p)}), no clear winner{_settled(contest)}"
    if contest.by == "chance":
        return "neither does better than guessing"
    if contest.by == "metric":
        won = "the difference is more than chance gives" if contest.clear else unclear
        return f"{won} (p {format_p(contest.p)}){_settled(contest)}"
    medians = f"median {_time(contest.by, best)} against {_time(contest.by, other)} (p {format_p(contest.p)})"
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
