"""Horizon and metric against training step."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import plotly.graph_objects as go

from analysis.experiment import Experiment
from analysis.figures import style
from analysis.report.wording import threshold_suffix
from analysis.results import Snapshot, Watched, finite_median


class Trained(Protocol):
    """A run, finished or not."""

    experiment: Experiment
    snapshots: tuple[Snapshot, ...]
    metric_name: str
    chance: float


def timeline(runs: Mapping[str, Trained | Watched], step: int | None = None, *, height: int = 380) -> go.Figure:
    """Draw each run's horizon and metric (median over seeds, a thin line each) by training step, one marked.

    Of watched models the horizon alone is known, by backward pass. All horizons are of one threshold.
    """
    learned = {cell: run for cell, run in runs.items() if not isinstance(run, Watched)}
    panels = style.numbers(2 if learned or not runs else 1)
    drawn = []
    for cell, run in runs.items():
        if run.snapshots:
            horizons = np.array([snapshot.decay.horizons for snapshot in run.snapshots])  # (N, S)
            drawn += _traces(cell, run, horizons, [snapshot.decay.horizon for snapshot in run.snapshots])
        if run.snapshots and cell in learned:
            metrics = np.array([snapshot.metric for snapshot in run.snapshots])
            drawn += _traces(cell, run, metrics, finite_median(metrics), "2")
    axes = {f"xaxis{panels[-1]}": {"title": {"text": "training step" if len(panels) > 1 else "backward pass"}}}
    if runs:
        last = max(run.experiment.steps if cell in learned else run.backwards for cell, run in runs.items())
        axes = style.merged({f"xaxis{panel}": {"range": [0, last]} for panel in panels}, axes)
        snapshots = [snapshot for run in runs.values() for snapshot in run.snapshots]
        at = threshold_suffix(snapshots[0].decay) if snapshots else ""
        axes["yaxis"] = {"title": {"text": f"horizon{at}"}, "rangemode": "tozero"}
    if learned:
        run = next(iter(learned.values()))
        drawn.append(style.level((0, last), run.chance, "chance", "2"))
        axes["yaxis2"] = metric_axis(run.metric_name)
    marks = [
        {"type": "line", "x0": step, "x1": step, "y0": 0, "y1": 1, "xref": f"x{panel}", "yref": f"y{panel} domain",
         "line": {"color": style.NEUTRAL, "width": 2}}
        for panel in panels
    ]  # fmt: skip
    return style.figure(
        drawn,
        style.panels(len(panels), shared_xaxes=True, vertical_spacing=0.06),
        axes | ({} if step is None else {"shapes": marks}),
        height=height,
    )


def metric_axis(name: str) -> style.Layout:
    """Return a metric's y axis: from 0, an accuracy's to 1."""
    return {"title": {"text": name}, "rangemode": "tozero"} | ({"range": [0, 1.05]} if name == "accuracy" else {})


def _traces(
    cell: str, run: Trained | Watched, each: np.ndarray, whole: Sequence[float] | np.ndarray, panel: str = ""
) -> list[go.Scatter]:
    """Return a line per model in one trace, from values (snapshots, models), and the line of all."""
    steps = [snapshot.step for snapshot in run.snapshots]
    place = {"xaxis": f"x{panel}", "yaxis": f"y{panel}"}
    each_steps = np.tile([*steps, steps[-1]], each.shape[1])
    apart = np.pad(each.astype(float), ((0, 1), (0, 0)), constant_values=np.nan)  # a gap ends each line
    return [
        go.Scatter(
            x=each_steps, y=apart.T.ravel(), name=f"{cell.upper()} models", mode="lines",
            line={"color": style.faded(style.COLOURS[cell], 0.35), "width": 1}, hoverinfo="skip", showlegend=False,
            **place,
        ),
        go.Scatter(
            x=steps, y=whole, name=cell.upper(), mode="lines" if len(steps) > 1 else "markers",
            line=style.line(cell, 3), showlegend=not panel, hovertemplate="%{y:.3g}", **place,
        ),
    ]  # fmt: skip
