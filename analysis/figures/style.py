"""What every figure shares: a colour and dash per cell, a colour per gate, scales, axes, margins."""

from collections.abc import Iterable

import numpy as np
import plotly.graph_objects as go

from analysis.results import Decay

COLOURS = {"rnn": "#D55E00", "lstm": "#0072B2", "gru": "#009E73"}
DASHES = {"rnn": "dot", "lstm": "solid", "gru": "dash"}
GATES = {
    "input": "#E69F00",
    "forget": "#0072B2",
    "candidate": "#CC79A7",
    "output": "#56B4E9",
    "reset": "#D55E00",
    "update": "#009E73",
}
NEUTRAL = "#808080"  # readable on white and on black
DIVERGING = [[0.0, "#0072B2"], [0.5, "#BFBFBF"], [1.0, "#E69F00"]]  # use with values symmetric about 0
SIGNED = {"tickvals": [-1, 0, 1], "ticktext": ["≤ −1", "0", "≥ 1"]}  # its ends and middle
CLEAR = "rgba(0,0,0,0)"
SMALLEST = 2.2e-308  # below this, floating point loses digits
LOWEST, HIGHEST = 1e-8, 3.0  # a decay's log axis at first


def faded(colour: str, opacity: float = 0.2) -> str:
    """Return a hex colour as an rgba one."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def line(cell: str, width: float = 2.5, **changes: str) -> dict[str, str | float]:
    """Return a cell's line: its colour, its dash."""
    return {"color": COLOURS[cell], "dash": DASHES[cell], "width": width} | changes


def layout(figure: go.Figure, height: int = 420, size: int = 14) -> go.Figure:
    """Give a figure its margins, its letters' size and a legend above the picture; return it."""
    figure.update_layout(
        height=height,
        font_size=size,
        margin={"l": 10, "r": 50, "t": 40, "b": 10},
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        hovermode="x unified",
        modebar={"orientation": "v", "bgcolor": CLEAR, "color": NEUTRAL, "activecolor": NEUTRAL},
        legend={
            "orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom", "font_size": size,
            "traceorder": "normal",
        },
    )  # fmt: skip
    axis = {
        "automargin": True, "showline": True, "linecolor": NEUTRAL, "zeroline": False,
        "gridcolor": faded(NEUTRAL, 0.25), "title_font_size": size, "tickfont_size": size - 1,
    }  # fmt: skip
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


def log_range(highest: float, lowest: float, full_depth: bool = False) -> list[float]:
    """Return a log axis's range, in powers of ten: 1e-8 … 3, higher where something grows, lower if asked."""
    bottom = np.log10(max(min(LOWEST, lowest), SMALLEST)) if full_depth else np.log10(LOWEST)
    top = np.log10(HIGHEST)
    if np.isfinite(highest) and highest > HIGHEST:
        top = np.log10(highest) + 0.04 * (np.log10(highest) - bottom)
    return [float(bottom), float(top)]


def drawable(values: np.ndarray) -> np.ndarray:
    """Return values for a log axis: what is not finite, or below floating point, leaves a gap."""
    return np.where(np.isfinite(values) & (values >= SMALLEST), values, np.nan)


def dot(cell: str, x: float, y: float, name: str, group: str) -> go.Scatter:
    """Mark a horizon on a cell's curve."""
    return go.Scatter(
        x=[x], y=[y], name=name, mode="markers", cliponaxis=False, showlegend=False, hoverinfo="skip",
        marker={"color": COLOURS[cell], "size": 12, "line": {"color": "white", "width": 1.5}}, legendgroup=group,
    )  # fmt: skip


def level(x: tuple[float, float], y: float, name: str) -> go.Scatter:
    """Draw a dashed grey line at a height, such as a threshold or chance."""
    return go.Scatter(
        x=list(x), y=[y, y], name=name, mode="lines", showlegend=False, hoverinfo="skip",
        line={"color": NEUTRAL, "dash": "dash", "width": 1.5},
    )  # fmt: skip


def key(name: str, dash: str = "solid", width: float = 2.5, opacity: float = 1.0) -> go.Scatter:
    """Return an entry of the legend that explains a way of drawing, without data."""
    return go.Scatter(
        x=[None],
        y=[None],
        name=name,
        mode="lines",
        line={"color": faded(NEUTRAL, opacity), "dash": dash, "width": width},
    )


def label_level(figure: go.Figure, y: float, text: str, size: int, axis: str = "", log: bool = False) -> None:
    """Name a level in the margin right of the picture, where no curve crosses it."""
    figure.add_annotation(
        x=1, y=float(np.log10(y)) if log else y, xref=f"x{axis} domain", yref=f"y{axis}", xanchor="left", xshift=3,
        yanchor="middle", text=text, font={"color": NEUTRAL, "size": size - 1}, showarrow=False,
    )  # fmt: skip


def distances(results: Iterable[Decay]) -> list[float]:
    """Return the range of an axis of distances, with a little room at both ends."""
    last = max((float(result.distance[-1]) for result in results), default=1.0)
    return [-0.01 * last, 1.01 * last]
