"""Does the gradient's horizon foretell success? Each setting's horizon against the share of its seeds that succeed."""

import numpy as np
import plotly.graph_objects as go

from analysis.comparison import PHASES, Comparison, Row
from analysis.figures import style
from analysis.figures.bargain import name_row
from analysis.report.wording import format_number

NAMES = {"before": "at start", "after": "after training"}


def foretelling(comparison: Comparison, *, height: int = 380) -> go.Figure:
    """Draw the share of seeds that solve the task against the horizon, at start and after training.

    Marks are settings, bars Wilson's 95 % intervals; the dashed line is the horizon that best parts those which learn
    from those which don't. Horizons are shares of the sequence, as lengths may differ.
    """
    rows = [row for row in comparison.finished if row.solvable]
    traces = [
        trace
        for panel, phase in zip(style.numbers(len(PHASES)), PHASES, strict=True)
        for trace in _panel(rows, phase, comparison, panel)
    ]
    titles = tuple(f"{NAMES[phase]}{_correlation(comparison, phase)}" for phase in PHASES)
    x = {"range": [-0.04, 1.06], "tickformat": ".0%"}
    y = {"range": [-0.03, 1.06], "tickformat": ".0%"}
    axes = {
        "xaxis": x | {"title": {"text": "horizon, share of the sequence"}},
        "xaxis2": x | {"title": {"text": "horizon, share of the sequence"}},
        "yaxis": y | {"title": {"text": "share of seeds<br>that solve it"}},
        "yaxis2": y,
        "hovermode": "closest",
        "legend": {"y": 1.12},
        "margin": {"t": 84},
    }
    return style.figure(traces, style.panels(1, 2, titles, horizontal_spacing=0.1), axes, height=height)


def _panel(rows: list[Row], phase: str, comparison: Comparison, panel: str) -> list[go.Scatter]:
    """Return the marks of a phase, a trace per cell, and the line at its threshold."""
    by_cell: dict[str, list[Row]] = {}
    for row in rows:
        if np.isfinite(getattr(row, f"horizon_{phase}")):
            by_cell.setdefault(row.experiment.cell, []).append(row)
    traces = [_marks(cell, own, phase, comparison.axes, panel) for cell, own in by_cell.items()]
    if threshold := comparison.thresholds.get(phase):
        line = style.level((threshold.share, threshold.share), 0, f"threshold {NAMES[phase]}", panel)
        traces.append(line.update(y=[0, 1]))
    return traces


def _marks(cell: str, rows: list[Row], phase: str, axes: tuple[str, ...], panel: str) -> go.Scatter:
    """Return a cell's marks, half transparent, as several may lie over one another."""
    horizons = np.array([getattr(row, f"horizon_{phase}") for row in rows])
    share, low, high = np.array([(row.share, row.solved_low, row.solved_high) for row in rows]).T
    said = [
        f"{name_row(row, axes)}: horizon {format_number(horizon)} of {row.furthest} time steps"
        for horizon, row in zip(horizons, rows, strict=True)
    ]
    return go.Scatter(
        x=horizons / [row.furthest for row in rows], y=share, mode="markers", name=cell.upper(), legendgroup=cell,
        showlegend=not panel, cliponaxis=False, marker=style.mark(cell, 0.75), text=said,
        error_y=style.bars(share, low, high, color=style.faded(style.colour_of(cell), 0.5)),
        hovertemplate="%{text}, solved by %{y:.0%}<extra></extra>", xaxis=f"x{panel}", yaxis=f"y{panel}",
    )  # fmt: skip


def _correlation(comparison: Comparison, phase: str) -> str:
    """Write a phase's rank correlation with its interval, after a colon; "" where it isn't known."""
    found = comparison.correlations.get(phase)
    if found is None or not np.isfinite(found.rho):
        return ""
    low, high = format_number(found.low), format_number(found.high)
    return f": ρ {format_number(found.rho)} ({low} to {high})"
