"""A comparison as a document for JSON, and as a table: every number of it, and the units."""

from typing import Any

import numpy as np

from analysis.comparison import PHASES, Comparison, Contest, Row
from analysis.report.documents import as_plain
from analysis.report.tables import csv_table
from analysis.results import versions

COLUMNS = ("seconds", "ms_per_step", "parameters")
FURTHER_COLUMNS = ("multiply_adds", "repeating", "solved_from", "solved_low", "solved_high", "median_steps", "reason")
UNITS = {
    "metric": "as metric_name says, on sequences that no training saw; so are chance, repeating and solved_from",
    "chance": "the metric of guessing",
    "repeating": "in forecasts the metric of repeating the last value",
    "solved_from": "the metric from which the task counts as solved",
    "solved": "seeds; solved_low and solved_high are Wilson's 95 % interval of their share",
    "horizon_before": "time steps back to which 1 % of the gradient is left, median over seeds; horizon_after too",
    "span": "time steps of memory",
    "steps_to_solve": "updates; none where unsolved",
    "median_steps": "updates by Kaplan and Meier, unsolved seeds censored; infinite where fewer than half solve it",
    "seconds": "of the training, all seeds together, beside other trainings",
    "ms_per_step": "milliseconds of one update, all seeds together",
    "parameters": "of one model",
    "multiply_adds": "of one model, for one time step of one sequence",
    "rank_correlation": "Spearman's rho over all settings, bootstrap interval of 95 %",
    "within_lengths": "rho of ranks within each length; p of shuffling settings with their results at all lengths",
    "thresholds": "horizon and furthest in time steps, share of the furthest distance, quality is Youden's index",
    "contests": "places in rows, the better one first; p is a probability, seeds are those each that would settle it",
    "time_spread": "of equal times, the longest compared with the shortest, less 1",
}


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """Return the document that `sweep` writes as JSON: infinite is "inf", undefined is None."""
    found = comparison.correlations
    return as_plain(
        {
            "rows": [_row_document(row) for row in comparison.rows],
            "rank_correlation": {
                phase: {name: getattr(found[phase], name) for name in ("rho", "low", "high")} for phase in PHASES
            },
            "verdicts": comparison.verdicts,
            "within_lengths": {phase: found[phase].within for phase in PHASES},
            "thresholds": comparison.thresholds,
            "contests": [_contest_document(contest) for contest in comparison.contests],
            "fairness": comparison.fairness,
            "units": UNITS,
            "versions": versions(),
        }
    )


def _contest_document(contest: Contest) -> dict[str, Any]:
    return as_plain(contest) | {"clear": contest.clear}


def _row_document(row: Row) -> dict[str, Any]:
    """Return one row of the document; its `solved` counts seeds."""
    return {
        "experiment": row.experiment,
        "status": row.status,
        "metric": row.metric,
        "metric_name": row.metric_name,
        "chance": row.chance,
        "solved": int(row.solved.sum()) if row.finished and row.solvable else None,
        "seeds": row.experiment.seeds,
        "horizon_before": row.horizon_before,
        "horizon_after": row.horizon_after,
        "span": row.span,
        "steps_to_solve": [int(step) if np.isfinite(step) else None for step in row.steps_to_solve],
        **{name: getattr(row, name) for name in (*COLUMNS, *FURTHER_COLUMNS)},
    }


def comparison_csv(comparison: Comparison) -> str:
    """Write a comparison as CSV, a row for each setting and seed; units are those of `UNITS`."""
    return csv_table(*(_seed_columns(row) for row in comparison.rows))


def _seed_columns(row: Row) -> dict[str, Any]:
    """Return the columns of one setting's seeds."""
    seeds = row.experiment.seed + np.arange(row.experiment.seeds)
    settings = {name: "" if value is None else value for name, value in row.experiment.as_dict().items()}
    solved = row.solved if row.finished and row.solvable else np.full(len(seeds), np.nan)
    return settings | {
        "seed": seeds,
        "status": row.status,
        "metric_name": row.metric_name,
        "metric": row.metric,
        "chance": row.chance,
        "solved": solved,
        "steps_to_solve": row.steps_to_solve,
        "horizon_before": row.horizon_before,
        "horizon_after": row.horizon_after,
        "span": row.span,
        **{name: getattr(row, name) for name in (*COLUMNS, *FURTHER_COLUMNS)},
    }
