"""A cell with its loop: what came back from the word before stands out."""

import plotly.graph_objects as go

from analysis.figures import style
from analysis.figures.cell import DRAWINGS, PATCH, cell, shortened
from analysis.language import translate as _
from analysis.reading import Reading

LEFT, RIGHT, TOP = -2.5, 102.5, 61  # where the loop runs around the drawing
BOTTOM, ROOM = -8, 14  # the drawing's lower end, and the room above the loop for colour scales
BELOW_LOOP = 2  # from the loop's upper wire down to its text
LONGEST = 10  # characters of a word on the loop


def loop(reading: Reading, word: int, *, height: int = 400) -> go.Figure:
    """Draw the cell at one word as `cell` does, its loop in the cell's colour, named after the two words it joins.

    Args:
        reading: of a sentence.
        word: place of the word.
        height: in pixels.
    """
    figure, patches = cell(reading, word, height=height), DRAWINGS[reading.cell].patches
    colour = style.COLOURS[reading.cell]
    width, height_of_patch = PATCH
    arrows: list[tuple[float, float, str]] = [(x, TOP, "triangle-left") for x in (12, 88)]
    for state in ("cell", "hidden"):
        if f"{state}_before" not in patches:
            continue
        (x0, y0), (x1, y1) = patches[f"{state}_before"], patches[state]
        end = x0 - width / 2
        corners = ((x1 + width / 2, y1), (RIGHT, y1), (RIGHT, TOP), (LEFT, TOP), (LEFT, y0), (end, y0))
        path = "M" + " L".join(f"{x},{y}" for x, y in corners)
        figure.add_shape(type="path", path=path, line={"color": colour, "width": 4}, layer="below", name="loop")
        figure.add_shape(
            type="rect", x0=end, x1=end + width, y0=y0 - height_of_patch / 2, y1=y0 + height_of_patch / 2,
            line={"color": colour, "width": 3}, name=f"{state}_before",
        )  # fmt: skip
        arrows.append((end, y0, "triangle-right"))
    x, y, symbols = zip(*arrows, strict=True)
    figure.add_scatter(
        x=x, y=y, name="loop", mode="markers", hoverinfo="skip",
        marker={"symbol": symbols, "size": 15, "color": colour, "opacity": 1, "line": {"width": 0}},
    )  # fmt: skip
    figure.add_annotation(x=50, y=TOP - BELOW_LOOP, text=_joined(reading, word), showarrow=False, font={"size": 14})
    figure.update_yaxes(range=[BOTTOM, TOP + ROOM])
    return figure


def _joined(reading: Reading, word: int) -> str:
    """Say which words the loop joins at a word."""
    if not word:
        return _("nothing comes back: this is the first word")
    last, now = (f"<b>{shortened(reading.words[t], LONGEST)}</b>" for t in (word - 1, word))
    return _("after “{last}” → into “{word}”").format(last=last, word=now)
