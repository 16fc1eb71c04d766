"""The memory of trained networks: their metric by distance."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from analysis.figures import style
from analysis.language import mark
from analysis.language import translate as _
from analysis.results import Memory
from analysis.span import had_in_training

SEEN = {"symbol": mark("time steps back from the last"), "window": mark("time steps seen before the last")}
UNTRAINED = mark("a case that training never had")
REPEATING = "repeating the last value"
APART = 0.12  # of the axis, by which two labels must lie apart
OPEN = {"symbol": "circle-open", "size": 5}


def memory(
    memories: Mapping[str, Memory], *, position: bool = False, height: int = 320, chance_name: str | None = None
) -> go.Figure:
    """Draw the metric of each cell against distance, its range over seeds, and chance.

    Args:
        memories: by cell.
        position: x is the step in the sequence, T-1-k, instead of the distance k.
        height: in pixels.
        chance_name: the label of the line of chance, instead of "chance". It stands below the line, inside the
            picture, because the margin has no room for a longer one.
    """
    if not memories:
        return style.figure([], height=height)
    first = next(iter(memories.values()))
    labels = level_labels(memories, chance_name or _("chance"))
    if chance_name:
        labels[0] |= {"xanchor": "right", "yanchor": "top"}
    return style.figure(
        [trace.update(showlegend=trace.showlegend is not False) for trace in traces(memories, position)],
        {
            "xaxis": {"title": {"text": _(SEEN[first.kind])}},
            "yaxis": {"title": {"text": _(first.metric_name)}, "range": metric_range(memories)},
            "annotations": labels,
        },
        height=height,
    )


def traces(memories: Mapping[str, Memory], position: bool = False) -> list[go.Scatter]:
    """Return the traces of a memory picture: range over seeds, median, what was never trained, chance."""
    lines: list[go.Scatter] = []
    for cell, result in memories.items():
        name = _("{cell} lowest to highest").format(cell=cell.upper())
        lines.append(style.band(style.along_x(result, position), result.low, result.high, style.COLOURS[cell], name))
    for cell, result in memories.items():
        looks = {"line": style.line(cell, 3), "hovertemplate": "%{y:.3g}"}
        lines += answers(result, cell.upper(), style.COLOURS[cell], looks, position)
    if any(not had_in_training(result).all() for result in memories.values()):
        lines.append(untrained_key())
    if memories:
        first = next(iter(memories.values()))
        lines.append(style.level((0, _last(memories)), first.chance, _("chance")))
        if first.repeating is not None:
            lines.append(style.level((0, _last(memories)), first.repeating, REPEATING))
    return lines


def answers(result: Memory, name: str, colour: str, looks: style.Layout, position: bool = False) -> list[go.Scatter]:
    """Return a memory's median as a line, and as open marks where the training had no such case.

    Where there are open marks, the trained distances get dots: one alone would be no line.
    """
    x, trained = style.along_x(result, position), had_in_training(result)
    line = go.Scatter(x=x, y=np.where(trained, result.value, np.nan), name=name, mode="lines", **looks)
    if trained.all():
        return [line]
    line.update(mode="lines+markers", marker={"color": colour, "size": 9}, cliponaxis=False)
    marks = {"mode": "markers", "marker": OPEN | {"color": colour}, "showlegend": False}
    untrained = go.Scatter(x=x[~trained], y=result.value[~trained], name=f"{name}, {_(UNTRAINED)}", **looks | marks)
    return [untrained, line]


def level_labels(memories: Mapping[str, Memory], chance_name: str, panel: str = "") -> list[style.Layout]:
    """Return the labels of chance, and of repeating the last value where that is drawn and not next to it."""
    first = next(iter(memories.values()))
    labels = [style.label(first.chance, chance_name, 13, panel)]
    if first.repeating is not None and abs(first.repeating - first.chance) > APART * metric_range(memories)[1]:
        labels.append(style.label(first.repeating, "repeat", 13, panel))
    return labels


def untrained_key() -> go.Scatter:
    """Return the legend's entry for open marks, without data."""
    return go.Scatter(x=[None], y=[None], name=_(UNTRAINED), mode="markers", marker=OPEN | {"color": style.NEUTRAL})


def metric_range(memories: Mapping[str, Memory]) -> list[float]:
    """Return the y axis's range: 0 to 1 for an accuracy, else from 0 to a little above the worst."""
    first = next(iter(memories.values()))
    if first.metric_name == "accuracy":
        return [0, 1.05]
    least = max(first.chance, first.repeating or 0.0)
    highest = [result.high[np.isfinite(result.high)].max(initial=least) for result in memories.values()]
    return [0, 1.1 * float(max(highest))]


def _last(memories: Mapping[str, Memory]) -> float:
    """Return the largest distance of all memories."""
    return float(max(result.distance[-1] for result in memories.values()))
