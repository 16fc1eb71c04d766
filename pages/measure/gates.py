"""Gate saturation: which gates are open, shut, or stuck."""

from functools import partial

import streamlit as st

from analysis.experiment import GATED
from analysis.figures import gates as figures
from analysis.figures.decay import decay
from analysis.report import wording
from analysis.report.tables import decay_csv
from pages.ui import controls, export, layout, measure, player, sidebar, training
from pages.ui.gates import ENDS, SEQUENCES, histogram_tables, looked_at, sentence, sequence_tables

NO_GATES = "The RNN has no gates: all it holds passes through its weights and its activation at every step."

layout.title(
    "Which gates are open, shut, or stuck?",
    "A gate near 0 is shut, near 1 open. One that never leaves an end no longer decides: it is stuck.",
)
settings = sidebar.settings()
gated = {cell: experiment for cell, experiment in settings.experiments.items() if cell in GATED}
runs, rows, say_cost = training.row(settings)
if not gated:
    st.info(f"{NO_GATES} Choose LSTM or GRU in the sidebar to see some.")
    say_cost()
    st.stop()
runs = {cell: run for cell, run in runs.items() if cell in gated}
unfinished = {cell: row for cell, row in rows.items() if cell in gated}

starting = {cell: experiment for cell, experiment in gated.items() if cell not in runs}
untrained = measure.untrained(starting) | {cell: run.measured_before for cell, run in runs.items()}
before = {cell: untrained[cell].saturation for cell in unfinished}
before |= {cell: run.measured_before.saturation for cell, run in runs.items()}
now, drawn, phases = {}, {}, {cell: "after" if cell in runs else "before" for cell in gated}
live = any(row.live for row in unfinished.values())


def picture() -> None:
    """Draw the histograms at the step that is reached or chosen."""
    seen = {cell: each for cell, each in training.progress(unfinished).items() if each.snapshots}
    reached = max((each.row.step for each in seen.values()), default=None if runs and not unfinished else 0)
    step = player.row("gates_step", settings.any, reached)
    for cell in gated:
        if cell in seen or (cell in runs and step < settings.any.steps and reached is None):
            shown = player.snapshot(seen.get(cell) or runs[cell], step)
            now[cell], phases[cell] = shown.saturation, f"step {shown.step}"
        else:
            now[cell] = (runs[cell].measured_after if cell in runs else untrained[cell]).saturation
    drawn["gates"] = figures.histograms(now, before)
    alt = "Histogram of every gate's values, a column per cell"
    layout.chart(drawn["gates"], "gates", alt, moves=live or player.plays("gates_step"))
    st.caption(ENDS + (" The arrow leads from before the training to now." if before else ""))
    measure.say_sizes(starting)
    for cell in gated:
        layout.says(sentence(wording.cell_with_state(cell, wording.name_states(phases)), now[cell], before.get(cell)))


player.moving("gates_step", picture, live)
tables = histogram_tables(before, now, gated)
with st.container():
    if "rnn" in settings.cells:
        st.caption(NO_GATES)

names = ("One sequence", "Around the symbol", "Unit by unit", "Carry by distance")
sequence, around, units, carry = st.tabs(names, key="gates_tab", bind="query-params")
if sequence.open or around.open:
    with sequence if sequence.open else around:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            when = "untrained"
            if runs:
                when = controls.choice(
                    "Weights", ("trained", "untrained"), "gates_weights", "After training, or before."
                )
            number, view = 1, "every unit"
            if sequence.open:
                view = controls.choice("Show", ("every unit", "mean"), "gates_view", "A row per unit, or their mean.")
                number = st.number_input(
                    "Sequence", 1, SEQUENCES, key="sequence", bind="query-params", width=140,
                    help=f"Which of {SEQUENCES} sequences is read.",
                )  # fmt: skip
        looks = {cell: looked_at(e, when == "trained" and cell in runs, number) for cell, e in gated.items()}
        samples, means = ({cell: look[k] for cell, look in looks.items()} for k in (0, 1))
        tables |= sequence_tables(samples, means)
        if sequence.open:
            drawn["gates-in-time"] = (figures.sample_map if view == "every unit" else figures.sample_mean)(samples)
            layout.chart(drawn["gates-in-time"], "gates-in-time", "Every gate at every step of one sequence")
        elif any(mean.moments for mean in means.values()):
            drawn["gates-by-moment"] = figures.moments(means)
            layout.chart(
                drawn["gates-by-moment"], "gates-by-moment", "Mean of each gate before, at and after the symbol"
            )
            st.caption("Bars: mean over units; whiskers: nine of ten units.")
        else:
            st.caption(f"Task {settings.any.task}: every step is to be remembered, there is no before and after.")
        if starting and (when == "trained" or unfinished):
            names = wording.join_words([cell.upper() for cell in starting])
            st.caption(f"Not trained{' to the end' if unfinished else ''}, and drawn untrained: {names}.")
        st.caption(
            f"The model with seed {settings.any.seed}, its top layer; units in the same order for all its gates."
        )
if units.open:
    with units:
        drawn["gates-by-unit"] = figures.saturated_units(now)
        layout.chart(drawn["gates-by-unit"], "gates-by-unit", "Share left- against share right-saturated, by unit")
        st.caption(
            "A dot per unit (Karpathy, Johnson & Li 2015). Left-saturated: how often its gate is below 0.1 (a "
            "candidate: below −0.9); right-saturated: above 0.9. On the dashed line it is always at one of the ends."
        )
        if states := wording.name_states(phases):
            st.caption(f"Drawn here: {wording.join_words([wording.cell_with_state(cell, states) for cell in gated])}.")
if carry.open:
    with carry:
        start = {cell: untrained[cell].decays["carry"] for cell in gated}
        after = {cell: run.carry for cell, run in runs.items()}
        drawn["carry"] = decay(
            start | after,
            before={cell: start[cell] for cell in after},
            states=wording.name_states({cell: "after" if cell in after else "before" for cell in start}),
            height=360,
        )
        layout.chart(drawn["carry"], "carry", "What the gates alone let through, by distance")
        st.caption("The product of the forget (LSTM) or update gates (GRU) on the way back.")
        curves = [(gated[cell], "before", each) for cell, each in start.items()]
        curves += [(gated[cell], "after", each) for cell, each in after.items()]
        tables["carry"] = partial(decay_csv, *curves)
export.row("gates", drawn, gated, tables, trained=runs)
say_cost()
