"""Where the gradient is lost: what each time step leaves of it, by the gates and by the recurrent weights."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from analysis.figures import style
from analysis.reasons import StepFactors
from analysis.report.wording import format_number

PARTS = {"whole": "the whole step", "gates": "gates (RNN: activation)", "weights": "recurrent weights"}
PANEL, GAP, AROUND = 130, 44, 130  # pixels


def factors(found: Mapping[str, StepFactors]) -> go.Figure:
    """Draw what each time step leaves of the gradient, a panel per cell; the step at which most is lost is marked."""
    traces: list[go.Scatter] = []
    layout: style.Layout = {}
    notes: list[style.Layout] = []
    lines: list[style.Layout] = []
    count = len(found)
    height = count * PANEL + (count - 1) * GAP
    for panel, (cell, each) in zip(style.numbers(count), found.items(), strict=True):
        for part, name in PARTS.items():
            look = _look(cell, each, part)
            traces.append(
                go.Scatter(
                    x=each.step, y=style.drawable(getattr(each, part)), name=f"{cell.upper()} {name}", mode="lines",
                    line=look, showlegend=False, xaxis=f"x{panel}", yaxis=f"y{panel}", hovertemplate="×%{y:.3g}",
                )
            )  # fmt: skip
        traces.append(style.level((0, float(each.step[-1])), 1, "nothing lost", panel))
        traces += _mark(cell, each, panel)
        layout[f"xaxis{panel}"] = {"range": [-0.5, each.step[-1] + 0.5]}
        layout[f"yaxis{panel}"] = _axis(each) | {"title": {"text": f"{cell.upper()}: factor"}}
        more = _reads(each, panel)
        notes += more[0]
        lines += more[1]
    layout[f"xaxis{style.numbers(count)[-1]}"] |= {"title": {"text": "time step, through which it comes back"}}
    keys = [
        style.key("whole step", width=3), style.key("gates (RNN: activation)", "dash", 2),
        style.key("recurrent weights", "dot", 2),
    ]  # fmt: skip
    grid = style.panels(count, vertical_spacing=GAP / height if count > 1 else 0.1)
    own = {"annotations": notes, "shapes": lines, "margin": {"t": 70}, "legend": {"y": 1 + 24 / height}}
    return style.figure([*keys, *traces], grid, layout, own, height=height + AROUND)


def _axis(found: StepFactors) -> style.Layout:
    """Return a log axis with room below for the mark's text, and few labels."""
    values = np.concatenate([style.drawable(getattr(found, part)) for part in PARTS] + [np.ones(1)])
    low, high = np.log10([np.nanmin(values), np.nanmax(values)])
    span = max(high - low, 0.3)
    low, high = low - 0.25 * span, high + 0.1 * span
    powers = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    decades = [10.0**power for power in powers]
    ticks = decades if span > 2 else [value * part for value in decades for part in (1, 2, 5)]
    ticks = ticks[:: max(1, len(decades) // 5)] if span > 2 else ticks
    return style.log_axis(low, high) | {"tickvals": ticks, "ticktext": [f"×{tick:.3g}" for tick in ticks]}


def _look(cell: str, found: StepFactors, part: str) -> style.Layout:
    """Return the line of a part: the whole in the cell's colour, the gates in their own, the weights grey."""
    if part == "whole":
        return {"color": style.colour_of(cell), "width": 3}
    if part == "gates":
        return {"color": style.GATE_COLOURS.get(found.through.partition(" ")[0], style.NEUTRAL), "dash": "dash",
                "width": 2}  # fmt: skip
    return {"color": style.NEUTRAL, "dash": "dot", "width": 2}


def _mark(cell: str, found: StepFactors, panel: str) -> list[go.Scatter]:
    """Return the mark of the step at which most is lost, with how much is left there."""
    if found.lost is None:
        return []
    left = float(found.whole[found.lost])
    early = found.lost < len(found.step) / 2
    return [
        go.Scatter(
            x=[found.step[found.lost]], y=[left], name=f"{cell.upper()} most is lost", mode="markers+text",
            text=[f"×{format_number(left)}"], textposition="bottom right" if early else "bottom left",
            marker={"color": style.CHOSEN, "size": 11, "line": {"color": "white", "width": 1.5}}, cliponaxis=False,
            textfont={"color": style.CHOSEN, "size": 13}, showlegend=False, hoverinfo="skip",
            xaxis=f"x{panel}", yaxis=f"y{panel}",
        )
    ]  # fmt: skip


def _reads(found: StepFactors, panel: str) -> tuple[list[style.Layout], list[style.Layout]]:
    """Return names and lines at the steps at which what is to be remembered, and the cue, are read."""
    notes, lines = [], []
    over = {"xref": f"x{panel}", "yref": f"y{panel} domain"}
    for what, steps in found.reads.items():
        look = {"type": "line", "y0": 0, "y1": 1, "line": {"color": style.NEUTRAL, "dash": "dot", "width": 1.5}}
        lines += [look | {"x0": step, "x1": step} | over for step in map(int, steps)]
        if len(steps):
            late, early = steps[0] > 0.8 * found.step[-1], steps[0] < 0.2 * found.step[-1]
            side = "right" if late else "left" if early else "center"
            notes.append(
                {"text": what, "x": int(steps[0]), "y": 1, "yanchor": "bottom", "showarrow": False,
                 "font": {"size": 12}, "xanchor": side} | over
            )  # fmt: skip
    return notes, lines
