"""The spectrum of a network: Lyapunov exponents, and the singular values of its Jacobian by distance."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from analysis.figures import style
from analysis.reasons import SingularValues, Spectrum
from analysis.report.wording import cell_with_state
from analysis.results import THRESHOLD

MOST = 32  # directions that a fan draws; of more, evenly spaced ones


def exponents(
    now: Mapping[str, Spectrum],
    before: Mapping[str, Spectrum] | None = None,
    states: Mapping[str, str] | None = None,
    *,
    height: int = 340,
) -> go.Figure:
    """Draw the Lyapunov exponents of each cell, the largest first; below 0 a change fades, above 0 it grows.

    Args:
        now: by cell; the line is the median over models, the area their range.
        before: by cell, the same before training, drawn faint.
        states: by cell, a word for the legend, such as "untrained".
        height: in pixels.
    """
    traces: list[go.Scatter] = []
    for cell, found in (before or {}).items():
        traces.append(_exponents(f"{cell.upper()} before", found, style.line_before(cell), shown=False))
    for cell, found in now.items():
        name = cell_with_state(cell, states or {})
        traces += [_seeds(cell, found), _exponents(name, found, style.line(cell, 3), shown=True)]
    traces += style.keys_before(before)
    longest = max((found.exponents.shape[1] for found in now.values()), default=1)
    traces.append(style.level((1, longest), 0, "neither fades nor grows"))
    return style.figure(
        traces,
        {
            "xaxis": {"title": {"text": "direction, the one that fades least first"}},
            "yaxis": {"title": {"text": "nats per time step"}},
            "annotations": [style.label(0, "×1", 14)],
        },
        height=height,
    )


def _seeds(cell: str, found: Spectrum) -> go.Scatter:
    """Return the area from the lowest to the highest of the models whose states stay finite."""
    known = found.exponents[~np.isnan(found.exponents).any(1)]
    low, high = (known.min(0), known.max(0)) if len(known) else (found.median, found.median)
    return style.band(np.arange(1, len(low) + 1), low, high, style.colour_of(cell), f"{cell.upper()} lowest to highest")


def _exponents(name: str, found: Spectrum, line: style.Layout, shown: bool) -> go.Scatter:
    median = np.where(np.isfinite(found.median), found.median, np.nan)
    return go.Scatter(
        x=np.arange(1, len(median) + 1), y=median, name=name, mode="lines", line=line, showlegend=shown,
        hovertemplate="%{y:.3g}",
    )  # fmt: skip


def fan(found: Mapping[str, SingularValues], *, height: int = 340) -> go.Figure:
    """Draw, by distance, by how much a gradient changes in each direction: a line each, the largest thick."""
    traces: list[go.Scatter] = []
    layout: style.Layout = {}
    highest = max((float(np.nanmax(each.values, initial=1.0)) for each in found.values()), default=1.0)
    bottom, top = style.log_range(highest, style.LOWEST)
    for panel, (cell, each) in zip(style.numbers(len(found)), found.items(), strict=True):
        on = {"xaxis": f"x{panel}", "yaxis": f"y{panel}", "showlegend": False}
        values = style.drawable(each.values)  # (D, H)
        drawn = np.unique(np.linspace(0, values.shape[1] - 1, min(MOST, values.shape[1])).round().astype(int))
        gap = np.full((1, len(drawn)), np.nan)
        traces += [
            go.Scatter(
                x=np.tile([*each.distance, np.nan], len(drawn)), y=np.concatenate([values[:, drawn], gap]).T.ravel(),
                name=f"{cell.upper()} every direction", mode="lines", hoverinfo="skip",
                line={"color": style.faded(style.colour_of(cell), 0.45), "width": 1}, **on,
            ),
            go.Scatter(
                x=each.distance, y=values[:, 0], name=f"{cell.upper()} largest", mode="lines",
                line=style.line(cell, 3), hovertemplate="%{x} time steps back: %{y:.3g}<extra>largest</extra>", **on,
            ),
            style.level((0, float(each.distance[-1])), THRESHOLD, "threshold", panel),
        ]  # fmt: skip
        layout[f"xaxis{panel}"] = {"nticks": 4}
        layout[f"yaxis{panel}"] = style.decades(bottom, top) | {"showticklabels": not panel}
    layout["yaxis"] |= {"title": {"text": "factor on the gradient"}}
    grid = style.panels(1, len(found), titles=tuple(map(str.upper, found)), horizontal_spacing=0.06)
    notes = [*grid["annotations"], style.below("time steps back", -24, 14)]
    return style.figure(traces, grid, layout, {"hovermode": "closest", "annotations": notes}, height=height)
