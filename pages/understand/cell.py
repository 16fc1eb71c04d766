"""Inside the cell: a sentence read word by word, with the numbers of a real model."""

import streamlit as st

from analysis.figures import sentence as figures
from analysis.figures.cell import cell as draw
from analysis.lesson.arithmetic import arithmetic
from pages.ui import cell as ui
from pages.ui import controls, export, layout, lesson, sidebar, training

layout.title(
    "What happens inside, word by word?",
    "Type a sentence and press play: one cell reads it, word after word, and carries its memory on.",
)
st.html(lesson.STRONG)
settings = sidebar.settings()
words = ui.sentence()
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    cell = ui.choose_cell(settings)
    weights = controls.choice("Weights", ("trained", "untrained"), "weights", "After training, or as the cell starts.")
    squashed = st.toggle(
        "with tanh", True, key="squashed", bind="query-params", help="Off: the same weights, and nothing is squeezed."
    )

experiments = ui.experiments(settings, cell)
untrained = ui.untrained(experiments, words, squashed)
picture = st.container()
training.begin(filter(ui.brief, experiments.values()))
found, _, go_on = training.row(sidebar.Settings(experiments))
ui.say_what_counts(settings)
runs = {name: run for name, run in found.items() if run is not None and weights == "trained"}
trained = {name: ui.reading(experiments[name], run, words, squashed) for name, run in runs.items()}
readings = {name: trained.get(name, untrained[name]) for name in settings.cells}
reading = readings[cell]
drawn = {"cell": draw(reading)}
with picture:
    ui.about(reading, runs.get(cell), waiting=weights == "trained")
    layout.chart(drawn["cell"], "cell", f"The {cell.upper()} reading the sentence word by word")
    st.caption(lesson.LEGEND)
    sidebar.say_left_out(settings)
layout.says(ui.held(reading))
why = lesson.WHY_TANH[cell] if squashed else lesson.WITHOUT_TANH
for column, text in zip(st.columns(3), (lesson.LOOP[cell], lesson.FLOWS[cell], why), strict=True):
    column.markdown(text)

names = ("What each gate decides", "One unit's arithmetic", "Every unit", "What it depends on", "What the GRU saves")
gates, unit, units, dependence, costs = st.tabs(names, key="inside_tab", bind="query-params")
if gates.open:
    with gates:
        if cell == "rnn":
            st.markdown(lesson.NO_GATE)
        else:
            gate = controls.choice("Gate", lesson.GATES[cell], f"{cell}_gate", "Which of the boxes is explained.")
            text, values = st.columns([1, 2])
            with text:
                st.latex(lesson.FORMULAS[cell, gate])
                st.markdown(lesson.MEANINGS[cell, gate])
                st.markdown(ui.watched(reading, gate))
            drawn["gate"] = figures.gate(reading, gate)
            with values:
                layout.chart(drawn["gate"], "gate", f"The {gate} gate by word")
if unit.open:
    with unit:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            t = ui.choose_word("Word", reading, "word")
            most = reading.parts["hidden"].shape[1] - 1
            number = st.number_input("Unit", 0, most, key="unit", width=140, help="Which number of the state.")
        st.code("\n".join(map(str, arithmetic(reading, t, number))), language=None, wrap_lines=True)
        st.caption(lesson.ARITHMETIC)
if units.open:
    with units:
        drawn["states"] = figures.states(reading)
        layout.chart(drawn["states"], "states", "The state of every unit by word")
        st.caption(lesson.STATES)
if dependence.open:
    with dependence:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            t = ui.choose_word("Prediction after", reading, "after")
            size = controls.choice(
                "Dependence",
                ("absolute", "relative"),
                "dependence",
                "Its own size, or as a share of each cell's largest.",
            )
        st.html("".join(ui.coloured(each, t) for each in readings.values()))
        drawn["connectivity"] = figures.connectivity(readings, t, relative=size == "relative")
        layout.chart(drawn["connectivity"], "connectivity", "How strongly the prediction depends on each word")
        layout.says(ui.depends(readings, t))
        st.caption(lesson.DEPENDENCE)
if costs.open:
    with costs:
        st.markdown(lesson.LEFT_OUT)
        ui.prices({name: experiments[name] for name in settings.cells})
with st.expander("Sources"):
    st.markdown(lesson.SOURCES)
export.row("cell", drawn, experiments, ui.tables(readings, reading), trained=runs)
go_on()
