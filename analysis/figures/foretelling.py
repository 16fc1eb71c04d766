"""Does the gradient's horizon foretell success? Each setting's horizon against the share of its seeds that succeed."""

import numpy as np
import plotly.graph_objects as go

from analysis.comparison import Comparison, Row
from analysis.figures import style
from analysis.figures.bargain import name_row
from analysis.report.wording import format_number

NAMES = {"before": "at start", "after": "after training"}


def foretelling(comparison: Comparison, phase: str, *, height: int = 380) -> go.Figure:
    """Draw the share of seeds that solve the task against the horizon, at start or after training.

    Marks are settings, bars Wilson's 95 % intervals; the dashed line, if there is one, is the horizon that best parts
    those which learn from those which don't. Horizons are shares of the sequence, as lengths may differ.

    Args:
        comparison: what is drawn.
        phase: before or after, the training.
        height: in pixels.
    """
    by_cell: dict[str, list[Row]] = {}
    for row in comparison.finished:
        if row.solvable and np.isfinite(getattr(row, f"horizon_{phase}")):
            by_cell.setdefault(row.experiment.cell, []).append(row)
    traces = [_marks(cell, rows, phase, comparison.axes) for cell, rows in by_cell.items()]
    if threshold := comparison.thresholds.get(phase):
        line = style.level((threshold.share, threshold.share), 0, f"threshold {NAMES[phase]}")
        traces.append(line.update(y=[0, 1]))
    title = {"text": f"horizon {NAMES[phase]}, share of the sequence<br>{_correlation(comparison, phase)}"}
    axes = {
        "xaxis": {"range": [-0.04, 1.06], "tickformat": ".0%", "title": title},
        "yaxis": {"range": [-0.03, 1.06], "tickformat": ".0%", "title": {"text": "share of seeds<br>that solve it"}},
        "hovermode": "closest",
        "margin": {"b": 90},
    }
    return style.figure(traces, axes, height=height)


def _marks(cell: str, rows: list[Row], phase: str, axes: tuple[str, ...]) -> go.Scatter:
    """Return a cell's marks, half transparent, as several may lie over one another."""
    horizons = np.array([getattr(row, f"horizon_{phase}") for row in rows])
    share, low, high = np.array([(row.share, row.solved_low, row.solved_high) for row in rows]).T
    said = [
        f"{name_row(row, axes)}: horizon {format_number(horizon)} of {row.furthest} time steps"
        for horizon, row in zip(horizons, rows, strict=True)
    ]
    return go.Scatter(
        x=horizons / [row.furthest for row in rows], y=share, mode="markers", name=cell.upper(), cliponaxis=False,
        marker=style.mark(cell, 0.75), text=said,
        error_y=style.bars(share, low, high, color=style.faded(style.colour_of(cell), 0.5)),
        hovertemplate="%{text}, solved by %{y:.0%}<extra></extra>",
    )  # fmt: skip


def _correlation(comparison: Comparison, phase: str) -> str:
    """Write a phase's rank correlation with its interval: "ρ 0.68 (0 to 0.92)"; that it isn't known where it isn't."""
    found = comparison.correlations.get(phase)
    if found is None or not np.isfinite(found.rho):
        return "ρ not known"
    return f"ρ {format_number(found.rho)} ({format_number(found.low)} to {format_number(found.high)})"
