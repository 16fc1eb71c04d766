"""What is in force in recurrent layers: eigenvalues beside the unit circle, and the time scales of units."""

import numpy as np
import plotly.graph_objects as go

from analysis.answers import InForce
from analysis.figures import style

MARKERS = ("circle", "diamond", "square", "triangle-up")
CIRCLE = np.linspace(0, 2 * np.pi, 181)
ROOM = 1.1  # of the axes, in the largest absolute value


def eigenvalues(result: InForce, layer: int = -1, *, height: int = 420) -> go.Figure:
    """Draw the eigenvalues of a layer's recurrent weights in the complex plane, by gate, beside the unit circle.

    Args:
        result: from `analysis.weights_in_force`.
        layer: which one; -1 is the top.
        height: in pixels.
    """
    largest = max(1.0, *(float(radius[:, layer].max()) for radius in result.radius.values()))
    ends = [-ROOM * largest, ROOM * largest]
    circle = go.Scatter(
        x=np.cos(CIRCLE), y=np.sin(CIRCLE), name="unit circle", mode="lines", hoverinfo="skip",
        line={"color": style.NEUTRAL, "width": 1.5, "dash": "dash"},
    )  # fmt: skip
    dots = []
    for marker, (block, values) in zip(MARKERS, result.eigenvalues.items(), strict=False):
        real, imaginary = values[:, layer].reshape(-1, 2).T
        colour = style.GATE_COLOURS.get(block, style.colour_of(result.cell))
        dots.append(
            go.Scatter(
                x=real, y=imaginary, name=block, mode="markers", customdata=np.hypot(real, imaginary),
                marker={"color": colour, "size": 7, "symbol": marker, "opacity": 0.8},
                hovertemplate="%{x:.3g} + %{y:.3g} i, size %{customdata:.3g}<extra>" + block + "</extra>",
            )
        )  # fmt: skip
    return style.figure(
        [circle, *dots],
        {
            "xaxis": {"title": {"text": "real part"}, "range": ends, "constrain": "domain"},
            "yaxis": {"title": {"text": "imaginary part"}, "range": ends, "scaleanchor": "x", "constrain": "domain"},
            "hovermode": "closest",
        },
        height=height,
    )


def unit_time_scales(scales: np.ndarray, gate: str, *, height: int = 300) -> go.Figure:
    """Draw the time scale of each unit, the shortest first.

    Args:
        scales: time steps, (S, H) of a layer, from `analysis.time_scales`.
        gate: forget or update.
        height: in pixels.
    """
    drawn = np.sort(scales.ravel())
    line = go.Scatter(
        x=np.arange(1, len(drawn) + 1), y=style.drawable(drawn), name=f"−1 / ln of the mean {gate} gate",
        mode="lines+markers", line={"color": style.GATE_COLOURS[gate], "width": 2}, marker={"size": 5},
        hovertemplate="%{y:.3g} time steps<extra></extra>",
    )  # fmt: skip
    return style.figure(
        [line],
        {
            "xaxis": {"title": {"text": "unit, sorted"}},
            "yaxis": {"title": {"text": "time scale in time steps"}, "type": "log", "exponentformat": "power"},
            "hovermode": "closest",
        },
        height=height,
    )
