"""A diagram of a cell, with the numbers of one word of a sentence."""

from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go

from analysis.experiment import PART_SYMBOLS
from analysis.figures import style
from analysis.reading import Reading
from analysis.report.wording import format_percent

SHOWN = 64  # units drawn of a vector, the first ones
ACROSS = 8  # units side by side in a patch
PATCH, BOX = (9.0, 5.4), (10.0, 7.0)  # width and height, on a canvas of 100 by about 60
LEFT_END, RIGHT_END = 4, 96  # x of the patches at both ends of a flow
ABOVE = 6  # room above the drawing for the colour scale
DECIMALS = 4  # of the numbers drawn
NAME_SIZE = 12  # pixels of the smallest letters
NAMES = {
    "embedded": "the word as numbers, x", "hidden_before": "hidden state before, h₋", "hidden": "hidden state, h",
    "cell_before": "cell state before, c₋", "cell": "cell state, c", "forget": "forget gate, f",
    "input": "input gate, i", "candidate": "candidate, {g}", "output": "output gate, o", "reset": "reset gate, r",
    "update": "update gate, z", "kept": "what is kept, {kept}", "stored": "what is stored, {stored}",
    "recalled": "what is recalled, r × (W h₋ + b)",
}  # fmt: skip
FORMULAS = {
    "lstm": {"g": "g", "kept": "f × c₋", "stored": "i × g"},
    "gru": {"g": "n", "kept": "z × h₋", "stored": "(1 − z) × n"},
    "rnn": {},
}
SQUASHED = ("candidate", "squashed", "hidden")  # through tanh; all other boxes are σ
LONGEST, SHORT = 18, 10  # characters of a word that are shown; along an axis
Point = tuple[float, float]


@dataclass(frozen=True)
class Drawing:
    """A cell on the canvas: wires with an arrow at their end, boxes, signs in circles, and a patch per vector."""

    flows: tuple[tuple[Point, ...], ...]  # wires that carry the memory on, drawn thick
    wires: tuple[tuple[Point, ...], ...]
    boxes: dict[str, Point]  # by the part they make
    signs: tuple[tuple[str, float, float], ...]
    patches: dict[str, Point]  # by part
    frame: tuple[float, float, float, float]  # the cell's outline: x0, y0, x1, y1
    notes: tuple[tuple[str, float, float], ...]
    top: float = 58


LSTM = Drawing(
    flows=(((8, 52), (91.5, 52)),),
    wires=(
        ((8, 11), (70, 11), (70, 16.9)),
        ((15, 2), (15, 11)),
        ((26, 11), (26, 16.9)), ((26, 24), (26, 49.8)),
        ((40, 11), (40, 16.9)), ((40, 24), (40, 39), (52.5, 39)),
        ((54, 11), (54, 16.9)), ((54, 24), (54, 36.8)),
        ((54, 41), (54, 49.8)),
        ((70, 24), (70, 37), (82.5, 37)),
        ((84, 52), (84, 48)), ((84, 41), (84, 39.2)),
        ((84, 35), (84, 11), (91.5, 11)),
        ((96, 9), (96, 3)),
    ),
    boxes={"forget": (26, 21), "input": (40, 21), "candidate": (54, 21), "output": (70, 21), "squashed": (84, 44.5)},
    signs=(("×", 26, 52), ("×", 54, 39), ("+", 54, 52), ("×", 84, 37)),
    patches={
        "cell_before": (4, 52), "hidden_before": (4, 11), "embedded": (15, 0),
        "forget": (26, 30), "input": (40, 30), "candidate": (54, 30), "output": (70, 30),
        "kept": (40, 52), "stored": (54, 45), "cell": (96, 52), "hidden": (96, 11),
    },
    frame=(10, 5, 90, 57),
    notes=(("cell state: long memory", 70, 55), ("hidden state: what is passed on now", 46, 8),
           ("kept", 40, 47.8), ("stored", 44, 44)),
)  # fmt: skip
GRU = Drawing(
    flows=(((8, 52), (91.5, 52)),),
    wires=(
        ((12, 52), (12, 15), (50, 15), (50, 16.9)),
        ((12, 39), (24.5, 39)),
        ((17, 2), (17, 15)), ((17, 8.5), (72, 8.5), (72, 16.9)),
        ((26, 15), (26, 16.9)), ((26, 24), (26, 36.8)),
        ((26, 39), (38, 39), (38, 9.5)),
        ((50, 24), (50, 49.8)),
        ((50, 39), (59.5, 39)), ((61, 39), (70.5, 39)),
        ((72, 24), (72, 36.8)),
        ((72, 41), (72, 49.8)),
        ((96, 50), (96, 3)),
    ),
    boxes={"reset": (26, 21), "update": (50, 21), "candidate": (72, 21)},
    signs=(("×", 26, 39), ("×", 50, 52), ("1−", 61, 39), ("×", 72, 39), ("+", 72, 52)),
    patches={
        "hidden_before": (4, 52), "embedded": (17, 0), "reset": (26, 30), "update": (50, 30), "candidate": (72, 30),
        "recalled": (38, 30), "kept": (61, 52), "stored": (72, 45), "hidden": (96, 52),
    },
    frame=(9.5, 5, 90, 57),
    notes=(("hidden state: all memory", 29, 55), ("kept", 61, 47.8), ("stored", 62, 44)),
)  # fmt: skip
RNN = Drawing(
    flows=(((8, 28), (45, 28)), ((55, 28), (91.5, 28))),
    wires=(((30, 2), (30, 28)), ((98.5, 31), (98.5, 46), (1.5, 46), (1.5, 31.5)), ((96, 25), (96, 3))),
    boxes={"hidden": (50, 28)},
    signs=(),
    patches={"hidden_before": (4, 28), "embedded": (30, 0), "hidden": (96, 28)},
    frame=(12, 14, 88, 40),
    notes=(("the loop: what it holds now comes back with the next word", 50, 49),),
    top=52,
)  # fmt: skip
COLOUR_AXIS = {
    "cmin": -1, "cmax": 1, "colorscale": style.DIVERGING,
    "colorbar": {
        "orientation": "h", "thickness": 9, "len": 0.3, "x": 0.7, "xanchor": "right", "y": 1, "ypad": 0,
        "yanchor": "top", "outlinewidth": 0, "tickfont_size": 12, **style.SIGNED,
    },
}  # fmt: skip
DRAWINGS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def cell(reading: Reading, word: int, *, height: int = 400) -> go.Figure:
    """Draw the cell that read a sentence, with its numbers at one word.

    Boxes are learned layers (σ gives 0 to 1, tanh −1 to 1), circles are elementwise operations, and each patch is one
    vector, a square per unit.
    """
    drawing = DRAWINGS[reading.cell]
    vectors = {"embedded": reading.embedded} | reading.parts  # (T, units) each
    patches = [_patch(part, vectors[part][word], place, reading.cell) for part, place in drawing.patches.items()]
    axis = {"visible": False, "fixedrange": True}
    return go.Figure(
        [*_arrows_and_signs(drawing), *patches],
        {
            "height": height, "font": {"size": 14}, "margin": {"l": 8, "r": 8, "t": 8, "b": 8}, "hovermode": "closest",
            "showlegend": False, "dragmode": False, "paper_bgcolor": style.CLEAR, "plot_bgcolor": style.CLEAR,
            "modebar": {"bgcolor": style.CLEAR, "color": style.NEUTRAL, "activecolor": style.NEUTRAL},
            "coloraxis": COLOUR_AXIS, "shapes": _shapes(drawing),
            "annotations": [*_labels(drawing, reading), *_word_labels(drawing, reading, word)],
            "xaxis": axis | {"range": [-3, 103]}, "yaxis": axis | {"range": [-8, drawing.top + ABOVE]},
        },
    )  # fmt: skip


def shortened(word: str, longest: int = LONGEST) -> str:
    """Return a word for a figure: cut to a length, and escaped so that it isn't read as markup."""
    return escape(word if len(word) <= longest else word[: longest - 1] + "…", quote=False)


def _shapes(drawing: Drawing) -> list[style.Layout]:
    """Return the shapes below the vectors: the outline, the wires, the boxes, and a background for each patch."""
    x0, y0, x1, y1 = drawing.frame
    frame = {"type": "rect", "x0": x0, "x1": x1, "y0": y0, "y1": y1}
    shapes: list[style.Layout] = [frame | _style_of(style.NEUTRAL, 1.5, style.faded(style.NEUTRAL, 0.08))]
    for wires, width in ((drawing.wires, 1.8), (drawing.flows, 5)):
        for wire in wires:
            path = "M" + " L".join(f"{x},{y}" for x, y in wire)
            shapes.append({"type": "path", "path": path} | _style_of(style.NEUTRAL, width))
    for name, place in drawing.boxes.items():
        learned = "candidate" if name == "hidden" else name  # an RNN's one box proposes, and is taken
        colour = style.GATE_COLOURS.get(learned, style.NEUTRAL)
        shapes.append(_rectangle(place, BOX) | _style_of(style.NEUTRAL, 2, style.faded(colour, 0.3)))
    for place in drawing.patches.values():
        shapes.append(_rectangle(place, PATCH) | _style_of(style.NEUTRAL, 2, style.NEUTRAL))
    return shapes


def _rectangle(place: Point, size: Point) -> style.Layout:
    """Return a rectangle of a width and height around a point."""
    (x, y), (width, height) = place, size
    return {"type": "rect", "x0": x - width / 2, "x1": x + width / 2, "y0": y - height / 2, "y1": y + height / 2}


def _style_of(colour: str, width: float, fill: str = style.CLEAR) -> style.Layout:
    """Return the line and fill of a shape below the traces."""
    return {"layer": "below", "line": {"color": colour, "width": width}, "fillcolor": fill}


def _arrows_and_signs(drawing: Drawing) -> list[go.Scatter]:
    """Return the traces above the wires: their arrowheads, and the signs in circles."""
    ends = [wire[-2:] for wire in (*drawing.wires, *drawing.flows)]
    arrows = go.Scatter(
        x=[b[0] for _, b in ends], y=[b[1] for _, b in ends], mode="markers", hoverinfo="skip", name="arrows",
        marker={"symbol": [_arrowhead(a, b) for a, b in ends], "size": 9, "color": style.NEUTRAL},
    )  # fmt: skip
    signs = go.Scatter(
        x=[x for _, x, _ in drawing.signs], y=[y for *_, y in drawing.signs], text=[sign for sign, *_ in drawing.signs],
        mode="markers+text", hoverinfo="skip", name="signs", textfont={"size": 16, "color": "#202020"},
        marker={"size": 25, "color": "#F3DCE8", "line": {"color": style.NEUTRAL, "width": 1.5}, "opacity": 1},
    )  # fmt: skip
    return [arrows, signs]


def _arrowhead(start: Point, end: Point) -> str:
    """Return the marker that points along the last part of a wire."""
    (x0, y0), (x1, y1) = start, end
    if x0 == x1:
        return "triangle-up" if y1 > y0 else "triangle-down"
    return "triangle-right" if x1 > x0 else "triangle-left"


def _labels(drawing: Drawing, reading: Reading) -> list[style.Layout]:
    """Return the texts that are the same for all words: σ or tanh in boxes, symbols beside patches, and notes."""
    labels = []
    for name, (x, y) in drawing.boxes.items():
        sign = {"identity": "as is"}.get(reading.activation, reading.activation) if name in SQUASHED else "σ"
        text = f"<b>{sign}</b>"
        if name in style.GATE_COLOURS:
            text += f'<br><span style="font-size:{NAME_SIZE}px">{name}</span>'
        labels.append({"x": x, "y": y, "text": text, "font": {"size": 13}})
    for part, (x, y) in drawing.patches.items():
        symbol = "n" if (part, reading.cell) == ("candidate", "gru") else PART_SYMBOLS.get(part)
        place: style.Layout = {"x": x + PATCH[0] / 2, "y": y, "xanchor": "left"}
        if x in (LEFT_END, RIGHT_END):  # at both ends the symbol is above its patch
            place = {"x": x + 1 if x == LEFT_END else x - 1, "y": y + PATCH[1] / 2, "yanchor": "bottom"}
        if symbol:
            labels.append(place | {"text": f"<i>{symbol}</i>", "font": {"size": 15}})
    for note, x, y in drawing.notes:
        labels.append({"x": x, "y": y, "text": note, "font": {"size": NAME_SIZE}})
    return [label | {"showarrow": False} for label in labels]


def _patch(part: str, values: np.ndarray, place: Point, of: str) -> go.Heatmap:
    """Draw a vector as a patch of coloured squares."""
    z = _folded(values)
    rows, columns = len(z), len(z[0])
    (x, y), (width, height) = place, PATCH
    return go.Heatmap(
        z=z, x0=x - width / 2 + width / columns / 2, dx=width / columns, name=part,
        y0=y + height / 2 - height / rows / 2, dy=-height / rows, coloraxis="coloraxis", xgap=0.5, ygap=0.5,
        text=[[r * columns + c for c in range(columns)] for r in range(rows)],
        hovertemplate=NAMES[part].format(**FORMULAS[of]) + "<br>unit %{text}: %{z:.3f}<extra></extra>",
    )  # fmt: skip


def _folded(values: np.ndarray) -> list[list[float | None]]:
    """Return a vector as rows of squares, from the top left; a value that is not finite leaves its square empty."""
    shown = [round(float(v), DECIMALS) if np.isfinite(v) else None for v in values[:SHOWN]]
    columns = min(ACROSS, len(shown))
    shown += [None] * (-len(shown) % columns)
    return [shown[k : k + columns] for k in range(0, len(shown), columns)]


def _word_labels(drawing: Drawing, reading: Reading, word: int) -> list[style.Layout]:
    """Return the texts of one word: the word below its numbers, and what the model predicts after it."""
    read = f"<b>{shortened(reading.words[word])}</b>" + ("" if reading.known[word] else " (unknown)")
    share = format_percent(reading.probability[word, 0])
    at_numbers = {"x": drawing.patches["embedded"][0] - PATCH[0] / 2 - 1, "y": -5.5, "xanchor": "left", "text": read}
    at_end = {
        "x": 102, "y": -0.5, "xanchor": "right", "text": f"predicts <b>{shortened(reading.predicted[word])}</b> {share}"
    }  # fmt: skip
    return [each | {"font": {"size": 15}, "showarrow": False} for each in (at_numbers, at_end)]
