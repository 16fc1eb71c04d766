"""Compare cells fairly: train what a plan asks for, and judge what came out, also while trainings still go on."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from analysis.comparison import PHASES, Comparison, Correlation, Plan, Row, Threshold
from analysis.engine.cost import count_cost
from analysis.experiment import Experiment
from analysis.jobs.contests import find_contests, gain
from analysis.jobs.fairness import counted, describe_fairness, measure_pace, pilots, solved_models, steps_to_solve
from analysis.jobs.outcome import Failed
from analysis.jobs.sweep import sweep
from analysis.measures.statistics import best_threshold, median_time, rank_correlation, wilson_interval
from analysis.report.sentences.verdicts import verdicts
from analysis.results import Run
from analysis.tasks.registry import build_task

PARTS = 0.5  # Youden's index from which a threshold parts settings
FEWEST = 2  # settings on each side of it


def compare(
    plan: Plan | Mapping[str, Any],
    executor: Executor | None = None,
    store: str | Path | None = None,
    on_result: Callable[[Run | Failed], None] | None = None,
) -> Comparison:
    """Train what a plan asks for, and return what came out.

    Each cell's learning rate is chosen first, on seeds that aren't counted, if the plan offers several. Finished runs
    of the history aren't trained again.

    Args:
        plan: what is compared on which terms; a mapping is the settings of one.
        executor, store, on_result: as those of `sweep`; `on_result` also gets the runs that choose learning rates.

    Raises:
        ValueError: where the plan can't be used, and as `sweep`.

    For example `compare({"cell": ["lstm", "gru"], "length": [10, 20], "steps": 80}).verdicts`.
    """
    plan = plan if isinstance(plan, Plan) else Plan(plan)
    plan = measure_pace(plan)
    tried = sweep(pilots(plan), executor, store, on_result)
    runs = [run for run in tried if isinstance(run, Run)]
    return judge(plan, [*tried, *sweep(counted(plan, runs), executor, store, on_result)])


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
    correlations = {phase: _correlation(finished, phase) for phase in PHASES}
    thresholds = {
        phase: threshold
        for phase in PHASES
        if correlations[phase].sign > 0 and (threshold := _threshold(finished, phase))
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


def _correlation(rows: Sequence[Row], phase: str) -> Correlation:
    """Return how horizon and success go together over the settings: of the share solved, else of the metric."""
    solvable = all(row.solvable for row in rows)
    success = np.array([row.share if solvable else gain(row) for row in rows])
    horizons = _horizons(rows, phase)
    known = np.isfinite(horizons) & np.isfinite(success)
    return Correlation(*rank_correlation(horizons[known], success[known]), settings=int(known.sum()))


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
    if min(len(below), len(above)) < FEWEST or not above_solved:
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
