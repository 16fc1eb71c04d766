"""How does a sentence get in? Each word becomes a column of numbers."""

import streamlit as st

from analysis.figures.words import embeddings
from analysis.language import translate as _
from analysis.lesson.frequency import places_by_frequency
from analysis.report.markdown import quote_word
from analysis.report.sentences import words as sentences
from pages.ui import cell, layout, player, readers, stops

stops.head("words")
words = readers.ask_sentence()
experiment, reading = readers.experiments(words)["rnn"], readers.read("rnn", words)
places, known = places_by_frequency(experiment, reading.words)


def show_word():
    """Draw the words up to one, what chooses it, and its explanation."""
    left, right = st.columns([3, 1], gap="medium")
    with left:
        place = st.container()
        word = player.draw_track(readers.word_track(reading.words))
    figure = layout.kept(f"embeddings {reading.words} {word}", lambda: embeddings(reading, word))
    with place:
        layout.chart(figure, "embeddings", _("Each word as a column of coloured numbers"), moves=True)
    with right:
        st.markdown(f"## {quote_word(reading.words[word])}")
        st.markdown(sentences.numbers_sentence(reading, word))
        st.markdown(sentences.frequency_sentence(int(places[word]), known))
        st.caption(
            _(
                "This list is the word's **embedding**: learned in training, and the same wherever the word stands. "
                "Here it is that of a small recurrent network (RNN), trained to predict the next word."
            )
        )


player.moving(cell.WORD, show_word, beat=cell.BEAT)
if warning := sentences.strange_words_warning(reading):
    st.warning(warning)
else:
    layout.says(sentences.columns_sentence(reading))
stops.foot("words", "pages/understand/cell.py", "Inside the cell", inside_cell="RNN", text=readers.text_of(words))
