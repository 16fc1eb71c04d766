"""Inside the cell: a sentence read word by word, with the numbers of a real model."""

import streamlit as st

from analysis.experiment import CELLS
from analysis.figures import sentence as figures
from analysis.lesson.arithmetic import lines_of_unit
from analysis.report.sentences import cell as sentences
from analysis.report.tables import reading_tables
from pages.ui import cell as ui
from pages.ui import controls, export, layout, lesson, parts, player, sidebar, training
from pages.ui.settings import Settings

HEIGHT = 360  # pixels of the drawing

layout.title(
    "What happens inside, word by word?", "One cell reads a sentence and carries its memory on from word to word."
)
settings = sidebar.settings(sidebar.NEXT_WORD)
with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
    words = ui.choose_sentence()
    cell = ui.choose_cell()
    weights = controls.choice("Weights", ("trained", "untrained"), "weights", "After training, or as the cell starts.")
    squashed = st.toggle(
        "with tanh", True, key="squashed", bind="query-params", help="Off: the same weights, and nothing is squeezed."
    )

experiments = ui.next_word_experiments(settings, cell)
trainings = training.draw_row(Settings(experiments))
picture = st.container()
runs = {name: run for name, run in trainings.runs.items() if weights == "trained"}
readings = ui.read_with_each(experiments, runs, words, squashed)
reading = readings[cell]
unit = parts.choose_unit(reading)
warning = sentences.unknown_warning(reading)
explained = parts.Explained(
    subject=f"{experiments[cell]} {words} {squashed} {cell in runs}",
    reading=reading,
    readable=not warning,
    trained=cell in runs,
    held=lambda gate: ui.held_reader(experiments[cell], runs.get(cell), words, squashed, gate),
    read_held=lambda gate, value: ui.read_held(experiments[cell], runs.get(cell), words, squashed, gate, value),
    below=lambda drawn, _view, word: ui.show_place(drawn, word),
    unit=unit,
    tables=reading_tables(readings, reading),
)
with picture:
    word = player.moving(ui.WORD, lambda: parts.show_word(explained, HEIGHT), beat=ui.BEAT)
    st.caption(f"{sentences.reader_sentences(reading, runs.get(cell), waiting=weights == 'trained')} {lesson.LEGEND}")
    sidebar.say_left_out(settings)
pictures, tables = explained.pictures, explained.tables
if warning:
    st.warning(warning)
else:
    layout.says(sentences.largest_state_sentence(reading))
why_tanh = lesson.WHY_TANH[cell] if squashed else lesson.WITHOUT_TANH
for column, text in zip(st.columns(3), (lesson.LOOP[cell], lesson.FLOWS[cell], why_tanh), strict=True):
    column.markdown(text)

tabs = ("One unit's arithmetic", "Every unit", "What it depends on", "What the GRU saves")
unit_tab, units_tab, dependence_tab, costs_tab = st.tabs(tabs, key="inside_tab", bind="query-params")
if unit_tab.open:
    with unit_tab:
        st.code("\n".join(map(str, lines_of_unit(reading, word, unit))), language=None, wrap_lines=True)
        st.caption(sentences.place_sentence(reading, word) + " " + lesson.ARITHMETIC[cell])
if units_tab.open:
    with units_tab:
        drawn = f"states {explained.subject} {word}"
        pictures["states"] = layout.kept(drawn, lambda: figures.states(reading, word))
        layout.chart(pictures["states"], "states", "The state of every unit by word")
        st.caption(lesson.STATES)
if dependence_tab.open:
    with dependence_tab:
        sizes = "Its own size, or as a share of each cell's largest."
        size = controls.choice("Dependence", ("absolute", "relative"), "dependence", sizes)
        st.html("".join(ui.sentence_html(each, word) for each in readings.values()))
        drawn = f"connectivity {experiments} {[*runs]} {words} {squashed} {word} {size}"
        relative = size == "relative"
        pictures["connectivity"] = layout.kept(drawn, lambda: figures.connectivity(readings, word, relative=relative))
        layout.chart(pictures["connectivity"], "connectivity", "How strongly the prediction depends on each word")
        layout.says("" if warning else sentences.dependence_sentence(readings, word))
        st.caption(sentences.place_sentence(reading, word) + " " + lesson.DEPENDENCE)
if costs_tab.open:
    with costs_tab:
        st.markdown(lesson.LEFT_OUT)
        ui.show_costs({name: experiments[name] for name in CELLS})
with st.expander("Sources"):
    st.markdown(lesson.SOURCES)
export.row("cell", pictures, experiments, tables, trained=runs)
