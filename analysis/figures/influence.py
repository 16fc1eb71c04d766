"""Which inputs move a prediction: by distance to the last time step, and by column."""

import numpy as np
import plotly.graph_objects as go

from analysis.answers import Influence
from analysis.figures import style

SQUARES = 16_000  # largest number of squares of the map; of more distances, evenly spaced ones are shown
SCALE = [[0.0, style.faded(style.POSITIVE, 0.02)], [1.0, style.POSITIVE]]


def influence_by_distance(result: Influence, cell: str, *, height: int = 320) -> go.Figure:
    """Draw the gradient by every input against distance, from both starts, and mark a rise at the first time step.

    Args:
        result: from `analysis.input_influence`.
        cell: rnn, lstm or gru, whose colour is used.
        height: in pixels.
    """
    looks = (
        ("gradient", result.size, {"color": style.colour_of(cell), "width": 3}),
        ("from a state of its own", result.reached, {"color": style.NEUTRAL, "width": 2, "dash": "dash"}),
        ("gradient × input", result.product.sum(1), {"color": style.POSITIVE, "width": 2, "dash": "dot"}),
    )
    lines = [
        go.Scatter(x=result.distance, y=style.drawable(y), name=name, mode="lines", line=line, hovertemplate="%{y:.3g}")
        for name, y, line in looks
    ]
    notes = []
    if result.rises:
        place = float(result.distance[-1]), float(result.size[-1])
        lines.append(style.dot(cell, *place, "rise at the first time step", "rise"))
        notes.append(
            {
                "x": place[0], "y": float(np.log10(place[1])), "text": "it begins in zero", "showarrow": False,
                "xanchor": "right", "yanchor": "bottom", "xshift": -8, "font": {"color": style.NEUTRAL, "size": 13},
            }
        )  # fmt: skip
    sizes = np.concatenate([y[np.isfinite(y)] for _, y, _ in looks])
    highest = float(sizes.max(initial=0))
    top = np.log10(highest) + 0.3 if highest > 0 else 0.0
    return style.figure(
        lines,
        {
            "xaxis": {"title": {"text": "time steps back from the last"}},
            "yaxis": style.log_axis(top - 8, top) | {"title": {"text": "size"}},
            "annotations": notes,
        },
        height=height,
    )


def influence_by_column(result: Influence, *, height: int = 320) -> go.Figure:
    """Draw gradient × input of every column at every distance, as a share of the largest.

    Args:
        result: from `analysis.input_influence`.
        height: in pixels.
    """
    T, D = result.product.shape
    every = slice(None, None, max(1, -(-T * D // SQUARES)))
    largest = float(result.product.max(initial=0)) or 1.0
    names = [f"{column}: {100 * share:.3g} %" for column, share in enumerate(result.shares)]
    heatmap = go.Heatmap(
        x=result.distance[every], y=names, z=(result.product[every].T / largest).astype(np.float32), zmin=0, zmax=1,
        colorscale=SCALE, name="gradient × input",
        hovertemplate="column %{y}, %{x} time steps back: %{z:.3g}<extra></extra>",
        colorbar={"title": {"text": "of the<br>largest"}, "thickness": 12, "outlinewidth": 0, "len": 0.8, "y": 0,
                  "yanchor": "bottom"},
    )  # fmt: skip
    return style.figure(
        [heatmap],
        {
            "xaxis": {"title": {"text": "time steps back from the last"}, "showgrid": False},
            "yaxis": {"title": {"text": "input column: its share"}, "type": "category", "autorange": "reversed",
                      "showgrid": False},
            "hovermode": "closest",
        },
        height=max(height, min(900, 150 + 18 * D)) if D < 40 else 600,
    )  # fmt: skip
