"""Results as CSV. Functions named *_csv write one table; those named *_tables return functions that write several."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import nan
from typing import Any, Protocol

import numpy as np

from analysis.experiment import Experiment
from analysis.reading import Held, Reading, Repeated
from analysis.report.documents import as_plain
from analysis.results import (
    DISTANCES,
    Decay,
    GateMoments,
    GateSample,
    Measured,
    Run,
    Saturation,
    Snapshot,
    Watched,
    finite_median,
)

Curve = tuple[Experiment, str, Decay]  # experiment, phase (such as before or after training), decay
Gates = Mapping[str, Mapping[str, Saturation]]  # by cell, then by gate
Tables = dict[str, Callable[[], str]]  # by name, functions that write CSV


class Trained(Protocol):
    """A run, finished or not."""

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """Its measurements so far."""

    @property
    def metric_name(self) -> str:
        """The name of its task's metric."""


def csv_table(*blocks: Mapping[str, Any]) -> str:
    r"""Write blocks of columns as CSV, one below the other; a column is an array, or one value for all rows.

    Floats keep every digit; infinite is inf, undefined is empty.

    >>> csv_table({"cell": "gru", "distance": [0, 1], "norm": [0.5, np.nan]})
    'cell,distance,norm\ngru,0,0.5\ngru,1,\n'
    """
    names = dict.fromkeys(name for block in blocks for name in block)
    file = io.StringIO()
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    for block in blocks:
        columns = np.broadcast_arrays(*block.values())
        writer.writerows(dict(zip(block, row, strict=True)) for row in zip(*map(as_plain, columns), strict=True))
    return file.getvalue()


def _by_seed(name: str, experiment: Experiment, values: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """Return a column for each model, named by its seed."""
    return {f"{name}_seed_{seed}": own for seed, own in enumerate(values, experiment.seed)}


def decay_csv(*curves: Curve) -> str:
    """Write curves of gradient against distance as CSV, a row for each distance."""
    return csv_table(
        *(
            {
                "cell": experiment.cell,
                "phase": phase,
                "of": decay.of,
                "distance": decay.distance,
                "norm": decay.norm,
                "mean_square": decay.mean_square,
                "relative": decay.relative,
                "low": decay.low,
                "high": decay.high,
            }
            | _by_seed("relative", experiment, decay.relatives)
            for experiment, phase, decay in curves
        )
    )


def memory_csv(*runs: Run) -> str:
    """Write the metric of trained networks by distance as CSV, a row for each distance."""
    return csv_table(
        *(
            {
                "cell": run.experiment.cell,
                "kind": run.memory.kind,
                "metric": run.memory.metric_name,
                "chance": run.memory.chance,
                "distance": run.memory.distance,
                "trained": run.memory.trained,
                "value": run.memory.value,
                "low": run.memory.low,
                "high": run.memory.high,
            }
            | _by_seed("value", run.experiment, run.memory.values)
            for run in runs
        )
    )


def snapshots_csv(*runs: Run) -> str:
    """Write runs as CSV, a row for each snapshot: medians, and the values of each model."""
    return csv_table(*map(_through_training, runs))


def _through_training(run: Run) -> dict[str, Any]:
    """Return a run's columns, with a value for each snapshot."""
    columns = {
        "cell": run.experiment.cell,
        "step": np.array([snapshot.step for snapshot in run.snapshots]),
        "threshold": np.array([snapshot.decay.threshold for snapshot in run.snapshots]),
        "horizon": np.array([snapshot.decay.horizon for snapshot in run.snapshots]),
    }
    own = {name: np.stack([getattr(snapshot, name) for snapshot in run.snapshots]) for name in ("loss", "metric")}
    columns |= {name: finite_median(values) for name, values in own.items()}
    own["horizon"] = np.stack([snapshot.decay.horizons for snapshot in run.snapshots])
    own["clipped"] = np.stack([snapshot.clipped for snapshot in run.snapshots])
    for name, values in own.items():
        columns |= _by_seed(name, run.experiment, values.T)
    return columns


def saturation_tables(before: Gates, now: Gates, experiments: Mapping[str, Experiment]) -> Tables:
    """Return the gates' histograms, and how often each unit is saturated now; `experiments` by cell give the seeds."""
    shares = [
        {
            "cell": cell,
            "gate": gate,
            "phase": phase,
            "from": saturation.edges[:-1],
            "to": saturation.edges[1:],
            "share": saturation.shares,
        }
        for phase, cells in (("before", before), ("now", now))
        for cell, gates in cells.items()
        for gate, saturation in gates.items()
    ]
    units = [
        {
            "cell": cell,
            "gate": gate,
            "seed": experiments[cell].seed + model,
            "layer": layer,
            "unit": np.arange(saturation.left.shape[-1]),
            "left": saturation.left[model, layer],
            "right": saturation.right[model, layer],
        }
        for cell, gates in now.items()
        for gate, saturation in gates.items()
        if saturation.left is not None and saturation.right is not None
        for model, layer in np.ndindex(saturation.left.shape[:2])
    ]
    return {"gates": partial(csv_table, *shares), "gates-by-unit": partial(csv_table, *units)}


def gate_sequence_tables(samples: Mapping[str, GateSample], moments: Mapping[str, GateMoments]) -> Tables:
    """Return the gates of one sequence by cell, and their means before, at and after what is to be remembered."""
    steps = [
        {"cell": cell, "gate": gate, "step": np.arange(len(values))}
        | {f"unit_{unit}": values[:, k] for k, unit in enumerate(sample.units)}
        for cell, sample in samples.items()
        for gate, values in sample.gates.items()
    ]
    means = [
        {
            "cell": cell,
            "gate": gate,
            "moment": np.array(by_moment.moments),
            "mean": mean,
            "low": by_moment.low[gate],
            "high": by_moment.high[gate],
        }
        for cell, by_moment in moments.items()
        for gate, mean in by_moment.mean.items()
    ]
    tables: Tables = {"gates-in-time": partial(csv_table, *steps)}
    return tables | ({"gates-by-moment": partial(csv_table, *means)} if means else {})


def bounds_tables(cell: str, measured: Mapping[str, Measured]) -> Tables:
    """Return the sizes of a cell's states by step, and its gradients by distance; `measured` is by activation."""
    sizes = [
        {
            "cell": cell,
            "activation": activation,
            "step": np.arange(len(result.bounds.saturated)),
            "share_beyond_.99": result.bounds.saturated,
        }
        | {
            f"{state}_{level:g}": row
            for state, quantiles in (("hidden", result.bounds.hidden), ("cell", result.bounds.cell))
            if quantiles is not None
            for level, row in zip(result.bounds.levels, quantiles, strict=True)
        }
        for activation, result in measured.items()
    ]
    gradients = [
        {"cell": cell, "activation": activation} | _columns(result.decay, "distance", "relative", "low", "high")
        for activation, result in measured.items()
    ]
    return {"state": partial(csv_table, *sizes), "gradient": partial(csv_table, *gradients)}


def vector_csv(repeated: Repeated) -> str:
    """Write a vector multiplied at every step as CSV, a row for each entry and step."""
    steps = np.arange(len(repeated.plain))
    entries = zip(repeated.plain[0], repeated.plain.T, repeated.bounded.T, strict=True)
    return csv_table(
        *({"start": start, "step": steps, "plain": plain, "tanh": bounded} for start, plain, bounded in entries)
    )


def runs_tables(runs: Mapping[str, Trained], decays: Mapping[str, Decay]) -> Tables:
    """Return runs by label: their latest decays, their snapshots, and the memory of finished runs."""
    curves = [{"run": label} | _columns(decay, "distance", "relative") for label, decay in decays.items()]
    snapshots = [
        {
            "run": label,
            "step": [snapshot.step for snapshot in run.snapshots],
            "horizon": [snapshot.decay.horizon for snapshot in run.snapshots],
            run.metric_name: [finite_median(snapshot.metric) for snapshot in run.snapshots],
        }
        for label, run in runs.items()
    ]
    answers = [
        {
            "run": label,
            "distance": run.memory.distance,
            "trained": run.memory.trained,
            run.metric_name: run.memory.value,
        }
        for label, run in runs.items()
        if isinstance(run, Run)
    ]
    named: dict[str, list[dict[str, Any]]] = {"decay": curves, "timeline": snapshots, "memory": answers}
    return {name: partial(csv_table, *blocks) for name, blocks in named.items() if blocks}


def watched_tables(model: Watched) -> Tables:
    """Return a watched model's horizon, gates and largest states by pass, and the decay of every snapshot."""
    snapshots = model.snapshots
    through: dict[str, Any] = {
        "cell": model.cell,
        "pass": [snapshot.step for snapshot in snapshots],
        "horizon": [snapshot.decay.horizon for snapshot in snapshots],
        "factor": [snapshot.decay.factor for snapshot in snapshots],
        "largest_hidden": [snapshot.bounds.hidden[-1].max() for snapshot in snapshots],
        "sequences": [snapshot.sequences for snapshot in snapshots],
        "gradient": [snapshot.gradient for snapshot in snapshots],
    }
    for k, first in enumerate(DISTANCES):
        through[f"share_from_{first}"] = [snapshot.shares[k] if snapshot.shares else nan for snapshot in snapshots]
    for gate in snapshots[0].saturation:
        ends = np.array([snapshot.saturation[gate].ends for snapshot in snapshots])  # (snapshots, 2)
        through |= {f"{gate}_left": ends[:, 0], f"{gate}_right": ends[:, 1]}
    curves = [
        {"cell": model.cell, "pass": snapshot.step}
        | _columns(snapshot.decay, "distance", "norm", "relative", "low", "high")
        for snapshot in snapshots
    ]
    return {"horizon": partial(csv_table, through), "gradient": partial(csv_table, *curves)}


def reading_tables(readings: Mapping[str, Reading], chosen: Reading) -> Tables:
    """Return all numbers of the chosen cell by word and unit, and the connectivity of every cell."""
    T, H = chosen.parts["hidden"].shape
    steps, units = np.divmod(np.arange(T * H), H)
    flow: dict[str, Any] = {"model": chosen.cell, "step": steps, "word": np.array(chosen.words)[steps], "unit": units}
    flow |= {name: values.ravel() for name, values in chosen.parts.items()}
    by, of = np.tril_indices(T)  # every prediction, and every word read until then
    connectivity = [
        {
            "model": cell,
            "step": by,
            "word": np.array(reading.words)[by],
            "wanted": np.array(reading.wanted)[by],
            "of": of,
            "of_word": np.array(reading.words)[of],
            "norm": reading.connectivity[by, of],
            "relative": reading.relative[by, of],
        }
        for cell, reading in readings.items()
    ]
    return {"flow": partial(csv_table, flow), "connectivity": partial(csv_table, *connectivity)}


def held_csv(*readings: Held) -> str:
    """Write readings with a gate held, or as it is, as CSV, a row for each word; `value` is empty where it is as it is.

    `distance` counts the words from there to the last; the gradient is the one that comes back to that word's memory.
    """
    return csv_table(
        *(
            {
                "model": held.cell,
                "gate": held.gate,
                "value": np.nan if held.value is None else held.value,
                "step": np.arange(len(held.words)),
                "word": np.array(held.words),
                "memory": held.size,
                "distance": np.arange(len(held.words))[::-1],
                "gradient": held.gradient[::-1],
                "left": held.left[::-1],
                "through_gate": np.nan if held.through_gate is None else held.through_gate[::-1],
            }
            for held in readings
        )
    )


def _columns(decay: Decay, *names: str) -> dict[str, np.ndarray]:
    """Return arrays of a decay by name."""
    return {name: getattr(decay, name) for name in names}
