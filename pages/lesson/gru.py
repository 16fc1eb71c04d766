"""A stop of the lesson: the GRU beside the LSTM, what it leaves out, and what that saves."""

from pages.ui import cell, player, readers, stops
from pages.ui import gru as ui

stops.head("gru")
words = readers.ask_sentence()
experiments = readers.experiments(words)
readings = {name: readers.read(name, words) for name in ui.CELLS}


def show():
    ui.show_word(readings, f"{experiments['gru'].text_file} {words}")


player.moving(cell.WORD, show, beat=cell.BEAT)
ui.show_costs(experiments, words)
stops.foot("gru", "pages/understand/cell.py", "Inside the cell", inside_cell="GRU")
