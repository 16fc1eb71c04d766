"""Home: the RNN forgets, cells with gates that keep do not; then the lesson, and experiments worth seeing."""

from functools import partial

import streamlit as st

from analysis.language import translate as _
from analysis.report.tables import decay_csv
from pages.ui import cards, export, layout, presets, sidebar
from pages.ui import home as ui
from pages.ui.untrained import measure_decays, mention_sizes

layout.title(
    _("How far back does a recurrent network remember?"),
    _("It reads word by word and keeps a memory. A plain RNN soon forgets; LSTM and GRU are built to keep it longer."),
)
pictures = {"first-word": ui.show_first()}
layout.says(_("The lesson, in seven stops"))
cards.show()
settings = sidebar.settings(sidebar.HOME)
layout.says(_("What forgetting does to learning: for after the lesson"))
st.caption(
    _(
        "To learn from an early step, the learning signal, the **gradient**, must come back to it. This is how much of "
        "it does, in networks as the sidebar sets them, on sequences of its task: nothing is trained yet."
    )
)
shown = ui.pair(settings.experiments)
experiments = {f"{cell} {name}": each for name, all in shown.items() for cell, each in all.items()}
found = measure_decays(experiments)
tables = {}
for column, (name, each) in zip(st.columns([3, 2]), shown.items(), strict=True):
    decays = {cell: found[f"{cell} {name}"]["memory"] for cell in each}
    gates = {cell: found[f"{cell} {name}"]["carry"] for cell in each if cell != "rnn"}
    with column:
        pictures[name] = ui.show_gradient(name, each, decays, gates)
    tables[name] = partial(decay_csv, *((each[cell], "before", decays[cell]) for cell in each))
with st.container():  # always drawn: without it what is below would move up, and a click could open another page
    mention_sizes(shown["keeping"])
presets.show()
export.row("home", pictures, experiments, tables)
