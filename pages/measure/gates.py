"""Gate saturation: which gates are open, shut, or stuck."""

import numpy as np
import streamlit as st
import torch

from analysis.config import GATED, Experiment
from analysis.figures import gates as figures
from analysis.figures.decay import decay
from analysis.gates import example_batch, gate_moments, gate_sample, steps_read
from analysis.measuring import Meter
from analysis.results import GateMoments, GateSample, Run, Saturation
from analysis.tasks import build
from analysis.weights import initial_weights
from analysis.wording import listed, percent
from pages.ui import export, layout, measure, sidebar, training

ALWAYS = 0.99  # share of the time at one end from which a unit's gate counts as stuck
RARELY = 0.05
STOPS = 200  # of the snapshot slider
SEQUENCES = 16
VALUES = 4e6  # numbers in one gate of a recorded sequence, at most


def at_step(runs: dict[str, Run], steps: int) -> int:
    """Draw the slider through training; it stands still where nothing is trained yet."""
    taken = sorted({snapshot.step for run in runs.values() for snapshot in run.snapshots}) or [0, steps]
    stops = sorted({*taken[:: -(-len(taken) // STOPS)], taken[-1]})
    if st.session_state.get("at_step") not in stops:
        st.session_state["at_step"] = stops[-1]
    return st.select_slider("Training step", stops, key="at_step", disabled=not runs)


def then(run: Run, step: int) -> dict[str, Saturation]:
    """Return a run's saturation at a step, or at its last if it ended earlier."""
    if step >= run.snapshots[-1].step:
        return run.measured_after.saturation
    return [snapshot for snapshot in run.snapshots if snapshot.step <= step][-1].saturation


def sentence(cell: str, now: dict[str, Saturation], before: dict[str, Saturation]) -> str:
    """Say which gate of a cell lies most at an end, and how many units never leave one."""
    gates = [gate for gate in now if gate != "candidate"]
    share, gate, side = max((now[gate].ends[side], gate, side) for gate in gates for side in (0, 1))
    was = f", untrained {percent(before[gate].ends[side])}" if before else ""
    said = f"the {gate} gate is {('shut', 'open')[side]} {percent(share)} of the time{was}"
    if share < RARELY:
        said = f"no gate is open or shut as much as {percent(RARELY)} of the time: all stand in between"
    stuck = {gate: int((np.maximum(now[gate].left, now[gate].right) >= ALWAYS).sum()) for gate in gates}
    held = [f"{count} of {now[gate].left.size} {gate} gates" for gate, count in stuck.items() if count]
    return f"{cell.upper()}: {said}; {'stuck are ' + listed(held) if held else 'none is stuck'}."


@st.cache_data(max_entries=50, show_spinner=False)
def looked_at(experiment: Experiment, trained: bool, sample: int) -> tuple[GateSample, GateMoments]:
    """Read a few sequences with the first model, and keep one of them and the means."""
    task = build(experiment)
    size = task.length * experiment.hidden_size * experiment.layers
    batch = example_batch(task, max(1, min(SEQUENCES, int(VALUES / size))))
    if trained:
        weights = {name: torch.from_numpy(w[:1]) for name, w in training.kept().get(experiment).weights.items()}
    else:
        weights, _ = initial_weights(experiment.replace(seeds=1), task.inputs, task.outputs)
    tape, reads = Meter(experiment, task, batch).tape(weights), steps_read(task, batch.inputs)
    return gate_sample(tape, reads, sample=min(sample, batch.inputs.shape[1]) - 1), gate_moments(tape, reads)


layout.title(
    "Which gates are open, shut, or stuck?",
    "A gate near 0 is shut, near 1 open. One that never leaves an end no longer decides: it is stuck.",
)
settings = sidebar.settings()
gated = {cell: experiment for cell, experiment in settings.experiments.items() if cell in GATED}
found, go_on = training.row(settings)
runs = {cell: run for cell, run in found.items() if run is not None and cell in gated}
if "rnn" in settings.cells:
    st.caption("An RNN has no gates: whatever it holds passes through its weights and its activation at every step.")
if not gated:
    st.info("Choose LSTM or GRU in the sidebar to see gates.")
    go_on()
    st.stop()

step = at_step(runs, settings.any.steps)
measured = {cell: measure.untrained(experiment) for cell, experiment in gated.items()}
before = {cell: run.measured_before.saturation for cell, run in runs.items()}
now = {cell: then(runs[cell], step) if cell in runs else measured[cell].saturation for cell in gated}
drawn = {"gates": figures.histograms(now, before)}
layout.chart(drawn["gates"], "gates", "Histogram of every gate's values, a column per cell")
for cell in gated:
    layout.says(sentence(cell, now[cell], before.get(cell, {})))

sequence, units, carry = st.tabs(["One sequence", "Unit by unit", "Carry by distance"])
with sequence:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = st.number_input("Sequence", 1, SEQUENCES, key="sequence", bind="query-params", width=140)
        view = st.segmented_control(
            "Show", ["every unit", "mean"], default="every unit", required=True, key="gate_view", bind="query-params"
        )
        when = st.segmented_control(
            "When",
            ["untrained", "trained"],
            default="trained" if runs else "untrained",
            required=True,
            key=f"when-{bool(runs)}",
            disabled=not runs,
        )
    looks = {cell: looked_at(e, when == "trained" and cell in runs, number) for cell, e in gated.items()}
    samples, means = ({cell: look[k] for cell, look in looks.items()} for k in (0, 1))
    drawn["gates-in-time"] = (figures.sample_map if view == "every unit" else figures.sample_mean)(samples)
    layout.chart(drawn["gates-in-time"], "gates-in-time", "Every gate at every step of one sequence")
    if any(mean.moments for mean in means.values()):
        drawn["gates-by-moment"] = figures.moments(means)
        layout.chart(drawn["gates-by-moment"], "gates-by-moment", "Mean of each gate before, at and after the symbol")
        st.caption("Bars: mean over units; whiskers: nine of ten units. Seed " + str(settings.any.seed) + ".")
    else:
        st.caption(f"In the {settings.any.task} task every step is to be remembered: there is no before and after.")
with units:
    drawn["gates-by-unit"] = figures.saturated_units(now)
    layout.chart(drawn["gates-by-unit"], "gates-by-unit", "Share left-saturated against share right-saturated by unit")
    st.caption("A dot per unit (Karpathy, Johnson & Li 2015): on the dashed line it is always at one end or the other.")
with carry:
    untrained = {cell: found.decays["carry"] for cell, found in measured.items()}
    trained = {cell: run.carry for cell, run in runs.items()}
    drawn["carry"] = decay(untrained | trained, before={cell: untrained[cell] for cell in trained})
    layout.chart(drawn["carry"], "carry", "Product of the gates that keep, by distance")
    st.caption("The product of forget (LSTM) or update gates (GRU) on the way back: what they alone let through.")
export.row("gates", drawn, gated, trained=bool(runs))
go_on()
