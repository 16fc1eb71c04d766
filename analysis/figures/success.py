"""How well each cell does at each length: the share of seeds that solve the task, and their metric."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from analysis.comparison import Comparison, Row
from analysis.experiment import SETTINGS
from analysis.figures import style
from analysis.figures.timeline import metric_axis
from analysis.report.wording import format_number, format_setting

APART = 0.02  # of the axis, between marks at a single length
WIDE = 8  # times that the longest length is of the shortest, from which on the axis is logarithmic

LEVELS = {"chance": "chance", "solved": "solved_from", "repeating the last value": "repeating"}  # fields of a row

Panels = dict[tuple[str | float | None, ...], list[Row]]  # rows by their values of the axes besides cell and length


def solved_share(comparison: Comparison, *, height: int = 380) -> go.Figure:
    """Draw which share of seeds solves the task against length, a line per cell; bands are Wilson's 95 % intervals."""
    panels = by_further_axes(comparison)
    traces: list[go.Scatter] = []
    for panel, rows in zip(style.numbers(len(panels)), panels.values(), strict=True):
        traces.append(
            go.Scatter(x=[None], y=[None], showlegend=False, xaxis=f"x{panel}", yaxis=f"y{panel}")
        )  # its axes
        by_cell = _by_cell(row for row in rows if row.solvable)
        for (cell, own), moved in zip(by_cell.items(), _apart(by_cell, comparison), strict=True):
            ranges = np.array([(row.share, row.solved_low, row.solved_high) for row in own]).T
            traces += _curve(cell, own, ranges, panel, moved)
    _name_once(traces)
    axis = {"title": {"text": "share of seeds<br>that solve it"}, "range": [-0.03, 1.05], "tickformat": ".0%"}
    return style.figure(traces, *_layout(comparison, panels, [axis] * len(panels)), height=_height(len(panels), height))


def metric(comparison: Comparison, *, height: int = 380) -> go.Figure:
    """Draw the metric against length, a line per cell: median and range over seeds, and what it is compared with.

    That is chance, where the task counts as solved, and in forecasts repeating the last value.
    """
    panels = by_further_axes(comparison)
    traces: list[go.Scatter] = []
    for panel, rows in zip(style.numbers(len(panels)), panels.values(), strict=True):
        by_cell = _by_cell(rows)
        for (cell, own), moved in zip(by_cell.items(), _apart(by_cell, comparison), strict=True):
            traces += _curve(cell, own, metric_ranges(own), panel, moved)
        traces += _levels(rows, comparison, panel)
    _name_once(traces)
    axes = [metric_axis(rows[0].metric_name) | metric_room(rows) for rows in panels.values()]
    layout = _layout(comparison, panels, axes, _level_labels(panels))
    return style.figure(traces, *layout, height=_height(len(panels), height))


def by_further_axes(comparison: Comparison) -> Panels:
    """Group the rows by their values of the axes besides cell and length; each group is a panel."""
    panels: Panels = {}
    for row in comparison.rows:
        key = tuple(getattr(row.experiment, name) for name in _further(comparison))
        panels.setdefault(key, []).append(row)
    return panels


def metric_ranges(rows: Sequence[Row]) -> np.ndarray:
    """Return the median, lowest and highest metric over seeds of each row, (3, rows)."""
    finite = [row.metric[np.isfinite(row.metric)] for row in rows]
    return np.array([[np.median(each), each.min(), each.max()] for each in finite]).reshape(-1, 3).T


def metric_room(rows: Sequence[Row]) -> style.Layout:
    """Return the range of a metric's axis where chance lies so far above all that is drawn that it would be flat."""
    top = 1.15 * max((high for high in [*metric_ranges(_trained(rows))[2], *_baselines(rows)]), default=0.0)
    return {"range": [0, top]} if 0 < 2 * top < min(row.chance for row in rows) else {}


def _trained(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row.finished and np.isfinite(row.metric).any()]


def _baselines(rows: Iterable[Row]) -> list[float]:
    """Return the errors of repeating the last value; none where that is no forecast."""
    return [row.repeating for row in rows if np.isfinite(row.repeating)]


def _further(comparison: Comparison) -> list[str]:
    return [name for name in comparison.axes if name not in ("cell", "length")]


def _by_cell(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return by cell the rows whose training has ended and which have a metric, the shortest length first."""
    cells: dict[str, list[Row]] = {}
    for row in sorted(_trained(rows), key=lambda row: row.experiment.task_length):
        cells.setdefault(row.experiment.cell, []).append(row)
    return cells


def _apart(by_cell: Mapping[str, Sequence[Row]], comparison: Comparison) -> np.ndarray:
    """Return how far each cell's mark is moved along the axis, (cells,): marks of a single length don't hide others."""
    low, high = _room(comparison)
    places = np.arange(len(by_cell)) - (len(by_cell) - 1) / 2
    single = [len(rows) == 1 for rows in by_cell.values()]
    return APART * (high - low) * np.where(single, places, 0)


def _curve(cell: str, rows: Sequence[Row], ranges: np.ndarray, panel: str, moved: float) -> list[go.Scatter]:
    """Return a cell's line over lengths with its band; at a single length, a mark with a bar.

    `ranges` (3, rows) are the middle, the lower and the upper end of each.
    """
    length = np.array([row.experiment.task_length for row in rows])
    middle, low, high = ranges
    place = {"xaxis": f"x{panel}", "yaxis": f"y{panel}", "legendgroup": cell}
    line = go.Scatter(
        x=length + moved, y=middle, name=cell.upper(), mode="lines+markers", line=style.line(cell, 3),
        marker={"size": 9, "color": style.colour_of(cell)}, showlegend=False, cliponaxis=False,
        customdata=np.stack([low, high, length], 1), error_y=style.bars(middle, low, high) if len(rows) == 1 else None,
        hovertemplate="length %{customdata[2]}: %{y:.3~g} (%{customdata[0]:.3~g} to %{customdata[1]:.3~g})", **place,
    )  # fmt: skip
    if len(rows) == 1:
        return [line]
    return [style.band(length, low, high, style.colour_of(cell), f"{cell.upper()} range", 0.12, **place), line]


def _name_once(traces: Sequence[go.Scatter]) -> None:
    """Name each cell in the legend, at the first of its lines."""
    for trace in {trace.name: trace for trace in reversed(traces) if trace.mode == "lines+markers"}.values():
        trace.showlegend = True


def _levels(rows: Sequence[Row], comparison: Comparison, panel: str) -> list[go.Scatter]:
    """Return dashed lines at what the metric is compared with, which may differ by length."""
    by_length = sorted({row.experiment.task_length: row for row in rows}.items())
    x = [length for length, _row in by_length]
    ends = (min(x), max(x)) if len(x) > 1 else _room(comparison)
    lines = []
    for name, at in LEVELS.items():
        y = [getattr(row, at) for _length, row in by_length]
        if np.isfinite(y).all() and not (at == "chance" and metric_room(rows)):
            line = style.level(ends, y[0], name, panel)
            lines.append(line.update(x=x, y=y) if len(x) > 1 else line)
    return lines


def _room(comparison: Comparison) -> tuple[float, float]:
    """Return the range of the axis of lengths, with a little room at both ends."""
    lengths = [row.experiment.task_length for row in comparison.rows] or [1]
    low, high = min(lengths), max(lengths)
    if high >= WIDE * low:
        return 0.9 * low, 1.1 * high
    room = 0.06 * (high - low) or 0.1 * low
    return low - room, high + room


def _layout(
    comparison: Comparison, panels: Panels, y_axes: Sequence[style.Layout], labels: Sequence[style.Layout] = ()
) -> list[style.Layout]:
    """Return the layout of the panels: the same lengths along each, and what a panel's rows have in common above it."""
    names, places = _further(comparison), style.numbers(len(panels))
    lengths, room = sorted({row.experiment.task_length for row in comparison.rows}), _room(comparison)
    log = lengths[-1] >= WIDE * lengths[0]
    along = {
        "type": "log" if log else "linear", "range": [float(np.log10(end)) for end in room] if log else list(room),
        "tickvals": lengths, "ticktext": [str(length) for length in lengths],
    }  # fmt: skip
    layout: style.Layout = {"hovermode": "closest"} | {f"xaxis{place}": along for place in places}
    layout[f"xaxis{places[-1]}"] = along | {"title": {"text": "length, time steps"}}
    layout |= {f"yaxis{place}": axis for place, axis in zip(places, y_axes, strict=True)}
    titles = tuple(escape(_describe(names, key)) for key in panels) if names else ()
    if names:  # above the first of them is the legend
        layout |= {"margin": {"t": 84}, "legend": {"y": 1 + 28 / _height(len(panels), 380)}}
    grid = style.panels(len(panels), 1, titles, vertical_spacing=0.3 / len(panels))
    return [grid, layout | {"annotations": [*grid["annotations"], *labels]}]


def _describe(names: Sequence[str], values: tuple[str | float | None, ...]) -> str:
    """Write the values of settings: "Gain 2, Initialisation chrono"."""
    pairs = zip(names, values, strict=True)
    return ", ".join(f"{SETTINGS[name].label} {format_setting(value)}" for name, value in pairs)


def _level_labels(panels: Panels) -> list[style.Layout]:
    """Return the labels of the levels: chance in the margin, the others inside, below their lines."""
    labels = []
    for panel, rows in zip(style.numbers(len(panels)), panels.values(), strict=True):
        longest = max(rows, key=lambda row: row.experiment.task_length)
        labels.append(chance_label(rows, longest.chance, panel))
        inside = {"xanchor": "right", "xshift": -8, "yanchor": "top"}
        for name, at in LEVELS.items():
            if at != "chance" and np.isfinite(getattr(longest, at)):
                labels.append(style.label(getattr(longest, at), name, 13, panel) | inside)
    return labels


def chance_label(rows: Sequence[Row], chance: float, panel: str = "") -> style.Layout:
    """Return the label of chance, with its value at the top inside where its line lies above the picture."""
    if not (room := metric_room(rows)):
        return style.label(chance, "chance", 13, panel)
    inside = {"xanchor": "right", "xshift": -8, "yanchor": "top"}
    return style.label(room["range"][1], f"chance {format_number(chance)}, above", 13, panel) | inside


def _height(panels: int, height: int) -> int:
    return height if panels < 2 else 120 + 230 * panels
