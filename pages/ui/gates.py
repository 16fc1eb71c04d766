"""What the gates page looks at, says and exports."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import streamlit as st
import torch

from analysis.engine.initialization import initial_weights
from analysis.experiment import Experiment
from analysis.measures.gates import example_batch, gate_moments, gate_sample, steps_read
from analysis.measures.meter import Meter
from analysis.report.tables import csv_table
from analysis.report.wording import format_percent, join_words
from analysis.results import GateMoments, GateSample, Saturation
from analysis.tasks.registry import build_task
from pages.ui import training

ALWAYS = 0.99  # share of the time at one end from which a unit's gate counts as stuck
RARELY = 0.05
SEQUENCES = 16
ENDS = (
    "Shaded are a gate's two ends, below 0.1 and above 0.9 (of a candidate, beyond −0.9 and 0.9); "
    "above them, how much of the time it is there."
)
VALUES = 4e6  # numbers of one gate in a recording, at most

Gates = Mapping[str, Mapping[str, Saturation]]  # by cell, then by gate
Tables = dict[str, Callable[[], str]]


def looked_at(experiment: Experiment, trained: bool, sample: int) -> tuple[GateSample, GateMoments]:
    """Read a few sequences with the first model, trained if it is, and keep one of them and the means."""
    row = training.jobs().find(experiment) if trained else None
    return _looked_at(experiment, row.id if row and row.status == "finished" else None, sample)


@st.cache_data(max_entries=50, show_spinner=False)
def _looked_at(experiment: Experiment, id: str | None, sample: int) -> tuple[GateSample, GateMoments]:
    task = build_task(experiment)
    size = task.length * experiment.hidden_size * experiment.layers
    batch = example_batch(task, max(1, min(SEQUENCES, int(VALUES / size))))
    if id:
        weights = {name: torch.from_numpy(weight[:1]) for name, weight in training.load(id).weights.items()}
    else:
        weights, _ = initial_weights(experiment.replace(seeds=1), task.inputs, task.outputs, task.vocabulary)
    tape, reads = Meter(experiment, task, batch).tape(weights), steps_read(task, batch.inputs)
    return gate_sample(tape, reads, sample=min(sample, batch.inputs.shape[1]) - 1), gate_moments(tape, reads)


def sentence(name: str, now: Mapping[str, Saturation], before: Mapping[str, Saturation] | None = None) -> str:
    """Say which gate of a cell, named so, lies most at an end, and how many units never leave one."""
    gates = [gate for gate in now if gate != "candidate"]
    share, gate, side = max((now[gate].ends[side], gate, side) for gate in gates for side in (0, 1))
    was = f", untrained {format_percent(before[gate].ends[side])}" if before else ""
    said = f"the {gate} gate is {('shut', 'open')[side]} {format_percent(share)} of the time{was}"
    if share < RARELY:
        said = "all gates stand in between, none is open or shut for long"
    stuck = {gate: int((np.maximum(now[gate].left, now[gate].right) >= ALWAYS).sum()) for gate in gates}
    held = [f"{count} of {now[gate].left.size} {gate} gates" for gate, count in stuck.items() if count]
    verb = "is" if sum(stuck.values()) == 1 else "are"
    return f"{name}: {said}; {f'{join_words(held)} {verb} stuck' if held else 'none is stuck'}."


def histogram_tables(before: Gates, now: Gates, experiments: Mapping[str, Experiment]) -> Tables:
    """Return the histograms and every unit's saturation as CSV to be written when asked for."""
    shares = [
        {"cell": cell, "gate": gate, "phase": phase, "from": s.edges[:-1], "to": s.edges[1:], "share": s.shares}
        for phase, cells in (("before", before), ("now", now))
        for cell, gates in cells.items()
        for gate, s in gates.items()
    ]
    units = [
        {
            "cell": cell, "gate": gate, "seed": experiments[cell].seed + model, "layer": layer,
            "unit": np.arange(left.shape[-1]), "left": left[layer], "right": right[layer],
        }
        for cell, gates in now.items()
        for gate, s in gates.items()
        if s.ends
        for model, (left, right) in enumerate(zip(s.left, s.right, strict=True))
        for layer in range(len(left))
    ]  # fmt: skip
    return {"gates": partial(csv_table, *shares), "gates-by-unit": partial(csv_table, *units)}


def sequence_tables(samples: Mapping[str, GateSample], means: Mapping[str, GateMoments]) -> Tables:
    """Return the gates of one sequence, and their means by moment, as CSV to be written when asked for."""
    steps = [
        {"cell": cell, "gate": gate, "step": np.arange(len(values))}
        | {f"unit_{unit}": values[:, k] for k, unit in enumerate(sample.units)}
        for cell, sample in samples.items()
        for gate, values in sample.gates.items()
    ]
    moments = [
        {"cell": cell, "gate": gate, "moment": np.array(m.moments)}
        | {"mean": mean, "low": m.low[gate], "high": m.high[gate]}
        for cell, m in means.items()
        for gate, mean in m.mean.items()
    ]
    tables = {"gates-in-time": partial(csv_table, *steps)}
    return tables | ({"gates-by-moment": partial(csv_table, *moments)} if moments else {})
