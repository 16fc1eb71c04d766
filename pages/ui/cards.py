"""The seven stops of the lesson as cards: each with its picture in small, its name and its question."""

from base64 import b64encode

import streamlit as st

from analysis.figures.style import COLOURS, NEGATIVE, NEUTRAL, POSITIVE
from analysis.language import translate as _
from pages.ui.stops import STOPS

ACROSS = 4
TANH = "#0F8C99"  # as in the picture of tanh
RNN, LSTM, GRU = COLOURS["rnn"], COLOURS["lstm"], COLOURS["gru"]


def _line(path: str, colour: str = NEUTRAL, width: float = 2.5) -> str:
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linecap="round"/>'


def _box(x: int, y: int, width: int, height: int, colour: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="{colour}"/>'


def _patch(x: int, y: int, *shades: int) -> str:
    """Return a column of squares: 1 for a positive number, −1 for a negative, 0 for none."""
    colours = {1: POSITIVE, 0: NEUTRAL, -1: NEGATIVE}
    return "".join(_box(x, y + 13 * row, 11, 11, colours[shade]) for row, shade in enumerate(shades))


SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 64" width="160" height="64">{}</svg>'
CURVE = "M10 50 C70 50 70 50 80 32 C90 12 90 14 150 14"
PICTURES = {
    "words": _patch(20, 12, 1, -1, 0) + _patch(55, 12, -1, 0, 1) + _patch(90, 12, 0, 1, 1) + _patch(125, 12, -1, -1, 1),
    "loop": _box(60, 26, 40, 26, RNN) + _line("M100 39 H135 V10 H25 V39 H58") + _line("M53 34 L59 39 L53 44"),
    "tanh": _box(10, 14, 140, 36, "rgba(128,128,128,.25)") + _line(CURVE, TANH),
    "goldfish": _line("M10 10 C25 45 40 53 150 54", RNN) + _line("M10 10 C60 18 100 24 150 30", LSTM)
    + _line("M10 10 C60 22 100 30 150 36", GRU),
    "lstm": _line("M10 14 H150", LSTM, 5) + "".join(_box(30 + 40 * k, 30, 20, 16, LSTM) for k in range(3))
    + _line("M10 56 H150"),
    "gru": _line("M10 14 H150", GRU, 5) + "".join(_box(45 + 50 * k, 30, 20, 16, GRU) for k in range(2)),
    "choice": _box(35, 38, 22, 18, RNN) + _box(69, 14, 22, 42, LSTM) + _box(103, 12, 22, 44, GRU),
}  # fmt: skip


def show() -> None:
    """Show the cards, four in a row."""
    names = list(STOPS)
    for first in range(0, len(names), ACROSS):
        for column, name in zip(st.columns(ACROSS), names[first : first + ACROSS], strict=False):
            with column, st.container(border=True, height="stretch"):
                _show_card(names.index(name) + 1, name)


def _show_card(number: int, name: str) -> None:
    stop = STOPS[name]
    drawn = b64encode(SVG.format(PICTURES[name]).encode()).decode()
    st.html(f'<img alt="" height="44" src="data:image/svg+xml;base64,{drawn}">')
    st.page_link(stop.page, label=f"{number} · {_(stop.short)}", icon=":material/arrow_forward:", icon_position="right")
    st.caption(_(stop.question))
