"""A stop of the lesson: the GRU beside the LSTM, what it leaves out, and what that saves."""

from pages.ui import cell, player, readers, stops
from pages.ui import gru as ui

stops.head("gru")
words = readers.ask_sentence()
experiments = readers.experiments(words)
readings = {name: readers.read(name, words) for name in ui.CELLS}


player.moving(cell.WORD, lambda: ui.show_word(readings, experiments, words), beat=cell.BEAT)
stops.foot("gru", "pages/understand/cell.py", "Inside the cell", inside_cell="GRU")
