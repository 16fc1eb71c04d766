"""Several runs on the same axes, each in its cell's colour; runs of the same cell differ by their dashes."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from html import escape
from typing import TypeVar

import numpy as np
import plotly.graph_objects as go

from analysis.figures import decay as decay_figure
from analysis.figures import memory as memory_figure
from analysis.figures import style
from analysis.figures.timeline import Trained, metric_axis
from analysis.results import Decay, Run, Snapshot, finite_median
from analysis.span import had_in_training

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")  # used in this order, from the cell's own on

Curve = tuple[np.ndarray, np.ndarray]  # x and y
Runs = Mapping[str, Trained]  # by the label that the legend shows
R = TypeVar("R", bound=Trained)
G = TypeVar("G", bound=Hashable)


def decays(runs: Runs) -> dict[str, Decay]:
    """Return each run's decay after training, or at its last snapshot while it trains."""
    return {label: run.after if isinstance(run, Run) else run.snapshots[-1].decay for label, run in runs.items()}


def decay(runs: Runs, *, height: int = 420) -> go.Figure:
    """Draw each run's gradient against distance, after training or at its last snapshot; a dot is its horizon."""
    curves = decays(runs)
    xy = {label: (curve.distance, style.drawable(curve.relative)) for label, curve in curves.items()}
    traces = _traces(runs, xy, _dashes(runs))
    if curves:
        last = max(curve.distance[-1] for curve in curves.values())
        traces.append(style.level((0, last), decay_figure.threshold_of(curves), "threshold"))
    for label, curve in curves.items():
        if np.isfinite(curve.horizon):
            cell, share = runs[label].experiment.cell, float(curve.relative[int(curve.horizon)])
            traces.append(style.dot(cell, curve.horizon, share, f"horizon of {escape(label)}", label))
    layout = {
        "xaxis": {"title": {"text": decay_figure.axis_title(False)}, "range": style.distances(curves.values())},
        "yaxis": decay_figure.size_axis(list(curves.values())),
        "annotations": decay_figure.threshold_label(curves, 14),
    }
    return style.figure(traces, layout, height=height)


def timeline(runs: Runs, *, height: int = 420) -> go.Figure:
    """Draw each run's horizon by update, and below it its metric: a panel for each kind of metric."""
    by_metric = _grouped(runs, lambda run: run.metric_name)
    panels, dashes = style.numbers(1 + len(by_metric)), _dashes(runs)
    traces = _traces(runs, _by_step(runs, lambda snapshot: snapshot.decay.horizon), dashes)
    axes: style.Layout = {"yaxis": {"title": {"text": "horizon,<br>time steps"}, "rangemode": "tozero"}}
    for panel, (metric, group) in zip(panels[1:], by_metric.items(), strict=True):
        medians = _by_step(group, lambda snapshot: float(finite_median(snapshot.metric)))
        traces += _traces(group, medians, dashes, panel, legend=False)
        axes[f"yaxis{panel}"] = metric_axis(metric)
    steps = max((run.experiment.steps for run in runs.values()), default=1)
    axes |= {f"xaxis{panel}": {"range": [0, steps]} for panel in panels}
    axes[f"xaxis{panels[-1]}"]["title"] = {"text": "update"}
    grid = style.panels(len(panels), shared_xaxes=True, vertical_spacing=0.06)
    chances = _chances(dict(zip(panels[1:], by_metric.values(), strict=True)))
    return style.figure(traces, grid, axes, chances, height=height)


def memory(runs: Runs, *, height: int = 420) -> go.Figure:
    """Draw each finished run's metric by distance: a panel for each kind of metric."""
    finished = {label: run for label, run in runs.items() if isinstance(run, Run)}
    by_kind = _grouped(finished, lambda run: (run.memory.metric_name, run.memory.kind)) or {("", ""): {}}
    panels, dashes = style.numbers(len(by_kind)), _dashes(runs)
    traces: list[go.Scatter] = []
    axes: style.Layout = {}
    for panel, ((metric, kind), group) in zip(panels, by_kind.items(), strict=True):
        for label, run in group.items():
            looks = _looks(label, run, dashes, panel)
            traces += memory_figure.answers(run.memory, escape(label), style.COLOURS[run.experiment.cell], looks)
        axes |= {
            f"xaxis{panel}": {"title": {"text": memory_figure.SEEN.get(kind, "")}},
            f"yaxis{panel}": metric_axis(metric),
        }
    if any(not had_in_training(run.memory).all() for run in finished.values()):
        traces.append(memory_figure.untrained_key())
    grid = style.panels(len(panels), vertical_spacing=0.2)
    chances = _chances(dict(zip(panels, by_kind.values(), strict=True)))
    return style.figure(traces, grid, axes, chances, height=height)


def _grouped(runs: Mapping[str, R], key: Callable[[R], G]) -> dict[G, dict[str, R]]:
    """Group runs by a key, in the order in which the keys first occur."""
    groups: dict[G, dict[str, R]] = {}
    for label, run in runs.items():
        groups.setdefault(key(run), {})[label] = run
    return groups


def _by_step(runs: Runs, value: Callable[[Snapshot], float]) -> dict[str, Curve]:
    """Return a value of each run's snapshots against their updates."""
    return {
        label: (
            np.array([snapshot.step for snapshot in run.snapshots]),
            np.array([value(snapshot) for snapshot in run.snapshots]),
        )
        for label, run in runs.items()
    }


def _dashes(runs: Runs) -> dict[str, str]:
    """Return each run's dash: the cell's own for the first run of a cell, the following ones for further runs."""
    dashes, count = {}, Counter[str]()
    for label, run in runs.items():
        cell = run.experiment.cell
        dashes[label] = DASHES[(DASHES.index(style.DASHES[cell]) + count[cell]) % len(DASHES)]
        count[cell] += 1
    return dashes


def _traces(
    runs: Runs, curves: Mapping[str, Curve], dashes: Mapping[str, str], panel: str = "", legend: bool = True
) -> list[go.Scatter]:
    """Return a line for each run."""
    return [
        go.Scatter(
            x=curves[label][0], y=curves[label][1], name=escape(label), mode="lines",
            **_looks(label, run, dashes, panel, legend),
        )
        for label, run in runs.items()
    ]  # fmt: skip


def _looks(label: str, run: Trained, dashes: Mapping[str, str], panel: str = "", legend: bool = True) -> style.Layout:
    """Return how a run's line looks, and in which panel."""
    return {
        "legendgroup": label, "showlegend": legend, "line": style.line(run.experiment.cell, dash=dashes[label]),
        "hovertemplate": "%{y:.3g}", "xaxis": f"x{panel}", "yaxis": f"y{panel}",
    }  # fmt: skip


def _chances(groups: Mapping[str, Runs]) -> style.Layout:
    """Return a line and a label of chance for each panel in which all runs have the same chance."""
    lines, names = [], []
    for panel, group in groups.items():
        chances = {run.chance for run in group.values()}
        if len(chances) == 1 and np.isfinite(chance := chances.pop()):
            names.append(style.label(chance, "chance", 13, panel))
            lines.append(
                {
                    "type": "line", "x0": 0, "x1": 1, "xref": f"x{panel} domain", "y0": chance, "y1": chance,
                    "yref": f"y{panel}", "line": {"color": style.NEUTRAL, "dash": "dash", "width": 1.5},
                }
            )  # fmt: skip
    return {"shapes": lines, "annotations": names}
