"""The judgement on a comparison: its rows, who won which contest, and whether the horizon foretold it. Trains nothing.

A contest is between rows that differ in one setting alone. Trainings may still go on: rows are then missing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf, nan

import numpy as np

from analysis.comparison import (
    FEWEST_SEEDS,
    PHASES,
    Comparison,
    Contest,
    Correlation,
    Row,
    Threshold,
    WithinLengths,
)
from analysis.engine.cost import count_cost
from analysis.experiment import Experiment, higher_is_better
from analysis.jobs.fairness import counted, describe_fairness, solved_models, steps_to_solve
from analysis.jobs.outcome import Failed
from analysis.measures.statistics import (
    best_threshold,
    fisher_p,
    gehan_p,
    median_interval,
    median_time,
    rank_correlation,
    rank_correlation_within,
    seeds_to_settle,
    wilson_interval,
)
from analysis.plan import Plan
from analysis.report.sentences.verdicts import verdicts
from analysis.results import Run
from analysis.tasks.registry import build_task

PARTS = 0.5  # Youden's index from which a threshold parts settings
FEWEST_PARTED = 2  # settings on each side of it
NOT_CONTESTED = ("length", "task", "seed", "seeds")  # settings of which none is to be the best


def judge(plan: Plan, results: Iterable[Run | Failed]) -> Comparison:
    """Return what a plan's results show so far; those of other experiments don't count.

    While learning rates are still being chosen, all rows are missing.
    """
    by_experiment = {result.experiment: result for result in results}
    runs = [result for result in by_experiment.values() if isinstance(result, Run)]
    fairness = describe_fairness(plan, runs, by_experiment)
    pace = plan.ms_per_step or [nan] * len(plan.experiments())
    rows = tuple(
        _row(experiment, by_experiment.get(experiment) if fairness.settled else None, ms)
        for experiment, ms in zip(counted(plan, runs), pace, strict=True)
    )
    finished = [row for row in rows if row.finished]
    correlations = {phase: _correlation(plan, rows, phase) for phase in PHASES}
    thresholds = {
        phase: threshold
        for phase in PHASES
        if correlations[phase].predicts and (threshold := _threshold(finished, phase))
    }
    comparison = Comparison(
        plan=plan,
        rows=rows,
        fairness=fairness,
        correlations=correlations,
        thresholds=thresholds,
        contests=tuple(find_contests(plan, rows)),
    )
    return replace(comparison, verdicts=tuple(verdicts(comparison)))


def _row(experiment: Experiment, result: Run | Failed | None, ms: float) -> Row:
    """Return the row of an experiment, `ms` milliseconds an update, if that was measured."""
    task = build_task(experiment)
    cost = count_cost(experiment, task)
    if isinstance(result, Run):
        return _finished_row(experiment, result, ms, cost)
    unknown = np.full(experiment.seeds, nan)
    return Row(
        experiment=experiment, status="missing" if result is None else "failed", metric=unknown,
        metric_name=task.metric_name, chance=task.chance,
        repeating=nan if task.repeating is None else task.repeating,
        solved_from=nan if task.solved is None else task.solved, solved=np.zeros(experiment.seeds, bool),
        solved_low=nan, solved_high=nan, horizon_before=nan, horizon_after=nan, span=nan,
        steps_to_solve=unknown.copy(), median_steps=nan, seconds=nan, ms_per_step=ms,
        reason="" if result is None else result.reason, parameters=cost["parameters"],
        multiply_adds=cost["multiply_adds"],
    )  # fmt: skip


def _finished_row(experiment: Experiment, run: Run, ms: float, cost: Mapping[str, int]) -> Row:
    """Return the row of a run."""
    solved, steps = solved_models(run), steps_to_solve(run)
    low, high = (nan, nan) if run.solved is None else wilson_interval(int(solved.sum()), len(solved))
    times = np.where(solved, steps, experiment.steps)
    return Row(
        experiment=experiment, status=run.status, metric=run.metric.copy(), metric_name=run.metric_name,
        chance=run.chance, repeating=nan if run.memory.repeating is None else run.memory.repeating,
        solved_from=nan if run.solved is None else run.solved, solved=solved,
        solved_low=low, solved_high=high, horizon_before=run.before.horizon, horizon_after=run.after.horizon,
        span=run.memory.span, steps_to_solve=steps,
        median_steps=nan if run.solved is None else median_time(times, ~solved),
        seconds=run.timing.get("seconds", nan), ms_per_step=run.timing.get("ms_per_step", nan) if np.isnan(ms) else ms,
        parameters=cost["parameters"],
        multiply_adds=cost["multiply_adds"],
    )  # fmt: skip


def _horizons(rows: Sequence[Row], phase: str) -> np.ndarray:
    """Return the rows' horizons as shares of the furthest distance, (rows,)."""
    return np.array([getattr(row, f"horizon_{phase}") / row.furthest for row in rows])


def _correlation(plan: Plan, rows: Sequence[Row], phase: str) -> Correlation:
    """Return how horizon and success go together over the settings: of the share solved, else of the metric."""
    finished = [place for place, row in enumerate(rows) if row.finished]
    solvable = all(row.solvable for row in rows)
    success = np.array([rows[place].share if solvable else rows[place].gain for place in finished])
    horizons = _horizons([rows[place] for place in finished], phase)
    known = np.isfinite(horizons) & np.isfinite(success)
    places = [place for place, is_known in zip(finished, known, strict=True) if is_known]
    return Correlation(
        *rank_correlation(horizons[known], success[known]),
        settings=len(places),
        within=_within_lengths(plan, rows, places, horizons[known], success[known]),
    )


def _within_lengths(
    plan: Plan, rows: Sequence[Row], places: Sequence[int], horizons: np.ndarray, success: np.ndarray
) -> WithinLengths:
    """Return how horizon and success of the rows at these places go together among those of the same length."""
    planned, axes = plan.experiments(), [axis for axis in plan.axes if axis not in NOT_CONTESTED]
    settings = [tuple(getattr(planned[place], axis) for axis in axes) for place in places]
    experiments = [rows[place].experiment for place in places]
    lengths = [(each.task, each.task_length, each.seed, each.seeds) for each in experiments]
    silent, telling = dict[str, None](), 0
    for length in dict.fromkeys(lengths):
        own = np.array([each == length for each in lengths])
        if np.ptp(horizons[own]) and np.ptp(success[own]):
            telling += 1
        else:
            silent[f"{length[0]} {length[1]}" if "task" in plan.axes else str(length[1])] = None
    rho, p = rank_correlation_within(horizons, success, lengths, settings)
    return WithinLengths(rho, p, settings=len({*settings}), lengths=telling, silent=tuple(silent))


def _threshold(rows: Sequence[Row], phase: str) -> Threshold | None:
    """Return the horizon that best parts settings most of whose seeds solve the task from the others.

    None where it parts them badly: few on a side, or none above it that solves the task in every seed.
    """
    horizons = _horizons(rows, phase)
    known = [row for row, horizon in zip(rows, horizons, strict=True) if row.solvable and np.isfinite(horizon)]
    horizons = _horizons(known, phase)
    share, quality = best_threshold(horizons, np.array([row.share >= 0.5 for row in known], bool))
    if np.isnan(share) or quality < PARTS:
        return None
    below = [row for row, horizon in zip(known, horizons, strict=True) if horizon < share]
    above = [row for row, horizon in zip(known, horizons, strict=True) if horizon >= share]
    above_solved = sum(bool(row.solved.all()) for row in above)
    if min(len(below), len(above)) < FEWEST_PARTED or not above_solved:
        return None
    furthest = known[0].furthest if len({row.furthest for row in known}) == 1 else nan
    return Threshold(
        share=share,
        horizon=min(getattr(row, f"horizon_{phase}") for row in above) if np.isfinite(furthest) else nan,
        furthest=furthest,
        below=len(below),
        below_solved=sum(bool(row.solved.any()) for row in below),
        above=len(above),
        above_solved=above_solved,
        quality=quality,
    )


def find_contests(plan: Plan, rows: Sequence[Row]) -> Iterator[Contest]:
    """Yield the contests among a plan's rows that have been trained: the best against each other, else all equal.

    Args:
        plan: what is compared.
        rows: one for each of the plan's experiments, in their order.
    """
    planned = plan.experiments()
    for axis in plan.axes:
        if axis in NOT_CONTESTED:
            continue
        groups: dict[tuple, list[int]] = {}
        for place, experiment in enumerate(planned):
            others = tuple(getattr(experiment, name) for name in plan.axes if name != axis)
            if rows[place].finished:
                groups.setdefault(others, []).append(place)
        for places in groups.values():
            ordered = sorted(places, key=lambda place: _goodness(rows[place]), reverse=True)
            for other in ordered[1:]:
                yield _contest(axis, rows, ordered[0], other, timed=plan.equal == "time")


def _goodness(row: Row) -> tuple[float, float, float]:
    """Return by what rows are ranked: the share solved, then few updates, then the metric."""
    sign = 1 if higher_is_better(row.metric_name) else -1
    finite = row.metric[np.isfinite(row.metric)]
    median = sign * float(np.median(finite)) if len(finite) else -inf
    share = row.share if row.solvable else 0.0
    return share, -row.median_steps if np.isfinite(row.median_steps) else -inf, median


def _contest(axis: str, rows: Sequence[Row], best: int, other: int, timed: bool) -> Contest:
    """Return the contest of two rows, by the share solved; where that shows nothing, by what shows more."""
    one, two = rows[best], rows[other]
    if not (one.solvable and two.solvable) or not (one.solved.any() or two.solved.any()):
        return _by_metric(axis, one, two, (best, other))
    p = fisher_p(int(one.solved.sum()), len(one.solved), int(two.solved.sum()), len(two.solved))
    overlap = one.solved_low <= two.solved_high and two.solved_low <= one.solved_high
    seeds = seeds_to_settle(one.share, two.share)
    by_share = Contest(axis, (best, other), "solved", p, overlap, seeds)
    if by_share.clear or one.share < 1:
        return by_share
    by_time = _by_time(axis, one, two, (best, other), timed)
    return by_time if by_time.clear or two.share == 1 else by_share


def _by_time(axis: str, one: Row, two: Row, places: tuple[int, int], timed: bool) -> Contest:
    """Return the contest of two rows by their updates, or seconds, to solve the task; unsolved seeds are censored."""
    scales = [row.ms_per_step / 1e3 if timed else 1.0 for row in (one, two)]
    first, second = (
        np.where(row.solved, row.steps_to_solve, row.experiment.steps) * scale
        for row, scale in zip((one, two), scales, strict=True)
    )
    p = gehan_p(first, second, ~one.solved, ~two.solved)
    overlap = _overlap(first, second)
    return Contest(axis, places, "seconds" if timed else "updates", p, overlap, _seeds_for_ranges(overlap, one, two))


def _by_metric(axis: str, one: Row, two: Row, places: tuple[int, int]) -> Contest:
    """Return the contest of two rows by their metrics; a model that diverged is worse than any that didn't.

    Where the better one does no better than chance, there is nothing to win.
    """
    sign = 1 if higher_is_better(one.metric_name) else -1
    first, second = (np.nan_to_num(sign * row.metric, nan=-inf) for row in (one, two))
    p = gehan_p(first, second)
    overlap = _overlap(first, second)
    by = "metric" if one.gain > 0 else "chance"
    return Contest(axis, places, by, p, overlap, _seeds_for_ranges(overlap, one, two))


def _overlap(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether the intervals of two samples' medians overlap."""
    (low, high), (other_low, other_high) = median_interval(first), median_interval(second)
    return high >= other_low and other_high >= low


def _seeds_for_ranges(overlap: bool, one: Row, two: Row) -> float:
    """Return how many seeds each would settle a contest of samples whose ranges lie apart, if they stay apart."""
    return float(FEWEST_SEEDS) if not overlap and min(one.metric.size, two.metric.size) < FEWEST_SEEDS else nan
