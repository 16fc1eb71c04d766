"""Bounds: a vector multiplied at every step, and how large a cell's states and gradients become."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from analysis.figures import style
from analysis.language import translate as _
from analysis.reading import Repeated
from analysis.results import SMALLEST, Bounds, Decay

COLOURS = {"tanh": "#0F8C99", "relu": "#6E9410", "identity": "#7686A0"}  # no cell's and no gate's
DASHES = {"tanh": "solid", "relu": "dash", "identity": "dot"}
ENTRIES = ("#8866CC", "#999933", "#CC6677", "#A0703C", "#808080", "#AA4499", "#5588AA", "#66A050")
FLOOR = 1e-4  # the lowest size that the axis shows at first
WITHIN = style.faded(style.NEUTRAL, 0.2)  # the band between −1 and 1
HIGHEST_POWER = 308.25  # of ten: the largest float64


def repeated(result: Repeated, step: int, log: bool = False, height: int = 370) -> go.Figure:
    """Draw a vector's entries up to a time step, without tanh and with it, and the band that tanh keeps them in.

    Args:
        result: the vector at every time step.
        step: the last time step that is drawn.
        log: sizes on a log axis, the same on both sides; else values, where the axis without tanh grows with them.
        height: in pixels.
    """
    sides = [style.drawable(np.abs(side)) if log else side for side in (result.plain, result.bounded)]
    last = len(result.plain) - 1
    steps = {"title": {"text": _("time step")}, "range": [-0.4, last + 0.4], "dtick": 2}
    plain, bounded = _entry_axes(sides, step, log)
    return style.figure(
        _entry_lines(result.plain[0], sides, step),
        style.panels(1, 2, titles=(_("without tanh"), _("with tanh")), horizontal_spacing=0.08),
        {
            "xaxis": steps,
            "xaxis2": steps,
            "yaxis": plain | {"title": {"text": _("size of the number") if log else _("value of the number")}},
            "yaxis2": bounded | {"side": "right"},  # or its labels lie in the left panel on a phone
            "hovermode": "closest",
            "margin": {"t": 74},
            "legend": {"y": _above_titles(height), "title": {"text": _("starts at")}},
            "shapes": [
                _within("x domain", "y", plain["range"], log, named=False),  # on a large scale it is a line
                _within("x2 domain", "y2", bounded["range"], log),
            ],
        },
        height=height,
    )


def squash(result: Repeated, step: int, height: int = 370) -> go.Figure:
    """Draw tanh's curve with its band, and on it what it makes of each entry at a time step.

    At time step 0 no entry has passed it yet. Later, small points show where each entry was at the time steps before.
    """
    widest = max(2.0, 1.1 * abs(result.factor))
    x = np.linspace(-widest, widest, 81)
    through = {"tanh": np.tanh(x), "identity": x}
    curves = [
        go.Scatter(
            x=x, y=y, name={"identity": _("without tanh")}.get(name, name), mode="lines", hoverinfo="skip",
            line={"color": COLOURS[name], "width": 2.5, "dash": DASHES[name]},
        )
        for name, y in through.items()
    ]  # fmt: skip
    way = [_dots(result, range(1, step), widest, "before", {"size": 6, "opacity": 0.4})] if step > 1 else []
    now = _dots(result, range(step, step + 1) if step else range(0), widest, "entries", {"size": 12, "opacity": 1})
    return style.figure(
        [*curves, *way, now],
        {
            "xaxis": {
                "title": {"text": _("{factor} × the number before").format(factor=f"{result.factor:g}")},
                "range": [-widest, widest],
            },
            "yaxis": {"range": [-1.6, 1.6], "tickvals": [-1, 0, 1]},
            "hovermode": "closest",
            "margin": {"t": 74, "l": 30, "r": 34},
            "legend": {"y": _above_titles(height)},
            "shapes": [_within("x domain", "y", [-1.6, 1.6])],
            "annotations": [_flat(-widest, -1), _flat(widest, 1)],
        },
        height=height,
    )


def _dots(result: Repeated, steps: range, widest: float, name: str, marker: style.Layout) -> go.Scatter:
    """Return a point on tanh's curve for each entry at each of these time steps."""
    before, after = result.factor * result.bounded[[step - 1 for step in steps]], result.bounded[list(steps)]
    colours = [ENTRIES[n % len(ENTRIES)] for n in range(after.shape[1])] * len(steps)
    return go.Scatter(
        x=np.clip(before, -widest, widest).ravel(), y=after.ravel(), name=name, mode="markers", showlegend=False,
        marker={"color": colours, "line": {"width": 0}} | marker, customdata=before.ravel(), cliponaxis=False,
        hovertemplate="tanh(%{customdata:.4g}) = %{y:.4g}<extra></extra>",
    )  # fmt: skip


def _above_titles(height: int) -> float:
    """Return the place of a legend above the titles of panels, in a figure of a height in pixels."""
    return 1 + 27 / (height - 144)  # less the margins, these are the pixels of the panels


def _flat(x: float, y: float) -> style.Layout:
    """Return the name of a flat end of tanh's curve, outside of the band."""
    return {
        "x": x, "y": y, "xanchor": "left" if x < 0 else "right", "yanchor": "top" if y < 0 else "bottom",
        "yshift": 6 * y, "text": _("saturated"), "showarrow": False, "font": {"size": 12},
    }  # fmt: skip


def _within(xref: str, yref: str, shown: list[float], log: bool = False, named: bool = True) -> style.Layout:
    """Return the band from −1 to 1, from below the axis's range up where it is logarithmic, and its name."""
    low = 10.0 ** min(shown[0], 0) if log else -1
    return {
        "type": "rect", "x0": 0, "x1": 1, "xref": xref, "y0": low, "y1": 1, "yref": yref, "layer": "below",
        "line": {"width": 0}, "fillcolor": WITHIN,
        "label": {"text": _("within ±1") if named else "", "textposition": "bottom right", "font": {"size": 12}},
    }  # fmt: skip


def _entry_lines(starts: np.ndarray, sides: list[np.ndarray], step: int) -> list[go.Scatter]:
    """Return a line up to a time step for each entry in each panel, from values (time steps, entries)."""
    hover = _("from {start}, time step {step}: {value}")
    return [
        go.Scatter(
            x=np.arange(step + 1), y=values[: step + 1, n], name=_start(start), legendgroup=str(n),
            showlegend=not panel, mode="lines+markers", line={"color": ENTRIES[n % len(ENTRIES)], "width": 2.5},
            marker={"size": [5] * step + [11], "opacity": 1, "line": {"width": 0}}, cliponaxis=False,
            hovertemplate=hover.format(start=_start(start), step="%{x}", value="%{y:.4g}") + "<extra></extra>",
            xaxis=f"x{panel}", yaxis=f"y{panel}",
        )
        for panel, values in zip(style.numbers(2), sides, strict=True)
        for n, start in enumerate(starts)
    ]  # fmt: skip


def _start(number: float) -> str:
    """Write what an entry starts at, with a typographic minus."""
    return f"{number:g}".replace("-", "−")


def sizes(bounds: Mapping[str, Bounds], of: str = "hidden") -> go.Figure:
    """Draw by activation how large the state becomes: the largest, the median, and what 98 of 100 values span.

    Args:
        bounds: by activation, all with the same weights.
        of: hidden, or cell where there is one.
    """
    symbol = {"hidden": "|h|", "cell": "|c|"}[of]
    traces, tops, overflows = [], [1.0], {}
    for activation, result in bounds.items():
        low, median, high, largest = (style.drawable(level) for level in getattr(result, of))
        colour, x = _colour_of(activation), np.arange(len(largest))
        floor = np.maximum(np.nan_to_num(low), FLOOR)
        traces += [
            style.band(x, floor, high, colour, f"{activation} 1 % to 99 %", 0.1),
            go.Scatter(
                x=x, y=median, name=f"{activation} median", mode="lines", showlegend=False,
                line={"color": colour, "width": 1.2, "dash": _dash_of(activation)}, hovertemplate="%{y:.3g}",
            ),
            _line(activation, x, largest, "largest %{y:.3g}"),
        ]  # fmt: skip
        tops += [float(np.nanmax(largest))] if np.isfinite(largest).any() else []
        if result.overflow_step is not None:
            overflows[activation] = result.overflow_step
    traces.append(style.key("1 % to 99 %", width=10, opacity=0.3))
    size = _powers(np.log10(FLOOR), np.log10(max(tops) * 3))
    axes = {
        "xaxis": {"title": {"text": "time step"}},
        "yaxis": {"title": {"text": f"{symbol}: largest, median (thin)"}} | size,
        "shapes": [_within("x domain", "y", size["range"], log=True)],
    }
    marks = _overflows(overflows)
    return style.figure(traces, axes, marks | {"shapes": axes["shapes"] + marks["shapes"]}, height=380)


def growth(decays: Mapping[str, Decay]) -> go.Figure:
    """Draw by activation how the gradient grows or shrinks with distance, with its 5th to 95th percentile."""
    traces, tops, bottoms = [], [1.0], [1.0]
    lost = [activation for activation, result in decays.items() if not np.isfinite(result.relative).any()]
    for activation, result in decays.items():
        colour, x = _colour_of(activation), result.distance
        low, middle, high = (style.drawable(values) for values in (result.low, result.relative, result.high))
        if activation not in lost:
            bottom_edge, top_edge = (np.nan_to_num(values, nan=SMALLEST) for values in (low, high))
            traces.append(style.band(x, bottom_edge, top_edge, colour, f"{activation} 5 % to 95 %", 0.1))
            tops.append(float(np.nanmax(high)))
            bottoms.append(float(np.nanmin(low)))
        traces.append(_line(activation, x, middle, "×%{y:.3g}"))
    traces.append(style.key("5 % to 95 %", width=10, opacity=0.3))
    traces.append(
        style.level((0, max(result.distance[-1] for result in decays.values())), 1.0, "as at the last time step")
    )
    bottom = np.log10(max(min(bottoms), style.LOWEST)) - 0.3
    layout = {
        "xaxis": {"title": {"text": "distance (time steps back from the last)"}},
        "yaxis": {"title": {"text": "gradient, × the last time step's"}} | _powers(bottom, np.log10(max(tops) * 3)),
        "annotations": [_note(f"{', '.join(lost)}: beyond floating point")] if lost else [],
    }
    return style.figure(traces, layout, height=380)


def saturated(bounds: Mapping[str, Bounds]) -> go.Figure:
    """Draw by activation the share of |h| beyond .99 at every time step."""
    traces = [
        _line(activation, np.arange(len(result.saturated)), result.saturated, "%{y:.1%}")
        for activation, result in bounds.items()
    ]
    axes = {
        "xaxis": {"title": {"text": "time step"}},
        "yaxis": {"title": {"text": "share of |h| beyond .99"}, "range": [-0.02, 1.02], "tickformat": ".0%"},
    }
    return style.figure(traces, axes, height=320)


def _colour_of(activation: str) -> str:
    """Return an activation's colour; grey for another name, of a cell of one's own."""
    return COLOURS.get(activation, style.NEUTRAL)


def _dash_of(activation: str) -> str:
    """Return an activation's dash; a long one for another name."""
    return DASHES.get(activation, "longdash")


def _line(activation: str, x: np.ndarray, y: np.ndarray, hover: str) -> go.Scatter:
    """Return an activation's line; the legend shows its name."""
    return go.Scatter(
        x=x, y=y, name=activation, mode="lines", hovertemplate=hover,
        line={"color": _colour_of(activation), "width": 3, "dash": _dash_of(activation)},
    )  # fmt: skip


def _entry_axes(sides: list[np.ndarray], step: int, log: bool) -> list[style.Layout]:
    """Return both axes: log ones hold all time steps; of the others the first holds those drawn, the second all."""
    if log:
        sizes = np.concatenate([side[np.isfinite(side)] for side in sides])
        low, high = (sizes.min(), sizes.max()) if len(sizes) else (0.1, 1.0)
        return [_powers(np.log10(low) - 0.3, max(np.log10(high), 0) + 0.3)] * 2
    tops = [float(np.abs(side[np.isfinite(side)]).max(initial=1)) for side in (sides[0][: step + 1], sides[1])]
    return [{"range": [-1.1 * top, 1.1 * top]} for top in tops]


def _powers(low: float, high: float) -> style.Layout:
    """Return a log axis from 10^low to 10^high, with at most eight labels."""
    high = min(float(high), HIGHEST_POWER)
    return style.log_axis(float(low), high) | {"dtick": max(1, int(np.ceil((high - low) / 8)))}


def _overflows(steps: Mapping[str, int]) -> style.Layout:
    """Return a line at each activation's overflow step, and a note that lists them."""
    lines = [
        {"type": "line", "x0": step, "x1": step, "xref": "x", "y0": 0, "y1": 1, "yref": "y domain",
         "line": {"color": _colour_of(activation), "width": 2, "dash": "dot"}}
        for activation, step in steps.items()
    ]  # fmt: skip
    listed = ["beyond floating point:", *(f"{activation} from time step {step}" for activation, step in steps.items())]
    return {"shapes": lines, "annotations": [_note("<br>".join(listed))] if steps else []}


def _note(text: str) -> style.Layout:
    """Return a text in the lower right corner of the figure."""
    return {
        "text": text, "x": 1, "y": 0, "xref": "paper", "yref": "paper", "xanchor": "right", "yanchor": "bottom",
        "yshift": 16, "showarrow": False, "align": "right", "font": {"size": 13, "color": style.NEUTRAL},
    }  # fmt: skip
