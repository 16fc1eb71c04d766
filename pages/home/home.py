"""Home: the RNN forgets, cells with gates that keep do not; then the lesson, and experiments worth seeing."""

from functools import partial

import streamlit as st

from analysis.figures.fading import fading
from analysis.language import translate as _
from analysis.report.sentences import home as sentences
from analysis.report.tables import decay_csv
from pages.ui import cards, export, layout, presets, sidebar
from pages.ui.untrained import measure_decays, mention_sizes

layout.title(
    _("How far back does a recurrent network remember?"),
    _("It learns from an earlier time step only if a training signal, the gradient, reaches back to it. So much does:"),
)
settings = sidebar.settings(sidebar.HOME)
plain = {"init": "default", "gain": 1.0, "forget_bias": None, "truncate": None}
starting = {cell: experiment.replace(**plain) for cell, experiment in settings.experiments.items()}
keeping = {cell: each if cell == "rnn" else each.replace(forget_bias=3.0) for cell, each in starting.items()}
shown = {
    "keeping": (_("Gates that keep: a forget bias of 3"), keeping),
    "as-torch-starts": (_("The same, as torch starts them"), starting),
}
experiments = {f"{cell} {name}": each for name, (_head, all) in shown.items() for cell, each in all.items()}
found = measure_decays(experiments)
pictures = {}
for column, (name, (head, each)) in zip(st.columns([3, 2]), shown.items(), strict=True):
    decays = {cell: found[f"{cell} {name}"]["memory"] for cell in each}
    gates = {cell: found[f"{cell} {name}"]["carry"] for cell in each if cell != "rnn"}
    draw = partial(fading, decays, height=290, y_title=_("gradient left"))
    pictures[name] = layout.kept(f"home {each}", draw)
    with column:
        st.markdown(f"**{head}**")
        layout.chart(pictures[name], name, head)
        st.markdown(f"**{sentences.left_sentence(decays)}** {sentences.gate_sentence(gates)}")
with st.container():  # always drawn: without it what is below would move up, and a click could open another page
    mention_sizes(keeping)
layout.says(_("The lesson, in seven stops"))
cards.show()
presets.show()
tables = {
    name: partial(decay_csv, *((each[cell], "before", found[f"{cell} {name}"]["memory"]) for cell in each))
    for name, (_head, each) in shown.items()
}
export.row("home", pictures, experiments, tables)
