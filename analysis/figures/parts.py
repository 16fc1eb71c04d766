"""What one part of a cell does at a word: small pictures beside the drawing, one for each view of `VIEWS`."""

from collections.abc import Callable, Sequence

import numpy as np
import plotly.graph_objects as go

from analysis.figures import style
from analysis.figures.cell import shortened
from analysis.language import translate as _
from analysis.reading import Reading

HEIGHT, LETTERS = 140, 12  # pixels
VIEWS = {  # of each cell, in the order of its row; the first is shown at first
    "lstm": ("forget", "input", "output", "cell", "hidden"),
    "gru": ("reset", "update", "candidate", "hidden"),
    "rnn": ("hidden",),
}


def part(reading: Reading, view: str, word: int, unit: int) -> go.Figure:
    """Draw what a part does: at one word by unit, or by word; the word is marked.

    Args:
        reading: of a sentence.
        view: one of `VIEWS` of the reading's cell.
        word: place of the word.
        unit: whose numbers are drawn where only one unit's are, from 0; what is written counts from 1.
    """
    return PICTURES.get(view, _mean_gate)(reading, view, word, unit)


def _mean_gate(reading: Reading, view: str, word: int, unit: int) -> go.Figure:
    """Draw a gate's mean over units by word."""
    mean = _line(reading.parts[view].mean(1), _("mean over units"), style.GATE_COLOURS[view])
    axis = {"range": [-0.03, 1.03], "tickvals": [0, 0.5, 1], "title": {"text": _("mean over units")}}
    return _by_word([mean], reading, word, axis)


def _input(reading: Reading, view: str, word: int, unit: int) -> go.Figure:
    """Draw the input gate's two parts and their product by unit: what to store, how much of it, what is stored."""
    rows = {
        "candidate": _("what to store, g"), "input": _("× how much, i"), "stored": _("= stored, i × g"),
    }  # fmt: skip
    return _by_unit(reading, rows, word)


def _proposal(reading: Reading, view: str, word: int, unit: int) -> go.Figure:
    """Draw a GRU's proposal by unit, how much of it is taken, and what is taken."""
    rows = {"candidate": _("what to store, n"), "update": _("× how much, 1 − z"), "stored": _("= stored, (1 − z) × n")}
    return _by_unit(reading, rows, word, {"update": lambda z: 1 - z})


def _cell_state(reading: Reading, view: str, word: int, unit: int) -> go.Figure:
    """Draw by unit what is kept, what is stored, and the cell state that they add up to."""
    rows = {"kept": _("kept, f × c before"), "stored": _("+ stored, i × g"), "cell": _("= cell state, c")}
    return _by_unit(reading, rows, word)


def _output(reading: Reading, view: str, word: int, unit: int) -> go.Figure:
    """Draw one unit over the words: its cell state, that through tanh, the output gate, and what is shown."""
    squashed = "tanh(c)" if reading.activation == "tanh" else "c"
    lines = [
        _line(reading.parts["cell"][:, unit], "c", style.NEUTRAL, dash="dot"),
        _line(reading.parts["squashed"][:, unit], squashed, style.COLOURS["lstm"], dash="dash"),
        _line(reading.parts["hidden"][:, unit], "h", style.POSITIVE, width=6),
        _line(reading.parts["output"][:, unit], "o", style.GATE_COLOURS["output"], width=2),  # where tanh(c) is 1, on h
    ]
    return _by_word(lines, reading, word, {"title": {"text": _("unit {unit}").format(unit=unit + 1)}}, legend=True)


def _hidden(reading: Reading, view: str, word: int, unit: int) -> go.Figure:
    """Draw the mean size of the hidden state by word."""
    size = _line(np.abs(reading.parts["hidden"]).mean(1), _("mean |h|"), style.COLOURS[reading.cell])
    return _by_word([size], reading, word, {"title": {"text": _("mean |h|")}, "rangemode": "tozero"})


PICTURES = {"input": _input, "output": _output, "cell": _cell_state, "candidate": _proposal, "hidden": _hidden}


def _line(values: np.ndarray, name: str, colour: str, dash: str = "solid", width: float = 3) -> go.Scatter:
    """Return a line of T values."""
    return go.Scatter(
        x=np.arange(len(values)), y=np.where(np.isfinite(values), values, np.nan), name=name, mode="lines+markers",
        line={"color": colour, "width": width, "dash": dash}, marker={"size": 5},
        hovertemplate="%{y:.3f}<extra>" + name + "</extra>",
    )  # fmt: skip


def _by_word(
    lines: Sequence[go.Scatter], reading: Reading, word: int, axis: style.Layout, legend: bool = False
) -> go.Figure:
    """Return a figure of lines by word, one word marked."""
    mark = {
        "type": "line", "x0": word, "x1": word, "y0": 0, "y1": 1, "yref": "paper", "layer": "below",
        "line": {"color": style.NEUTRAL, "width": 1.5},
    }  # fmt: skip
    words = {
        "tickvals": [word],
        "ticktext": [shortened(reading.words[word])],
        "range": [-0.5, len(reading.words) - 0.5],
    }
    margin = {"t": 34 if legend else 10, "b": 26, "l": 46, "r": 40}
    return style.figure(
        lines, {"xaxis": words | {"showgrid": False}, "yaxis": axis | {"nticks": 4}},
        {"shapes": [mark], "showlegend": legend, "margin": margin},
        height=HEIGHT, size=LETTERS,
    )  # fmt: skip


def _by_unit(
    reading: Reading,
    rows: dict[str, str],
    word: int,
    change: dict[str, Callable[[np.ndarray], np.ndarray]] | None = None,
) -> go.Figure:
    """Return a figure of a row of bars for each part at one word, a bar for each unit."""
    panels = style.numbers(len(rows))
    bars: list[go.Bar] = []
    axes: style.Layout = {}
    for panel, part in zip(panels, rows, strict=True):
        values = (change or {}).get(part, lambda same: same)(reading.parts[part][word])
        colours = [style.POSITIVE if value > 0 else style.NEGATIVE for value in values]
        bars.append(
            go.Bar(
                x=np.arange(1, len(values) + 1), y=np.where(np.isfinite(values), values, np.nan), name=rows[part],
                xaxis=f"x{panel}", yaxis=f"y{panel}", showlegend=False, marker={"color": colours, "line": {"width": 0}},
                hovertemplate=_("unit {unit}: {value}").format(unit="%{x}", value="%{y:.3f}") + "<extra></extra>",
            )
        )  # fmt: skip
        axes[f"yaxis{panel}"] = {"nticks": 4}
        axes[f"xaxis{panel}"] = {"showticklabels": panel == panels[-1], "showgrid": False}
    layout = style.panels(len(rows), shared_xaxes=True, vertical_spacing=0.2, titles=tuple(rows.values()))
    named = [{**each, "font": {"size": LETTERS}} for each in layout["annotations"]]
    return style.figure(
        bars, layout | {"annotations": named}, axes,
        {"hovermode": "closest", "bargap": 0.2, "margin": {"t": 18, "r": 40, "l": 40, "b": 24}},
        height=HEIGHT + 46, size=LETTERS,
    )  # fmt: skip
