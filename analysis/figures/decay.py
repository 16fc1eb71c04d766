"""The gradient against distance: curves, threshold, horizons."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures import memory as memory_figure
from analysis.figures import style
from analysis.results import Decay, Memory

TITLES = {
    "memory": "gradient left",
    "hidden": "gradient left, hidden state",
    "cell": "gradient left, cell state",
    "input": "gradient left, input",
    "weights": "part in the update of W",
    "carry": "gradient left, by the gate alone",
}


def decay(
    decays: Mapping[str, Decay],
    *,
    before: Mapping[str, Decay] | None = None,
    carry: Mapping[str, Decay] | None = None,
    spread: str = "band",
    relative: bool = True,
    position: bool = False,
    full_depth: bool = False,
    large: bool = False,
    height: int = 420,
) -> go.Figure:
    """Draw the gradient of each cell against distance, with the threshold and the labelled horizons.

    Args:
        decays: by cell, drawn in full.
        before: by cell, drawn faint beside them, such as before training.
        carry: by cell, through the gate alone, drawn thin.
        spread: band (5th to 95th percentile), seeds (a thin line per model) or none.
        relative: as a share of the gradient at distance 0; else the norms themselves.
        position: x is the step in the sequence, T-1-k, instead of the distance k.
        full_depth: show all of the log axis instead of 1e-8 … 3.
        large: letters for a projector.
        height: in pixels.
    """
    size = 20 if large else 14
    figure = style.layout(go.Figure(), height, size)
    figure.add_traces(traces(decays, before or {}, carry or {}, spread, relative, position))
    axes(figure, [*decays.values(), *(before or {}).values()], relative, full_depth)
    figure.update_xaxes(title_text=axis_title(position))
    if relative:
        label_horizons(figure, decays, position, size)
    note_underflow(figure, decays, relative, size)
    return figure


def decay_and_memory(
    decays: Mapping[str, Decay],
    memories: Mapping[str, Memory],
    *,
    before: Mapping[str, Decay] | None = None,
    carry: Mapping[str, Decay] | None = None,
    spread: str = "band",
    relative: bool = True,
    position: bool = False,
    full_depth: bool = False,
    height: int = 620,
) -> go.Figure:
    """Draw the gradient as `decay` does, and below it, on the same distances, what the trained networks answer."""
    figure = make_subplots(rows=2, shared_xaxes=True, row_heights=[0.62, 0.38], vertical_spacing=0.05)
    style.layout(figure, height)
    figure.add_traces(traces(decays, before or {}, carry or {}, spread, relative, position), rows=1, cols=1)
    axes(figure, [*decays.values(), *(before or {}).values()], relative, full_depth, row=1)
    if relative:
        label_horizons(figure, decays, position, 14)
    note_underflow(figure, decays, relative, 14)
    figure.update_xaxes(title_text=axis_title(position), row=2, col=1)
    if memories:
        first = next(iter(memories.values()))
        for trace in memory_figure.traces(memories, position):
            figure.add_trace(trace.update(showlegend=False), row=2, col=1)
        figure.update_yaxes(title_text=first.metric_name, range=memory_figure.metric_range(memories), row=2, col=1)
        memory_figure.label_chance(figure, memories, position, "2")
        if first.kind == "window":
            _note(figure, "answers when only the steps up to a distance are seen", 13, axis="2", top=True)
    else:
        last = max((found.distance[-1] for found in decays.values()), default=1)
        figure.add_trace(go.Scatter(x=[0, last], y=[None, None], showlegend=False, hoverinfo="skip"), row=2, col=1)
        figure.update_yaxes(title_text="answers", range=[0, 1], showticklabels=False, row=2, col=1)
        figure.add_annotation(
            x=0.5, y=0.5, xref="x2 domain", yref="y2 domain", showarrow=False, text="Train to see what it remembers",
            font={"color": style.NEUTRAL, "size": 15},
        )  # fmt: skip
    return figure


def traces(
    decays: Mapping[str, Decay],
    before: Mapping[str, Decay],
    carry: Mapping[str, Decay],
    spread: str,
    relative: bool,
    position: bool,
) -> list[go.Scatter]:
    """Return the traces of a decay picture: spread, before, carry, curves, threshold, horizons, legend."""
    drawn = []
    for cell, found in decays.items():
        if spread == "band" and relative:
            drawn += _band(cell, found, position)
        if spread == "seeds" and relative:
            drawn += [_thin(cell, found, own, s, position) for s, own in enumerate(found.relatives)]
    for cell, found in before.items():
        drawn.append(_curve(cell, found, relative, position, "before", style.faded(style.COLOURS[cell], 0.55), 1.5))
    for cell, found in carry.items():
        drawn.append(_curve(cell, found, relative, position, "by the gate alone", style.COLOURS[cell], 1.5, "dashdot"))
    drawn += [_curve(cell, found, relative, position, "", style.COLOURS[cell], 3) for cell, found in decays.items()]
    if before:
        drawn.append(style.key("before training", width=1.5, opacity=0.6))
    if carry:
        drawn.append(style.key("by the gate alone", "dashdot", 1.5))
    if relative and decays:
        last = max(found.distance[-1] for found in decays.values())
        drawn.append(style.level((0, last), next(iter(decays.values())).threshold, "threshold"))
        drawn += [_dot(cell, found, position) for cell, found in decays.items() if np.isfinite(found.horizon)]
    return drawn


def axes(figure: go.Figure, decays: list[Decay], relative: bool, full_depth: bool, row: int | None = None) -> None:
    """Give the y axis its title and its range in powers of ten."""
    of = decays[0].of if decays else "memory"
    values = [style.drawable(d.relative if relative else d.norm) for d in decays]
    values = np.concatenate([v[np.isfinite(v)] for v in values]) if values else np.ones(1)
    highest, lowest = (values.max(), values.min()) if len(values) else (1.0, style.LOWEST)
    figure.update_yaxes(
        type="log", range=style.log_range(float(highest), float(lowest), full_depth), exponentformat="power",
        title_text=TITLES[of] if relative else TITLES[of].replace("gradient left", "size of the gradient"),
        row=row, col=row and 1,
    )  # fmt: skip
    # A label every second power of ten, or fewer where the axis is deep.
    deep = figure.layout.yaxis.range[1] - figure.layout.yaxis.range[0]
    figure.update_yaxes(dtick=2 if deep < 14 else np.ceil(deep / 6), row=row, col=row and 1)


def axis_title(position: bool) -> str:
    """Name the x axis."""
    return "step of the sequence" if position else "steps back from the last"


def label_horizons(figure: go.Figure, decays: Mapping[str, Decay], position: bool, size: int) -> None:
    """Write "RNN 7" at each horizon's dot, close ones above one another, and name the threshold."""
    found_at = [(found.horizon, cell) for cell, found in decays.items() if np.isfinite(found.horizon)]
    shown = sorted(found_at, key=lambda pair: pair[0])
    if not shown:
        return
    threshold = decays[shown[0][1]].threshold
    last = max(found.distance[-1] for found in decays.values())
    groups: list[list[tuple[float, str]]] = []
    for reach, cell in shown:
        if groups and reach - groups[-1][-1][0] <= 0.12 * last:
            groups[-1].append((reach, cell))
        else:
            groups.append([(reach, cell)])
    for group in groups:
        edge = group[-1][0]
        right = edge > 0.75 * last  # no room to the right of the dot
        highest = max(decays[cell].relative[int(reach)] for reach, cell in group)
        for i, (reach, cell) in enumerate(reversed(group)):
            prefix = "≥ " if decays[cell].censored else ""
            figure.add_annotation(
                x=_x(edge, last, position), y=float(np.log10(highest)), xref="x", yref="y", showarrow=False,
                text=f"<b>{cell.upper()} {prefix}{reach:.0f}</b>", font={"color": style.COLOURS[cell], "size": size},
                xanchor="right" if right != position else "left", xshift=(-10 if right != position else 10),
                yanchor="bottom", yshift=6 + i * (size + 5),
            )  # fmt: skip
    figure.add_annotation(
        x=_x(last, last, position), y=float(np.log10(threshold)), xref="x", yref="y", showarrow=False,
        text=f"{100 * threshold:g} %", font={"color": style.NEUTRAL, "size": size - 1},
        xanchor="left" if position else "right", yanchor="top",
    )  # fmt: skip


def note_underflow(figure: go.Figure, decays: Mapping[str, Decay], relative: bool, size: int) -> None:
    """Say from which distance on a gradient is below floating point, where the curve has its gap."""
    notes = []
    for cell, found in decays.items():
        values = found.relative if relative else found.norm
        below = np.flatnonzero(np.isfinite(values) & (values < style.SMALLEST))
        if len(below):
            notes.append(f"{cell.upper()} from {below[0]}")
    if notes:
        _note(figure, f"below floating point: {', '.join(notes)}", size - 2)


def _note(figure: go.Figure, text: str, size: int, axis: str = "", top: bool = False) -> None:
    """Write a line into a panel's right corner."""
    figure.add_annotation(
        x=1, y=float(top), xref=f"x{axis} domain", yref=f"y{axis} domain", xanchor="right",
        yanchor="top" if top else "bottom", showarrow=False, text=text, font={"color": style.NEUTRAL, "size": size},
    )  # fmt: skip


def _x(distance: float, last: float, position: bool) -> float:
    return float(last - distance if position else distance)


def _axis(found: Decay, position: bool) -> np.ndarray:
    return found.distance[-1] - found.distance if position else found.distance


def _curve(
    cell: str, found: Decay, relative: bool, position: bool, state: str, colour: str, width: float, dash: str = ""
) -> go.Scatter:
    name = f"{cell.upper()} {state}".strip()
    return go.Scatter(
        x=_axis(found, position), y=style.drawable(found.relative if relative else found.norm), name=name,
        mode="lines", line={"color": colour, "dash": dash or style.DASHES[cell], "width": width},
        showlegend=not state, hovertemplate="%{y:.3g}",
    )  # fmt: skip


def _thin(cell: str, found: Decay, own: np.ndarray, model: int, position: bool) -> go.Scatter:
    return go.Scatter(
        x=_axis(found, position), y=style.drawable(own), name=f"{cell.upper()} model {model}", mode="lines",
        line={"color": style.faded(style.COLOURS[cell], 0.5), "width": 1}, showlegend=False, hoverinfo="skip",
    )  # fmt: skip


def _band(cell: str, found: Decay, position: bool) -> list[go.Scatter]:
    x = _axis(found, position)
    edge = {
        "mode": "lines",
        "line": {"width": 0, "color": style.COLOURS[cell]},
        "showlegend": False,
        "hoverinfo": "skip",
    }
    # A filled area ends where a line has a gap; the floor keeps it closed.
    low, high = (np.maximum(np.nan_to_num(edge), style.SMALLEST) for edge in (found.low, found.high))
    return [
        go.Scatter(x=x, y=high, name=f"{cell.upper()} 95th percentile", **edge),
        go.Scatter(
            x=x,
            y=low,
            name=f"{cell.upper()} 5th percentile",
            fill="tonexty",
            fillcolor=style.faded(style.COLOURS[cell], 0.15),
            **edge,
        ),
    ]


def _dot(cell: str, found: Decay, position: bool) -> go.Scatter:
    at = int(found.horizon)
    return go.Scatter(
        x=[_x(at, found.distance[-1], position)], y=[found.relative[at]], name=f"{cell.upper()} horizon",
        mode="markers", marker={"color": style.COLOURS[cell], "size": 12, "line": {"color": "white", "width": 1.5}},
        showlegend=False, hoverinfo="skip",
    )  # fmt: skip
