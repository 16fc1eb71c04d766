"""Several runs on the same axes, each in its cell's colour; those of one cell are told apart by their dashes."""

from collections import Counter
from collections.abc import Callable, Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go

from analysis.figures import decay as single
from analysis.figures import style
from analysis.figures.memory import SEEN
from analysis.figures.timeline import Trained, metric_axis
from analysis.results import Decay, Run, Snapshot, finite_median

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")  # in turn, from the cell's own on

Curve = tuple[np.ndarray, np.ndarray]
Runs = Mapping[str, Trained]


def decays(runs: Runs) -> dict[str, Decay]:
    """Return each run's decay after training, or as far as it has come."""
    return {label: run.after if isinstance(run, Run) else run.snapshots[-1].decay for label, run in runs.items()}


def decay(runs: Runs, *, height: int = 420) -> go.Figure:
    """Draw each run's gradient against distance, after training or as far as it has come; a dot is its horizon."""
    shown = decays(runs)
    found = list(shown.values())
    drawn = _traces(runs, lambda label: (shown[label].distance, style.drawable(shown[label].relative)), _dashes(runs))
    if found:
        last = max(each.distance[-1] for each in found)
        drawn.append(style.level((0, last), single.threshold_of(shown), "threshold"))
    for label, each in shown.items():
        if np.isfinite(each.horizon):
            cell, size = runs[label].experiment.cell, float(each.relative[int(each.horizon)])
            drawn.append(style.dot(cell, each.horizon, size, f"horizon of {escape(label)}", label))
    layout = {
        "xaxis": {"title": {"text": single.axis_title(False)}, "range": style.distances(found)},
        "yaxis": single.size_axis(found),
        "annotations": single.threshold_label(shown, 14),
    }
    return style.figure(drawn, layout, height=height)


def timeline(runs: Runs, *, height: int = 420) -> go.Figure:
    """Draw each run's horizon, and below it its metric, by training step; metrics of other kinds get their own row."""
    by_metric = _grouped(runs, lambda run: run.metric_name)
    panels, dashes = style.numbers(1 + len(by_metric)), _dashes(runs)

    def through(value: Callable[[Snapshot], float]) -> Callable[[str], Curve]:
        def curve(label: str) -> Curve:
            taken = runs[label].snapshots
            return np.array([each.step for each in taken]), np.array([value(each) for each in taken])

        return curve

    drawn = _traces(runs, through(lambda each: each.decay.horizon), dashes)
    axes = {"yaxis": {"title": {"text": "horizon"}, "rangemode": "tozero"}}
    for panel, (metric, same) in zip(panels[1:], by_metric.items(), strict=True):
        drawn += _traces(same, through(lambda each: finite_median(each.metric)), dashes, panel, legend=False)
        axes[f"yaxis{panel}"] = metric_axis(metric)
    steps = max((run.experiment.steps for run in runs.values()), default=1)
    axes |= {f"xaxis{panel}": {"range": [0, steps]} for panel in panels}
    axes[f"xaxis{panels[-1]}"]["title"] = {"text": "training step"}
    grid = style.panels(len(panels), shared_xaxes=True, vertical_spacing=0.06)
    chances = _chances(dict(zip(panels[1:], by_metric.values(), strict=True)))
    return style.figure(drawn, grid, axes, chances, height=height)


def memory(runs: Runs, *, height: int = 420) -> go.Figure:
    """Draw what each run that is finished answers by distance, a row for each kind of measure."""
    finished = {label: run for label, run in runs.items() if isinstance(run, Run)}
    by_kind = _grouped(finished, lambda run: (run.memory.metric_name, run.memory.kind)) or {("", ""): {}}
    panels, dashes = style.numbers(len(by_kind)), _dashes(runs)
    drawn, axes = [], {}
    for panel, ((metric, kind), same) in zip(panels, by_kind.items(), strict=True):
        drawn += _traces(same, lambda label: (runs[label].memory.distance, runs[label].memory.value), dashes, panel)
        axes |= {f"xaxis{panel}": {"title": {"text": SEEN.get(kind, "")}}, f"yaxis{panel}": metric_axis(metric)}
    grid = style.panels(len(panels), vertical_spacing=0.2)
    chances = _chances(dict(zip(panels, by_kind.values(), strict=True)))
    return style.figure(drawn, grid, axes, chances, height=height)


def _grouped(runs: Runs, key: Callable) -> dict:
    """Return runs by what they have in common, in the order in which it first occurs."""
    groups = {}
    for label, run in runs.items():
        groups.setdefault(key(run), {})[label] = run
    return groups


def _dashes(runs: Runs) -> dict[str, str]:
    """Return each run's dash: its cell's own, and for further runs of that cell those that follow."""
    found, seen = {}, Counter()
    for label, run in runs.items():
        cell = run.experiment.cell
        found[label] = DASHES[(DASHES.index(style.DASHES[cell]) + seen[cell]) % len(DASHES)]
        seen[cell] += 1
    return found


def _traces(
    runs: Runs, curve: Callable[[str], Curve], dashes: Mapping[str, str], panel: str = "", legend: bool = True
) -> list[go.Scatter]:
    """Return a curve for each run."""
    drawn = []
    for label, run in runs.items():
        x, y = curve(label)
        drawn.append(
            go.Scatter(
                x=x, y=y, name=escape(label), mode="lines", legendgroup=label, showlegend=legend,
                line=style.line(run.experiment.cell, dash=dashes[label]), hovertemplate="%{y:.3g}",
                xaxis=f"x{panel}", yaxis=f"y{panel}",
            )
        )  # fmt: skip
    return drawn


def _chances(runs: Mapping[str, Runs]) -> style.Layout:
    """Return a line and its name for each panel whose runs have the same chance."""
    lines, names = [], []
    for panel, same in runs.items():
        chances = {run.chance for run in same.values()}
        if len(chances) == 1 and np.isfinite(chance := chances.pop()):
            names.append(style.label(chance, "chance", 13, panel))
            lines.append(
                {"type": "line", "x0": 0, "x1": 1, "xref": f"x{panel} domain", "y0": chance, "y1": chance,
                 "yref": f"y{panel}", "line": {"color": style.NEUTRAL, "dash": "dash", "width": 1.5}}
            )  # fmt: skip
    return {"shapes": lines, "annotations": names}
