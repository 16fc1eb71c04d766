"""What all figures share: a colour and a dash for each cell, a colour for each gate, scales, axes, margins."""

from collections.abc import Iterable
from functools import cache, reduce
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.reasons import Prediction
from analysis.results import SMALLEST, Decay, Memory

COLOURS = {"rnn": "#D55E00", "lstm": "#0072B2", "gru": "#009E73"}
DASHES = {"rnn": "dot", "lstm": "solid", "gru": "dash"}
SYMBOLS = {"rnn": "triangle-up", "lstm": "circle", "gru": "square"}  # of marks without a line
GATE_COLOURS = {  # none of a cell's hue; 3:1 or more on white and on Streamlit's dark background
    "input": "#9A8A00",
    "forget": "#7F3FE8",
    "candidate": "#A886B4",
    "output": "#E0487A",
    "reset": "#85694A",
    "update": "#D01FB0",
}
GATE_SCALE = [[0.0, "#5A5A66"], [0.5, "#CFCFCF"], [1.0, "#E69F00"]]  # a gate from 0 to 1
NEUTRAL = "#808080"  # readable on white and on black
NEGATIVE, POSITIVE = "#7B1E3C", "#D9A900"  # of values below and above 0: dark red and gold, no cell's and no gate's
DIVERGING = [[0.0, NEGATIVE], [0.5, "#BFBFBF"], [1.0, POSITIVE]]  # use with values symmetric about 0
SIGNED = {"tickvals": [-1, 0, 1], "ticktext": ["≤ −1", "0", "≥ 1"]}  # a colour bar's ends and middle
CHOSEN = "#E8590C"  # the outline of what was clicked; the accent of the widgets
CLEAR = "rgba(0,0,0,0)"
LOWEST, HIGHEST = 1e-8, 3.0  # a decay's log axis at first

Layout = dict[str, Any]  # of a figure, or a part of one


def faded(colour: str, opacity: float = 0.2) -> str:
    """Return a hex colour as an rgba one."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def small_bar(x: float, length: float, title: str) -> Layout:
    """Return a small colour bar at the top of a picture, around a place of its width, with a title above it."""
    return {
        "orientation": "h", "thickness": 8, "len": length, "x": x, "xanchor": "center", "y": 1, "ypad": 0, "xpad": 0,
        "yanchor": "top", "outlinewidth": 0, "tickfont": {"size": 12}, "tickangle": 0,
        "title": {"text": title, "side": "top", "font": {"size": 12}},
    }  # fmt: skip


def colour_of(cell: str) -> str:
    """Return a cell's colour; grey for a cell of one's own."""
    return COLOURS.get(cell, NEUTRAL)


def dash_of(cell: str) -> str:
    """Return a cell's dash; a long one for a cell of one's own."""
    return DASHES.get(cell, "longdash")


def line(cell: str, width: float = 2.5, **changes: str) -> Layout:
    """Return a cell's line: its colour, its dash."""
    return {"color": colour_of(cell), "dash": dash_of(cell), "width": width} | changes


def line_before(cell: str) -> Layout:
    """Return the faint thin line of a cell before its training, beside the one after it."""
    return line(cell, 1.5, color=faded(colour_of(cell), 0.55))


def figure(traces: Iterable[Any], *layouts: Layout, height: int = 420, size: int = 14) -> go.Figure:
    """Return a figure with the margins, letters, legend and axes that all figures have in common.

    The whole layout is passed to plotly at once: setting one part after the other takes several times as long, and
    during a training a page draws its figures again every second.

    Args:
        traces: the traces to draw.
        layouts: parts of this figure's layout; a later one overrides earlier ones, and all override the common layout.
        height: in pixels.
        size: of letters, in pixels.
    """
    axis = {
        "automargin": True, "showline": True, "linecolor": NEUTRAL, "zeroline": False,
        "gridcolor": faded(NEUTRAL, 0.25), "title": {"font": {"size": size}}, "tickfont": {"size": size - 1},
    }  # fmt: skip
    common = {
        "height": height,
        "template": "none",  # nothing of it is used: the page's theme and all exports bring their own
        "font": {"size": size},
        # Wide enough for titles, labels and a line of legend: where these need more, plotly draws everything twice.
        "margin": {"l": 4 * size + 30, "r": 50, "t": 56, "b": 2 * size + 42},
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "hovermode": "x unified",
        "modebar": {"orientation": "v", "bgcolor": CLEAR, "color": NEUTRAL, "activecolor": NEUTRAL},
        "legend": {
            "orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom", "font": {"size": size},
            "traceorder": "normal",
        },
    }  # fmt: skip
    axes = {"xaxis", "yaxis"}.union(*layouts)
    common |= {name: axis for name in axes if name.startswith(("xaxis", "yaxis"))}
    return go.Figure(list(traces), reduce(merged, layouts, common))


def merged(one: Layout, other: Layout) -> Layout:
    """Merge two layouts at every depth; where both have a value, the second's is used."""
    deep = {name for name in one.keys() & other.keys() if isinstance(one[name], dict) and isinstance(other[name], dict)}
    return one | other | {name: merged(one[name], other[name]) for name in deep}


@cache
def panels(
    rows: int, columns: int = 1, titles: tuple[str | None, ...] = (), **options: bool | float | tuple[float, ...]
) -> Layout:
    """Return the axes and titles of panels, row by row, as plotly's `make_subplots` lays them out.

    Where a title is None there is no panel. The result is cached: callers must not change it.
    """
    specs = np.full((rows, columns), {}, dtype=object)
    specs.flat[[k for k, title in enumerate(titles) if title is None]] = None
    named = [title for title in titles if title is not None]  # plotly passes over places without a panel
    figure = make_subplots(rows, columns, subplot_titles=named, specs=specs.tolist(), **options)
    layout = figure.to_dict()["layout"]
    return {"annotations": [], **{name: value for name, value in layout.items() if name != "template"}}


def numbers(count: int) -> list[str]:
    """Return the suffixes of x, y, xaxis and yaxis for `count` panels: "", "2", "3" and so on."""
    return ["", *map(str, range(2, count + 1))]


def log_range(highest: float, lowest: float, full_depth: bool = False) -> list[float]:
    """Return a log axis's range, in powers of ten: 1e-8 … 3, higher for larger values, lower with `full_depth`."""
    bottom = np.log10(max(min(LOWEST, lowest), SMALLEST)) if full_depth else np.log10(LOWEST)
    top = np.log10(HIGHEST)
    if np.isfinite(highest) and highest > HIGHEST:
        top = np.log10(highest) + 0.04 * (np.log10(highest) - bottom)
    return [float(bottom), float(top)]


def log_axis(bottom: float, top: float) -> Layout:
    """Return a log axis between two powers of ten."""
    return {"type": "log", "range": [bottom, top], "exponentformat": "power"}


def decades(bottom: float, top: float) -> Layout:
    """Return a log axis between two powers of ten, with a label every second power, or fewer on a deep one."""
    return log_axis(bottom, top) | {"dtick": 2 if top - bottom < 14 else float(np.ceil((top - bottom) / 6))}


def along_x(result: Decay | Memory | Prediction, position: bool) -> np.ndarray:
    """Return a result's distances, or with `position` the steps of the sequence at these distances before the last."""
    return result.distance[-1] - result.distance if position else result.distance


def drawable(values: np.ndarray) -> np.ndarray:
    """Return values for a log axis, NaN (a gap) where they are not finite or below floating point."""
    return np.where(np.isfinite(values) & (values >= SMALLEST), values, np.nan)


def band(
    x: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, name: str, opacity: float = 0.15, **more: str
) -> go.Scatter:
    """Return a filled area between two curves, where both are finite."""
    there = np.isfinite(low) & np.isfinite(high)
    return go.Scatter(
        x=np.concatenate([x[there], x[there][::-1]]), y=np.concatenate([high[there], low[there][::-1]]), name=name,
        mode="lines", line={"width": 0, "color": colour}, fill="toself", fillcolor=faded(colour, opacity),
        showlegend=False, hoverinfo="skip", **more,
    )  # fmt: skip


def bars(middle: np.ndarray, low: np.ndarray, high: np.ndarray, **changes: str | float) -> Layout:
    """Return bars around marks, from low to high."""
    return {"type": "data", "array": high - middle, "arrayminus": middle - low, "thickness": 1.5, "width": 4} | changes


def mark(cell: str, opacity: float = 1.0) -> Layout:
    """Return a cell's mark, where there is no line: its colour, its symbol."""
    return {"size": 11, "color": faded(colour_of(cell), opacity), "symbol": SYMBOLS.get(cell, "x")}


def dot(cell: str, x: float, y: float, name: str, group: str, down: float | None = None) -> go.Scatter:
    """Return the mark of a horizon on a cell's curve, with a thin line down to the height `down` if given."""
    ends = [y] if down is None else [y, down]
    return go.Scatter(
        x=[x] * len(ends), y=ends, name=name, cliponaxis=False, showlegend=False, hoverinfo="skip", legendgroup=group,
        mode="markers" if down is None else "lines+markers", line={"color": faded(colour_of(cell), 0.6), "width": 1},
        marker={
            "color": colour_of(cell), "size": [12, 0], "opacity": 1, "line": {"color": "white", "width": [1.5, 0]},
        },
    )  # fmt: skip


def level(x: tuple[float, float], y: float, name: str, panel: str = "") -> go.Scatter:
    """Return a dashed grey line at a height, such as a threshold or chance."""
    return go.Scatter(
        x=list(x), y=[y, y], name=name, mode="lines", showlegend=False, hoverinfo="skip",
        xaxis=f"x{panel}", yaxis=f"y{panel}",
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


def keys_before(before: object) -> list[go.Scatter]:
    """Return the legend's entry of what was before training, where there is anything of it."""
    return [key("before training", width=1.5, opacity=0.6)] if before else []


def label(y: float, text: str, size: int, panel: str = "", log: bool = False) -> Layout:
    """Return a level's label in the margin to the right of the picture, where no curve crosses it."""
    return {
        "x": 1, "y": float(np.log10(y)) if log else y, "xref": f"x{panel} domain", "yref": f"y{panel}",
        "xanchor": "left", "xshift": 3, "yanchor": "middle", "text": text,
        "font": {"color": NEUTRAL, "size": size - 1}, "showarrow": False,
    }  # fmt: skip


def below(text: str, shift: int, size: int) -> Layout:
    """Return a line of text in the middle below all panels: a title of their x axes that fits on a phone.

    `shift` is where its upper end lies, in pixels above the panels' lower end.
    """
    return {
        "text": text, "x": 0.5, "y": 0, "xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "top",
        "yshift": shift, "showarrow": False, "font": {"size": size},
    }  # fmt: skip


def distances(results: Iterable[Decay]) -> list[float]:
    """Return the range of an axis of distances, with a little room at both ends."""
    last = max((float(result.distance[-1]) for result in results), default=1.0)
    return [-0.01 * last, 1.01 * last]
