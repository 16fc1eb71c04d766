"""What each cell's metric costs: against milliseconds, parameters or multiply-adds."""

from html import escape

import numpy as np
import plotly.graph_objects as go

from analysis.comparison import Comparison, Row
from analysis.experiment import SETTINGS
from analysis.figures import style
from analysis.figures.success import chance_label, metric_ranges, metric_room
from analysis.figures.timeline import metric_axis
from analysis.report.wording import format_setting

COSTS = {  # fields of a row, by what a page calls them
    "ms per update": "ms_per_step",
    "parameters": "parameters",
    "multiply-adds": "multiply_adds",
}
TITLES = {
    "ms_per_step": "ms per update, all seeds together",
    "parameters": "parameters of one model",
    "multiply_adds": "multiply-adds per time step, one model",
}


def metric_against_cost(comparison: Comparison, cost: str = "ms_per_step", *, height: int = 380) -> go.Figure:
    """Draw each setting's metric, median and range over seeds, against a cost, one of `COSTS`; a colour per cell."""
    by_cell: dict[str, list[Row]] = {}
    for row in comparison.finished:
        if np.isfinite(row.metric).any() and np.isfinite(getattr(row, cost)):
            by_cell.setdefault(row.experiment.cell, []).append(row)
    traces = [_marks(cell, rows, cost, comparison.axes) for cell, rows in by_cell.items()]
    axes: style.Layout = {"xaxis": {"title": {"text": TITLES[cost]}, "rangemode": "tozero"}, "hovermode": "closest"}
    if by_cell:
        every = [row for rows in by_cell.values() for row in rows]
        room = metric_room(every)
        axes["yaxis"] = metric_axis(every[0].metric_name) | room
        axes["annotations"] = [chance_label(every, every[0].chance)]
        if not room:
            most = 1.05 * max(getattr(row, cost) for row in every)
            traces.append(style.level((0, most), every[0].chance, "chance"))
    return style.figure(traces, axes, height=height)


def _marks(cell: str, rows: list[Row], cost: str, axes: tuple[str, ...]) -> go.Scatter:
    """Return a cell's marks, each with its range over seeds and, where lengths differ, its length beside it."""
    middle, low, high = metric_ranges(rows)
    return go.Scatter(
        x=[getattr(row, cost) for row in rows], y=middle, name=cell.upper(), cliponaxis=False,
        mode="markers+text" if "length" in axes else "markers", textposition="middle right",
        text=[f" {row.experiment.task_length}" for row in rows], hovertext=[name_row(row, axes) for row in rows],
        marker=style.mark(cell), error_y=style.bars(middle, low, high),
        hovertemplate="%{hovertext}: %{y:.3~g} at %{x:,.3~g}<extra></extra>",
    )  # fmt: skip


def name_row(row: Row, axes: tuple[str, ...]) -> str:
    """Write what tells a setting from the others: "GRU, Length 50, Gain 2"."""
    values = {name: getattr(row.experiment, name) for name in axes if name != "cell"}
    if "length" in values:
        values["length"] = row.experiment.task_length
    parts = [f"{SETTINGS[name].label} {format_setting(value)}" for name, value in values.items()]
    return escape(", ".join([row.experiment.cell.upper(), *parts]))
