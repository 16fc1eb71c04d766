"""The gradient matrix: how the loss of each step depends on each earlier state."""

import numpy as np
import plotly.graph_objects as go

from analysis.figures import style


def gradient_matrix(matrix: np.ndarray, *, first: int = 0, height: int = 460) -> go.Figure:
    """Draw [t, s], the size of ∂ℓ_t/∂(memory state)_s relative to s = t, as colours from 1e-4 to 1e4.

    Equal bands along the diagonal mean that the network forgets the same way at every step. Gold is a gradient that
    grows on its way back, dark red one that fades.

    Args:
        matrix: (T, T) from `analysis.gradient_matrix`.
        first: number of the matrix's first step, which isn't 0 where only the last steps of a sequence are measured.
        height: in pixels.
    """
    steps = np.arange(first, first + len(matrix))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        relative = matrix / np.diag(matrix)[:, None]
    bar = {
        "title": {"text": "× at its own<br>time step"}, "thickness": 12, "outlinewidth": 0,
        "len": 0.8, "y": 0, "yanchor": "bottom",  # below the menu
    }  # fmt: skip
    square = {"showgrid": False, "constrain": "domain"}
    return style.figure(
        [matrix_map(relative, steps)],
        {
            "xaxis": square | {"title": {"text": "state at time step"}},
            "yaxis": square | {"title": {"text": "loss at time step"}, "autorange": "reversed"},
            "hovermode": "closest",
            "coloraxis": colour_axis(bar),
        },
        height=height,
    )


def matrix_map(relative: np.ndarray, steps: np.ndarray, panel: str = "") -> go.Heatmap:
    """Return a matrix relative to its diagonal, (T, T), as a map of its logarithms, in the panel of that suffix."""
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = np.log10(relative)
    powers[np.isposinf(powers) | ~np.tri(len(relative), dtype=bool)] = np.nan
    powers = np.maximum(powers, -308).round(2).astype(np.float32)  # as many digits as can be seen
    return go.Heatmap(
        x=steps, y=steps, z=powers, name="gradient matrix", hoverongaps=False, coloraxis="coloraxis",
        hovertemplate="loss at time step %{y}, state at time step %{x}: 10^%{z:.1f}<extra></extra>",
        xaxis=f"x{panel}", yaxis=f"y{panel}",
    )  # fmt: skip


def colour_axis(bar: style.Layout) -> style.Layout:
    """Return the colours of matrices, from 1e-4 to 1e4, and their bar: its look is given, its ticks are not."""
    ticks = {"tickvals": [-4, -2, 0, 2, 4], "ticktext": ["≤ 1e-4", "0.01", "1", "100", "≥ 1e4"]}
    return {"cmin": -4, "cmax": 4, "colorscale": style.DIVERGING, "colorbar": ticks | bar}
