"""One sentence by word: the states, the gates, and what a prediction depends on."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from analysis.figures import style
from analysis.figures.cell import SHORT, shortened
from analysis.reading import Reading

CROWDED = 18  # from this many words on, only some are named: a phone has no room for more
UNITS = {"title": {"text": "unit"}, "showgrid": False, "showline": False, "nticks": 5}  # the y axis of a map
STATES = {"hidden": "hidden state h", "cell": "cell state c"}


def states(reading: Reading, word: int) -> go.Figure:
    """Draw every unit's hidden state, and an LSTM's cell state, after each word; mark one word."""
    names = [name for name in ("cell", "hidden") if name in reading.parts]
    panels = style.numbers(len(names))
    return style.figure(
        [_map(reading, name, panel) for panel, name in zip(panels, names, strict=True)],
        style.panels(len(names), shared_xaxes=True, vertical_spacing=0.1, titles=tuple(STATES[name] for name in names)),
        {f"yaxis{panel}": UNITS for panel in panels},
        by_word(reading.words, panels),
        _scale(lift=28),
        _mark(word, panels),
        height=120 + 190 * len(names),
    )


def connectivity(readings: Mapping[str, Reading], word: int, *, relative: bool = False) -> go.Figure:
    """Draw how strongly the prediction at a word depends on each word so far, the cells under each other.

    Absolute sizes share one log axis; relative ones are shares of each cell's largest. Distill (2019).
    """
    sizes = {
        name: reading.relative[word] if relative else style.drawable(reading.connectivity[word])
        for name, reading in readings.items()
    }
    panels = style.numbers(len(readings))
    bars = [
        go.Bar(
            x=np.arange(len(sizes[name])), y=sizes[name], name=name.upper(), showlegend=False,
            xaxis=f"x{panel}", yaxis=f"y{panel}",
            marker={"color": style.COLOURS[name.split()[0]], "line": {"width": 0}},
            text=[shortened(text) for text in reading.words], textposition="none",
            customdata=np.stack([reading.connectivity[word], reading.relative[word]], -1),
            hovertemplate="%{text}: %{customdata[0]:.3g}, %{customdata[1]:.1%} of the largest<extra></extra>",
        )
        for panel, (name, reading) in zip(panels, readings.items(), strict=True)
    ]  # fmt: skip
    axis = {"range": [0, 1.05], "tickformat": ".0%", "nticks": 3} if relative else _powers([*sizes.values()])
    return style.figure(
        bars,
        style.panels(
            len(readings), shared_xaxes=True, vertical_spacing=0.36 / len(readings),
            titles=tuple(name.upper() for name in readings),
        ),
        {f"yaxis{panel}": axis | {"title": {"text": "share" if relative else "size"}} for panel in panels},
        by_word(next(iter(readings.values())).words, panels),
        {"hovermode": "closest", "bargap": 0.25},
        _mark(word, panels),
        height=100 + 140 * len(readings),
    )  # fmt: skip


def _powers(sizes: list[np.ndarray]) -> style.Layout:
    """Return a log axis that holds all sizes, at most twelve powers of ten of them."""
    powers = np.log10(np.concatenate(sizes))
    if not np.isfinite(powers).any():
        return {"type": "log"}
    low, high = np.nanmin(powers), np.nanmax(powers)
    room = 0.05 * max(high - low, 1)
    bottom, top = max(low, high - 12) - 3 * room, high + room
    ticks = {"dtick": np.ceil((top - bottom) / 3)} if top - bottom > 1 else {"nticks": 4}
    return style.log_axis(bottom, top) | ticks


def _map(reading: Reading, name: str, panel: str) -> go.Heatmap:
    """Return a (T, H) part as a map of units by word."""
    values = reading.parts[name]
    return go.Heatmap(
        z=values.T, y=np.arange(1, values.shape[1] + 1), name=name, coloraxis="coloraxis", xaxis=f"x{panel}",
        yaxis=f"y{panel}",
        text=np.broadcast_to([shortened(word) for word in reading.words], values.T.shape),
        hovertemplate="%{text}, unit %{y}: %{z:.3f}<extra></extra>",
    )  # fmt: skip


def by_word(words: Sequence[str], panels: list[str]) -> style.Layout:
    """Return x axes, with the words below the last panel; only every second or third of many words."""
    T = len(words)
    named = range(0, T, 1 + T // CROWDED)
    shown = [shortened(words[t], SHORT) for t in named]
    names = {
        "tickvals": list(named),
        "ticktext": shown,
        "tickangle": 0 if max(map(len, shown)) <= 2 else -45,  # such as Chinese characters, which need no turning
        "tickfont": {"size": 12},
    }
    axis = {"range": [-0.5, T - 0.5], "showgrid": False}
    return {f"xaxis{panel}": axis | (names if panel == panels[-1] else {}) for panel in panels}


def _mark(word: int, panels: list[str]) -> style.Layout:
    """Return an outline around one word in every panel."""
    return {
        "shapes": [
            {
                "type": "rect", "x0": word - 0.5, "x1": word + 0.5, "xref": f"x{panel}",
                "y0": 0, "y1": 1, "yref": f"y{panel} domain", "line": {"color": style.NEUTRAL, "width": 2},
            }
            for panel in panels
        ]
    }  # fmt: skip


def _scale(lift: int = 8) -> style.Layout:
    """Return a colour scale `lift` pixels above the picture, where it takes no width on a phone."""
    bar = {
        "orientation": "h", "thickness": 10, "len": 0.6, "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom",
        "ypad": lift, "outlinewidth": 0, "tickfont": {"size": 12}, **style.SIGNED,
    }  # fmt: skip
    return {
        "hovermode": "closest",
        "margin": {"l": 46, "t": 45 + lift},
        "coloraxis": {"cmin": -1, "cmax": 1, "colorscale": style.DIVERGING, "colorbar": bar},
    }
