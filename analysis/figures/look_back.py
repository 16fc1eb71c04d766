"""How much a prediction changes where only the last time steps are seen."""

import numpy as np
import plotly.graph_objects as go

from analysis.answers import LookBack, Windows
from analysis.figures import style
from analysis.report.wording import format_percent

LEAST, MOST = 1e-4, 3.0  # of the axis of changes
STARTS = ("from where sequences begin", "from a state of its own")


def look_back(result: LookBack, cell: str, *, height: int = 340) -> go.Figure:
    """Draw the change of the prediction against the last time steps seen, from both starts, with the shares asked for.

    The band holds nine of ten sequences.

    Args:
        result: from `analysis.look_back`.
        cell: rnn, lstm or gru, whose colour is used.
        height: in pixels.
    """
    colour = style.colour_of(cell)
    ends = float(result.window[0]), float(result.window[-1])
    lines: list[go.Scatter] = []
    if np.isfinite(result.start.change).all():
        low, high = (np.clip(values, LEAST, None) for values in (result.start.low, result.start.high))
        lines.append(style.band(result.window, low, high, colour, "nine of ten sequences"))
    looks = ({"color": colour, "width": 3}, {"color": style.NEUTRAL, "width": 2, "dash": "dash"})
    for name, windows, look in zip(STARTS, (result.start, result.reached), looks, strict=True):
        lines.append(
            go.Scatter(
                x=result.window, y=_drawn(windows), customdata=windows.change, name=name, mode="lines", line=look,
                hovertemplate="%{customdata:.3g}",
            )
        )  # fmt: skip
    lines += [style.level(ends, share, format_percent(share)) for share in result.shares]
    bottom, top = np.log10(LEAST), np.log10(MOST)
    return style.figure(
        lines,
        {
            "xaxis": {"title": {"text": "last time steps seen"}, "type": "log", "tickvals": _ticks(ends[1])},
            "yaxis": style.log_axis(bottom, top) | {"title": {"text": "change of the prediction"}},
            "annotations": [style.label(share, format_percent(share), 13, log=True) for share in result.shares],
        },
        height=height,
    )


def _ticks(last: float) -> list[float]:
    """Return the numbers 1, 2, 5, 10, 20, … up to the last."""
    return [tick for power in range(7) for tick in (10.0**power, 2 * 10.0**power, 5 * 10.0**power) if tick <= last]


def _drawn(windows: Windows) -> np.ndarray:
    """Return changes for a log axis: what is below its end lies on the end."""
    return style.drawable(np.clip(windows.change, LEAST, None))
