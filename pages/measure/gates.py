"""Gate saturation: which gates are open, shut, or stuck."""

import plotly.graph_objects as go
import streamlit as st

from analysis.experiment import GATED
from analysis.figures import gates as figures
from analysis.report import wording
from analysis.report.sentences.gates import ENDS, saturation_sentence
from analysis.report.tables import Gates, saturation_tables
from pages.ui import export, gates, layout, player, sidebar, training
from pages.ui.untrained import measure_untrained, mention_sizes

NO_GATES = "The RNN has no gates: all it holds passes through its weights and its activation at every step."

layout.title(
    "Which gates are open, shut, or stuck?",
    "A gate near 0 is shut, near 1 open. One that never leaves an end no longer decides: it is stuck.",
)
settings = sidebar.settings()
gated = {cell: experiment for cell, experiment in settings.experiments.items() if cell in GATED}
trainings = training.draw_row(settings)
if not gated:
    st.info(f"{NO_GATES} Choose LSTM or GRU in the sidebar to see some.")
    trainings.show_estimate()
    st.stop()
runs = {cell: run for cell, run in trainings.runs.items() if cell in gated}
unfinished = {cell: row for cell, row in trainings.unfinished.items() if cell in gated}
live = any(row.live for row in unfinished.values())

starting = {cell: experiment for cell, experiment in gated.items() if cell not in runs}
untrained = measure_untrained(starting) | {cell: run.measured_before for cell, run in runs.items()}
before = {cell: untrained[cell].saturation for cell in [*unfinished, *runs]}
pictures: dict[str, go.Figure] = {}  # a download during a training takes the latest


def histograms() -> tuple[Gates, dict[str, str]]:
    """Draw the histograms at the step that is reached or chosen; return what they show, and of which phase it is."""
    seen = {cell: progress for cell, progress in training.progress(unfinished).items() if progress.snapshots}
    reached = max((progress.row.step for progress in seen.values()), default=None if runs and not unfinished else 0)
    step = player.draw_row("gates_step", settings.first, reached)
    now, phases = {}, {}
    for cell in gated:
        if cell in seen or (cell in runs and step < settings.first.steps and reached is None):
            snapshot = player.snapshot(seen.get(cell) or runs[cell], step)
            now[cell], phases[cell] = snapshot.saturation, f"step {snapshot.step}"
        elif cell in runs:
            now[cell], phases[cell] = runs[cell].measured_after.saturation, "after"
        else:
            now[cell], phases[cell] = untrained[cell].saturation, "before"
    pictures["gates"] = figures.histograms(now, before)
    alt = "Histogram of every gate's values, a column per cell"
    layout.chart(pictures["gates"], "gates", alt, moves=live or player.is_playing("gates_step"))
    st.caption(ENDS + (" The arrow leads from before the training to now." if before else ""))
    mention_sizes(starting)
    for cell in gated:
        name = wording.cell_with_state(cell, wording.name_states(phases))
        layout.says(saturation_sentence(name, now[cell], before.get(cell)))
    return now, phases


now, phases = player.moving("gates_step", histograms, live)
tables = saturation_tables(before, now, gated)
with st.container():
    if "rnn" in settings.cells:
        st.caption(NO_GATES)

tabs = ("One sequence", "Around the symbol", "Unit by unit", "Carry by distance")
sequence_tab, around_tab, units_tab, carry_tab = st.tabs(tabs, key="gates_tab", bind="query-params")
if sequence_tab.open or around_tab.open:
    with sequence_tab if sequence_tab.open else around_tab:
        tables |= gates.show_sequences(sequence_tab.open, gated, runs, bool(unfinished), pictures)
if units_tab.open:
    with units_tab:
        gates.show_units(now, wording.name_states(phases), pictures)
if carry_tab.open:
    with carry_tab:
        carry = {cell: untrained[cell].decays["carry"] for cell in gated}
        tables |= gates.show_carry(gated, carry, {cell: run.carry for cell, run in runs.items()}, pictures)
export.row("gates", pictures, gated, tables, trained=runs)
trainings.show_estimate()
