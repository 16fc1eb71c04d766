"""What the lesson's stop about the GRU shows: both cells at one word, what they cost, and a race between them."""

from collections.abc import Mapping
from functools import partial

import streamlit as st

from analysis.experiment import Experiment
from analysis.figures.cell import cell as draw_cell
from analysis.figures.costs import costs
from analysis.language import join_sentences, mark
from analysis.language import translate as _
from analysis.lesson.race import race
from analysis.reading import Race, Reading
from analysis.report.sentences.costs import costs_sentence
from analysis.report.sentences.parts import part_sentence
from pages.ui import cell, layout, lesson, parts, player, readers, session

CELLS = ("lstm", "gru")
FORMULAS = {"lstm": ("c = f·cₜ₋₁ + i·g", "h = o·tanh(c)"), "gru": ("h = z·hₜ₋₁ + (1 − z)·n",)}
SIZES = {
    "lstm": mark("Two states c and h, three gates f, i and o: **{formula}**"),
    "gru": mark("One state h, two gates r and z: **{formula}**"),
}
LEFT_OUT = mark(
    "**Left out:** the cell state (h is memory and message in one) and the output gate. One **update gate** z takes "
    "the place of forget and input gate: it **keeps** the share z of the old memory and **replaces** the share "
    "1\N{NO-BREAK SPACE}−\N{NO-BREAK SPACE}z by the proposal n. New: the **reset gate** r, how much of the past enters "
    "that proposal (“recalled”): at 0 it starts afresh."
)
HEIGHT = 240  # pixels of each drawing
TRAINED = mark("These gates are trained; for the goldfish we set them to keep.")
WHERE = mark("With Goldfish's own code on one core of this machine, reading alone; larger networks can differ.")


def show_word(readings: Mapping[str, Reading], experiments: Mapping[str, Experiment], words: list[str]) -> None:
    """Draw both cells at one word, side by side, the row that chooses the word, and what they cost."""
    places = st.columns(2)
    explained = st.container(horizontal=True, vertical_alignment="top", key="explained")
    word = player.draw_track(readers.word_track(readings["lstm"].words))
    picked = session.GRU_PART.get()
    for name, place in zip(CELLS, places, strict=True):
        view = picked[1] if picked and picked[0] == name else None
        drawing = layout.kept(
            f"gru {name} {experiments[name].text_file} {words} {word} {view}",
            partial(draw_cell, readings[name], word, chosen=view, height=HEIGHT),
        )
        with place:
            alt = _("The {cell} and its numbers at one word").format(cell=name.upper())
            layout.chart(drawing, f"{name}-beside", alt, moves=True, on_pick=partial(_pick, name))
            st.caption(_(SIZES[name]).format(formula=_(", ").join(FORMULAS[name])))
    with explained:
        if picked:
            st.markdown(_explain(readings[picked[0]], picked[1], word))
            st.button(_("What is left out"), key="left_out", on_click=session.GRU_PART.set, args=(None,))
        else:
            st.markdown(_(LEFT_OUT))
    _show_costs(experiments, words)


def _pick(name: str, clicked: str) -> None:
    """Explain the part of a cell that was clicked; a second click on it ends that."""
    picked = (name, parts.view_of(name, clicked))
    session.GRU_PART.set(None if picked == session.GRU_PART.get() else picked)


def _explain(reading: Reading, view: str, word: int) -> str:
    """Return what a part of a cell decides, and what it does at a word."""
    name = _("{cell}, {part}").format(cell=reading.cell.upper(), part=_(lesson.VIEWS[view]))
    return join_sentences(
        _("**{name}**: {meaning}").format(name=name, meaning=_(lesson.MEANINGS[reading.cell, view])),
        part_sentence(reading, view, word, 0),
        _(TRAINED) if view == "update" else "",
    )


def _show_costs(experiments: Mapping[str, Experiment], words: list[str]) -> None:
    """Draw and say what both cells cost; a button measures their time too."""
    counts = {name: cell.cell_cost(experiments[name]) for name in CELLS}
    picture, said, button = st.columns([4, 5, 3], vertical_alignment="center")
    if button.button(_("Time them"), icon=":material/timer:", key="race", help=_(WHERE)):
        session.RACE.set(_race(experiments, words))
    last = session.RACE.get()
    timed = last if last and last.words == tuple(words) else None
    with said:
        layout.says(costs_sentence(counts["lstm"], counts["gru"], timed))
    with picture:
        layout.chart(costs(counts, timed), "costs", _("What the GRU costs, the LSTM being 100 %"))


def _race(experiments: Mapping[str, Experiment], words: list[str]) -> Race:
    """Let both cells read the words in turn, with their trained weights."""
    weights = {name: readers.run(experiments[name]).weights for name in CELLS}
    return race(experiments, words, weights)
