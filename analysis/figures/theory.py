"""What theory predicts of untrained gradients, as thin dashed lines over measured ones."""

from collections.abc import Mapping
from textwrap import wrap

import plotly.graph_objects as go

from analysis.figures import style
from analysis.reasons import Prediction
from analysis.report.wording import join_cells

DASH, WIDTH = "longdash", 1.5
LETTERS = 40  # of a line of the legend, so that it fits a phone


def lines(predictions: Mapping[str, Prediction], position: bool) -> list[go.Scatter]:
    """Return a line for each cell that there is theory for, and an entry of the legend for each assumption.

    Args:
        predictions: by cell.
        position: x is the step in the sequence, T-1-k, instead of the distance k.
    """
    known = {cell: prediction for cell, prediction in predictions.items() if not prediction.reason}
    assuming: dict[str, list[str]] = {}
    for cell, prediction in known.items():
        assuming.setdefault(prediction.assumption, []).append(cell)
    curves = [_curve(cell, prediction, position) for cell, prediction in known.items()]
    return curves + [_entry(assumption, cells) for assumption, cells in assuming.items()]


def _curve(cell: str, prediction: Prediction, position: bool) -> go.Scatter:
    """Return what is predicted of a cell."""
    return go.Scatter(
        x=style.along_x(prediction, position), y=style.drawable(prediction.relative), name=f"{cell.upper()} theory",
        mode="lines", line={"color": style.colour_of(cell), "dash": DASH, "width": WIDTH}, legendgroup=cell,
        showlegend=False, hovertemplate="%{y:.3g}",
    )  # fmt: skip


def _entry(assumption: str, cells: list[str]) -> go.Scatter:
    """Return a theory's entry in the legend: for which cells, and what it assumes."""
    text = f"theory, {join_cells(cells)}: {assumption}"
    return style.key("<br>".join(wrap(text, LETTERS)), DASH, WIDTH)
