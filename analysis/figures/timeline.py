"""Horizon and metric against training step."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.config import Experiment
from analysis.figures import style
from analysis.results import Snapshot, Watched, finite_median


class Trained(Protocol):
    """A run, finished or not."""

    experiment: Experiment
    snapshots: tuple[Snapshot, ...]
    metric_name: str
    chance: float


def timeline(runs: Mapping[str, Trained | Watched], step: int | None = None, *, height: int = 380) -> go.Figure:
    """Draw each run's horizon and metric (median over seeds, a thin line each) by training step, one marked.

    Of watched models the horizon alone is known, by backward pass.
    """
    learned = {cell: run for cell, run in runs.items() if not isinstance(run, Watched)}
    rows = 2 if learned or not runs else 1
    figure = make_subplots(rows=rows, shared_xaxes=True, vertical_spacing=0.06)
    style.layout(figure, height)
    for cell, run in runs.items():
        if not run.snapshots:
            continue
        steps = [snapshot.step for snapshot in run.snapshots]
        mode = "lines" if len(steps) > 1 else "markers"
        horizons = np.array([snapshot.decay.horizons for snapshot in run.snapshots])  # (N, S)
        metrics = np.array([snapshot.metric for snapshot in run.snapshots])
        for row, values, whole in (
            (1, horizons, [snapshot.decay.horizon for snapshot in run.snapshots]),
            (2, metrics, [finite_median(own) for own in metrics]),
        )[: 2 if cell in learned else 1]:
            apart = np.pad(values.astype(float), ((0, 1), (0, 0)), constant_values=np.nan)  # a gap ends each line
            figure.add_scatter(
                x=[*steps, steps[-1]] * apart.shape[1], y=apart.T.ravel(), name=f"{cell.upper()} models", mode="lines",
                line={"color": style.faded(style.COLOURS[cell], 0.35), "width": 1}, hoverinfo="skip",
                showlegend=False, row=row, col=1,
            )  # fmt: skip
            figure.add_scatter(
                x=steps, y=whole, name=cell.upper(), mode=mode, line=style.line(cell, 3), showlegend=row == 1,
                hovertemplate="%{y:.3g}", row=row, col=1,
            )  # fmt: skip
    if runs:
        last = max(run.experiment.steps if cell in learned else run.backwards for cell, run in runs.items())
        figure.update_xaxes(range=[0, last])
        figure.update_yaxes(title_text="horizon", rangemode="tozero", row=1, col=1)
    if learned:
        run = next(iter(learned.values()))
        figure.add_trace(style.level((0, last), run.chance, "chance"), row=2, col=1)
        accuracy = run.metric_name == "accuracy"
        figure.update_yaxes(title_text=run.metric_name, range=[0, 1.05] if accuracy else None, row=2, col=1)
        if not accuracy:
            figure.update_yaxes(rangemode="tozero", row=2, col=1)
    if step is not None:
        for axis in ("", "2")[:rows]:
            figure.add_shape(
                type="line", x0=step, x1=step, y0=0, y1=1, xref=f"x{axis}", yref=f"y{axis} domain",
                line={"color": style.NEUTRAL, "width": 2},
            )  # fmt: skip
    figure.update_xaxes(title_text="training step" if rows == 2 else "backward pass", row=rows, col=1)
    return figure
