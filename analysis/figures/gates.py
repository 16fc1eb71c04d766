"""Gates: how their values lie, over time, around the symbol, and unit by unit."""

from collections.abc import Iterator, Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures import style
from analysis.results import GateMoments, GateSample, Saturation

# Gates that do the same work stand in one row: what keeps, what lets in, what is proposed, what is shown.
ROWS = (("forget", "update"), ("input", "reset"), ("candidate",), ("output",))
MARKERS = {
    "input": "diamond", "forget": "circle", "candidate": "square", "output": "triangle-up",
    "reset": "diamond", "update": "circle",
}  # fmt: skip
MOMENTS = ("#BFBFBF", "#E69F00", "#808080", "#CC79A7")  # before, at, after, at the cue
BELOW = {"y": -0.15, "yanchor": "top"}  # a legend of many entries, which wraps on a phone
ROOM = 1.45  # of the highest bar: above it stand the shares of the ends
DOTS = 600  # of one gate in a scatter; more are thinned evenly


Place = tuple[str, str, int, int]  # cell, gate, row, column


def histograms(
    now: Mapping[str, Mapping[str, Saturation]], before: Mapping[str, Mapping[str, Saturation]] | None = None
) -> go.Figure:
    """Draw what share of a gate's values lies where, a column per cell, the same axes for all.

    Args:
        now: by cell, then by gate, filled bars.
        before: the same before training, as an outline, of those cells that are trained.
    """
    figure, places = _grid(now, row_height=146, across="value")
    shades, notes = [], []
    for cell, gate, row, column in places:
        saturation = now[cell][gate]
        colour, edges = style.GATES[gate], saturation.edges
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2, y=saturation.shares, width=np.diff(edges), name=f"{cell} {gate}",
            marker={"color": style.faded(colour, 0.75), "line_width": 0}, showlegend=False, row=row, col=column,
            hovertemplate="value %{x:.3g}: share %{y:.3g}<extra></extra>",
        )  # fmt: skip
        old = (before or {}).get(cell, {}).get(gate)
        if old:
            figure.add_scatter(
                x=np.repeat(edges, 2)[1:-1], y=np.repeat(old.shares, 2), name=f"{cell} {gate} before",
                mode="lines", line={"color": style.NEUTRAL, "width": 1.5}, showlegend=False, hoverinfo="skip",
                row=row, col=column,
            )  # fmt: skip
        figure.update_xaxes(range=[edges[0], edges[-1]], row=row, col=column)
        for shade, note in _ends(saturation, old, _axes(figure, row, column)):
            shades.append(shade)
            notes.append(note)
    figure.update_layout(shapes=shades, annotations=[*figure.layout.annotations, *notes])
    if before:
        figure.add_trace(style.key("before training", width=1.5))
        figure.add_bar(x=[None], y=[None], name="now", marker_color=style.faded(style.NEUTRAL, 0.75))
    figure.update_layout(bargap=0, hovermode="closest")
    phases = (now, before or {})
    highest = max(float(s.shares.max()) for cells in phases for gates in cells.values() for s in gates.values()) or 1.0
    figure.update_yaxes(matches="y", range=[0, ROOM * highest], tickformat=".0%", nticks=4)
    figure.update_yaxes(showticklabels=False, col=2)
    return figure


def sample_map(samples: Mapping[str, GateSample]) -> go.Figure:
    """Draw every unit's gate at every step of one sequence, from shut (blue) to open (orange)."""
    figure, places = _grid(
        {cell: sample.gates for cell, sample in samples.items()}, row_height=146, across="time step", lift=14
    )
    for cell, gate, row, column in places:
        values = samples[cell].gates[gate]
        figure.add_heatmap(
            z=values.T, name=f"{cell} {gate}", coloraxis=_scale(gate), row=row, col=column,
            hovertemplate="step %{x}, unit %{customdata}: %{z:.3g}<extra></extra>",
            customdata=np.broadcast_to(samples[cell].units[:, None], values.T.shape),
        )  # fmt: skip
        figure.update_yaxes(showticklabels=False, showgrid=False, showline=False, row=row, col=column)
        figure.update_xaxes(showgrid=False, showline=False, row=row, col=column)
    _mark_reads(figure, samples, places, "#000000")
    scale = {"colorscale": style.DIVERGING}
    bar = {"thickness": 12, "len": 0.48, "tickfont_size": 12, "x": 1.01, "outlinewidth": 0}
    figure.update_layout(
        hovermode="closest",
        coloraxis={"cmin": 0, "cmax": 1, **scale, "colorbar": bar | {"title": "gate", "y": 0.77}},
        coloraxis2={"cmin": -1, "cmax": 1, **scale, "colorbar": bar | {"title": "candidate", "y": 0.23}},
    )
    return figure


def sample_mean(samples: Mapping[str, GateSample]) -> go.Figure:
    """Draw the mean over units of each gate at every step of one sequence."""
    figure, places = _grid(
        {cell: sample.gates for cell, sample in samples.items()}, row_height=146, across="time step", lift=14
    )
    for cell, gate, row, column in places:
        with np.errstate(over="ignore", invalid="ignore"):
            values = samples[cell].gates[gate].mean(1)
        figure.add_scatter(
            x=np.arange(len(values)), y=values, name=f"{cell} {gate}", mode="lines", showlegend=False,
            line={"color": style.GATES[gate], "width": 2.5}, row=row, col=column,
            hovertemplate="step %{x}: %{y:.3g}<extra></extra>",
        )  # fmt: skip
        ticks = len(samples) == 1 or column == 1  # cells side by side share them
        figure.update_yaxes(range=_reach(gate, values), nticks=3, showticklabels=ticks, row=row, col=column)
    _mark_reads(figure, samples, places, style.NEUTRAL)
    figure.update_layout(hovermode="closest")
    return figure


def moments(results: Mapping[str, GateMoments]) -> go.Figure:
    """Draw each gate's mean before, at and after what is to be remembered; the whiskers hold nine of ten units."""
    figure = make_subplots(1, len(results), subplot_titles=[cell.upper() for cell in results], shared_yaxes=True)
    for column, result in enumerate(results.values(), 1):
        gates = [gate for row in ROWS for gate in row if gate in result.mean]
        for k, moment in enumerate(result.moments):
            mean, low, high = (
                np.array([values[gate][k] if np.isfinite(values[gate][k]) else np.nan for gate in gates])
                for values in (result.mean, result.low, result.high)
            )
            figure.add_bar(
                x=gates, y=mean, name=moment, legendgroup=moment, showlegend=column == 1, row=1, col=column,
                marker_color=MOMENTS[k], hovertemplate="%{x}: %{y:.3g}<extra>" + moment + "</extra>",
                error_y={"array": high - mean, "arrayminus": mean - low, "color": style.NEUTRAL, "thickness": 1.2,
                         "width": 3},
            )  # fmt: skip
    style.layout(figure, height=380)
    figure.update_yaxes(title_text="mean of the gate", col=1)
    figure.update_layout(barmode="group", hovermode="closest", legend=BELOW)
    return figure


def saturated_units(now: Mapping[str, Mapping[str, Saturation]]) -> go.Figure:
    """Draw how often each unit is at the left and at the right end: a dot per unit, none beyond x + y = 1.

    Karpathy, Johnson & Li (2015).
    """
    figure = make_subplots(
        1, len(now), subplot_titles=[cell.upper() for cell in now], shared_yaxes=True, horizontal_spacing=0.06
    )
    named = set()
    for column, gates in enumerate(now.values(), 1):
        figure.add_scatter(
            x=[0, 1], y=[1, 0], name="always at one end", mode="lines", showlegend=False, hoverinfo="skip",
            line={"color": style.NEUTRAL, "dash": "dash", "width": 1.5}, row=1, col=column,
        )  # fmt: skip
        for gate, saturation in gates.items():
            if saturation.left is None:
                continue
            thin = slice(None, None, -(-saturation.left.size // DOTS))
            figure.add_scatter(
                x=saturation.right.ravel()[thin], y=saturation.left.ravel()[thin], name=gate,
                legendgroup=gate, showlegend=gate not in named,
                mode="markers", row=1, col=column, cliponaxis=False,
                marker={"color": style.faded(style.GATES[gate], 0.7), "symbol": MARKERS[gate], "size": 8},
                hovertemplate=gate + ": right %{x:.1%}, left %{y:.1%}<extra></extra>",
            )  # fmt: skip
            named.add(gate)
    style.layout(figure, height=420)
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%", nticks=3, title_text="right-saturated")
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%")
    figure.update_yaxes(title_text="left-saturated", col=1)
    figure.update_layout(hovermode="closest", legend=BELOW | {"y": -0.24})
    return figure


def _grid(cells: Mapping[str, Mapping], row_height: int, across: str, lift: int = 0) -> tuple[go.Figure, list[Place]]:
    """Lay out a panel per gate: a column per cell, or two columns where there is one cell.

    Returns the places too. `across` names the x axis; `lift` leaves as many pixels under the top row's titles.
    """
    if len(cells) == 1:
        ((cell, gates),) = cells.items()
        names = [gate for row in ROWS for gate in row if gate in gates]
        places = [(cell, gate, k // 2 + 1, k % 2 + 1) for k, gate in enumerate(names)]
        columns, row_height = 2, 2 * row_height - 60
    else:
        places = list(_places(cells))
        columns = len(cells)
    rows = max(row for _, _, row, _ in places)
    titles = {(row, column): f"{cell.upper()} {gate}" for cell, gate, row, column in places}
    spots = [(row, column) for row in range(1, rows + 1) for column in range(1, columns + 1)]
    figure = make_subplots(
        rows, columns, horizontal_spacing=0.1, vertical_spacing=0.48 / rows,
        subplot_titles=[titles.get(spot, "") for spot in spots],
        specs=[[{} if (row, column) in titles else None for column in range(1, columns + 1)]
               for row in range(1, rows + 1)],
    )  # fmt: skip
    style.layout(figure, height=rows * row_height + 70)
    for column in range(1, columns + 1):
        lowest = max(row for row, here in titles if here == column)
        figure.update_xaxes(title_text=across, row=lowest, col=column)
    figure.update_annotations(font_size=14)
    figure.for_each_annotation(lambda a: a.update(yshift=lift), selector=lambda a: a.y > 0.99)
    figure.update_layout(margin_t=50 + lift, legend=BELOW)
    return figure, places


def _places(cells: Mapping[str, Mapping]) -> Iterator[Place]:
    row = 0
    for names in ROWS:
        found = [(cell, g, k) for k, (cell, gates) in enumerate(cells.items(), 1) for g in names if g in gates]
        row += bool(found)
        yield from ((cell, gate, row, column) for cell, gate, column in found)


def _scale(gate: str) -> str:
    return "coloraxis2" if gate == "candidate" else "coloraxis"


def _reach(gate: str, values: np.ndarray) -> list[float]:
    """Return a mean line's axis: 0 to 1, a candidate's -1 to 1, or as far as one without bounds goes."""
    if gate != "candidate":
        return [0, 1]
    top = max(1.0, float(np.abs(values[np.isfinite(values)]).max(initial=0.0)))
    return [-top, top]


def _axes(figure: go.Figure, row: int, column: int) -> dict[str, str]:
    """Name a panel's x axis, and its y axis from bottom 0 to top 1, for what is drawn over it."""
    panel = figure.get_subplot(row, column)
    x, y = (axis.plotly_name.replace("axis", "") for axis in (panel.xaxis, panel.yaxis))
    return {"xref": x, "yref": f"{y} domain"}


def _ends(now: Saturation, before: Saturation | None, axes: dict[str, str]) -> Iterator[tuple[dict, dict]]:
    """Shade a gate's two ends, and say how much lies there: a shape and a note each."""
    if now.ends is None:
        return
    for side, (start, end) in enumerate(((now.edges[0], now.low), (now.high, now.edges[-1]))):
        was = f"{before.ends[side]:.0%} → " if before else ""
        yield (
            {"type": "rect", "x0": start, "x1": end, "y0": 0, "y1": 1, "fillcolor": style.NEUTRAL, "opacity": 0.12,
             "line_width": 0, "layer": "below"} | axes,
            {"text": was + f"{now.ends[side]:.0%}", "x": (start, end)[side], "y": 1, "showarrow": False,
             "xanchor": ("left", "right")[side], "yanchor": "top", "font_size": 12} | axes,
        )  # fmt: skip


def _mark_reads(figure: go.Figure, samples: Mapping[str, GateSample], places: list[Place], colour: str) -> None:
    """Mark the steps of what is to be remembered and of the cue, with their names above the top row."""
    lines, notes = [], []
    for cell, _, row, column in places:
        axes, T = _axes(figure, row, column), len(next(iter(samples[cell].gates.values())))
        for what, steps in samples[cell].reads.items():
            look = {"type": "line", "y0": 0, "y1": 1, "line": {"color": colour, "dash": "dot", "width": 1.5}}
            lines += [look | {"x0": step, "x1": step} | axes for step in map(int, steps)]
            if row == 1 and len(steps):
                side = "right" if steps[0] > 0.8 * T else "left" if steps[0] < 0.2 * T else "center"
                notes.append(
                    {"text": what, "x": int(steps[0]), "y": 1, "yanchor": "bottom", "showarrow": False,
                     "font_size": 12, "xanchor": side} | axes
                )  # fmt: skip
    figure.update_layout(shapes=lines, annotations=[*figure.layout.annotations, *notes])
