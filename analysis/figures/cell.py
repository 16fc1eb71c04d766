"""A diagram of a cell, with the numbers of one word of a sentence."""

from collections.abc import Iterator
from html import escape

import numpy as np
import plotly.graph_objects as go

from analysis.figures import style
from analysis.figures.drawings import (
    BOX,
    DRAWINGS,
    GATE_NAMES,
    LEFT_END,
    PATCH,
    RIGHT_END,
    Drawing,
    Point,
    name_of,
    scale_of,
    symbol_of,
)
from analysis.language import mark
from analysis.language import translate as _
from analysis.reading import Reading
from analysis.report.predicted import name_predicted
from analysis.report.wording import format_number, format_percent

SHOWN = 64  # units drawn of a vector, the first ones
ACROSS = 8  # units side by side in a patch
ABOVE = 14  # room above the loop for its name and the colour scales, at a height of 400 pixels
DECIMALS = 4  # of the numbers drawn
NAME_SIZE = 12  # pixels of the smallest letters
ARROW, SIGN = 2.1, 3  # a wire's last part has room for an arrow; so much of it a circle hides
MIDDLE = 40  # from it on, a patch has room for a word to its left
HIGH = 40  # above it, a patch lies near the loop
SMALL = 300  # pixels of height; a lower drawing has room for one line in a box, and none for notes
LINEAR = {"from_word": "W", "from_memory": "U"}  # boxes that only multiply by weights
SQUASHED = ("candidate", "squashed", "hidden")  # boxes through tanh; the others are σ
LONGEST, SHORT = 18, 10  # characters of a word that are shown; along an axis
SCALES = {  # from left to right; by cell what lies on a scale, as long as the drawing names it so
    "gates": {"lstm": "f, i, o", "gru": "r, z"}, "cell": {"lstm": mark("c, kept, stored")},
    "hidden": {"lstm": "g, h", "gru": mark("h, n, kept, stored"), "rnn": "h"},
    "sums": {"lstm": "x", "gru": mark("x, recalled"), "rnn": mark("x, sums")},
}  # fmt: skip
AXES = {name: f"coloraxis{number}" for name, number in zip(SCALES, ("", "2", "3", "4"), strict=True)}


def cell(
    reading: Reading, word: int, *, chosen: str | None = None, on_loop: str | None = None, height: int = 400
) -> go.Figure:
    """Draw the cell that read a sentence, with its numbers at one word.

    Boxes are learned layers (σ gives 0 to 1, tanh −1 to 1), circles are elementwise operations, and each patch is one
    vector, a square per unit. Gates have one colour scale, from 0 to 1. Every other scale is symmetric about 0 and
    holds all that is drawn on it, over the whole sentence. Traces named "targets" have an invisible point on every box
    and square, which can be pointed at and clicked; their `legendgroup` is the part's name.

    Args:
        reading: of a sentence.
        word: place of the word.
        chosen: the part whose box and patch have a strong outline.
        on_loop: what is written over the loop; None says what a loop does.
        height: in pixels.
    """
    drawing = DRAWINGS[reading.cell]
    vectors = {"embedded": reading.embedded} | reading.parts  # (T, units) each
    folded = {part: _folded(vectors[part][word]) for part in drawing.patches}
    patches = [_patch(part, folded[part], place, reading.cell) for part, place in drawing.patches.items()]
    axis = {"visible": False, "fixedrange": True}
    return go.Figure(
        [*_arrows_and_signs(drawing, 17 if height < SMALL else 21), *patches, *_targets(drawing, folded, reading.cell)],
        {
            "height": height, "template": "none", "font": {"size": 14}, "margin": {"l": 4, "r": 4, "t": 4, "b": 4},
            "hovermode": "closest", "hoverdistance": 10, "showlegend": False, "dragmode": False,
            "paper_bgcolor": style.CLEAR, "plot_bgcolor": style.CLEAR,
            "modebar": {"bgcolor": style.CLEAR, "color": style.NEUTRAL, "activecolor": style.NEUTRAL},
            **_colour_axes(reading, drawing, vectors), "shapes": _shapes(drawing, chosen),
            "annotations": [*_labels(drawing, reading, height < SMALL, on_loop), *_word_labels(drawing, reading, word)],
            "xaxis": axis | {"range": [-4, 104]}, "yaxis": axis | {"range": [-9.5, drawing.top + ABOVE * 400 / height]},
        },
    )  # fmt: skip


def shortened(word: str, longest: int = LONGEST) -> str:
    """Return a word for a figure: cut to a length, and escaped so that it isn't read as markup."""
    return escape(word if len(word) <= longest else word[: longest - 1] + "…", quote=False)


def _colour_axes(reading: Reading, drawing: Drawing, vectors: dict[str, np.ndarray]) -> style.Layout:
    """Return the colour scales of what is drawn, each with a small bar above the drawing."""
    parts: dict[str, list[str]] = {}
    for part in drawing.patches:
        parts.setdefault(scale_of(part, reading.cell), []).append(part)
    shown = [name for name in SCALES if name in parts]
    axes = {}
    for place, name in enumerate(shown):
        bar = style.small_bar(0.84 * (place + 0.5) / len(shown), 0.46 / len(shown), _(SCALES[name][reading.cell]))
        if name == "gates":
            ends = {"tickvals": [0, 1], "ticktext": [_("0 shut"), _("1 open")]}
            axes[AXES[name]] = {"cmin": 0, "cmax": 1, "colorscale": style.GATE_SCALE, "colorbar": bar | ends}
        else:
            bounded = name == "hidden" and reading.activation == "tanh"
            largest = 1.0 if bounded else _largest([vectors[part][:, :SHOWN] for part in parts[name]])
            ends = {"tickvals": [-largest, 0, largest], "ticktext": [*map(format_number, (-largest, 0, largest))]}
            axes[AXES[name]] = {
                "cmin": -largest, "cmax": largest, "colorscale": style.DIVERGING, "colorbar": bar | ends
            }  # fmt: skip
    return axes


def _largest(vectors: list[np.ndarray]) -> float:
    """Return the largest absolute value that is finite; 1 where all are 0 or none is finite."""
    values = np.abs(np.concatenate([vector.ravel() for vector in vectors]))
    return float(np.max(values[np.isfinite(values)], initial=0.0)) or 1.0


def _shapes(drawing: Drawing, chosen: str | None) -> list[style.Layout]:
    """Return the shapes below the vectors: the outline, the wires, the boxes, and a background for each patch."""
    x0, y0, x1, y1 = drawing.frame
    frame = {"type": "rect", "x0": x0, "x1": x1, "y0": y0, "y1": y1}
    shapes: list[style.Layout] = [frame | _style_of(style.NEUTRAL, 1.5, style.faded(style.NEUTRAL, 0.08))]
    for wires, width in ((drawing.loops, 1.8), (drawing.wires, 1.8), (drawing.flows, 5)):
        for wire in wires:
            path = "M" + " L".join(f"{x},{y}" for x, y in wire)
            shapes.append({"type": "path", "path": path} | _style_of(style.NEUTRAL, width))
    for name, place in drawing.boxes.items():
        learned = "candidate" if name == "hidden" else name  # an RNN's one box proposes, and is taken
        colour = style.GATE_COLOURS.get(learned, style.NEUTRAL)
        shapes.append(_rectangle(place, BOX) | _outline(name == chosen, style.faded(colour, 0.3)))
    for name, place in drawing.patches.items():
        shapes.append(_rectangle(place, PATCH) | _outline(name == chosen, style.NEUTRAL))
    return shapes


def _rectangle(place: Point, size: Point) -> style.Layout:
    """Return a rectangle of a width and height around a point."""
    (x, y), (width, height) = place, size
    return {"type": "rect", "x0": x - width / 2, "x1": x + width / 2, "y0": y - height / 2, "y1": y + height / 2}


def _style_of(colour: str, width: float, fill: str = style.CLEAR) -> style.Layout:
    """Return the line and fill of a shape below the traces."""
    return {"layer": "below", "line": {"color": colour, "width": width}, "fillcolor": fill}


def _outline(chosen: bool, fill: str) -> style.Layout:
    """Return the line and fill of a box or a patch."""
    return _style_of(style.CHOSEN, 5, fill) if chosen else _style_of(style.NEUTRAL, 2, fill)


def _arrows_and_signs(drawing: Drawing, sign: int) -> list[go.Scatter]:
    """Return the traces above the wires: their arrowheads, whose tips touch what they lead to, and signs in circles.

    `sign` is the circles' diameter in pixels.
    """
    around = {(x, y) for _, x, y in drawing.signs}
    ends = [wire[-2:] for wire in (*drawing.wires, *drawing.flows, *drawing.loops)]
    ends = [(a, b) for a, b in ends if abs(a[0] - b[0]) + abs(a[1] - b[1]) >= ARROW + SIGN * (b in around)]
    sizes = [11 if b[0] < 0 else 13 for _, b in ends]
    arrows = go.Scatter(
        x=[b[0] for _, b in ends], y=[b[1] for _, b in ends], mode="markers", hoverinfo="skip", name="arrows",
        marker={
            "symbol": "arrow", "angle": [_pointing(a, b) for a, b in ends], "size": sizes, "color": style.NEUTRAL,
            "opacity": 1, "standoff": [sign / 2 if b in around else 0 for _, b in ends],
        },
    )  # fmt: skip
    signs = go.Scatter(
        x=[x for _, x, _ in drawing.signs], y=[y for *_, y in drawing.signs], text=[sign for sign, *_ in drawing.signs],
        mode="markers+text", hoverinfo="skip", name="signs", textfont={"size": sign - 5, "color": "#202020"},
        marker={"size": sign, "color": "#F3DCE8", "line": {"color": style.NEUTRAL, "width": 1.5}, "opacity": 1},
    )  # fmt: skip
    arrows.unselected = {"marker": {"opacity": 1}}  # a click on a target leaves them as they are
    signs.unselected = {"marker": {"opacity": 1}, "textfont": {"color": "#202020"}}
    return [arrows, signs]


def _pointing(start: Point, end: Point) -> int:
    """Return the angle, clockwise from upwards, of an arrow along the last part of a wire."""
    (x0, y0), (x1, y1) = start, end
    if x0 == x1:
        return 0 if y1 > y0 else 180
    return 90 if x1 > x0 else 270


def _labels(drawing: Drawing, reading: Reading, small: bool, on_loop: str | None) -> list[style.Layout]:
    """Return the texts that are the same for all words: names of boxes, symbols beside patches, and notes."""
    labels = [
        {"x": x, "y": y, "text": _box_text(name, reading, small), "font": {"size": NAME_SIZE if small else 13}}
        for name, (x, y) in drawing.boxes.items()
    ]
    for part, (x, y) in drawing.patches.items():
        place: style.Layout = {"x": x + PATCH[0] / 2, "y": y, "xanchor": "left"}
        if part in drawing.below:
            place = {"x": drawing.below[part], "y": y - PATCH[1] / 2, "yanchor": "top"}
        elif x in (LEFT_END, RIGHT_END) and y > HIGH:  # too near the loop for a symbol above it
            place = {"x": x, "y": y - PATCH[1] / 2, "yanchor": "top"} | ({} if x == LEFT_END else {"x": x - 2})
        elif x in (LEFT_END, RIGHT_END):  # at both ends the symbol is above its patch
            place = {"x": x + 1 if x == LEFT_END else x - 1, "y": y + PATCH[1] / 2, "yanchor": "bottom"}
        symbol = symbol_of(part, reading.cell)
        labels.append(place | {"text": symbol, "font": {"size": 15 if symbol.startswith("<i>") else NAME_SIZE}})
    loop = (on_loop or _("the loop: what is handed on comes back with the next word"), 50, drawing.top + 2.5)
    for note, x, y in () if small else (*((_(note), x, y) for note, x, y in drawing.notes), loop):
        labels.append({"x": x, "y": y, "text": note, "font": {"size": NAME_SIZE}})
    return [label | {"showarrow": False} for label in labels]


def _box_text(name: str, reading: Reading, small: bool) -> str:
    """Return what stands in a box: its function, and the gate's name below; or its weights. A small one has a line."""
    below = _(GATE_NAMES[name]) if name in GATE_NAMES else _("weights") if name in LINEAR else ""
    if name in LINEAR:
        sign = f"<i>{LINEAR[name]}</i>"
    elif name in SQUASHED:
        sign = _("as is") if reading.activation == "identity" else reading.activation
    else:
        sign = "σ"
    if small and name in GATE_NAMES:
        return below
    return f"<b>{sign}</b>" + (f'<br><span style="font-size:{NAME_SIZE}px">{below}</span>' if below else "")


def _patch(part: str, z: list[list[float | None]], place: Point, of: str) -> go.Heatmap:
    """Draw a vector as a patch of coloured squares."""
    rows, columns = len(z), len(z[0])
    (x, y), (width, height) = place, PATCH
    return go.Heatmap(
        z=z, x0=x - width / 2 + width / columns / 2, dx=width / columns, name=part,
        y0=y + height / 2 - height / rows / 2, dy=-height / rows, coloraxis=AXES[scale_of(part, of)], xgap=0.5,
        ygap=0.5, hoverinfo="skip",
    )  # fmt: skip


def _targets(drawing: Drawing, folded: dict[str, list[list[float | None]]], of: str) -> Iterator[go.Scatter]:
    """Yield invisible points to point at and to click, on every box and every square of a patch."""
    for name, place in drawing.boxes.items():
        yield _invisible(name, [place], 38, name_of(name, of))
    (width, height) = PATCH
    for part, (x, y) in drawing.patches.items():
        rows, columns = len(folded[part]), len(folded[part][0])
        values = [value for row in folded[part] for value in row]
        places = [
            (x + width * ((column + 0.5) / columns - 0.5), y - height * ((row + 0.5) / rows - 0.5))
            for row in range(rows)
            for column in range(columns)
        ]
        shown = [place for place, value in zip(places, values, strict=True) if value is not None]
        said = _("unit {unit}: {value}").format(unit="%{customdata[0]}", value="%{customdata[1]:.3f}")
        numbers = np.array([(unit, value) for unit, value in enumerate(values, 1) if value is not None])
        yield _invisible(part, shown, 7, f"{name_of(part, of)}<br>{said}", numbers)


def _invisible(part: str, places: list[Point], size: int, said: str, numbers: np.ndarray | None = None) -> go.Scatter:
    """Return points of a part that can't be seen; its name is their legend group, which a click hands on."""
    xs, ys = np.array(places, np.float32).reshape(-1, 2).T
    gone = {"marker": {"opacity": 0}}
    return go.Scatter(
        x=xs, y=ys, customdata=numbers, mode="markers", name="targets", legendgroup=part, selected=gone,
        unselected=gone, hovertemplate=f"{said}<extra></extra>", marker={"size": size, "opacity": 0},
    )  # fmt: skip


def _folded(values: np.ndarray) -> list[list[float | None]]:
    """Return a vector as rows of squares, from the top left; a value that is not finite leaves its square empty."""
    shown = [round(float(v), DECIMALS) if np.isfinite(v) else None for v in values[:SHOWN]]
    columns = min(ACROSS, len(shown))
    shown += [None] * (-len(shown) % columns)
    return [shown[k : k + columns] for k in range(0, len(shown), columns)]


def _word_labels(drawing: Drawing, reading: Reading, word: int) -> list[style.Layout]:
    """Return the texts of one word: the word below its numbers, and what the model predicts after it."""
    read = f"<b>{shortened(reading.words[word])}</b>"
    if not reading.known[word]:
        read = _("{word} (unknown)").format(word=read)
    guess = reading.predicted[word]
    predicted = _("predicts {word}: {share}").format(
        word=name_predicted(guess, f"<b>{shortened(guess)}</b>"), share=format_percent(reading.probability[word, 0])
    )
    x, y = drawing.patches["embedded"]
    left = x - PATCH[0] / 2 - 1
    at_numbers: style.Layout = {"x": left, "y": y, "xanchor": "right", "text": read}
    if left < MIDDLE:  # no room to the left of the patch
        at_numbers |= {"y": y - PATCH[1] / 2, "xanchor": "left", "yanchor": "top"}
    _x, end = drawing.wires[-1][-1]
    at_end = {"x": 102, "y": end - 3.5, "xanchor": "right", "text": predicted}
    return [each | {"font": {"size": 15}, "showarrow": False} for each in (at_numbers, at_end)]
