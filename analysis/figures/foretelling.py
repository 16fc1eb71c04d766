"""Does the gradient's horizon foretell success? Each setting's horizon against how well it does."""

import numpy as np
import plotly.graph_objects as go

from analysis.comparison import Comparison, Row
from analysis.figures import style
from analysis.figures.bargain import name_row
from analysis.report.wording import format_number, format_p

NAMES = {"before": "at start", "after": "after training"}


def foretelling(comparison: Comparison, phase: str, *, height: int = 380) -> go.Figure:
    """Draw how well each setting does against its horizon, at start or after training.

    That is the share of seeds that solve the task, with Wilson's 95 % interval; where nothing counts as solved, how far
    the median metric is from chance. The dashed line, if there is one, is the horizon that best parts settings which
    learn from those which don't. Horizons are shares of the sequence, as lengths may differ.

    Args:
        comparison: what is drawn.
        phase: before or after, the training.
        height: in pixels.
    """
    solvable = all(row.solvable for row in comparison.rows)
    by_cell: dict[str, list[Row]] = {}
    for row in comparison.finished:
        if np.isfinite(getattr(row, f"horizon_{phase}")) and np.isfinite(row.share if solvable else row.gain):
            by_cell.setdefault(row.experiment.cell, []).append(row)
    traces = [_marks(cell, rows, phase, comparison.axes, solvable) for cell, rows in by_cell.items()]
    if threshold := comparison.thresholds.get(phase):
        line = style.level((threshold.share, threshold.share), 0, f"threshold {NAMES[phase]}")
        traces.append(line.update(y=[0, 1]))
    title = {"text": f"horizon {NAMES[phase]}, share of the sequence<br>{_correlation(comparison, phase)}"}
    success = "share of seeds<br>that solve it" if solvable else "metric, on the way<br>from chance to perfect"
    axes = {
        "xaxis": {"range": [-0.04, 1.06], "tickformat": ".0%", "title": title},
        "yaxis": {"tickformat": ".3~%", "title": {"text": success}} | ({"range": [-0.03, 1.06]} if solvable else {}),
        "hovermode": "closest",
        "margin": {"b": 90},
    }
    return style.figure(traces, axes, height=height)


def _marks(cell: str, rows: list[Row], phase: str, axes: tuple[str, ...], solvable: bool) -> go.Scatter:
    """Return a cell's marks, half transparent, as several may lie over one another."""
    horizons = np.array([getattr(row, f"horizon_{phase}") for row in rows])
    low, high = np.array([(row.solved_low, row.solved_high) for row in rows]).T
    success = np.array([row.share if solvable else row.gain for row in rows])
    said = [
        f"{name_row(row, axes)}: horizon {format_number(horizon)} of {row.furthest} time steps"
        for horizon, row in zip(horizons, rows, strict=True)
    ]
    return go.Scatter(
        x=horizons / [row.furthest for row in rows], y=success, mode="markers", name=cell.upper(), cliponaxis=False,
        marker=style.mark(cell, 0.75), text=said,
        error_y=style.bars(success, low, high, color=style.faded(style.colour_of(cell), 0.5)) if solvable else None,
        hovertemplate=f"%{{text}}, {'solved by' if solvable else 'got there'} %{{y:.3~%}}<extra></extra>",
    )  # fmt: skip


def _correlation(comparison: Comparison, phase: str) -> str:
    """Write a phase's rank correlation: "ρ 0.68 (0 to 0.92); at equal length 0.2, p = .3", "ρ not known"."""
    found = comparison.correlations[phase]
    if not np.isfinite(found.rho):
        return "ρ not known"
    over_all = f"ρ {format_number(found.rho)} ({format_number(found.low)} to {format_number(found.high)})"
    if "length" not in comparison.axes:
        return over_all
    within = found.within
    return f"{over_all}; at equal length " + (
        f"{format_number(within.rho)}, p {format_p(within.p)}" if within.enough else "not known"
    )
