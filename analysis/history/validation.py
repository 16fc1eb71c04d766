"""Validate results that were decoded from a file: a damaged or forged one raises a ValueError."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime
from math import inf, isfinite

import numpy as np

from analysis.experiment import GATES, Experiment, metric_names
from analysis.history.entry import STATUSES, Record
from analysis.results import (
    DISTANCES,
    GRADIENTS,
    LEVELS,
    Bounds,
    Decay,
    Measured,
    Memory,
    Result,
    Run,
    Saturation,
    Snapshot,
    Watched,
)

TIMING = {"seconds", "ms_per_step", "parameters", "multiply_adds"}
FINITE = float(np.finfo(float).max)
STEEPEST = 710.0  # nats per step; e^710 is beyond floating point
ROUNDED = 1 + 1e-9  # factor by which rounding may move a percentile
COUNT = 2**53  # up to here, every whole number is a float
YEARS = range(1970, 2200)


def require(fits: bool, what: str) -> None:
    """Raise a ValueError that names `what`, unless it fits."""
    if not fits:
        raise ValueError(f"unexpected {what}")


def check_record(record: Record) -> None:
    """Raise a ValueError where the parts of a record don't fit each other, or are impossible in a training."""
    run, experiment = record.run, record.experiment
    steps = [snapshot.step for snapshot in record.snapshots]
    measured: list[Snapshot | Measured] = [*record.snapshots]
    decays = [snapshot.decay for snapshot in record.snapshots]
    require(record.status in STATUSES, f"status {record.status[:20]!r}")
    require((run is not None) == (record.status == "finished"), "result for its status")
    require(steps == sorted({*steps}), "order of snapshots")
    require(all(0 <= step <= experiment.steps for step in (*steps, record.step)), "step")
    require(0 <= record.seconds < 1e12, "seconds")
    require(_is_time(record.created), "created")
    require(all(decay.of == "memory" for decay in decays), "gradient")
    if run:
        _check_run(record, run)
        for part in (run.measured_before, run.measured_after):
            measured.append(part)
            decays += part.decays.values()
        require(len({decay.distance.size for decay in decays}) == 1, "lengths")
    _check_measured(experiment.cell, measured, decays)
    check_parts(record, experiment)


def _check_run(record: Record, run: Run) -> None:
    """Check the result of a finished run against its record."""
    experiment = record.experiment
    gradients = {"memory", "hidden", "input", "weights"} | ({"carry"} if GATES[experiment.cell] else set())
    require([snapshot.step for snapshot in record.snapshots][-1:] == [record.step], "last step")
    require(run.experiment == experiment, "experiment of the result")
    require(not run.snapshots and bool(record.snapshots), "snapshots")
    require(run.metric_name == run.memory.metric_name and run.metric_name in metric_names(experiment.task), "metric")
    require(run.memory.kind in ("symbol", "window") and run.memory.distance.size > 0, "memory")
    guesses = (run.chance, run.memory.chance, run.memory.repeating or 0.0)
    require(all(isfinite(guess) and guess >= 0 for guess in guesses), "chance")
    require(run.timing.keys() >= TIMING and all(0 <= value < inf for value in run.timing.values()), "timing")
    require(all(0 <= failure.model < experiment.seeds for failure in run.diverged), "model")
    require(all(0 <= failure.step <= experiment.steps for failure in run.diverged), "failing step")
    for measured in (run.measured_before, run.measured_after):
        kinds = {of: decay.of for of, decay in measured.decays.items()}
        require(kinds == {of: of for of in gradients}, "kinds of gradient")
    require(all(weight.shape[:1] == (experiment.seeds,) for weight in run.weights.values()), "weights")


def check_watched(watched: Watched) -> None:
    """Raise a ValueError where the parts of a watched model don't fit each other, or are impossible."""
    steps = [snapshot.step for snapshot in watched.snapshots]
    decays = [snapshot.decay for snapshot in watched.snapshots]
    gates = [gate for snapshot in watched.snapshots for gate in snapshot.saturation.values()]
    "".join((watched.name, *watched.skipped)).encode()  # a UnicodeError is a ValueError
    require(watched.cell in GATES, "cell")
    require(watched.activation in ("tanh", "relu"), "activation")
    require(all(1 <= size < COUNT for size in (watched.input_size, watched.hidden_size, watched.layers)), "sizes")
    require(steps == sorted({*steps}), "order of snapshots")
    require(0 <= watched.backwards < COUNT and all(1 <= step <= watched.backwards for step in steps), "pass")
    require(_is_time(watched.created), "created")
    require(all(decay.of == "memory" for decay in decays), "gradient")
    require(all(1 <= count < COUNT for count in watched.skipped.values()), "skipped")
    require(all(gate.left is not None for gate in gates), "ends")
    _check_measured(watched.cell, watched.snapshots, decays)
    check_parts(watched, watched)


def _check_measured(cell: str, measured: Sequence[Snapshot | Measured], decays: Sequence[Decay]) -> None:
    """Check that all measures of a cell are there, and the sizes that the axes of fields don't cover."""
    gates = [gate for part in measured for gate in part.saturation.values()]
    bounds = [part.bounds for part in measured]
    require(all({*part.saturation} == {*GATES[cell]} for part in measured), "gates")
    require(all(gate.edges.shape == (gate.counts.size + 1,) for gate in gates), "edges")
    require(all((gate.left is None) == (gate.right is None) for gate in gates), "ends")
    require(all(bound.saturated.size for bound in bounds), "steps")
    require(all(bound.levels.shape == LEVELS.shape for bound in bounds), "levels")
    require(all((bound.cell is None) == (cell != "lstm") for bound in bounds), "cell state")
    require(all(decay.distance.size for decay in decays), "distances")


def _is_time(text: str) -> bool:
    """Return whether an ISO 8601 text is a time from 1970 to 2199, with a time zone."""
    time = datetime.fromisoformat(text)
    return time.tzinfo is not None and time.year in YEARS


def check_parts(result: object, experiment: Experiment | Watched) -> None:
    """Raise a ValueError where an array's shape or contents don't fit the experiment or the object it is in.

    Checks the result, and all results within it.
    """
    if isinstance(result, dict):
        result = tuple(result.values())
    if isinstance(result, tuple):
        for part in result:
            check_parts(part, experiment)
    elif isinstance(result, Result):
        _check_arrays(result, {"S": experiment.seeds, "L": experiment.layers, "H": experiment.hidden_size})
        if check := CONTENTS.get(type(result)):
            check(result)
        for part in fields(result):
            check_parts(getattr(result, part.name), experiment)


def _check_arrays(result: Result, sizes: dict[str, int]) -> None:
    """Check the arrays of a result against the axes of its fields; add the sizes of its own axes to `sizes`."""
    for part in fields(result):
        array = getattr(result, part.name)
        if array is None or "axes" not in part.metadata:
            continue
        axes, name = part.metadata["axes"], f"{type(result).__name__}.{part.name}"
        if array.ndim != len(axes) or any(
            sizes.setdefault(axis, size) != size for axis, size in zip(axes, array.shape, strict=True)
        ):
            raise ValueError(f"{name}: expected axes {''.join(axes)} {sizes}, found {array.shape}")
        if array.dtype.kind != ("i" if part.metadata["whole"] else "f"):
            raise ValueError(f"{name}: unexpected numbers of {array.dtype}")


def _within(values: np.ndarray | float, low: float, high: float) -> bool:
    """Return whether all values are from low to high, or NaN."""
    values = np.asarray(values)
    return bool((np.isnan(values) | ((values >= low) & (values <= high))).all())


def _rising(values: np.ndarray) -> bool:
    """Return whether each value is larger than the one before."""
    return bool((values[1:] > values[:-1]).all())


def _check_decay(decay: Decay) -> None:
    """Check the numbers of a decay: ranges, order of percentiles, horizons within the sequence."""
    T = decay.distance.size
    curves = (decay.norm, decay.relative, decay.low, decay.high, decay.relatives)
    horizons = np.append(decay.horizons, decay.horizon)
    require(decay.of in (*GRADIENTS, "carry"), "Decay.of")
    require(0 < decay.threshold <= 1, "Decay.threshold")
    require(np.array_equal(decay.distance, np.arange(T)), "Decay.distance")
    require(all(_within(curve, 0, FINITE) for curve in curves), "Decay.relative")
    require(_within(decay.relative[:1], 1, 1), "Decay.percentiles")
    for lower, upper in ((decay.low, decay.relative), (decay.relative, decay.high)):
        require(not (lower > upper * ROUNDED).any(), "Decay.percentiles")
    require(_within(decay.mean_square, 0, inf), "Decay.mean_square")
    require(_within(np.append(decay.rates, decay.rate), -STEEPEST, STEEPEST), "Decay.rate")
    require(_within(decay.factor, 0, inf), "Decay.factor")
    require(_within(decay.r_squared, -0.01, 1.01), "Decay.r_squared")  # rounded
    require(_within(np.append(decay.half_lives, decay.half_life), 0, inf), "Decay.half_life")
    require(_within(horizons, 0, T - 1), "Decay.horizon")
    require(bool((np.isnan(horizons) | (horizons % 1 == 0)).all()), "Decay.horizon")
    require(0 <= decay.excluded <= decay.horizons.size, "Decay.excluded")
    if decay.samples is not None:
        fewer = np.diff(decay.samples) <= 0
        require(bool(fewer.all() and ((decay.samples > 0) & (decay.samples < COUNT)).all()), "Decay.samples")
    if decay.cut is not None:
        require(0 < decay.cut < T and not np.nan_to_num(decay.high[decay.cut :]).any(), "Decay.cut")


def _check_memory(memory: Memory) -> None:
    """Check the numbers of a memory: rising distances, spans within them."""
    values = (memory.value, memory.low, memory.high, memory.values)
    require(_rising(memory.distance) and bool((memory.distance >= 0).all()), "Memory.distance")
    require(all(_within(value, 0, inf) for value in values), "Memory.value")
    require(
        memory.trained is None or (memory.trained.dtype == bool and memory.trained.shape == memory.distance.shape),
        "Memory.trained",
    )
    require(_within(np.append(memory.spans, memory.span), 0, memory.distance[-1]), "Memory.span")


def _check_saturation(gate: Saturation) -> None:
    """Check the numbers of a saturation: shares, counts, rising edges around both ends."""
    counts, edges = gate.counts, gate.edges
    require(gate.left is None or _within(gate.left, 0, 1), "Saturation.left")
    require(gate.right is None or _within(gate.right, 0, 1), "Saturation.right")
    require(counts.size > 0 and bool(((counts >= 0) & (counts < COUNT)).all()), "Saturation.counts")
    require(bool(np.isfinite(edges).all()) and _rising(edges), "Saturation.edges")
    require(gate.left is None or bool(edges[0] <= gate.low < gate.high <= edges[-1]), "Saturation.low")


def _check_bounds(bounds: Bounds) -> None:
    """Check the numbers of bounds: levels, sizes of at least 0, an overflow within the sequence."""
    overflow = bounds.overflow_step
    require(np.array_equal(bounds.levels, LEVELS), "Bounds.levels")
    require(bool((bounds.hidden >= 0).all()), "Bounds.hidden")
    require(bounds.cell is None or bool((bounds.cell >= 0).all()), "Bounds.cell")
    require(_within(bounds.saturated, 0, 1), "Bounds.saturated")
    require(overflow is None or 0 <= overflow < bounds.saturated.size, "Bounds.overflow_step")


def _check_snapshot(snapshot: Snapshot) -> None:
    require(_within(snapshot.clipped, 0, 1), "Snapshot.clipped")
    require(0 <= snapshot.sequences < COUNT, "Snapshot.sequences")
    require(_within(snapshot.gradient, 0, inf), "Snapshot.gradient")
    require(len(snapshot.shares) in (0, len(DISTANCES)), "Snapshot.shares")
    require(all(map(isfinite, snapshot.shares)), "Snapshot.shares")


CONTENTS: dict[type, Callable[..., None]] = {  # checks whether the numbers of a result are possible
    Decay: _check_decay,
    Memory: _check_memory,
    Saturation: _check_saturation,
    Bounds: _check_bounds,
    Snapshot: _check_snapshot,
}
