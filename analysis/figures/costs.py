"""What a GRU costs as a share of what an LSTM of the same size does: weights, multiply-adds, and time if measured."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from analysis.figures import style
from analysis.language import translate as _
from analysis.reading import Race


def costs(counts: Mapping[str, Mapping[str, int]], race: Race | None = None, *, height: int = 95) -> go.Figure:
    """Draw bars for a GRU's parameters, multiply-adds per word and time, an LSTM's being 100 %.

    Args:
        counts: by cell, as `count_cell_cost` returns them.
        race: times of reading a sentence: the bar is the median ratio, the line at its end goes from lowest to highest.
        height: in pixels.
    """
    rows = {_("parameters"): "parameters", _("multiply-adds"): "multiply_adds"}
    shares = [counts["gru"][name] / counts["lstm"][name] for name in rows.values()]
    texts = [
        _("{gru} of {lstm}").format(gru=f"{counts['gru'][name]:,}", lstm=f"{counts['lstm'][name]:,}")
        for name in rows.values()
    ]
    labels = [*rows]
    if race:
        labels.append(_("time"))
        shares.append(float(np.median(race.ratios)))
        texts.append(_("{gru} of {lstm} µs").format(gru=_microseconds(race.gru), lstm=_microseconds(race.lstm)))
    bars = go.Bar(
        x=shares, y=labels, orientation="h", name="GRU", text=texts, textposition="inside", insidetextanchor="start",
        insidetextfont={"color": "white"}, marker={"color": style.COLOURS["gru"]},
        hovertemplate="%{y}: %{text}, %{x:.0%}<extra></extra>",
    )  # fmt: skip
    top = max(1.3, 1.1 * max(shares), 1.1 * float(race.ratios.max()) if race else 0)
    whole = {
        "type": "line", "x0": 1, "x1": 1, "yref": "paper", "y0": 0, "y1": 1,
        "line": {"color": style.COLOURS["lstm"], "width": 3},
    }  # fmt: skip
    name = {
        "x": 1, "y": 0.5, "yref": "paper", "xanchor": "left", "xshift": 4, "showarrow": False, "text": "LSTM",
        "font": {"color": style.COLOURS["lstm"]},
    }  # fmt: skip
    return style.figure(
        [bars, *([_range(race, labels[-1])] if race else [])],
        {
            "xaxis": {"range": [0, top], "showticklabels": False, "showgrid": False, "showline": False},
            "yaxis": {"autorange": "reversed", "showgrid": False},
            "shapes": [whole], "annotations": [name], "showlegend": False, "hovermode": "closest",
            "margin": {"t": 4, "b": 4, "r": 60}, "bargap": 0.25,
        },
        height=height,
        size=13,
    )  # fmt: skip


def _range(race: Race, label: str) -> go.Scatter:
    """Return the line from the lowest to the highest ratio of all repeats."""
    return go.Scatter(
        x=[float(race.ratios.min()), float(race.ratios.max())], y=[label, label], name="", mode="lines+markers",
        line={"color": style.NEUTRAL, "width": 3}, marker={"symbol": "line-ns", "size": 10, "line": {"width": 3}},
        hovertemplate="%{x:.0%}<extra></extra>",
    )  # fmt: skip


def _microseconds(seconds: np.ndarray) -> str:
    """Write a median time in microseconds, without its unit."""
    return f"{1e6 * np.median(seconds):,.0f}"
