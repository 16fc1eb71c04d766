"""Gradient decay: how far back a cell can be taught, and how far it remembers."""

from functools import partial

import streamlit as st

from analysis import wording
from analysis.export import decay_csv, memory_csv, snapshots_csv
from analysis.figures.decay import decay, decay_and_memory
from analysis.figures.timeline import timeline
from pages.ui import comparison, controls, export, layout, measure, sidebar, training

layout.title(
    "How far back can it be taught, and how far does it remember?",
    "Above: how much of the gradient comes back to a step. Below: what the trained network still answers about it.",
)
settings = sidebar.settings()
found, go_on = training.row(settings)
look = controls.decay()
picture = st.container()

untrained = {cell: measure.untrained(experiment) for cell, experiment in settings.experiments.items()}
runs = {cell: run for cell, run in found.items() if run is not None}
trained = {cell: run.measured_after for cell, run in runs.items()}
measured = {cell: trained.get(cell, untrained[cell]) for cell in settings.cells}


def decays(of: str) -> dict:
    """Return the decay of each cell that has it, at this page's threshold."""
    chosen = {cell: each.decays[of] for cell, each in measured.items() if of in each.decays}
    return {cell: measure.at_threshold(each, look.threshold) for cell, each in chosen.items()}


step, shown = controls.snapshot(runs) if runs else (None, {})
now = decays("memory") | {cell: measure.at_threshold(each, look.threshold) for cell, each in shown.items()}
before = {cell: measure.at_threshold(run.before, look.threshold) for cell, run in runs.items()}
carry = decays("carry") if look.carry and not shown else {}
drawn = {
    "decay": decay_and_memory(
        now,
        {cell: run.memory for cell, run in runs.items()},
        before=before,
        carry=carry,
        spread=look.spread,
        relative=look.relative,
        position=look.position,
        full_depth=look.full_depth,
    )
}
with picture:
    layout.chart(drawn["decay"], "decay", "Gradient left and answers against distance")
    if runs:
        st.markdown("\n".join(f"- {wording.remembered(cell, run)}" for cell, run in runs.items()))
    else:
        layout.says(wording.untrained(now))
    for cell, alone in carry.items():
        st.caption(wording.carried(cell, now[cell], alone))
    if runs:
        drawn["timeline"] = timeline(runs, step)
        layout.chart(drawn["timeline"], "timeline", "Horizon and metric against training step")

names = ("Rate and half-life", "What trains the weights", "Hidden, cell, input")
rates, weights, others = st.tabs(names, key="details", bind="query-params")
if rates.open:
    with rates:
        comparison.rates(now)
if weights.open:
    with weights:
        drawn["weights"] = decay(decays("weights"), spread=look.spread, position=look.position, height=360)
        layout.chart(drawn["weights"], "weights", "What each step adds to the update of the recurrent weights")
        st.markdown(wording.update(decays("weights")))
if others.open:
    with others:
        of = controls.state()
        drawn[of] = decay(decays(of), spread=look.spread, position=look.position, height=360)
        layout.chart(drawn[of], of, f"Gradient of the {of} against distance")

st.subheader("Which cell here?", anchor=False)
if runs:
    comparison.table(runs, now)
else:
    st.caption("Train, and this table compares the cells.")

curves = [(settings.experiments[cell], "after" if cell in runs else "before", each) for cell, each in now.items()]
curves += [(settings.experiments[cell], "before", each) for cell, each in before.items()]
tables = {"decay": partial(decay_csv, *curves)}
if runs:
    tables |= {"memory": partial(memory_csv, *runs.values()), "timeline": partial(snapshots_csv, *runs.values())}
export.row("decay", drawn, settings.experiments, tables, trained=bool(runs))
go_on()
