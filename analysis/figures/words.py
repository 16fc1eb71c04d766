"""The words of a sentence as a network reads them: each a column of numbers."""

import numpy as np
import plotly.graph_objects as go

from analysis.figures import style
from analysis.figures.cell import SHORT, shortened
from analysis.language import translate as _
from analysis.reading import Reading
from analysis.report.wording import format_number

NAMED = 22  # from this many words on, only some are named: a phone has no room for more
EMPTY = style.faded(style.NEUTRAL, 0.13)  # a square whose number has not been read yet
UNREAD = style.faded(style.NEUTRAL, 0.9)  # a word that has not been read yet


def embeddings(reading: Reading, word: int, *, height: int = 300) -> go.Figure:
    """Draw each word up to one as a column of coloured squares, its embedding; the columns of later words are empty.

    Args:
        reading: of a sentence of T words, embedded in E numbers each.
        word: place of the last word that is drawn.
        height: in pixels.
    """
    T, E = reading.embedded.shape
    came = (np.arange(T) <= word)[:, None]  # (T, 1)
    largest = float(np.abs(reading.embedded).max()) or 1.0
    place = {"x": np.arange(T), "y": np.arange(1, E + 1), "xgap": 1.5, "ygap": 1.5}
    numbers = go.Heatmap(
        z=np.where(came, reading.embedded, np.nan).T, name="numbers", coloraxis="coloraxis", **place,
        text=np.broadcast_to([shortened(each) for each in reading.words], (E, T)),
        hovertemplate=_("%{text}, number %{y}: %{z:.3f}") + "<extra></extra>",
    )  # fmt: skip
    empty = go.Heatmap(
        z=np.where(came, np.nan, np.zeros((T, E))).T, name="to come", **place,
        colorscale=[[0, EMPTY], [1, EMPTY]], showscale=False, hoverinfo="skip",
    )  # fmt: skip
    bar = {
        "orientation": "h", "thickness": 9, "len": 0.5, "x": 1, "xanchor": "right", "y": 0, "yanchor": "top",
        "ypad": 6, "outlinewidth": 0, "tickfont": {"size": 12},
        "tickvals": [-largest, 0, largest], "ticktext": [format_number(-largest), "0", format_number(largest)],
    }  # fmt: skip
    return style.figure(
        [empty, numbers],
        {
            "xaxis": _word_axis(reading, word) | {"range": [-0.5, T - 0.5]},
            "yaxis": {
                "range": [E + 0.5, 0.5], "tickvals": [1, E], "showgrid": False, "showline": False,
                "title": {"text": _("the word's numbers")},
            },
            "coloraxis": {"cmin": -largest, "cmax": largest, "colorscale": style.DIVERGING, "colorbar": bar},
            "hovermode": "closest",
            "margin": {"l": 44, "r": 34, "t": 50, "b": 36},
            "shapes": [{
                "type": "rect", "x0": word - 0.5, "x1": word + 0.5, "y0": 0.5, "y1": E + 0.5,
                "line": {"color": style.NEUTRAL, "width": 3},
            }],
        },
        height=height,
    )  # fmt: skip


def _word_axis(reading: Reading, word: int) -> style.Layout:
    """Return the axis that names the words above their columns: the last one drawn in bold, later ones fainter."""
    T = len(reading.words)
    named = [t for t in range(T) if t % (1 + T // NAMED) == 0 or t == word]
    names = [shortened(reading.words[t], SHORT) for t in named]
    narrow = max(map(len, names)) <= 2  # such as Chinese characters, which need no turning
    angles = [0] if narrow else [0, -45, -90]
    for k, t in enumerate(named):
        if t == word:
            names[k] = f"<b>{names[k]}</b>"
        elif t > word:
            names[k] = f'<span style="color:{UNREAD}">{names[k]}</span>'
    return {
        "side": "top", "tickvals": named, "ticktext": names, "autotickangles": angles, "tickfont": {"size": 12},
        "showgrid": False, "showline": False,
    }  # fmt: skip
