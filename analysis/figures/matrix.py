"""Gradient matrices of several cells, and below each the decay that its diagonals show, on the same axis."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from analysis.figures import style
from analysis.figures.spectrum import colour_axis, matrix_map
from analysis.reasons import GradientMatrix

BELOW = 116  # pixels below the panels, for the colour bar
FEW = {"tickvals": [-4, 0, 4], "ticktext": ["≤ 1e-4", "1", "≥ 1e4"]}  # so that they fit on a phone


def matrices(
    now: Mapping[str, GradientMatrix], before: Mapping[str, GradientMatrix] | None = None, *, height: int = 520
) -> go.Figure:
    """Draw the matrix of each cell, loss step by state step, and below it the means of diagonals.

    A diagonal holds what is left at one distance; its mean stands below the state at that distance from the last step:
    the median over models, and the area of their range.

    Args:
        now: by cell.
        before: by cell, the same before training, whose curve is drawn faint.
        height: in pixels.
    """
    count = len(now)
    traces: list[go.Heatmap | go.Scatter] = []
    layout: style.Layout = {}
    numbers = style.numbers(2 * count)
    bottom, top = _curve_range([*now.values(), *(before or {}).values()])
    for (cell, matrix), above, below in zip(now.items(), numbers[:count], numbers[count:], strict=True):
        traces.append(matrix_map(matrix.relative, matrix.positions, above))
        if before and cell in before:
            line = style.line_before(cell) | {"dash": "solid"}
            traces.append(_curve(f"{cell.upper()} before", before[cell], line, below))
        traces += [_seeds(cell, matrix, below), _curve(cell.upper(), matrix, style.line(cell, 3), below)]
        ends = [matrix.positions[0] - 0.5, matrix.positions[-1] + 0.5]
        layout[f"xaxis{above}"] = {"range": ends, "showgrid": False, "showticklabels": False}
        own_steps = not above or not np.array_equal(matrix.positions, next(iter(now.values())).positions)
        layout[f"yaxis{above}"] = {"range": ends[::-1], "showgrid": False, "nticks": 6, "showticklabels": own_steps}
        layout[f"xaxis{below}"] = {"range": ends, "nticks": 4}
        layout[f"yaxis{below}"] = style.decades(bottom, top) | {"showticklabels": below == numbers[count]}
    layout["yaxis"] |= {"title": {"text": "loss at time step"}}
    layout[f"yaxis{numbers[count]}"] |= {"title": {"text": "gradient left"}}
    traces += style.keys_before(before)
    return style.figure(traces, _around(now), layout, height=height)


def _around(now: Mapping[str, GradientMatrix]) -> style.Layout:
    """Return the panels, their titles, and what stands below them: the name of their x axis and the colour bar."""
    count = len(now)
    grid = style.panels(
        2, count, titles=(*map(str.upper, now), *[""] * count), row_heights=(0.64, 0.36), horizontal_spacing=0.06,
        vertical_spacing=0.05,
    )  # fmt: skip
    bar = {"orientation": "h", "thickness": 10, "len": 0.7, "x": 0.5, "y": 0, "yref": "container", "yanchor": "bottom"}
    notes = [
        style.below("state at time step", -24, 14),
        style.below("× the gradient at the loss's own time step", 54 - BELOW, 12),
    ]
    return grid | {
        "hovermode": "closest",
        "coloraxis": colour_axis(bar | {"outlinewidth": 0, "tickfont": {"size": 12}} | FEW),
        "annotations": [*grid["annotations"], *notes],
        "margin": {"b": BELOW, "t": 56},
        "legend": {"y": 1.05},
    }


def _curve_range(found: list[GradientMatrix]) -> list[float]:
    """Return the range of the curves' axis, in powers of ten: 1e-8 … 3, higher where a gradient grows."""
    curves = [style.drawable(each.left) for each in found]
    highest = max((float(np.nanmax(curve)) for curve in curves if np.isfinite(curve).any()), default=1.0)
    return style.log_range(highest, style.LOWEST)


def _seeds(cell: str, matrix: GradientMatrix, panel: str) -> go.Scatter:
    """Return the area from the lowest to the highest model, where it can be drawn."""
    lefts, name = style.drawable(matrix.lefts), f"{cell.upper()} lowest to highest"
    return style.band(matrix.positions[::-1], lefts.min(0), lefts.max(0), style.colour_of(cell), name).update(
        xaxis=f"x{panel}", yaxis=f"y{panel}"
    )


def _curve(name: str, matrix: GradientMatrix, line: style.Layout, panel: str) -> go.Scatter:
    """Return what is left by distance, as a line over the states at these distances from the last time step."""
    return go.Scatter(
        x=matrix.positions[::-1], y=style.drawable(matrix.left), name=name, mode="lines", line=line, showlegend=False,
        customdata=np.arange(len(matrix.left)), xaxis=f"x{panel}", yaxis=f"y{panel}",
        hovertemplate="%{customdata} time steps back: %{y:.3g}<extra>" + name + "</extra>",
    )  # fmt: skip
