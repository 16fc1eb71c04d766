"""What does the loop carry? A cell reads a sentence, and its memory comes back with each next word."""

import streamlit as st

from analysis.experiment import CELLS
from analysis.figures.loop import loop
from analysis.language import translate as _
from analysis.report.sentences import loop as sentences
from analysis.report.sentences.words import strange_words_warning
from pages.ui import cell, layout, player, readers, stops

HEIGHT = 345  # pixels of the drawing

stops.head("loop")
with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
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
        word = player.draw_track(cell.word_track(reading.words))
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
        st.markdown(sentences.expected_sentence(reading, word))
        st.caption(_("Moved by 100 %: the new memory is as far from the old one as the old one is from an empty one."))
    layout.says(sentences.move_sentences(reading, word))


player.moving(cell.WORD, show_word, beat=cell.BEAT)
stops.foot(
    "loop", "pages/understand/cell.py", "Inside the cell", inside_cell=chosen.upper(), text=readers.text_of(words)
)
