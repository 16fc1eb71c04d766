"""The gradient against distance: curves, threshold, horizons."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go

from analysis.figures import memory as memory_figure
from analysis.figures import style, theory
from analysis.reasons import Prediction
from analysis.report.wording import cell_with_state, describe_reach
from analysis.results import SMALLEST, Decay, Memory

TITLES = {
    "memory": "gradient left",
    "hidden": "gradient left, hidden state",
    "cell": "gradient left, cell state",
    "input": "gradient left, input",
    "weights": "part in the update of W",
    "carry": "gradient left, by the gate alone",
}
DOWN = 1e-300  # where the line below a horizon, and the fall where truncation cuts, end: lower than any axis
FEWEST = 0.1  # share of the sequences that a distance must have to be drawn
APART = 0.1  # in powers of ten; a line closer to a curve than this is hidden by it


def decay(
    decays: Mapping[str, Decay],
    *,
    before: Mapping[str, Decay] | None = None,
    carry: Mapping[str, Decay] | None = None,
    states: Mapping[str, str] | None = None,
    spread: str = "band",
    relative: bool = True,
    position: bool = False,
    full_depth: bool = False,
    large: bool = False,
    height: int = 420,
    before_name: str = "before training",
    answers: Mapping[str, str] | None = None,
    predictions: Mapping[str, Prediction] | None = None,
) -> go.Figure:
    """Draw the gradient of each cell against distance, with the threshold, and the horizons in the legend.

    Where sequences have unlike lengths, it ends at the last distance that a tenth of them reach, and says so.

    Args:
        decays: by cell, drawn in full.
        before: by cell, drawn faint beside them, such as before training.
        carry: by cell, through the gate alone, drawn thin.
        states: by cell, a word for the legend, such as "untrained".
        spread: band (5th to 95th percentile), seeds (a thin line per model) or none.
        relative: as a share of the gradient at distance 0; else the norms themselves.
        position: x is the step in the sequence, T-1-k, instead of the distance k.
        full_depth: show all of the log axis instead of 1e-8 … 3.
        large: letters for a projector.
        height: in pixels.
        before_name: the name of the faint curves in the legend.
        answers: by cell, what it answers, for the legend: a horizon alone would look like memory.
        predictions: by cell, what theory says of it untrained, as a share of the gradient at distance 0.
    """
    size = 20 if large else 14
    predicted = theory.lines(predictions or {}, position) if relative else []
    before, carry, states, answers = before or {}, carry or {}, states or {}, answers or {}
    drawn = [*shown(decays).values()]
    notes = _underflow(shown(decays), relative, size) + _few_left(decays, size) + _cut_off(decays, size)
    return style.figure(
        traces(decays, before, carry, states, spread, relative, position, before_name, answers) + predicted,
        {
            "xaxis": {"title": {"text": axis_title(position)}, "range": style.distances(drawn)},
            "yaxis": size_axis([*drawn, *shown(before).values()], relative, full_depth),
            "annotations": (threshold_label(decays, size) if relative else []) + notes,
        },
        height=height,
        size=size,
    )


def shown(decays: Mapping[str, Decay]) -> dict[str, Decay]:
    """Return by cell what is drawn of its decay: up to the last distance that enough of the sequences reach."""
    return {cell: _cut(decay) for cell, decay in decays.items()}


def _cut(decay: Decay) -> Decay:
    if decay.samples is None or not len(decay.samples) or decay.samples[-1] >= FEWEST * decay.samples[0]:
        return decay
    count = int(np.count_nonzero(decay.samples >= FEWEST * decay.samples[0]))
    names = ("distance", "norm", "mean_square", "relative", "low", "high", "samples")
    return replace(
        decay, relatives=decay.relatives[:, :count], **{name: getattr(decay, name)[:count] for name in names}
    )


def with_memory(
    figure: go.Figure,
    memories: Mapping[str, Memory],
    *,
    position: bool = False,
    untrained: str = "Measured when the training is done",
    trained: str = "",
    height: int = 440,
) -> go.Figure:
    """Return a figure of `decay` with a second panel below it: the metric of trained networks by distance.

    Args:
        figure: made by `decay`.
        memories: by cell.
        position: as in `decay`.
        untrained: the text in the second panel where `memories` is empty.
        trained: the end of the second panel's axis title otherwise.
        height: in pixels.
    """
    above, distances = figure.layout, figure.layout.xaxis.range
    panel = _memory_panel(memories, position, trained) if memories else _empty_panel(distances, untrained)
    below, y_axis, notes = panel
    x_title = axis_title(position)
    if memories and next(iter(memories.values())).kind == "window":
        seen = "the first time step seen" if position else "how many of the last time steps were seen"
        x_title += f"<br>(lower picture: {seen})"
    return style.figure(
        [*figure.data, *(trace.update(xaxis="x2", yaxis="y2") for trace in below)],
        style.panels(2, shared_xaxes=True, row_heights=(0.62, 0.38), vertical_spacing=0.05),
        {
            "xaxis": {"range": distances},
            "xaxis2": {"title": {"text": x_title}, "range": distances},
            "yaxis": above.yaxis.to_plotly_json(),
            "yaxis2": y_axis,
            "annotations": [*above.annotations, *notes],
        },
        height=height,
    )


def _memory_panel(
    memories: Mapping[str, Memory], position: bool, title_end: str
) -> tuple[list[go.Scatter], style.Layout, list[style.Layout]]:
    """Return the traces of a panel of memories, its y axis, and the labels of chance and other levels."""
    first = next(iter(memories.values()))
    traces = memory_figure.traces(memories, position)
    for trace in traces:
        trace.showlegend = trace.name == memory_figure.UNTRAINED
    title = f"{first.metric_name}<br>{title_end}".removesuffix("<br>")
    y_axis = {"title": {"text": title}, "range": memory_figure.metric_range(memories)}
    return traces, y_axis, memory_figure.level_labels(memories, "chance", "2")


def _empty_panel(
    distances: tuple[float, float], text: str
) -> tuple[list[go.Scatter], style.Layout, list[style.Layout]]:
    """Return an empty trace for a panel without memories, its y axis, and a text in its middle."""
    trace = go.Scatter(x=distances, y=[None, None], showlegend=False, hoverinfo="skip")
    note = {
        "x": 0.5, "y": 0.5, "xref": "x2 domain", "yref": "y2 domain", "showarrow": False, "text": text,
        "font": {"color": style.NEUTRAL, "size": 15},
    }  # fmt: skip
    return [trace], {"title": {"text": "answers"}, "range": [0, 1], "showticklabels": False}, [note]


def traces(
    decays: Mapping[str, Decay],
    before: Mapping[str, Decay],
    carry: Mapping[str, Decay],
    states: Mapping[str, str],
    spread: str,
    relative: bool,
    position: bool,
    before_name: str,
    answers: Mapping[str, str],
) -> list[go.Scatter]:
    """Return the traces of a decay picture: spread, before, carry, curves, threshold, horizons, legend."""
    lines: list[go.Scatter] = []
    whole, decays, before, carry = decays, shown(decays), shown(before), shown(carry)
    for cell, decay in decays.items():
        if spread == "band" and relative:
            lines.append(_band(cell, decay, position))
        if spread == "seeds" and relative:
            lines += [_thin(cell, decay, own, s, position) for s, own in enumerate(decay.relatives)]
    for cell, decay in before.items():
        lines.append(_curve(cell, decay, relative, position, "before", style.faded(style.colour_of(cell), 0.55), 1.5))
    for cell, decay in carry.items():
        lines.append(
            _curve(cell, decay, relative, position, "by the gate alone", style.colour_of(cell), 1.5, "dashdot")
        )
    lines += [_curve(cell, decay, relative, position, "", style.colour_of(cell), 3) for cell, decay in decays.items()]
    lines += [_named(cell, decay, states, relative, answers.get(cell, "")) for cell, decay in whole.items()]
    if before:
        lines.append(style.key(before_name, width=1.5, opacity=0.6))
    if any(_apart(decay, decays[cell], relative) for cell, decay in carry.items()):
        lines.append(style.key("by the gate alone", "dashdot", 1.5))
    if relative and decays:
        last = max(decay.distance[-1] for decay in decays.values())
        lines.append(style.level((0, last), threshold_of(decays), "threshold"))
        for cell, decay in decays.items():
            lines += [_dot(cell, decay, position)] if decay.horizon < len(decay.distance) else []
    return lines


def size_axis(decays: list[Decay], relative: bool = True, full_depth: bool = False) -> style.Layout:
    """Return the y axis: its title, and its range in powers of ten."""
    of = decays[0].of if decays else "memory"
    curves = [style.drawable(decay.relative if relative else decay.norm) for decay in decays]
    values = np.concatenate([curve[np.isfinite(curve)] for curve in curves]) if curves else np.ones(1)
    highest, lowest = (values.max(), values.min()) if len(values) else (1.0, style.LOWEST)
    bottom, top = style.log_range(float(highest), float(lowest), full_depth)
    return {
        **style.decades(bottom, top),
        "title": {"text": TITLES[of] if relative else TITLES[of].replace("gradient left", "size of the gradient")},
    }  # fmt: skip


def axis_title(position: bool) -> str:
    """Return the x axis's title."""
    return "time step of the sequence" if position else "time steps back from the last"


def threshold_label(decays: Mapping[str, Decay], size: int) -> list[style.Layout]:
    """Return the threshold's label beside the picture; an empty list where nothing is drawn."""
    share = threshold_of(decays) if decays else 0
    return [style.label(share, f"{100 * share:g} %", size, log=True)] if decays else []


def threshold_of(decays: Mapping[str, Decay]) -> float:
    """Return the threshold, which is the same for all decays."""
    return next(iter(decays.values())).threshold


def _underflow(decays: Mapping[str, Decay], relative: bool, size: int) -> list[style.Layout]:
    """Return a note on the distances from which a gradient is below floating point: there its curve has a gap."""
    starts = []
    for cell, decay in decays.items():
        values = (decay.relative if relative else decay.norm)[: decay.furthest + 1]
        below = np.flatnonzero(np.isfinite(values) & (values < SMALLEST))
        if len(below):
            starts.append(f"{cell.upper()} from {below[0]}")
    return [_note(f"below floating point: {', '.join(starts)}", 1, size)] if starts else []


def _few_left(decays: Mapping[str, Decay], size: int) -> list[style.Layout]:
    """Return a note on the distances at which a picture ends since fewer than a tenth of the sequences reach on."""
    ends = {
        cell: len(drawn.distance)
        for cell, drawn in shown(decays).items()
        if len(drawn.distance) < len(decays[cell].distance)
    }
    if not ends:
        return []
    alike = len(ends) == len(decays) > 1 and len({*ends.values()}) == 1
    by_cell = [f"{cell.upper()} from {end}" for cell, end in ends.items()]
    where = f"from {min(ends.values())}" if alike else ", ".join(by_cell)
    return [_note(f"fewer than a tenth of the sequences: {where}", 0.93, size)]


def _cut_off(decays: Mapping[str, Decay], size: int) -> list[style.Layout]:
    """Return a note on the distance from which truncated backpropagation leaves no gradient."""
    firsts = sorted({decay.cut for decay in decays.values() if decay.cut is not None})
    return [_note(f"cut by truncation from {', '.join(map(str, firsts))}", 0.93, size)] if firsts else []


def _note(text: str, y: float, size: int) -> style.Layout:
    """Return a note at the right of the picture, at a share of its height."""
    return {
        "text": text, "x": 1, "y": y, "xref": "x domain", "yref": "y domain", "xanchor": "right", "yanchor": "top",
        "showarrow": False, "font": {"color": style.NEUTRAL, "size": size - 2},
    }  # fmt: skip


def _named(cell: str, decay: Decay, states: Mapping[str, str], relative: bool, answer: str) -> go.Scatter:
    """Return a cell's entry in the legend: its name, its state, what it answers, how far its gradient reaches.

    A decay of what steps add to the weights has no reach, because that gradient isn't carried back.
    """
    reach = describe_reach(decay) if relative and decay.of != "weights" else ""
    if answer and reach:
        reach = f"{answer}, horizon {reach.partition(' time step')[0]}"
    said = reach or answer
    name = f"{cell_with_state(cell, states)}: {said}".removesuffix(": ")
    return go.Scatter(x=[None], y=[None], name=name, legendgroup=cell, mode="lines", line=style.line(cell, 3))


def _apart(line: Decay, curve: Decay, relative: bool) -> bool:
    """Return whether a line is visible beside a cell's curve, somewhere within the picture."""
    one, other = (style.drawable(decay.relative if relative else decay.norm) for decay in (line, curve))
    in_picture = (one > style.LOWEST) & (other > style.LOWEST)
    return bool((np.abs(np.log10(one[in_picture] / other[in_picture])) > APART).any())


def _curve(
    cell: str, decay: Decay, relative: bool, position: bool, state: str, colour: str, width: float, dash: str = ""
) -> go.Scatter:
    """Return a cell's gradient by distance as a line; the legend doesn't show it."""
    name = f"{cell.upper()} {state}".strip()
    sizes = style.drawable(decay.relative if relative else decay.norm)
    if decay.cut is not None and decay.cut < len(sizes):
        sizes[decay.cut] = DOWN
    return go.Scatter(
        x=style.along_x(decay, position), y=sizes, name=name,
        mode="lines", line={"color": colour, "dash": dash or style.dash_of(cell), "width": width},
        legendgroup=cell, showlegend=False, hovertemplate="%{y:.3g}",
    )  # fmt: skip


def _thin(cell: str, decay: Decay, own: np.ndarray, model: int, position: bool) -> go.Scatter:
    """Return one model's own gradient as a thin line."""
    return go.Scatter(
        x=style.along_x(decay, position), y=style.drawable(own), name=f"{cell.upper()} model {model}", mode="lines",
        line={"color": style.faded(style.colour_of(cell), 0.5), "width": 1}, legendgroup=cell, showlegend=False,
        hoverinfo="skip",
    )  # fmt: skip


def _band(cell: str, decay: Decay, position: bool) -> go.Scatter:
    """Return the area between the 5th and the 95th percentile."""
    low, high = (np.maximum(np.nan_to_num(edge), SMALLEST) for edge in (decay.low, decay.high))
    name = f"{cell.upper()} 5th to 95th percentile"
    return style.band(style.along_x(decay, position), low, high, style.colour_of(cell), name, legendgroup=cell)


def _dot(cell: str, decay: Decay, position: bool) -> go.Scatter:
    """Return the mark of a horizon, with a thin line down to the axis if the horizon isn't at its end."""
    x, y = (float(values[int(decay.horizon)]) for values in (style.along_x(decay, position), decay.relative))
    return style.dot(cell, x, y, f"{cell.upper()} horizon", cell, down=None if decay.censored else DOWN)
