"""One sentence by word: the states, the gates, and what a prediction depends on."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures import style
from analysis.figures.cell import SHORT, shown
from analysis.sentence import Reading

CROWDED = 18  # words from which every other one is named: a phone has no room for more
STATES = {"hidden": "hidden state h", "cell": "cell state c"}


def states(reading: Reading) -> go.Figure:
    """Draw every unit's hidden state, and an LSTM's cell state, after each word."""
    found = [name for name in ("cell", "hidden") if name in reading.parts]
    figure = make_subplots(
        len(found), 1, shared_xaxes=True, vertical_spacing=0.1, subplot_titles=[STATES[name] for name in found]
    )
    style.layout(figure, height=120 + 190 * len(found))
    for row, name in enumerate(found, 1):
        _map(figure, reading, name, row)
    _by_word(figure, reading, len(found))
    _scale(figure, lift=28)
    return figure


def gate(reading: Reading, name: str) -> go.Figure:
    """Draw one gate by word: its mean over units above, every unit below, from shut (blue) to open (orange)."""
    values = reading.parts[name]
    figure = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.42, 0.58])
    style.layout(figure, height=380)
    figure.add_scatter(
        x=np.arange(len(values)), y=values.mean(1), name="mean over units", mode="lines+markers", marker_size=7,
        line={"color": style.GATES[name], "width": 3}, hovertemplate="mean over units: %{y:.3f}<extra></extra>",
        row=1, col=1,
    )  # fmt: skip
    figure.update_yaxes(title_text="mean", row=1, col=1)
    _map(figure, reading, name, 2)
    _by_word(figure, reading, 2)
    _scale(figure)
    if name != "candidate":
        figure.update_yaxes(range=[-0.03, 1.03], row=1, col=1)
        figure.update_layout(
            coloraxis={"cmin": 0, "colorbar": {"tickvals": [0, 0.5, 1], "ticktext": ["0 shut", "0.5", "1 open"]}}
        )
    figure.update_yaxes(nticks=4, row=1, col=1)
    return figure


def connectivity(readings: Mapping[str, Reading], word: int, *, relative: bool = False) -> go.Figure:
    """Draw how strongly the prediction at a word depends on each word so far, the cells under each other.

    Absolute sizes share one log axis; relative ones are shares of each cell's largest. Distill (2019).
    """
    figure = make_subplots(
        len(readings), 1, shared_xaxes=True, vertical_spacing=0.36 / max(len(readings), 1),
        subplot_titles=[name.upper() for name in readings],
    )  # fmt: skip
    style.layout(figure, height=100 + 140 * len(readings))
    drawn = {name: (r.relative if relative else r.connectivity)[word] for name, r in readings.items()}
    for row, (name, reading) in enumerate(readings.items(), 1):
        sizes = drawn[name] if relative else style.drawable(drawn[name])
        figure.add_bar(
            x=np.arange(len(sizes)), y=sizes, name=name.upper(), showlegend=False, row=row, col=1,
            marker={"color": style.COLOURS[name.split()[0]], "line_width": 0},
            text=[shown(each) for each in reading.words], textposition="none",
            customdata=np.stack([reading.connectivity[word], reading.relative[word]], -1),
            hovertemplate="%{text}: %{customdata[0]:.3g}, %{customdata[1]:.1%} of the largest<extra></extra>",
        )  # fmt: skip
    if readings:
        _by_word(figure, next(iter(readings.values())), len(readings))
    if relative:
        figure.update_yaxes(range=[0, 1.05], tickformat=".0%", nticks=3)
    else:
        sizes = np.concatenate([style.drawable(own) for own in drawn.values()])
        if np.isfinite(sizes).any():
            low, high = np.log10(np.nanmin(sizes)), np.log10(np.nanmax(sizes))
            room = 0.05 * max(high - low, 1)
            figure.update_yaxes(range=[max(low, high - 12) - 3 * room, high + room])
        figure.update_yaxes(type="log", exponentformat="power", nticks=4)
    figure.update_layout(hovermode="closest", bargap=0.25)
    return figure


def _map(figure: go.Figure, reading: Reading, name: str, row: int) -> None:
    """Draw a (T, H) part as a map of units by word."""
    values = reading.parts[name]
    figure.add_heatmap(
        z=values.T, name=name, coloraxis="coloraxis", row=row, col=1,
        text=np.broadcast_to([shown(word) for word in reading.words], values.T.shape),
        hovertemplate="%{text}, unit %{y}: %{z:.3f}<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(title_text="unit", showgrid=False, showline=False, nticks=5, row=row, col=1)


def _by_word(figure: go.Figure, reading: Reading, row: int) -> None:
    """Name the words along the x axis, below the last row; every other one where there are many."""
    T = len(reading.words)
    named = range(0, T, 1 + T // CROWDED)
    figure.update_xaxes(range=[-0.5, T - 0.5], showgrid=False)
    figure.update_xaxes(
        tickvals=list(named),
        ticktext=[shown(reading.words[t], SHORT) for t in named],
        tickangle=-45,
        tickfont_size=11,
        row=row,
        col=1,
    )


def _scale(figure: go.Figure, lift: int = 8) -> None:
    """Put the scale of colours above the picture, so many pixels, where it takes none of a phone's width."""
    bar = {
        "orientation": "h", "thickness": 10, "len": 0.6, "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom",
        "ypad": lift, "outlinewidth": 0, "tickfont_size": 12, **style.SIGNED,
    }  # fmt: skip
    figure.update_layout(
        hovermode="closest",
        margin_t=45 + lift,
        coloraxis={"cmin": -1, "cmax": 1, "colorscale": style.DIVERGING, "colorbar": bar},
    )
