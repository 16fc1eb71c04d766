"""A comparison as a document for JSON, and as a table."""

from typing import Any

import numpy as np

from analysis.comparison import PHASES, Comparison, Correlation, Row
from analysis.report.documents import as_plain
from analysis.report.tables import csv_table

COLUMNS = ("seconds", "ms_per_step", "parameters")


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """Return the document that `sweep` writes as JSON: infinite is "inf", undefined is None."""
    return as_plain(
        {
            "rows": [_row_document(row) for row in comparison.rows],
            "rank_correlation": {phase: _correlation_document(comparison.correlations[phase]) for phase in PHASES},
            "verdicts": comparison.verdicts,
        }
    )


def _correlation_document(correlation: Correlation) -> dict[str, float]:
    return {"rho": correlation.rho, "low": correlation.low, "high": correlation.high}


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
        **{name: getattr(row, name) for name in COLUMNS},
    }


def comparison_csv(comparison: Comparison) -> str:
    """Write a comparison as CSV, a row for each setting and seed."""
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
        **{name: getattr(row, name) for name in (*COLUMNS, "multiply_adds")},
    }
