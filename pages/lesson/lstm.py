"""Two flows, four gates: what does each decide? The LSTM, its parts explained beside it, a gate held by hand."""

import streamlit as st

from analysis.report.sentences.parts import headline_sentence
from analysis.report.sentences.words import strange_words_warning
from pages.ui import cell, layout, parts, player, readers, stops

HEIGHT = 315  # pixels of the drawing

stops.head("lstm")
words = readers.ask_sentence()
reading = readers.read("lstm", words)
warning = strange_words_warning(reading)
experiment = readers.experiments(words)["lstm"]
explained = parts.Explained(
    subject=f"lesson {experiment.text_file} {words}",
    reading=reading,
    readable=not warning,
    trained=True,
    track=readers.word_track(reading.words),
    held=lambda gate: cell.held_reader(experiment, readers.run(experiment), words, True, gate),
    read_held=lambda gate, value: cell.read_held(experiment, readers.run(experiment), words, True, gate, value),
    below=lambda drawn, view, word: layout.says("" if warning else headline_sentence(drawn, view, word)),
)
player.moving(cell.WORD, lambda: parts.show_word(explained, HEIGHT), beat=cell.BEAT)
if warning:
    st.warning(warning)
stops.foot("lstm", "pages/understand/cell.py", "Inside the cell", inside_cell="LSTM", text=readers.text_of(words))
