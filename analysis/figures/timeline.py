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
    """A run that is finished, or under way."""

    @property
    def experiment(self) -> Experiment:
        """Its settings."""

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """Its measurements so far."""

    @property
    def metric_name(self) -> str:
        """The metric of its task."""

    @property
    def chance(self) -> float:
        """The metric that guessing gets."""


def timeline(runs: Mapping[str, Trained | Watched], step: int | None = None, *, height: int = 380) -> go.Figure:
    """Draw each run's horizon and metric by training step: the median over seeds, and a thin line for each seed.

    A watched model has no metric; its steps are backward passes. All horizons have the same threshold.

    Args:
        runs: by cell.
        step: a step to mark by a line.
        height: in pixels.
    """
    learned = {cell: run for cell, run in runs.items() if not isinstance(run, Watched)}
    panels = style.numbers(2 if learned or not runs else 1)
    traces: list[go.Scatter] = []
    for cell, run in runs.items():
        if run.snapshots:
            horizons = np.array([snapshot.decay.horizons for snapshot in run.snapshots])  # (N, S)
            traces += _traces(cell, run, horizons, [snapshot.decay.horizon for snapshot in run.snapshots])
        if run.snapshots and cell in learned:
            metrics = np.array([snapshot.metric for snapshot in run.snapshots])
            traces += _traces(cell, run, metrics, finite_median(metrics), "2")
    last = 0
    step_title = "update" if len(panels) > 1 else "backward pass"
    axes: style.Layout = {f"xaxis{panels[-1]}": {"title": {"text": step_title}}}
    if runs:
        last = max(run.backwards if isinstance(run, Watched) else run.experiment.steps for run in runs.values())
        axes = style.merged({f"xaxis{panel}": {"range": [0, last]} for panel in panels}, axes)
        snapshots = [snapshot for run in runs.values() for snapshot in run.snapshots]
        at = threshold_suffix(snapshots[0].decay) if snapshots else ""
        axes["yaxis"] = {"title": {"text": f"horizon{at},<br>time steps"}, "rangemode": "tozero"}
    if learned:
        first = next(iter(learned.values()))
        traces.append(style.level((0, last), first.chance, "chance", "2"))
        axes["yaxis2"] = metric_axis(first.metric_name)
    marks = [
        {"type": "line", "x0": step, "x1": step, "y0": 0, "y1": 1, "xref": f"x{panel}", "yref": f"y{panel} domain",
         "line": {"color": style.NEUTRAL, "width": 2}}
        for panel in panels
    ]  # fmt: skip
    return style.figure(
        traces,
        style.panels(len(panels), shared_xaxes=True, vertical_spacing=0.06),
        axes | ({} if step is None else {"shapes": marks}),
        height=height,
    )


def metric_axis(name: str) -> style.Layout:
    """Return a metric's y axis: from 0, an accuracy's to 1."""
    return {"title": {"text": name}, "rangemode": "tozero"} | ({"range": [0, 1.05]} if name == "accuracy" else {})


def _traces(
    cell: str,
    run: Trained | Watched,
    by_model: np.ndarray,
    median: Sequence[float] | np.ndarray,
    panel: str = "",
) -> list[go.Scatter]:
    """Return a trace with a thin line for each model, from values (snapshots, models), and a trace of the median."""
    steps = [snapshot.step for snapshot in run.snapshots]
    place = {"xaxis": f"x{panel}", "yaxis": f"y{panel}"}
    model_steps = np.tile([*steps, steps[-1]], by_model.shape[1])
    apart = np.pad(by_model.astype(float), ((0, 1), (0, 0)), constant_values=np.nan)  # a gap ends each line
    return [
        go.Scatter(
            x=model_steps, y=apart.T.ravel(), name=f"{cell.upper()} models", mode="lines",
            line={"color": style.faded(style.COLOURS[cell], 0.35), "width": 1}, hoverinfo="skip", showlegend=False,
            **place,
        ),
        go.Scatter(
            x=steps, y=median, name=cell.upper(), mode="lines" if len(steps) > 1 else "markers",
            line=style.line(cell, 3), showlegend=not panel, hovertemplate="%{y:.3g}", **place,
        ),
    ]  # fmt: skip
