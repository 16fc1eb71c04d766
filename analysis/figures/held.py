"""One gate held at a value beside the gate as it is: the memory by word, the gradient by distance."""

import numpy as np
import plotly.graph_objects as go

from analysis.figures import style
from analysis.figures.cell import SHORT, shortened
from analysis.figures.drawings import GATE_NAMES
from analysis.language import translate as _
from analysis.reading import Held

SYMBOLS = {"lstm": "|c|", "gru": "|h|"}  # the size of the memory state


def held(as_it_is: Held, held: Held) -> go.Figure:
    """Draw the size of the memory after each word, and the share of the gradient left by distance, on linear axes.

    The gate as it is is faint. Where the held gate is the one that keeps, its powers are dashed: the gradient through
    that gate alone. Both axes reach at least to 1, so that they stay while the value moves.
    """
    colour = style.GATE_COLOURS[held.gate]
    value, gate = f"{held.value:g}", _(GATE_NAMES[held.gate])
    looks = {
        _("as it is"): (as_it_is, style.line(held.cell, color=style.faded(style.COLOURS[held.cell], 0.55))),
        _("{gate} gate held at {value}").format(gate=gate, value=value): (held, {"color": colour, "width": 3}),
    }
    traces = [
        _line(name, panel, values, look)
        for name, (reading, look) in looks.items()
        for panel, values in (("", reading.size), ("2", reading.left))
    ]
    if held.through_gate is not None:
        power = {"color": style.NEUTRAL, "width": 2, "dash": "dash"}
        name = _("{power}, the gate alone").format(power=f"{value}<sup>k</sup>")
        traces.append(_line(name, "2", held.through_gate, power, legend=True))
    T = len(held.words)
    ends = sorted({0, T - 1})  # there is no room for the words between
    axes: style.Layout = {
        "xaxis": {
            "tickvals": ends, "ticktext": [shortened(held.words[t], SHORT) for t in ends], "tickangle": 0,
            "range": [-0.5, T - 0.5], "showgrid": False,
        },
        "yaxis": {
            "title": {"text": _("mean {size}").format(size=SYMBOLS[held.cell])},
            "range": [0, _top(as_it_is.size, held.size)], "nticks": 4,
        },
        "xaxis2": {"title": {"text": _("distance k (words back from the last)")}, "range": [-0.5, T - 0.5]},
        "yaxis2": {
            "title": {"text": _("gradient left")}, "range": [-0.03, _top(as_it_is.left, held.left)],
            "tickformat": ".0%", "nticks": 4,
        },
    }  # fmt: skip
    return style.figure(
        traces,
        style.panels(2, vertical_spacing=0.2, row_heights=(0.42, 0.58)),
        axes,
        {"margin": {"t": 62, "b": 44, "l": 50, "r": 40}},
        height=292,
        size=12,
    )


def _top(*lines: np.ndarray) -> float:
    """Return the end of an axis that holds all finite values, and 1, with a little room."""
    values = np.concatenate(lines)
    return float(1.05 * max(1, *values[np.isfinite(values)]))


def _line(name: str, panel: str, values: np.ndarray, look: style.Layout, legend: bool = False) -> go.Scatter:
    """Return a line of T values in a panel; the legend shows those of the first, and others where asked."""
    return go.Scatter(
        x=np.arange(len(values)), y=np.where(np.isfinite(values), values, np.nan), name=name, legendgroup=name,
        showlegend=legend or not panel, mode="lines+markers", line=look, marker={"size": 5}, xaxis=f"x{panel}",
        yaxis=f"y{panel}", hovertemplate="%{y:.3~g}" if not panel else "%{y:.3~p}",
    )  # fmt: skip
