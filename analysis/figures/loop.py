"""A cell with its loop: what came back from the word before stands out."""

import plotly.graph_objects as go

from analysis.figures import style
from analysis.figures.cell import cell, shortened
from analysis.figures.drawings import DRAWINGS, PATCH
from analysis.language import translate as _
from analysis.reading import Reading

LONGEST = 10  # characters of a word on the loop


def loop(reading: Reading, word: int, *, height: int = 400) -> go.Figure:
    """Draw the cell at one word as `cell` does, its loop in the cell's colour, named after the two words it joins.

    Args:
        reading: of a sentence.
        word: place of the word.
        height: in pixels.
    """
    figure = cell(reading, word, on_loop=_joined(reading, word), height=height)
    drawing = DRAWINGS[reading.cell]
    colour = style.COLOURS[reading.cell]
    width, height_of_patch = PATCH
    for corners in drawing.loops:
        path = "M" + " L".join(f"{x},{y}" for x, y in corners)
        figure.add_shape(type="path", path=path, line={"color": colour, "width": 4}, layer="below", name="loop")
    for state in ("cell_before", "hidden_before"):
        if state in drawing.patches:
            x, y = drawing.patches[state]
            figure.add_shape(
                type="rect", x0=x - width / 2, x1=x + width / 2, y0=y - height_of_patch / 2, y1=y + height_of_patch / 2,
                line={"color": colour, "width": 3}, name=state,
            )  # fmt: skip
    arrows = [(float(x), drawing.top, "triangle-left", 0, 15) for x in (12, 88)]
    arrows += [(*corners[-1], "arrow", 90, 13) for corners in drawing.loops]
    xs, ys, symbols, angles, sizes = zip(*arrows, strict=True)
    figure.add_scatter(
        x=xs, y=ys, name="loop", mode="markers", hoverinfo="skip",
        marker={
            "symbol": symbols, "angle": angles, "size": sizes, "color": colour, "opacity": 1, "line": {"width": 0},
        },
    )  # fmt: skip
    return figure


def _joined(reading: Reading, word: int) -> str:
    """Say which words the loop joins at a word."""
    if not word:
        return _("nothing comes back: this is the first word")
    last, now = (f"<b>{shortened(reading.words[t], LONGEST)}</b>" for t in (word - 1, word))
    return _("after “{last}” → into “{word}”").format(last=last, word=now)
