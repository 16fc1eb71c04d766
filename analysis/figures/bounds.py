"""Bounds: a vector multiplied at every step, and how large a cell's states and gradients become."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from analysis.figures import animation, style
from analysis.results import SMALLEST, Bounds, Decay, Repeated

COLOURS = {"tanh": "#0072B2", "relu": "#E69F00", "identity": "#CC79A7"}
DASHES = {"tanh": "solid", "relu": "dash", "identity": "dot"}
ENTRIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#B8A200")
FLOOR = 1e-4  # the lowest size that the axis shows at first
FRAME_MS = 500  # how long a step stays in sight
HIGHEST_POWER = 308.25  # of ten: the largest float64


def repeated(result: Repeated, log: bool = False) -> go.Figure:
    """Draw a vector's entries step by step, without tanh and with it, to be played.

    Args:
        result: the vector at every step.
        log: sizes on a log axis, the same on both sides; else values, each side on its own axis.
    """
    sides = [style.drawable(np.abs(side)) if log else side for side in (result.plain, result.bounded)]
    last = len(result.plain) - 1
    steps = {"title": {"text": "step"}, "range": [-0.4, last + 0.4], "dtick": 2}
    plain, bounded = (_entry_axis(sides if log else [values], log) for values in sides)
    figure = style.figure(
        _entry_lines(result.plain[0], sides),
        style.panels(1, 2, titles=("without tanh", "with tanh"), horizontal_spacing=0.08),
        {
            "xaxis": steps,
            "xaxis2": steps,
            "yaxis": plain | {"title": {"text": "size of the entry" if log else "value of the entry"}},
            "yaxis2": bounded | {"side": "right"},  # or its labels lie in the left panel on a phone
            "hovermode": "closest",
            "margin": {"t": 74},
            "legend": {"y": 1.1, "title": {"text": "starts at"}},
        },
        _player(last),
        height=500,
    )
    figure.frames = _entry_frames(sides)
    return figure


def _entry_lines(starts: np.ndarray, sides: list[np.ndarray]) -> list[go.Scatter]:
    """Return a line for each entry in each panel, from values (steps, entries)."""
    last = len(sides[0]) - 1
    return [
        go.Scatter(
            x=np.arange(last + 1), y=values[:, n], name=f"{start:g}", legendgroup=str(n), showlegend=not panel,
            mode="lines+markers", line={"color": ENTRIES[n % len(ENTRIES)], "width": 2.5}, marker=_markers(last),
            hovertemplate=f"from {start:g}, step %{{x}}: %{{y:.4g}}<extra></extra>",
            xaxis=f"x{panel}", yaxis=f"y{panel}",
        )
        for panel, values in zip(style.numbers(2), sides, strict=True)
        for n, start in enumerate(starts)
    ]  # fmt: skip


def _entry_frames(sides: list[np.ndarray]) -> list[style.Layout]:
    """Return a frame for each step, which draws the lines up to there."""
    steps, entries = sides[0].shape
    return [
        {
            "name": str(k),
            "data": [
                {"type": "scatter", "x": np.arange(k + 1), "y": values[: k + 1, n], "marker": _markers(k)}
                for values in sides
                for n in range(entries)
            ],
            "traces": list(range(2 * entries)),
        }
        for k in range(steps)
    ]


def sizes(bounds: Mapping[str, Bounds], of: str = "hidden") -> go.Figure:
    """Draw by activation how large the state becomes: the largest, the median, and what 98 of 100 values span.

    Args:
        bounds: by activation, all with the same weights.
        of: hidden, or cell where there is one.
    """
    symbol = {"hidden": "|h|", "cell": "|c|"}[of]
    traces, tops, overflows = [], [1.0], {}
    for activation, result in bounds.items():
        low, median, high, largest = (style.drawable(level) for level in getattr(result, of))
        colour, x = COLOURS[activation], np.arange(len(largest))
        floor = np.maximum(np.nan_to_num(low), FLOOR)
        traces += [
            style.band(x, floor, high, colour, f"{activation} 1 % to 99 %", 0.1),
            go.Scatter(
                x=x, y=median, name=f"{activation} median", mode="lines", showlegend=False,
                line={"color": colour, "width": 1.2, "dash": DASHES[activation]}, hovertemplate="%{y:.3g}",
            ),
            _line(activation, x, largest, "largest %{y:.3g}"),
        ]  # fmt: skip
        tops += [float(np.nanmax(largest))] if np.isfinite(largest).any() else []
        if result.overflow_step is not None:
            overflows[activation] = result.overflow_step
    axes = {
        "xaxis": {"title": {"text": "time step"}},
        "yaxis": {"title": {"text": f"{symbol}: largest, median (thin)"}}
        | _powers(np.log10(FLOOR), np.log10(max(tops) * 3)),
    }
    return style.figure(traces, axes, _overflows(overflows), height=380)


def growth(decays: Mapping[str, Decay]) -> go.Figure:
    """Draw by activation how the gradient grows or shrinks with distance, with its 5th to 95th percentile."""
    traces, tops, bottoms = [], [1.0], [1.0]
    lost = [activation for activation, result in decays.items() if not np.isfinite(result.relative).any()]
    for activation, result in decays.items():
        colour, x = COLOURS[activation], result.distance
        low, middle, high = (style.drawable(values) for values in (result.low, result.relative, result.high))
        if activation not in lost:
            bottom_edge, top_edge = (np.nan_to_num(values, nan=SMALLEST) for values in (low, high))
            traces.append(style.band(x, bottom_edge, top_edge, colour, f"{activation} 5 % to 95 %", 0.1))
            tops.append(float(np.nanmax(high)))
            bottoms.append(float(np.nanmin(low)))
        traces.append(_line(activation, x, middle, "×%{y:.3g}"))
    traces.append(style.level((0, max(result.distance[-1] for result in decays.values())), 1.0, "as at the last step"))
    bottom = np.log10(max(min(bottoms), style.LOWEST)) - 0.3
    layout = {
        "xaxis": {"title": {"text": "distance (time steps back from the last)"}},
        "yaxis": {"title": {"text": "gradient, × the last step's"}} | _powers(bottom, np.log10(max(tops) * 3)),
        "annotations": [_note(f"{', '.join(lost)}: beyond floating point")] if lost else [],
    }
    return style.figure(traces, layout, height=380)


def saturated(bounds: Mapping[str, Bounds]) -> go.Figure:
    """Draw by activation the share of |h| beyond .99 at every step."""
    traces = [
        _line(activation, np.arange(len(result.saturated)), result.saturated, "%{y:.1%}")
        for activation, result in bounds.items()
    ]
    axes = {
        "xaxis": {"title": {"text": "time step"}},
        "yaxis": {"title": {"text": "share of |h| beyond .99"}, "range": [-0.02, 1.02], "tickformat": ".0%"},
    }
    return style.figure(traces, axes, height=320)


def _line(activation: str, x: np.ndarray, y: np.ndarray, hover: str) -> go.Scatter:
    """Return an activation's line; the legend shows its name."""
    return go.Scatter(
        x=x, y=y, name=activation, mode="lines", hovertemplate=hover,
        line={"color": COLOURS[activation], "width": 3, "dash": DASHES[activation]},
    )  # fmt: skip


def _markers(k: int) -> style.Layout:
    """Return the markers of steps 0 to k, the last one larger."""
    return {"size": [5] * k + [11], "opacity": 1, "line": {"width": 0}}


def _entry_axis(sides: list[np.ndarray], log: bool) -> style.Layout:
    """Return an axis whose range holds every step, so that it stays the same while the figure plays."""
    values = np.concatenate([side[np.isfinite(side)] for side in sides])
    if log:
        low, high = (values.min(), values.max()) if len(values) else (0.1, 1.0)
        return _powers(np.log10(low) - 0.3, np.log10(high) + 0.3)
    top = max(1.05, 1.1 * float(np.abs(values).max(initial=0.0)))
    return {"range": [-top, top]}


def _powers(low: float, high: float) -> style.Layout:
    """Return a log axis from 10^low to 10^high, with at most eight labels."""
    high = min(float(high), HIGHEST_POWER)
    return style.log_axis(float(low), high) | {"dtick": max(1, int(np.ceil((high - low) / 8)))}


def _player(last: int) -> style.Layout:
    """Return play, pause and a slider over the frames 0 to `last`, below the panels."""
    play, jump = animation.playback(FRAME_MS), animation.playback()
    buttons = animation.buttons([animation.button("▶ Play", None, play), animation.button("Pause", [None], jump)], 0.15)
    below = {"y": -0.2, "yanchor": "top"}
    buttons |= below | {"direction": "left", "pad": {"t": 22, "r": 8}}
    slider = animation.slider([str(k) for k in range(last + 1)], jump)
    slider |= below | {
        "active": last, "pad": {"t": 58}, "minorticklen": 0,
        "currentvalue": {"prefix": "step ", "xanchor": "right", "font": {"size": 14}},
    }  # fmt: skip
    return {"updatemenus": [buttons], "sliders": [slider]}


def _overflows(steps: Mapping[str, int]) -> style.Layout:
    """Return a line at each activation's overflow step, and a note that lists them."""
    lines = [
        {"type": "line", "x0": step, "x1": step, "xref": "x", "y0": 0, "y1": 1, "yref": "y domain",
         "line": {"color": COLOURS[activation], "width": 2, "dash": "dot"}}
        for activation, step in steps.items()
    ]  # fmt: skip
    listed = ["beyond floating point:", *(f"{activation} from step {step}" for activation, step in steps.items())]
    return {"shapes": lines, "annotations": [_note("<br>".join(listed))] if steps else []}


def _note(text: str) -> style.Layout:
    """Return a text in the lower right corner of the figure."""
    return {
        "text": text, "x": 1, "y": 0, "xref": "paper", "yref": "paper", "xanchor": "right", "yanchor": "bottom",
        "yshift": 16, "showarrow": False, "align": "right", "font": {"size": 13, "color": style.NEUTRAL},
    }  # fmt: skip
