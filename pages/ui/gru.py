"""What the lesson's stop about the GRU shows: both cells at one word, what they cost, and a race between them."""

from collections.abc import Mapping

import streamlit as st

from analysis.experiment import Experiment
from analysis.figures.cell import cell as draw_cell
from analysis.figures.costs import costs
from analysis.language import mark
from analysis.language import translate as _
from analysis.lesson.race import race
from analysis.reading import Race, Reading
from analysis.report.sentences.costs import costs_sentence
from pages.ui import cell, layout, player, readers, session

CELLS = ("lstm", "gru")
FORMULAS = {"lstm": "c = f·cₜ₋₁ + i·g, h = o·tanh(c)", "gru": "h = z·hₜ₋₁ + (1 − z)·n"}
SIZES = {
    "lstm": mark("Two states c and h, three gates f, i and o: **{formula}**"),
    "gru": mark("One state h, two gates r and z: **{formula}**"),
}
LEFT_OUT = mark(
    "**Left out:** the cell state (h is memory and message in one), and one gate: the update gate z does the work of "
    "forget and input. It **keeps** the share z of the old state and **replaces** the share 1 − z by the proposal n. "
    "The reset gate r says how much of the past enters that proposal."
)
WHERE = mark("With Goldfish's own code on one core of this machine, reading alone; larger networks can differ.")


def show_word(readings: Mapping[str, Reading], subject: str) -> None:
    """Draw both cells at one word, side by side, and the row that chooses the word."""
    places = st.columns(2)
    word = player.draw_track(cell.word_track(readings["lstm"].words))
    for name, place in zip(CELLS, places, strict=True):
        reading = readings[name]
        drawing = layout.kept(
            f"gru {name} {subject} {word}", lambda reading=reading: draw_cell(reading, word, height=252)
        )
        with place:
            alt = _("The {cell} and its numbers at one word").format(cell=name.upper())
            layout.chart(drawing, f"{name}-beside", alt, moves=True)
            st.caption(_(SIZES[name]).format(formula=FORMULAS[name]))


def show_costs(experiments: Mapping[str, Experiment], words: list[str]) -> None:
    """Say and draw what both cells cost and what is left out; a button measures their time too."""
    counts = {name: cell.cell_cost(experiments[name]) for name in CELLS}
    said, button = st.columns([3, 1], vertical_alignment="center")
    if button.button(_("Measure their time"), icon=":material/timer:", key="race", help=_(WHERE)):
        session.RACE.set(_race(experiments, words))
    last = session.RACE.get()
    timed = last if last and last.words == tuple(words) else None
    with said:
        layout.says(costs_sentence(counts["lstm"], counts["gru"], timed))
    picture, explained = st.columns([2, 3], vertical_alignment="center")
    with picture:
        layout.chart(costs(counts, timed), "costs", _("What the GRU costs, the LSTM being 100 %"))
    explained.caption(_(LEFT_OUT))


def _race(experiments: Mapping[str, Experiment], words: list[str]) -> Race:
    """Let both cells read the words in turn, with their trained weights."""
    weights = {name: readers.run(experiments[name]).weights for name in CELLS}
    return race(experiments, words, weights)
