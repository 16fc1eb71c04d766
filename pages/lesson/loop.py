"""What does the loop carry? A cell reads a sentence, and its memory comes back with each next word."""

import streamlit as st

from analysis.experiment import CELLS
from analysis.figures.loop import loop
from analysis.language import mark
from analysis.language import translate as _
from analysis.report.sentences import loop as sentences
from analysis.report.sentences.words import strange_words_warning
from pages.ui import cell, layout, player, readers, stops

HEIGHT = 325  # pixels of the drawing
BOXES = {
    "rnn": mark(
        "**W** makes new numbers of the word's, **U** of the old memory's (t−1: one word before). **+** adds both and "
        "**b**. W, U and b are **weights**: learned in training, the same at every word. **tanh**, the next stop, "
        "keeps the sum small. This network is tiny: watch what it carries, not how clever it is."
    ),
    "gated": mark(
        "Each coloured box holds **weights**, learned in training and the same at every word; what these boxes decide "
        "comes later. This network is tiny: watch what it carries, not how clever it is."
    ),
}

stops.head("loop")
with st.container(horizontal=True, vertical_alignment="top", gap="small"):
    words = readers.ask_sentence()
    chosen = st.segmented_control(
        _("Cell"), CELLS, default="rnn", required=True, key="loop_cell", format_func=str.upper, bind="query-params",
        help=_("Which network reads the sentence. LSTM and GRU have gates, which come later."),
    )  # fmt: skip
reading = readers.read(chosen, words)
warning = strange_words_warning(reading)


def show_word():
    """Draw the cell at one word, what chooses the word, and what its loop carries there."""
    left, right = st.columns([3, 1], gap="medium")
    with left:
        place = st.container()
        word = player.draw_track(readers.word_track(reading.words))
        st.html(cell.place_html(reading, word))
    figure = layout.kept(f"loop {chosen} {reading.words} {word}", lambda: loop(reading, word, height=HEIGHT))
    with place:
        layout.chart(
            figure, "loop", _("A cell, its numbers at one word, and the loop that brings them back"), moves=True
        )
    if warning:
        st.warning(warning)
        return
    with right:
        st.markdown(sentences.handed_on_sentences(reading))
        st.caption(_(BOXES["rnn" if chosen == "rnn" else "gated"]))
    layout.says(sentences.brought_sentence(reading, readers.read_alone(chosen, reading.words), word))


player.moving(cell.WORD, show_word, beat=cell.BEAT)
stops.foot(
    "loop", "pages/understand/cell.py", "Inside the cell", inside_cell=chosen.upper(), text=readers.text_of(words)
)
