"""What would make it remember: untrained horizon, price and what runs learned, against one setting."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from analysis.experiment import SETTINGS
from analysis.figures import style
from analysis.reasons import Trial, Value
from analysis.report.sentences.advice import describe_trial, describe_value
from analysis.report.wording import format_number
from analysis.results import finite_median

Trials = Mapping[str, Mapping[Value, Trial]]  # by cell, by value
Metrics = Mapping[str, Mapping[Value, Sequence[float | None]]]  # by cell, by value: a run's metric, per seed


def values_of(trials: Trials) -> list[Value]:
    """Return all values of any cell, in the order of the cell that has most."""
    return max((list(by_value) for by_value in trials.values()), key=len, default=[])


def setting(
    name: str,
    trials: Trials,
    present: Value,
    metrics: Metrics | None = None,
    metric_name: str = "",
    *,
    height: int = 330,
) -> go.Figure:
    """Draw horizon and price against the values of one setting, the present one marked; dots are what runs learned.

    A dot that can be clicked has its value's number as `legendgroup`. A cross is a gradient that explodes.

    Args:
        name: of the setting.
        trials: by cell and value, in order; lines are medians over models, areas their range.
        present: the present value.
        metrics: by cell and value, the metric of finished runs; the panel is left out where no cell has several.
        metric_name: of them.
        height: in pixels, without that panel.
    """
    values = values_of(trials)
    learned = {cell: runs for cell, runs in (metrics or {}).items() if len(runs) > 1}
    rows = 3 if learned else 2
    traces = [trace for cell, by_value in trials.items() for trace in _cell(cell, by_value, values)]
    traces += [_dots(number, value, trials) for number, value in enumerate(values)]
    traces += [_runs(cell, runs, values) for cell, runs in learned.items()]
    ticks = [f"<b>{describe_value(value)}</b>" if value == present else describe_value(value) for value in values]
    x_axis = {"range": [-0.4, len(values) - 0.6], "tickvals": list(range(len(values))), "ticktext": ticks}
    below = style.numbers(rows)[-1]
    layout: style.Layout = {
        "hovermode": "closest",
        "yaxis": {"title": {"text": "horizon,<br>time steps"}, "rangemode": "tozero"},
        "yaxis2": {"title": {"text": "price"}, **_decades(trials), "dtick": 1},
        **{f"xaxis{number}": x_axis for number in style.numbers(rows)},
        "shapes": [_mark(values.index(present))] if present in values else [],
    }
    layout[f"xaxis{below}"] = x_axis | {"title": {"text": SETTINGS[name].label}}
    if learned:
        layout["yaxis3"] = {"title": {"text": metric_name}}
    panels = style.panels(rows, shared_xaxes=True, vertical_spacing=0.1)
    return style.figure(traces, panels, layout, height=height + 110 * bool(learned), size=13)


def _cell(cell: str, by_value: Mapping[Value, Trial], values: Sequence[Value]) -> list[go.Scatter]:
    """Return one cell's lines of horizon and price, each over its range over models."""
    x = np.array([values.index(value) for value in by_value])
    measures = {
        "": np.array([_finite(trial.decay.horizons) for trial in by_value.values()]),
        "2": np.array([_finite(trial.price) for trial in by_value.values()]),
    }
    traces = []
    for panel, (low, middle, high) in ((panel, found.T) for panel, found in measures.items()):
        axes: dict[str, str] = {"xaxis": f"x{panel}", "yaxis": f"y{panel}"}
        area = style.band(x, low, high, style.colour_of(cell), f"{cell.upper()} lowest to highest")
        traces.append(area.update(axes))
        traces.append(
            go.Scatter(
                x=x, y=middle, name=cell.upper(), mode="lines", line=style.line(cell), legendgroup=cell,
                showlegend=not panel, hoverinfo="skip", **axes,
            )
        )  # fmt: skip
    return traces


def _finite(numbers: np.ndarray) -> tuple[float, float, float]:
    """Return the lowest, the median and the highest of the numbers that are finite; NaN where none is."""
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return np.nan, np.nan, np.nan
    return float(finite.min()), float(np.median(finite)), float(finite.max())


def _dots(number: int, value: Value, trials: Trials) -> go.Scatter:
    """Return the dots of one value, of all cells that have it, on their lines of horizon."""
    there = {cell: by_value[value] for cell, by_value in trials.items() if value in by_value}
    horizons = [_finite(trial.decay.horizons)[1] for trial in there.values()]
    texts = [
        f"{cell.upper()}, {describe_value(value)}: horizon {describe_trial(trial)}, "
        f"price {format_number(float(finite_median(trial.price)))}"
        for cell, trial in there.items()
    ]
    return go.Scatter(
        x=[number] * len(there), y=horizons, mode="markers", legendgroup=str(number), showlegend=False, name="",
        text=texts, hovertemplate="%{text}", cliponaxis=False,
        marker={
            "size": 10, "color": [style.colour_of(cell) for cell in there],
            "symbol": ["x" if trial.explodes else "circle" for trial in there.values()],
            "line": {"color": "white", "width": 1},
        },
    )  # fmt: skip


def _runs(cell: str, runs: Mapping[Value, Sequence[float | None]], values: Sequence[Value]) -> go.Scatter:
    """Return what finished runs of one cell got, a dot for each, over its range over models."""
    known = {value: _finite(np.array(metric, float)) for value, metric in runs.items() if value in values}
    low, middle, high = np.array(list(known.values())).T
    return go.Scatter(
        x=[values.index(value) for value in known], y=middle, name=f"{cell.upper()} trained", mode="markers",
        showlegend=False, xaxis="x3", yaxis="y3", hovertemplate="%{y:.3g}",
        error_y={"type": "data", "array": high - middle, "arrayminus": middle - low, "thickness": 1},
        marker={"size": 9, "color": style.colour_of(cell)},
    )  # fmt: skip


def _decades(trials: Trials) -> style.Layout:
    """Return a log axis over the prices, from one power of ten to another."""
    prices = np.concatenate([trial.price for by_value in trials.values() for trial in by_value.values()])
    prices = prices[np.isfinite(prices) & (prices > 0)]
    if not len(prices):
        return style.log_axis(-3, 0)
    return style.log_axis(float(np.floor(np.log10(prices.min()))), float(np.ceil(np.log10(prices.max()))))


def _mark(number: int) -> style.Layout:
    """Return the line through all panels that marks the present value."""
    line = {"color": style.NEUTRAL, "width": 1, "dash": "dot"}
    return {"type": "line", "xref": "x", "yref": "paper", "x0": number, "x1": number, "y0": 0, "y1": 1, "line": line}
