"""What each distance adds to the update of the recurrent weights, added up from the last time step back."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from analysis.figures import style
from analysis.reasons import UpdateShares
from analysis.report.wording import cell_with_state
from analysis.results import finite_median


def updates(
    now: Mapping[str, UpdateShares],
    before: Mapping[str, UpdateShares] | None = None,
    states: Mapping[str, str] | None = None,
    *,
    height: int = 380,
) -> go.Figure:
    """Draw the share of the update that comes from the last time steps, by how many these are; half is marked.

    Args:
        now: by cell; the line is the median over models, the area their range.
        before: by cell, the same before training, drawn faint.
        states: by cell, a word for the legend, such as "untrained".
        height: in pixels.
    """
    traces: list[go.Scatter] = []
    for cell, found in now.items():
        cumulated = np.where(np.isfinite(found.cumulated), found.cumulated, np.nan)
        if np.isfinite(cumulated).all():
            name = f"{cell.upper()} lowest to highest"
            colour = style.colour_of(cell)
            traces.append(style.band(_counts(found), cumulated.min(0), cumulated.max(0), colour, name))
    for cell, found in (before or {}).items():
        traces.append(_curve(cell, f"{cell.upper()} before", found, style.line_before(cell), shown=False))
    for cell, found in now.items():
        traces.append(_curve(cell, cell_with_state(cell, states or {}), found, style.line(cell, 3), shown=True))
    longest = max((len(_counts(found)) for found in now.values()), default=1)
    traces += style.keys_before(before)
    traces.append(style.level((1, longest), 0.5, "half"))
    for cell, found in now.items():
        median = finite_median(found.cumulated.T)
        if half := found.median_half:
            traces.append(style.dot(cell, half, float(median[half - 1]), f"{cell.upper()} half", cell))
    return style.figure(
        traces,
        {
            "xaxis": {"title": {"text": "how many of the last time steps"}, "range": [0.5, longest + 0.5]},
            "yaxis": {"title": {"text": "share of the update"}, "tickformat": ".0%", "rangemode": "tozero"},
            "annotations": [style.label(0.5, "half", 14)],
        },
        height=height,
    )


def _counts(found: UpdateShares) -> np.ndarray:
    """Return how many of the last time steps there are up to each distance, (T,)."""
    return np.arange(1, found.shares.shape[1] + 1)


def _curve(cell: str, name: str, found: UpdateShares, line: style.Layout, shown: bool) -> go.Scatter:
    median = finite_median(found.cumulated.T)
    return go.Scatter(
        x=_counts(found), y=np.where(np.isfinite(median), median, np.nan), name=name, mode="lines", line=line,
        legendgroup=cell, showlegend=shown, hovertemplate="%{y:.1%}",
    )  # fmt: skip
