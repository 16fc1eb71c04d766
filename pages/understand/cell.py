"""Inside the cell: a sentence read word by word, with the numbers of a real model."""

import streamlit as st

from analysis.arithmetic import arithmetic
from analysis.figures import sentence as figures
from analysis.figures.cell import cell as draw
from pages.ui import cell as ui
from pages.ui import controls, export, layout, sidebar, training

layout.title(
    "What happens inside, word by word?",
    "Type a sentence and press play: one cell reads it, word after word, and carries its memory on.",
)
settings = sidebar.settings()
words = ui.sentence()
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    cells = sorted(settings.cells, key=("lstm", "gru", "rnn").index)
    if st.session_state.get("inside_cell") not in cells:
        st.session_state.pop("inside_cell", None)
    cell = st.segmented_control(
        "Cell", cells, default=cells[0], required=True, key="inside_cell", format_func=str.upper, bind="query-params"
    )
    weights = controls.choice("Weights", ("trained", "untrained"), "weights")
    squashed = st.toggle("with tanh", True, key="squashed", bind="query-params")

experiments = ui.experiments(settings, cell)
try:
    untrained = {name: ui.reading(each, None, words, squashed) for name, each in experiments.items()}
except ValueError as error:
    st.error(str(error))
    st.stop()
training.begin([each for each in experiments.values() if each.steps <= ui.MOST_STEPS])
found, go_on = training.row(sidebar.Settings(experiments))
runs = {name: run for name, run in found.items() if run is not None and weights == "trained"}
readings = {
    name: ui.reading(each, runs[name], words, squashed) if name in runs else untrained[name]
    for name, each in experiments.items()
}
readings = {name: readings[name] for name in settings.cells}
reading, run = readings[cell], runs.get(cell)
ui.about(reading, run)
drawn = {"cell": draw(reading)}
layout.chart(drawn["cell"], "cell", f"The {cell.upper()} reading the sentence word by word")
st.caption(
    "Each patch is one vector, a square per unit: blue below 0, grey 0, orange above. Boxes hold learned weights: "
    "σ gives 0 to 1, tanh −1 to 1. Signs in circles work number by number. Point at a square to read it."
)
layout.says(ui.held(reading))
for column, lesson in zip(st.columns(3), (ui.LOOP, ui.FLOWS[cell], ui.WHY_TANH[squashed]), strict=True):
    column.markdown(lesson)

st.subheader("What does each gate decide, and from what?", anchor=False)
gates = [name for name in ui.SYMBOLS if (cell, name) in ui.FORMULAS]
unit = 0
if gates:
    lesson, picture = st.columns([1, 2])
    with lesson:
        gate = st.segmented_control("Gate", gates, default=gates[0], required=True, key=f"{cell}_gate")
        st.latex(ui.FORMULAS[cell, gate])
        st.markdown(ui.MEANINGS[cell, gate])
        st.markdown(ui.watched(reading, gate))
    drawn["gate"] = figures.gate(reading, gate)
    with picture:
        layout.chart(drawn["gate"], "gate", f"The {gate} gate by word")
else:
    st.markdown("An RNN has none: every word rewrites the whole memory. That is what LSTM and GRU were built to mend.")

st.subheader("One unit, one word, written out", anchor=False)
with st.container(horizontal=True, vertical_alignment="bottom"):
    last = len(reading.words) - 1
    t = st.selectbox(
        "Word", range(last + 1), min(2, last), lambda k: f"{k + 1} · {reading.words[k]}", key=f"word_{last}", width=260
    )
    unit = st.number_input("Unit", 0, reading.parts["hidden"].shape[1] - 1, key="unit", width=140)
st.code("\n".join(map(str, arithmetic(reading, t, unit))), language=None, wrap_lines=True)
st.caption(
    "In a box's sum the three numbers are what comes from the word, from the hidden state before, and the bias. Each "
    "number is rounded before it is used, as on paper, so the last digit may differ from the drawing's."
)

st.subheader("Every unit, word by word", anchor=False)
drawn["states"] = figures.states(reading)
layout.chart(drawn["states"], "states", "Hidden and cell state of every unit by word")

st.subheader("What does a prediction still depend on?", anchor=False)
with st.container(horizontal=True, vertical_alignment="bottom"):
    at = st.selectbox(
        "Prediction after", range(last + 1), last, lambda k: f"{k + 1} · {reading.words[k]}", key=f"at_{last}",
        width=260,
    )  # fmt: skip
    size = controls.choice("Dependence", ("absolute", "relative"), "dependence")
for each in readings.values():
    st.html(ui.coloured(each, at))
drawn["connectivity"] = figures.connectivity(readings, at, relative=size == "relative")
layout.chart(drawn["connectivity"], "connectivity", "How strongly the prediction depends on each word")
layout.says(ui.depends(readings, at))
st.caption(
    "How much the score of the word that follows would move if a word's embedding moved a little: the length of its "
    "gradient. Colours are shares of each sentence's strongest; the bars tell how strong that is."
)

st.subheader("What does the GRU leave out, and what does that save?", anchor=False)
st.markdown(
    "The cell state and one gate: update does the work of forget and input. "
    "Whether that costs accuracy, only a try on your own task can tell."
)
ui.prices(experiments)
with st.expander("Sources"):
    st.markdown(ui.SOURCES)
export.row("cell", drawn, experiments, ui.tables(readings, reading), trained=bool(runs))
go_on()
