"""Gates: their values as histograms, by time step, around what is to be remembered, and by unit."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from analysis.figures import style
from analysis.results import GateMoments, GateSample, Saturation

# Gates of the same role are in one row: keep the memory, let input in, compute new values, give the output.
ROWS = (("forget", "update"), ("input", "reset"), ("candidate",), ("output",))
MARKERS = {
    "input": "diamond", "forget": "circle", "candidate": "square", "output": "triangle-up",
    "reset": "diamond", "update": "circle",
}  # fmt: skip
MOMENTS = ("#BFBFBF", "#E69F00", "#808080", "#CC79A7")  # before, at, after, at the cue
BELOW = {"y": -0.15, "yanchor": "top"}  # a legend of many entries, which wraps on a phone
HEIGHT = 146  # of a panel with its title, in pixels, where cells stand side by side
ROOM = 1.45  # height of an axis, in highest bars: above the bars is room for the shares of the ends
DOTS = 600  # largest number of dots for one gate; of more units, evenly spaced ones are shown


class Place(NamedTuple):
    """Where a gate is drawn: its row and column, and the suffix of its panel's axes in plotly."""

    cell: str
    gate: str
    row: int
    column: int
    panel: str

    @property
    def on(self) -> dict[str, str]:
        """The axes of a trace."""
        return {"xaxis": f"x{self.panel}", "yaxis": f"y{self.panel}"}

    @property
    def over(self) -> dict[str, str]:
        """The axes of a note or a shade; the panel's height is 0 at the bottom and 1 at the top."""
        return {"xref": f"x{self.panel}", "yref": f"y{self.panel} domain"}


def histograms(
    now: Mapping[str, Mapping[str, Saturation]],
    before: Mapping[str, Mapping[str, Saturation]] | None = None,
    *,
    before_name: str = "before training",
) -> go.Figure:
    """Draw histograms of the gates' values, a column per cell, all with the same axes.

    Args:
        now: by cell, then by gate, filled bars.
        before: the same before training, for trained cells, drawn as outlines.
        before_name: the name of the outlines in the legend.
    """
    phases = (now, before or {})
    highest = max(float(s.shares.max()) for cells in phases for gates in cells.values() for s in gates.values()) or 1.0
    places = _places(now)
    traces: list[go.Bar | go.Scatter] = []
    axes: style.Layout = {}
    shades, notes = [], []
    for place in places:
        saturation, old = now[place.cell][place.gate], (before or {}).get(place.cell, {}).get(place.gate)
        traces += _histogram(saturation, old, place)
        axes[f"xaxis{place.panel}"] = {"range": [saturation.edges[0], saturation.edges[-1]]}
        axes[f"yaxis{place.panel}"] = {
            "matches": "y", "range": [0, ROOM * highest], "tickformat": ".0%", "nticks": 4,
            "showticklabels": place.column != 2,
        }  # fmt: skip
        for shade, note in _end_shades(saturation, old, place):
            shades.append(shade)
            notes.append(note)
    if before:
        axes["margin"] = {"b": 118}  # for the legend
        traces.append(style.key(before_name, width=1.5))
        traces.append(go.Bar(x=[None], y=[None], name="now", marker={"color": style.faded(style.NEUTRAL, 0.75)}))
    return _panel_figure(places, traces, axes | {"bargap": 0}, notes, shades, "value", "share")


def _histogram(now: Saturation, before: Saturation | None, place: Place) -> list[go.Bar | go.Scatter]:
    """Return a gate's bars, and its outline before training."""
    edges, name = now.edges, f"{place.cell} {place.gate}"
    bars = go.Bar(
        x=(edges[:-1] + edges[1:]) / 2, y=now.shares, width=np.diff(edges), name=name,
        marker={"color": style.faded(style.GATE_COLOURS[place.gate], 0.75), "line": {"width": 0}}, showlegend=False,
        hovertemplate="value %{x:.3g}: share %{y:.3g}<extra></extra>", **place.on,
    )  # fmt: skip
    if before is None:
        return [bars]
    outline = go.Scatter(
        x=np.repeat(edges, 2)[1:-1], y=np.repeat(before.shares, 2), name=f"{name} before", mode="lines",
        line={"color": style.NEUTRAL, "width": 1.5}, showlegend=False, hoverinfo="skip", **place.on,
    )  # fmt: skip
    return [bars, outline]


def sample_map(samples: Mapping[str, GateSample]) -> go.Figure:
    """Draw every unit's gate at every step of one sequence, from shut (blue) to open (orange)."""
    places = _places({cell: sample.gates for cell, sample in samples.items()})
    traces: list[go.Heatmap] = []
    layout: style.Layout = {}
    for place in places:
        cell, gate, *_ = place
        values = samples[cell].gates[gate]
        traces.append(
            go.Heatmap(
                z=values.T, name=f"{cell} {gate}", coloraxis=_colour_axis(gate), **place.on,
                hovertemplate="step %{x}, unit %{customdata}: %{z:.3g}<extra></extra>",
                customdata=np.broadcast_to(samples[cell].units[:, None], values.T.shape),
            )
        )  # fmt: skip
        bare = {"showgrid": False, "showline": False, "ticks": ""}
        layout |= {f"xaxis{place.panel}": bare, f"yaxis{place.panel}": bare | {"showticklabels": False}}
    bar = {"thickness": 12, "len": 0.48, "tickfont": {"size": 12}, "x": 1.01, "outlinewidth": 0}
    for name, lowest, title, y in (("coloraxis", 0, "gate", 0.77), ("coloraxis2", -1, "candidate", 0.23)):
        scale = {"cmin": lowest, "cmax": 1, "colorscale": style.DIVERGING}
        layout[name] = scale | {"colorbar": bar | {"title": {"text": title}, "y": y}}
    layout["margin"] = {"l": 46}
    notes, lines = _read_marks(samples, places, "#000000")
    return _panel_figure(places, traces, layout, notes, lines, "time step", "unit", lift=14)


def sample_mean(samples: Mapping[str, GateSample]) -> go.Figure:
    """Draw the mean over units of each gate at every step of one sequence."""
    places = _places({cell: sample.gates for cell, sample in samples.items()})
    traces: list[go.Scatter] = []
    axes: style.Layout = {}
    for place in places:
        cell, gate, *_ = place
        with np.errstate(over="ignore", invalid="ignore"):
            values = samples[cell].gates[gate].mean(1)
        traces.append(
            go.Scatter(
                x=np.arange(len(values)), y=values, name=f"{cell} {gate}", mode="lines", showlegend=False,
                line={"color": style.GATE_COLOURS[gate], "width": 2.5}, **place.on,
                hovertemplate="step %{x}: %{y:.3g}<extra></extra>",
            )
        )  # fmt: skip
        ticks = len(samples) == 1 or place.column == 1  # cells side by side share them
        axes[f"yaxis{place.panel}"] = {"range": _mean_range(gate, values), "nticks": 3, "showticklabels": ticks}
    notes, lines = _read_marks(samples, places, style.NEUTRAL)
    return _panel_figure(places, traces, axes, notes, lines, "time step", "mean", lift=14)


def moments(results: Mapping[str, GateMoments]) -> go.Figure:
    """Draw each gate's mean before, at and after what is to be remembered; 90 % of the units lie in the whiskers."""
    traces = []
    for panel, result in zip(style.numbers(len(results)), results.values(), strict=True):
        gates = [gate for row in ROWS for gate in row if gate in result.mean]
        for k, moment in enumerate(result.moments):
            mean, low, high = (
                np.array([values[gate][k] if np.isfinite(values[gate][k]) else np.nan for gate in gates])
                for values in (result.mean, result.low, result.high)
            )
            traces.append(
                go.Bar(
                    x=gates, y=mean, name=moment, legendgroup=moment, showlegend=not panel,
                    xaxis=f"x{panel}", yaxis=f"y{panel}", marker={"color": MOMENTS[k]},
                    hovertemplate="%{x}: %{y:.3g}<extra>" + moment + "</extra>",
                    error_y={"array": high - mean, "arrayminus": mean - low, "color": style.NEUTRAL, "thickness": 1.2,
                             "width": 3},
                )
            )  # fmt: skip
    grid = style.panels(1, len(results), titles=tuple(map(str.upper, results)), shared_yaxes=True)
    own = {"yaxis": {"title": {"text": "mean of the gate"}}, "barmode": "group", "hovermode": "closest"}
    return style.figure(traces, grid, own | {"legend": BELOW}, height=380)


def saturated_units(now: Mapping[str, Mapping[str, Saturation]]) -> go.Figure:
    """Draw how often each unit is at the left and at the right end: a dot per unit, none beyond x + y = 1.

    Karpathy, Johnson & Li (2015).
    """
    traces: list[go.Scatter] = []
    axes: style.Layout = {}
    named: set[str] = set()
    for panel, gates in zip(style.numbers(len(now)), now.values(), strict=True):
        on = {"xaxis": f"x{panel}", "yaxis": f"y{panel}"}
        traces.append(
            go.Scatter(
                x=[0, 1], y=[1, 0], name="always at one end", mode="lines", showlegend=False, hoverinfo="skip",
                line={"color": style.NEUTRAL, "dash": "dash", "width": 1.5}, **on,
            )
        )  # fmt: skip
        for gate, saturation in gates.items():
            if saturation.left is None or saturation.right is None:
                continue
            thin = slice(None, None, -(-saturation.left.size // DOTS))
            traces.append(
                go.Scatter(
                    x=saturation.right.ravel()[thin], y=saturation.left.ravel()[thin], name=gate,
                    legendgroup=gate, showlegend=gate not in named, mode="markers", cliponaxis=False, **on,
                    marker={"color": style.faded(style.GATE_COLOURS[gate], 0.7), "symbol": MARKERS[gate], "size": 8},
                    hovertemplate=gate + ": right %{x:.1%}, left %{y:.1%}<extra></extra>",
                )
            )  # fmt: skip
            named.add(gate)
        share = {"range": [-0.02, 1.02], "tickformat": ".0%"}
        axes[f"xaxis{panel}"] = share | {"nticks": 3, "title": {"text": "right-saturated"}}
        axes[f"yaxis{panel}"] = share | ({} if panel else {"title": {"text": "left-saturated"}})
    titles = tuple(map(str.upper, now))
    grid = style.panels(1, len(now), titles=titles, shared_yaxes=True, horizontal_spacing=0.06)
    return style.figure(traces, grid, axes, {"hovermode": "closest", "legend": BELOW | {"y": -0.24}}, height=420)


def _places(cells: Mapping[str, Mapping]) -> list[Place]:
    """Return a panel for each gate: a column per cell, or two columns where there is one cell."""
    if len(cells) == 1:
        ((cell, gates),) = cells.items()
        names = [gate for row in ROWS for gate in row if gate in gates]
        spots = [(cell, gate, k // 2 + 1, k % 2 + 1) for k, gate in enumerate(names)]
    else:
        rows = [names for names in ROWS if any(gate in gates for gates in cells.values() for gate in names)]
        spots = [
            (cell, gate, row, column)
            for row, names in enumerate(rows, 1)
            for column, (cell, gates) in enumerate(cells.items(), 1)
            for gate in names
            if gate in gates
        ]
    return [Place(*spot, panel) for spot, panel in zip(spots, style.numbers(len(spots)), strict=True)]


def _panel_figure(
    places: list[Place],
    traces: list,
    layout: style.Layout,
    notes: list[style.Layout],
    shapes: list[style.Layout],
    across: str,
    up: str,
    lift: int = 0,
) -> go.Figure:
    """Return a figure with a panel for each gate; notes and shapes lie over the traces.

    `across` and `up` are the titles of the axes; `lift` is room below the top row's titles, in pixels.
    """
    rows, columns = max(place.row for place in places), max(2, *(place.column for place in places))
    titles = {(place.row, place.column): f"{place.cell.upper()} {place.gate}" for place in places}
    grid = style.panels(
        rows, columns, titles=tuple(titles.get((r + 1, c + 1)) for r in range(rows) for c in range(columns)),
        horizontal_spacing=0.1, vertical_spacing=0.48 / rows,
    )  # fmt: skip
    lifted = [t | {"font": {"size": 14}, "yshift": lift * (t["y"] > 0.99)} for t in grid["annotations"]]
    lowest = {place.column: place.panel for place in places}  # the last of a column is its lowest
    return style.figure(
        traces,
        grid,
        {f"xaxis{panel}": {"title": {"text": across}} for panel in lowest.values()},
        {f"yaxis{place.panel}": {"title": {"text": up}} for place in places if place.column == 1},
        {"annotations": [*lifted, *notes], "shapes": shapes, "hovermode": "closest"},
        {"legend": BELOW, "margin": {"l": 82, "r": 30, "t": 50 + lift}},
        layout,
        height=rows * (HEIGHT if len({place.cell for place in places}) > 1 else 2 * HEIGHT - 60) + 70,
    )


def _colour_axis(gate: str) -> str:
    """Return the colour axis of a gate: 0 to 1, or -1 to 1 for the candidate."""
    return "coloraxis2" if gate == "candidate" else "coloraxis"


def _mean_range(gate: str, values: np.ndarray) -> list[float]:
    """Return the range of a mean's axis: 0 to 1; for a candidate −1 to 1, or wider where its values are."""
    if gate != "candidate":
        return [0, 1]
    top = max(1.0, float(np.abs(values[np.isfinite(values)]).max(initial=0.0)))
    return [-top, top]


def _end_shades(now: Saturation, before: Saturation | None, place: Place) -> Iterator[tuple[dict, dict]]:
    """Yield a shade and a note for each of a gate's two ends; the note is the share of values there."""
    if now.ends is None:
        return
    for side, (start, end) in enumerate(((now.edges[0], now.low), (now.high, now.edges[-1]))):
        was = f"{before.ends[side]:.0%} → " if before and before.ends else ""
        yield (
            {"type": "rect", "x0": start, "x1": end, "y0": 0, "y1": 1, "fillcolor": style.NEUTRAL, "opacity": 0.12,
             "line": {"width": 0}, "layer": "below"} | place.over,
            {"text": was + f"{now.ends[side]:.0%}", "x": (start, end)[side], "y": 1, "showarrow": False,
             "xanchor": ("left", "right")[side], "yanchor": "top", "font": {"size": 12}} | place.over,
        )  # fmt: skip


def _read_marks(
    samples: Mapping[str, GateSample], places: list[Place], colour: str
) -> tuple[list[style.Layout], list[style.Layout]]:
    """Return the marks of what is to be remembered and of the cue: names above the top row, lines at their steps."""
    notes, lines = [], []
    for place in places:
        T = len(next(iter(samples[place.cell].gates.values())))
        for what, steps in samples[place.cell].reads.items():
            look = {"type": "line", "y0": 0, "y1": 1, "line": {"color": colour, "dash": "dot", "width": 1.5}}
            lines += [look | {"x0": step, "x1": step} | place.over for step in map(int, steps)]
            if place.row == 1 and len(steps):
                side = "right" if steps[0] > 0.8 * T else "left" if steps[0] < 0.2 * T else "center"
                notes.append(
                    {"text": what, "x": int(steps[0]), "y": 1, "yanchor": "bottom", "showarrow": False,
                     "font": {"size": 12}, "xanchor": side} | place.over
                )  # fmt: skip
    return notes, lines
