"""Contests of a comparison: rows that differ in one setting alone, and whether one did better by more than chance."""

from collections.abc import Iterator, Sequence
from math import inf, nan

import numpy as np

from analysis.comparison import Contest, Plan, Row
from analysis.experiment import higher_is_better
from analysis.measures.statistics import fisher_p, gehan_p, median_interval, seeds_to_settle
from analysis.results import finite_median

NOT_CONTESTED = ("length", "task", "seed", "seeds")  # settings of which none is to be the best
FEWEST = 4  # seeds each, with which an exact test of two samples can show anything


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
    by = "metric" if gain(one) > 0 else "chance"
    return Contest(axis, places, by, p, overlap, _seeds_for_ranges(overlap, one, two))


def _overlap(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether the intervals of two samples' medians overlap."""
    (low, high), (other_low, other_high) = median_interval(first), median_interval(second)
    return high >= other_low and other_high >= low


def _seeds_for_ranges(overlap: bool, one: Row, two: Row) -> float:
    """Return how many seeds each would settle a contest of samples whose ranges lie apart, if they stay apart."""
    return float(FEWEST) if not overlap and min(one.metric.size, two.metric.size) < FEWEST else nan


def gain(row: Row) -> float:
    """Return how far a row's median metric is from chance, as a share of the way to perfect.

    NaN if all models diverged, and where chance is perfect already.
    """
    way = (1.0 if higher_is_better(row.metric_name) else 0.0) - row.chance
    return float((finite_median(row.metric) - row.chance) / way) if way else nan
