"""Inside the cell: a sentence read word by word, with the numbers of a real model."""

import streamlit as st

from analysis.engine.cost import is_brief
from analysis.figures import sentence as figures
from analysis.figures.cell import cell as draw
from analysis.lesson.arithmetic import lines_of_unit
from analysis.report.sentences import cell as sentences
from analysis.report.tables import reading_tables
from pages.ui import cell as ui
from pages.ui import controls, export, layout, lesson, sidebar, training
from pages.ui.settings import Settings

layout.title(
    "What happens inside, word by word?",
    "Type a sentence and press play: one cell reads it, word after word, and carries its memory on.",
)
st.html(lesson.STRONG)
settings = sidebar.settings(sidebar.NEXT_WORD)
words = ui.choose_sentence()
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    cell = ui.choose_cell(settings)
    weights = controls.choice("Weights", ("trained", "untrained"), "weights", "After training, or as the cell starts.")
    squashed = st.toggle(
        "with tanh", True, key="squashed", bind="query-params", help="Off: the same weights, and nothing is squeezed."
    )

experiments = ui.next_word_experiments(settings, cell)
untrained = ui.untrained_readings(experiments, words, squashed)
picture = st.container()
training.begin(filter(is_brief, experiments.values()))
trainings = training.draw_row(Settings(experiments))
st.caption(ui.unused_settings_sentence(settings.first.task))
runs = {name: run for name, run in trainings.runs.items() if weights == "trained"}
trained = {name: ui.read_words(experiments[name], run, words, squashed) for name, run in runs.items()}
readings = {name: trained.get(name, untrained[name]) for name in settings.cells}
reading = readings[cell]
pictures = {"cell": draw(reading)}
with picture:
    st.caption(sentences.reader_sentences(reading, runs.get(cell), waiting=weights == "trained"))
    layout.chart(pictures["cell"], "cell", f"The {cell.upper()} reading the sentence word by word")
    st.caption(lesson.LEGEND)
    sidebar.say_left_out(settings)
layout.says(sentences.largest_state_sentence(reading))
why_tanh = lesson.WHY_TANH[cell] if squashed else lesson.WITHOUT_TANH
for column, text in zip(st.columns(3), (lesson.LOOP[cell], lesson.FLOWS[cell], why_tanh), strict=True):
    column.markdown(text)

tabs = ("What each gate decides", "One unit's arithmetic", "Every unit", "What it depends on", "What the GRU saves")
gates_tab, unit_tab, units_tab, dependence_tab, costs_tab = st.tabs(tabs, key="inside_tab", bind="query-params")
if gates_tab.open:
    with gates_tab:
        if cell == "rnn":
            st.markdown(lesson.NO_GATE)
        else:
            gate = controls.choice("Gate", lesson.GATES[cell], f"{cell}_gate", "Which of the boxes is explained.")
            explained, values = st.columns([1, 2])
            with explained:
                st.latex(lesson.FORMULAS[cell, gate])
                st.markdown(lesson.MEANINGS[cell, gate])
                st.markdown(sentences.gate_extremes_sentence(reading, gate))
            pictures["gate"] = figures.gate(reading, gate)
            with values:
                layout.chart(pictures["gate"], "gate", f"The {gate} gate by word")
if unit_tab.open:
    with unit_tab:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            t = ui.choose_word("Word", reading, "word")
            last_unit = reading.parts["hidden"].shape[1] - 1
            unit = st.number_input("Unit", 0, last_unit, key="unit", width=140, help="Which number of the state.")
        st.code("\n".join(map(str, lines_of_unit(reading, t, unit))), language=None, wrap_lines=True)
        st.caption(lesson.ARITHMETIC)
if units_tab.open:
    with units_tab:
        pictures["states"] = figures.states(reading)
        layout.chart(pictures["states"], "states", "The state of every unit by word")
        st.caption(lesson.STATES)
if dependence_tab.open:
    with dependence_tab:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            t = ui.choose_word("Prediction after", reading, "after")
            sizes = "Its own size, or as a share of each cell's largest."
            size = controls.choice("Dependence", ("absolute", "relative"), "dependence", sizes)
        st.html("".join(ui.sentence_html(each, t) for each in readings.values()))
        pictures["connectivity"] = figures.connectivity(readings, t, relative=size == "relative")
        layout.chart(pictures["connectivity"], "connectivity", "How strongly the prediction depends on each word")
        layout.says(sentences.dependence_sentence(readings, t))
        st.caption(lesson.DEPENDENCE)
if costs_tab.open:
    with costs_tab:
        st.markdown(lesson.LEFT_OUT)
        ui.show_costs({name: experiments[name] for name in settings.cells})
with st.expander("Sources"):
    st.markdown(lesson.SOURCES)
export.row("cell", pictures, experiments, reading_tables(readings, reading), trained=runs)
