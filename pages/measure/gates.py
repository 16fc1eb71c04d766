"""Gate saturation: how much of their values gates keep, erase or replace, and which stand half open."""

import plotly.graph_objects as go
import streamlit as st

from analysis.experiment import GATED
from analysis.figures import gates as figures
from analysis.report import wording
from analysis.report.sentences.gates import ENDS, describe_notable_gates, saturation_sentence
from analysis.report.sentences.training import training_sentence
from analysis.report.tables import Gates, saturation_tables
from pages.ui import export, gates, layout, player, sidebar, training
from pages.ui.untrained import measure_untrained, mention_sizes

NO_GATES = "The RNN has no gates: all it holds passes through its weights and its activation at every time step."

layout.title(
    "What do the gates keep?",
    "A gate is a number from 0 to 1. At 1 the forget and the update gate keep, at 0 they erase and replace.",
    "saturation",
    "carry",
    "gradient",
    "chrono",
)
settings = sidebar.settings()
gated = {cell: experiment for cell, experiment in settings.experiments.items() if cell in GATED}
trainings = training.draw_row(settings)
if not gated:
    st.info(f"{NO_GATES} Choose LSTM or GRU in the sidebar to see some.")
    st.stop()
ids = {cell: id for cell, id in trainings.ids.items() if cell in gated}
runs = {cell: trainings.runs[cell] for cell in ids}
unfinished = {cell: row for cell, row in trainings.unfinished.items() if cell in gated}
live = any(row.live for row in unfinished.values())

starting = {cell: experiment for cell, experiment in gated.items() if cell not in runs}
untrained = measure_untrained(starting) | {cell: run.measured_before for cell, run in runs.items()}
before = {cell: untrained[cell].saturation for cell in [*unfinished, *runs]}
pictures: dict[str, go.Figure] = {}  # a download during a training takes the latest


def histograms() -> tuple[Gates, dict[str, str]]:
    """Draw the histograms at the update that is reached or chosen; return what they show, and of which phase it is."""
    seen = {cell: progress for cell, progress in training.progress(unfinished).items() if progress.snapshots}
    reached = max((progress.row.step for progress in seen.values()), default=None if runs and not unfinished else 0)
    step = player.draw_row("gates_step", settings.first, reached)
    now, phases = {}, {}
    for cell in gated:
        if cell in seen or (cell in runs and step < settings.first.steps and reached is None):
            snapshot = player.snapshot(seen.get(cell) or runs[cell], step)
            now[cell], phases[cell] = snapshot.saturation, f"update {snapshot.step}"
        elif cell in runs:
            now[cell], phases[cell] = runs[cell].measured_after.saturation, "after"
        else:
            now[cell], phases[cell] = untrained[cell].saturation, "before"
    pictures["gates"] = layout.kept(f"gates histograms {subject(phases)}", lambda: figures.histograms(now, before))
    alt = "Histogram of every gate's values, a column per cell"
    layout.chart(pictures["gates"], "gates", alt, moves=live or player.is_playing("gates_step"))
    names = {cell: wording.cell_with_state(cell, wording.name_states(phases)) for cell in gated}
    for cell, name in names.items():
        layout.says(saturation_sentence(name, now[cell], before.get(cell)))
    if runs:
        st.markdown(layout.lines(training_sentence(cell, run) for cell, run in runs.items()))
    notable = [describe_notable_gates(name, now[cell], before.get(cell)) for cell, name in names.items()]
    ends = ENDS + (" The arrow leads from before the training to now." if before else "")
    st.caption("  \n".join([*notable, ends]))
    mention_sizes(starting)
    return now, phases


def subject(phases: dict[str, str]) -> tuple:
    """Return what tells the gates of these phases from others: experiments, runs, phases, and what they began with."""
    begun = {cell: row.id for cell, row in unfinished.items()} | ids
    return tuple((experiment, begun.get(cell), phases[cell], cell in runs) for cell, experiment in gated.items())


now, phases = player.moving("gates_step", histograms, live)
tables = saturation_tables(before, now, gated)
with st.container():
    if "rnn" in settings.cells:
        st.caption(NO_GATES)

with st.container(key="tall-gates"):
    names = ("One sequence", "Around the symbol", "Unit by unit", "Carry by distance")
    sequence_tab, around_tab, units_tab, carry_tab = st.tabs(names, key="gates_tab", bind="query-params")
if sequence_tab.open or around_tab.open:
    with sequence_tab if sequence_tab.open else around_tab:
        tables |= gates.show_sequences(sequence_tab.open, gated, ids, bool(unfinished), pictures)
if units_tab.open:
    with units_tab:
        gates.show_units(now, subject(phases), wording.name_states(phases), pictures)
if carry_tab.open:
    with carry_tab:
        carry = {cell: untrained[cell].decays["carry"] for cell in gated}
        tables |= gates.show_carry(gated, ids, carry, {cell: run.carry for cell, run in runs.items()}, pictures)
export.row("gates", pictures, gated, tables, trained=runs)
