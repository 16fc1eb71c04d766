"""Several runs on the same axes, each in its cell's colour; those of one cell are told apart by their dashes."""

from collections import Counter
from collections.abc import Callable, Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures import decay as single
from analysis.figures import style
from analysis.figures.memory import SEEN
from analysis.figures.timeline import Trained
from analysis.results import Decay, Run, finite_median

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")  # in turn, from the cell's own on

Curve = tuple[np.ndarray, np.ndarray]


def decays(runs: Mapping[str, Trained]) -> dict[str, Decay]:
    """Return each run's decay after training, or as far as it has come."""
    return {label: run.after if isinstance(run, Run) else run.snapshots[-1].decay for label, run in runs.items()}


def decay(runs: Mapping[str, Trained], *, height: int = 420) -> go.Figure:
    """Draw each run's gradient against distance, after training or as far as it has come; a dot is its horizon."""
    shown = decays(runs)
    figure = style.layout(go.Figure(), height)
    _add(figure, runs, lambda label: (shown[label].distance, style.drawable(shown[label].relative)), _dashes(runs))
    found = list(shown.values())
    if found:
        last = max(each.distance[-1] for each in found)
        figure.add_trace(style.level((0, last), single.threshold_of(shown), "threshold"))
        single.label_threshold(figure, shown, 14)
    for label, each in shown.items():
        if np.isfinite(each.horizon):
            cell, size = runs[label].experiment.cell, float(each.relative[int(each.horizon)])
            figure.add_trace(style.dot(cell, each.horizon, size, f"horizon of {escape(label)}", label))
    single.axes(figure, found, relative=True, full_depth=False)
    return figure.update_xaxes(title_text=single.axis_title(False), range=style.distances(found))


def timeline(runs: Mapping[str, Trained], *, height: int = 420) -> go.Figure:
    """Draw each run's horizon, and below it its metric, by training step; metrics of other kinds get their own row."""
    metrics = list(dict.fromkeys(run.metric_name for run in runs.values()))
    figure = make_subplots(rows=1 + len(metrics), shared_xaxes=True, vertical_spacing=0.06)
    style.layout(figure, height)

    def through(label: str, value: Callable) -> Curve:
        taken = runs[label].snapshots
        return np.array([each.step for each in taken]), np.array([value(each) for each in taken])

    dashes = _dashes(runs)
    _add(figure, runs, lambda label: through(label, lambda each: each.decay.horizon), dashes, 1)
    figure.update_yaxes(title_text="horizon", rangemode="tozero", row=1, col=1)
    for row, metric in enumerate(metrics, 2):
        same = {label: run for label, run in runs.items() if run.metric_name == metric}
        _add(figure, same, lambda label: through(label, lambda each: finite_median(each.metric)), dashes, row, False)
        _scale(figure, metric, {run.chance for run in same.values()}, row)
    return figure.update_xaxes(title_text="training step", row=1 + len(metrics))


def memory(runs: Mapping[str, Run], *, height: int = 420) -> go.Figure:
    """Draw what each finished run answers by distance, a row for each kind of measure."""
    kinds = list(dict.fromkeys((run.memory.metric_name, run.memory.kind) for run in runs.values())) or [("", "")]
    figure = make_subplots(rows=len(kinds), vertical_spacing=0.2)
    style.layout(figure, height)
    for row, kind in enumerate(kinds, 1):
        same = {label: run for label, run in runs.items() if (run.memory.metric_name, run.memory.kind) == kind}
        _add(figure, same, lambda label: (runs[label].memory.distance, runs[label].memory.value), _dashes(runs), row)
        _scale(figure, kind[0], {run.chance for run in same.values()}, row)
        figure.update_xaxes(title_text=SEEN.get(kind[1], ""), row=row)
    return figure


def _dashes(runs: Mapping[str, Trained]) -> dict[str, str]:
    """Return each run's dash: its cell's own, and for further runs of that cell those that follow."""
    found, seen = {}, Counter()
    for label, run in runs.items():
        cell = run.experiment.cell
        found[label] = DASHES[(DASHES.index(style.DASHES[cell]) + seen[cell]) % len(DASHES)]
        seen[cell] += 1
    return found


def _add(
    figure: go.Figure,
    runs: Mapping[str, Trained],
    curve: Callable[[str], Curve],
    dashes: Mapping[str, str],
    row: int | None = None,
    legend: bool = True,
) -> None:
    """Add a curve for each run."""
    for label, run in runs.items():
        cell = run.experiment.cell
        x, y = curve(label)
        figure.add_scatter(
            x=x, y=y, name=escape(label), mode="lines", line=style.line(cell, dash=dashes[label]), legendgroup=label,
            showlegend=legend, hovertemplate="%{y:.3g}", row=row, col=row and 1,
        )  # fmt: skip


def _scale(figure: go.Figure, metric: str, chances: set[float], row: int) -> None:
    """Name a metric's axis, and chance where all runs have the same."""
    figure.update_yaxes(
        title_text=metric, range=[0, 1.05] if metric == "accuracy" else None, rangemode="tozero", row=row, col=1
    )
    if len(chances) == 1 and np.isfinite(next(iter(chances))):
        figure.add_hline(next(iter(chances)), line={"color": style.NEUTRAL, "dash": "dash", "width": 1.5}, row=row)
        style.label_level(figure, next(iter(chances)), "chance", 13, axis="" if row == 1 else str(row))
