"""Home: the RNN forgets, cells with gates that keep do not; then the lesson, and experiments worth seeing."""

from functools import partial

import streamlit as st

from analysis.figures.fading import fading
from analysis.language import translate as _
from analysis.report.sentences import home as sentences
from analysis.report.tables import decay_csv
from pages.ui import cards, export, layout, presets, sidebar
from pages.ui.stops import STOPS
from pages.ui.untrained import measure_decays, mention_sizes

KEEPING = 3.0  # the bias of gates that keep

layout.title(
    _("How far back does a recurrent network remember?"),
    _("It reads step by step and can learn from an early one only if the learning signal, the gradient, comes back."),
)
with st.container(key="begin"):
    st.page_link(
        STOPS["words"].page, label=_("Begin the lesson: seven stops, from a sentence to the choice of a network"),
        icon=":material/school:", width="content",
    )  # fmt: skip
st.caption(
    _(
        "LSTM and GRU have **gates**, switches between 0, forget, and 1, keep; an RNN has none. In the first picture a "
        "forget bias of {bias} sets them to keep; in the second they are as PyTorch, the library that runs them, "
        "starts them. Nothing is trained yet."
    ).format(bias=f"{KEEPING:g}")
)
settings = sidebar.settings(sidebar.HOME)
plain = {"init": "default", "gain": 1.0, "forget_bias": None, "truncate": None}
starting = {cell: experiment.replace(**plain) for cell, experiment in settings.experiments.items()}
keeping = {cell: each if cell == "rnn" else each.replace(forget_bias=KEEPING) for cell, each in starting.items()}
shown = {
    "keeping": (_("Gradient left, with gates set to keep"), keeping),
    "as-torch-starts": (_("The same, with gates as they start"), starting),
}
experiments = {f"{cell} {name}": each for name, (_head, all) in shown.items() for cell, each in all.items()}
found = measure_decays(experiments)
pictures = {}
for column, (name, (head, each)) in zip(st.columns([3, 2]), shown.items(), strict=True):
    decays = {cell: found[f"{cell} {name}"]["memory"] for cell in each}
    gates = {cell: found[f"{cell} {name}"]["carry"] for cell in each if cell != "rnn"}
    draw = partial(fading, decays, height=235, y_title=_("gradient left"))
    pictures[name] = layout.kept(f"home {each}", draw)
    with column:
        st.markdown(f"**{head}**")
        layout.chart(pictures[name], name, head)
        st.markdown(f"**{sentences.left_sentence(decays)}**")
        said = (sentences.gate_sentence(gates), sentences.more_sentence(decays, gates))
        st.caption(" ".join(filter(None, said)))
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
