"""Gates: their values as histograms, by time step, around what is to be remembered, and by unit."""

from collections.abc import Iterator, Mapping

import numpy as np
import plotly.graph_objects as go

from analysis.figures import style
from analysis.figures.gate_panels import ROWS, Place, Sizes, legend_place, lowest, panel_figure, places_of
from analysis.report.sentences.gates import LOSES, name_ends
from analysis.report.wording import join_words
from analysis.results import GateMoments, GateSample, Saturation

MARKERS = {
    "input": "diamond", "forget": "circle", "candidate": "square", "output": "triangle-up",
    "reset": "diamond", "update": "circle",
}  # fmt: skip
MOMENTS = (0.35, 1, 0.65, 1)  # before, at, after, at the cue: opacity of bars, whose colours are those of the gates
BELOW = {"y": -0.15, "yanchor": "top"}  # a legend of many entries, which wraps on a phone
BARS = Sizes(panel=56, alone=120, gap=46, top=26, bottom=44)
LINES = Sizes(panel=78, alone=150, gap=36, top=42, bottom=44, lift=14)
MAPS = Sizes(panel=84, alone=150, gap=24, top=42, bottom=132, lift=14)  # below are the colour bars
ROOM = 1.45  # height of an axis, in highest bars: above the bars is room for the shares of the ends
DOTS = 600  # largest number of dots for one gate; of more units, evenly spaced ones are shown
LARGEST = float(np.finfo(np.float32).max)
SQUARES = 16_000  # largest number of squares of one gate's map, about as many as its panel has pixels


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
    places = places_of(now)
    traces: list[go.Bar | go.Scatter] = []
    axes: style.Layout = {}
    shades, notes = [], []
    for place in places:
        saturation, old = now[place.cell][place.gate], (before or {}).get(place.cell, {}).get(place.gate)
        traces += _histogram(saturation, old, place)
        axes[f"xaxis{place.panel}"] = {
            "range": [saturation.edges[0], saturation.edges[-1]], "nticks": 3, "showticklabels": False,
        }  # fmt: skip
        axes[f"yaxis{place.panel}"] = {
            "matches": "y", "range": [0, ROOM * highest], "tickformat": ".0%", "nticks": 3,
            "showticklabels": place.column != 2,
        }  # fmt: skip
        notes += _end_names(saturation, place)
        for shade, note in _end_shades(saturation, old, place):
            shades.append(shade)
            notes += note
    if before:
        traces.append(style.key(before_name, width=1.5))
        traces.append(go.Bar(x=[None], y=[None], name="now", marker={"color": style.NEUTRAL}))
        axes["legend"] = legend_place(places)
    sizes = BARS._replace(top=50) if before and "x" not in axes["legend"] else BARS  # a legend above needs a line
    return panel_figure(places, sizes, traces, axes | {"bargap": 0}, notes, shades, "value", "share")


def _histogram(now: Saturation, before: Saturation | None, place: Place) -> list[go.Bar | go.Scatter]:
    """Return a gate's bars, and its outline before training."""
    edges, name = now.edges, f"{place.cell} {place.gate}"
    bars = go.Bar(
        x=(edges[:-1] + edges[1:]) / 2, y=now.shares, width=np.diff(edges), name=name,
        marker={"color": style.GATE_COLOURS[place.gate], "line": {"width": 0}}, showlegend=False,
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
    """Draw every unit's gate at every time step of one sequence, from 0 (dark) to 1 (orange).

    Of more units than `SQUARES` leaves room for, evenly spaced ones are drawn.
    """
    places = places_of({cell: sample.gates for cell, sample in samples.items()})
    traces: list[go.Heatmap] = []
    layout: style.Layout = {}
    for place in places:
        sample = samples[place.cell]
        values = sample.gates[place.gate]
        units = slice(None, None, -(-values.size // SQUARES))
        traces.append(
            go.Heatmap(
                z=_map_values(place.gate, values.T[units]), y=[f"unit {unit}" for unit in sample.units[units]],
                name=f"{place.cell} {place.gate}", coloraxis=_colour_axis(place.gate), **place.on,
                hovertemplate=f"time step %{{x}}, %{{y}}: {_hover(place.gate)}<extra></extra>",
            )
        )  # fmt: skip
        bare = {"showgrid": False, "showline": False, "ticks": ""}
        layout[f"xaxis{place.panel}"] = bare | {"showticklabels": place.panel in lowest(places)}
        layout[f"yaxis{place.panel}"] = bare | {"type": "category", "showticklabels": False}
    notes, lines = _read_marks(samples, places, "#000000")
    bars, titles = _colour_bars(samples)
    return panel_figure(places, MAPS, traces, layout | bars, [*notes, *titles], lines, "time step", "unit")


def _map_values(gate: str, values: np.ndarray) -> np.ndarray:
    """Return what a map draws: a gate in whole percent, a byte each; a candidate, which has no bounds, as floats."""
    if gate == "candidate":
        return np.clip(values, -LARGEST, LARGEST).astype(np.float32)
    percent = np.rint(100 * values)
    return percent.astype(np.uint8 if np.isfinite(percent).all() else np.float32)


def _hover(gate: str) -> str:
    """Return how a map names a value of a gate: "keeps 52 %", "52 % open"; of a candidate the number."""
    if gate == "candidate":
        return "%{z:.3f}"
    return "keeps %{z:.0f} %" if gate in LOSES else "%{z:.0f} % open"


def sample_mean(samples: Mapping[str, GateSample]) -> go.Figure:
    """Draw the mean over units of each gate at every time step of one sequence."""
    places = places_of({cell: sample.gates for cell, sample in samples.items()})
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
                hovertemplate="time step %{x}: %{y:.3g}<extra></extra>",
            )
        )  # fmt: skip
        ticks = len(samples) == 1 or place.column == 1  # cells side by side share them
        axes[f"xaxis{place.panel}"] = {"showticklabels": place.panel in lowest(places)}
        axes[f"yaxis{place.panel}"] = {"range": _mean_range(gate, values), "nticks": 3, "showticklabels": ticks}
    notes, lines = _read_marks(samples, places, style.NEUTRAL)
    return panel_figure(places, LINES, traces, axes, notes, lines, "time step", "mean")


def moments(results: Mapping[str, GateMoments]) -> go.Figure:
    """Draw each gate's mean before, at and after what is to be remembered; 90 % of the units lie in the whiskers."""
    traces = []
    for panel, result in zip(style.numbers(len(results)), results.values(), strict=True):
        gates = [gate for row in ROWS for gate in row if gate in result.mean]
        for k, moment in enumerate(result.moments):
            colours = [style.faded(style.GATE_COLOURS[gate], MOMENTS[k]) for gate in gates]
            mean, low, high = (
                np.array([values[gate][k] if np.isfinite(values[gate][k]) else np.nan for gate in gates])
                for values in (result.mean, result.low, result.high)
            )
            traces.append(
                go.Bar(
                    x=gates, y=mean, name=moment, offsetgroup=moment, showlegend=False,
                    xaxis=f"x{panel}", yaxis=f"y{panel}", marker={"color": colours} | _stripes(k),
                    hovertemplate="%{x}: %{y:.3g}<extra>" + moment + "</extra>",
                    error_y={"array": high - mean, "arrayminus": mean - low, "color": style.NEUTRAL, "thickness": 1.2,
                             "width": 3},
                )
            )  # fmt: skip
    named = max((result.moments for result in results.values()), key=len)
    for k, moment in enumerate(named):
        look = {"color": style.faded(style.NEUTRAL, MOMENTS[k])} | _stripes(k)
        traces.append(go.Bar(x=[None], y=[None], name=moment, offsetgroup=moment, marker=look))
    count = len(results)
    grid = style.panels(count, titles=tuple(map(str.upper, results)), vertical_spacing=0.2)
    axes = {f"yaxis{panel}": {"title": {"text": "mean"}, "nticks": 5} for panel in style.numbers(count)}
    legend = {"x": 0, "xref": "container", "y": 0, "yref": "container", "yanchor": "bottom"}
    own = {"barmode": "group", "hovermode": "closest", "legend": legend, "margin": {"b": 90}}
    return style.figure(traces, grid, axes, own, height=190 * count + 120)


def _stripes(moment: int) -> style.Layout:
    """Return the pattern of the bars of a moment: those at the cue are striped."""
    return {"pattern": {"shape": "/", "solidity": 0.4}} if moment == len(MOMENTS) - 1 else {}


def saturated_units(now: Mapping[str, Mapping[str, Saturation]]) -> go.Figure:
    """Draw how often each unit's gates are near 0 and near 1: a dot per unit, none beyond x + y = 1.

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
                    marker={"color": style.GATE_COLOURS[gate], "symbol": MARKERS[gate], "size": 8},
                    hovertemplate="{}: {} %{{y:.1%}}, {} %{{x:.1%}}<extra></extra>".format(gate, *name_ends(gate)),
                )
            )  # fmt: skip
            named.add(gate)
        share = {"range": [-0.02, 1.02], "tickformat": ".0%"}
        axes[f"xaxis{panel}"] = share | {"nticks": 3, "title": {"text": "near 1: keeps"}}
        axes[f"yaxis{panel}"] = share
    loses = " or ".join(LOSES[gate] for gates in now.values() for gate in gates if gate in LOSES)
    axes["yaxis"] = axes["yaxis"] | {"title": {"text": f"near 0: {loses}"}}
    titles = tuple(map(str.upper, now))
    grid = style.panels(1, len(now), titles=titles, shared_yaxes=True, horizontal_spacing=0.12)
    return style.figure(traces, grid, axes, {"hovermode": "closest", "legend": BELOW | {"y": -0.24}}, height=420)


def _end_names(saturation: Saturation, place: Place) -> list[style.Layout]:
    """Return what a gate does at both ends of its axis, below it; of a candidate, the axis's ends."""
    names = name_ends(place.gate) if place.gate != "candidate" else ("", "")
    beyond = ("≤ ", "≥ ") if saturation.ends is None else ("", "")
    return [
        {"text": f"{more}{edge:g} {name}".replace("-", "−").strip(), "x": edge, "y": 0, "showarrow": False,
         "xanchor": side, "yanchor": "top", "yshift": -8, "font": {"size": 12}} | place.over
        for edge, name, more, side in zip(saturation.edges[[0, -1]], names, beyond, ("left", "right"), strict=True)
    ]  # fmt: skip


def _colour_bars(samples: Mapping[str, GateSample]) -> tuple[style.Layout, list[style.Layout]]:
    """Return the colour axes of gates and candidates, with bars side by side below the panels, and the bars' titles."""
    bar = {"orientation": "h", "thickness": 10, "tickfont": {"size": 12}, "outlinewidth": 0, "xanchor": "left"}
    bar |= {"yref": "container", "y": 0, "yanchor": "bottom"}
    ticks = {"tickvals": [0, 50, 100], "ticktext": ["0", "0.5", "1"], "x": 0, "len": 0.55}
    gate = {"cmin": 0, "cmax": 100, "colorscale": style.GATE_SCALE, "colorbar": bar | ticks}
    signed = {"cmin": -1, "cmax": 1, "colorscale": style.DIVERGING}
    signed["colorbar"] = bar | style.SIGNED | {"x": 0.6, "len": 0.4}
    loses = join_words([LOSES[gate] for sample in samples.values() for gate in sample.gates if gate in LOSES], "/")
    titles = [
        {"text": text, "x": x, "y": 0, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom",
         "yshift": 50 - MAPS.bottom, "align": "left", "showarrow": False, "font": {"size": 12}}
        for text, x in ((f"1: keeps, open<br>0: {loses}, shut", 0.02), ("candidate", 0.62))
    ]  # fmt: skip
    return {"coloraxis": gate, "coloraxis2": signed}, titles


def _colour_axis(gate: str) -> str:
    """Return the colour axis of a gate: 0 to 100 %, or -1 to 1 for the candidate."""
    return "coloraxis2" if gate == "candidate" else "coloraxis"


def _mean_range(gate: str, values: np.ndarray) -> list[float]:
    """Return the range of a mean's axis: 0 to 1; for a candidate −1 to 1, or wider where its values are."""
    if gate != "candidate":
        return [0, 1]
    top = max(1.0, float(np.abs(values[np.isfinite(values)]).max(initial=0.0)))
    return [-top, top]


def _end_shades(now: Saturation, before: Saturation | None, place: Place) -> Iterator[tuple[dict, list[dict]]]:
    """Yield a shade for each of a gate's two ends, and a note with the share of values there, if there are any."""
    if now.ends is None:
        return
    for side, (start, end) in enumerate(((now.edges[0], now.low), (now.high, now.edges[-1]))):
        shares = [f"{phase.ends[side]:.0%}" for phase in (before, now) if phase and phase.ends]
        note = {
            "text": " → ".join(shares), "x": (start, end)[side], "y": 1, "showarrow": False,
            "xanchor": ("left", "right")[side], "yanchor": "top", "font": {"size": 12},
        }  # fmt: skip
        yield (
            {"type": "rect", "x0": start, "x1": end, "y0": 0, "y1": 1, "fillcolor": style.NEUTRAL, "opacity": 0.12,
             "line": {"width": 0}, "layer": "below"} | place.over,
            [] if set(shares) == {"0%"} else [note | place.over],
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
