"""Bounds: a vector multiplied again and again, and how large a real cell's states and gradients become."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures import style
from analysis.results import Bounds, Decay, Repeated

COLOURS = {"tanh": "#0072B2", "relu": "#E69F00", "identity": "#CC79A7"}
DASHES = {"tanh": "solid", "relu": "dash", "identity": "dot"}
ENTRIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#B8A200")
FLOOR = 1e-4  # the lowest size shown at first
FRAME_MS = 500


def repeated(result: Repeated, log: bool = False) -> go.Figure:
    """Draw a vector's entries step by step, without tanh and with it, to be played.

    Args:
        result: the vector times a number, again and again.
        log: sizes on a log axis, the same on both sides; else values, each side on its own axis.
    """
    figure = make_subplots(1, 2, subplot_titles=["without tanh", "with tanh"], horizontal_spacing=0.08)
    sides = [style.drawable(np.abs(side)) if log else side for side in (result.plain, result.bounded)]
    last = len(result.plain) - 1
    for column, values in enumerate(sides, 1):
        for n, start in enumerate(result.plain[0]):
            colour = ENTRIES[n % len(ENTRIES)]
            figure.add_scatter(
                x=np.arange(last + 1), y=values[:, n], name=f"{start:g}", legendgroup=str(n), showlegend=column == 1,
                mode="lines+markers", line={"color": colour, "width": 2.5}, marker=_head(last), row=1, col=column,
                hovertemplate=f"from {start:g}, step %{{x}}: %{{y:.4g}}<extra></extra>",
            )  # fmt: skip
    figure.frames = [
        go.Frame(
            name=str(k),
            data=[
                go.Scatter(x=np.arange(k + 1), y=values[: k + 1, n], marker=_head(k))
                for values in sides
                for n in range(values.shape[1])
            ],
            traces=list(range(2 * result.plain.shape[1])),
        )
        for k in range(last + 1)
    ]
    style.layout(figure, height=500)
    figure.update_xaxes(title_text="step", range=[-0.4, last + 0.4], dtick=2)
    for column, values in enumerate(sides, 1):
        figure.update_yaxes(**_axis(sides if log else [values], log), row=1, col=column)
    figure.update_yaxes(side="right", col=2)  # or its labels lie in the left panel on a phone
    figure.update_yaxes(title_text="size of the entry" if log else "value of the entry", col=1)
    figure.update_layout(
        hovermode="closest", margin={"t": 74, "b": 10}, **_player(last),
        legend={"y": 1.1, "title": {"text": "starts at"}},
    )  # fmt: skip
    return figure


def sizes(bounds: Mapping[str, Bounds], of: str = "hidden") -> go.Figure:
    """Draw by activation how large the state becomes: the largest, the median, and what 98 of 100 values span.

    Args:
        bounds: by activation, all with the same weights.
        of: hidden, or cell where there is one.
    """
    figure = style.layout(go.Figure(), height=380)
    symbol = {"hidden": "|h|", "cell": "|c|"}[of]
    tops, overflows = [1.0], {}
    for activation, found in bounds.items():
        low, median, high, largest = (style.drawable(level) for level in getattr(found, of))
        colour, x = COLOURS[activation], np.arange(len(largest))
        edge = _edge(x, colour)
        inside = np.isfinite(high)  # a filled area ends where its edge has a gap
        figure.add_scatter(y=np.where(inside, high, FLOOR), name=f"{activation} 99 %", **edge)
        figure.add_scatter(
            y=np.where(inside, np.maximum(np.nan_to_num(low), FLOOR), FLOOR), name=f"{activation} 1 %",
            fill="tonexty", fillcolor=style.faded(colour, 0.1), **edge,
        )  # fmt: skip
        figure.add_scatter(
            x=x, y=median, name=f"{activation} median", mode="lines", showlegend=False,
            line={"color": colour, "width": 1.2, "dash": DASHES[activation]}, hovertemplate="%{y:.3g}",
        )  # fmt: skip
        figure.add_scatter(
            x=x, y=largest, name=activation, mode="lines",
            line={"color": colour, "width": 3, "dash": DASHES[activation]}, hovertemplate="largest %{y:.3g}",
        )  # fmt: skip
        tops += [float(np.nanmax(largest))] if np.isfinite(largest).any() else []
        if found.overflow_step is not None:
            overflows[activation] = found.overflow_step
    figure.update_xaxes(title_text="time step")
    figure.update_yaxes(
        title_text=f"{symbol}: largest, median (thin)", **_powers(np.log10(FLOOR), np.log10(max(tops) * 3))
    )
    figure.update_layout(legend_traceorder="normal")
    _mark_overflows(figure, overflows)
    return figure


def growth(decays: Mapping[str, Decay]) -> go.Figure:
    """Draw by activation how the gradient grows or shrinks with distance, with its 5th to 95th percentile."""
    figure = style.layout(go.Figure(), height=380)
    tops, bottoms = [1.0], [1.0]
    lost = [activation for activation, found in decays.items() if not np.isfinite(found.relative).any()]
    for activation, found in decays.items():
        colour, x = COLOURS[activation], found.distance
        low, middle, high = (style.drawable(values) for values in (found.low, found.relative, found.high))
        edge = _edge(x, colour)
        if activation not in lost:
            figure.add_scatter(y=np.nan_to_num(high, nan=style.SMALLEST), name=f"{activation} 95 %", **edge)
            figure.add_scatter(
                y=np.nan_to_num(low, nan=style.SMALLEST), name=f"{activation} 5 %", fill="tonexty",
                fillcolor=style.faded(colour, 0.1), **edge,
            )  # fmt: skip
            tops.append(float(np.nanmax(high)))
            bottoms.append(float(np.nanmin(low)))
        figure.add_scatter(
            x=x, y=middle, name=activation, mode="lines", hovertemplate="×%{y:.3g}",
            line={"color": colour, "width": 3, "dash": DASHES[activation]},
        )  # fmt: skip
    figure.add_trace(style.level((0, max(found.distance[-1] for found in decays.values())), 1.0, "as at the last step"))
    bottom = np.log10(max(min(bottoms), style.LOWEST)) - 0.3
    figure.update_xaxes(title_text="distance (steps back from the last)")
    figure.update_yaxes(title_text="gradient, × the last step's", **_powers(bottom, np.log10(max(tops) * 3)))
    figure.update_layout(legend_traceorder="normal")
    if lost:
        _note(figure, f"{', '.join(lost)}: beyond floating point")
    return figure


def saturated(bounds: Mapping[str, Bounds]) -> go.Figure:
    """Draw by activation the share of |h| beyond .99 at every step."""
    figure = style.layout(go.Figure(), height=320)
    for activation, found in bounds.items():
        figure.add_scatter(
            x=np.arange(len(found.saturated)), y=found.saturated, name=activation, mode="lines",
            line={"color": COLOURS[activation], "width": 3, "dash": DASHES[activation]}, hovertemplate="%{y:.1%}",
        )  # fmt: skip
    figure.update_xaxes(title_text="time step")
    figure.update_yaxes(title_text="share of |h| beyond .99", range=[-0.02, 1.02], tickformat=".0%")
    return figure


def _head(k: int) -> dict[str, list[int] | int]:
    """Return markers of which the last, step k, is large."""
    return {"size": [5] * k + [11], "line": {"width": 0}}


def _axis(sides: list[np.ndarray], log: bool) -> dict:
    """Return an axis that holds every step, so that nothing jumps while it plays."""
    values = np.concatenate([side[np.isfinite(side)] for side in sides])
    if log:
        low, high = (values.min(), values.max()) if len(values) else (0.1, 1.0)
        return _powers(np.log10(low) - 0.3, np.log10(high) + 0.3)
    top = max(1.05, 1.1 * float(np.abs(values).max(initial=0.0)))
    return {"range": [-top, top]}


def _powers(low: float, high: float) -> dict:
    """Return a log axis from 10^low to 10^high, with no more labels than fit."""
    high = min(float(high), 308.25)
    return {
        "type": "log", "range": [float(low), high], "exponentformat": "power",
        "dtick": max(1, int(np.ceil((high - low) / 8))),
    }  # fmt: skip


def _player(last: int) -> dict:
    """Return play, pause and a slider over the frames, drawn by the browser alone."""
    still = {"mode": "immediate", "transition": {"duration": 0}, "frame": {"duration": 0, "redraw": False}}
    moving = {
        "mode": "immediate", "fromcurrent": False, "transition": {"duration": 0},
        "frame": {"duration": FRAME_MS, "redraw": False},
    }  # fmt: skip
    look = {"font": {"color": style.NEUTRAL, "size": 14}, "bgcolor": style.faded(style.NEUTRAL, 0.15)}
    buttons = {
        "type": "buttons", "direction": "left", "showactive": False, "x": 0, "y": -0.2, "xanchor": "left",
        "yanchor": "top", "pad": {"t": 22, "r": 8}, "bordercolor": style.NEUTRAL, **look,
        "buttons": [
            {"label": "▶ Play", "method": "animate", "args": [None, moving]},
            {"label": "Pause", "method": "animate", "args": [[None], still]},
        ],
    }  # fmt: skip
    slider = {
        "active": last, "x": 0, "len": 1, "y": -0.2, "yanchor": "top", "pad": {"t": 58}, "minorticklen": 0,
        "currentvalue": {"prefix": "step ", "xanchor": "right", "font": {"size": 14}}, "font": {"size": 12},
        "bgcolor": style.faded(style.NEUTRAL, 0.3), "bordercolor": style.NEUTRAL, "tickcolor": style.NEUTRAL,
        "steps": [{"label": str(k), "method": "animate", "args": [[str(k)], still]} for k in range(last + 1)],
    }  # fmt: skip
    return {"updatemenus": [buttons], "sliders": [slider]}


def _mark_overflows(figure: go.Figure, overflows: Mapping[str, int]) -> None:
    """Mark the step from which a state is beyond floating point."""
    for activation, step in overflows.items():
        figure.add_vline(x=step, line={"color": COLOURS[activation], "width": 2, "dash": "dot"})
    if overflows:
        steps = [f"{activation} from step {step}" for activation, step in overflows.items()]
        _note(figure, "<br>".join(["beyond floating point:", *steps]))


def _note(figure: go.Figure, text: str) -> None:
    figure.add_annotation(
        text=text, x=1, y=0, xref="paper", yref="paper", xanchor="right", yanchor="bottom", yshift=16, showarrow=False,
        align="right", font={"size": 13, "color": style.NEUTRAL},
    )  # fmt: skip


def _edge(x: np.ndarray, colour: str) -> dict:
    """One invisible edge of a filled area."""
    return {"x": x, "mode": "lines", "line": {"width": 0, "color": colour}, "showlegend": False, "hoverinfo": "skip"}
