"""Whether results out of a file fit together, and say what can be: what was damaged or forged is a ValueError."""

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from math import inf, isfinite

import numpy as np

from analysis.experiment import GATES, METRICS, Experiment
from analysis.history.entry import STATUSES, Record
from analysis.results import GRADIENTS, LEVELS, Bounds, Decay, Measured, Memory, Run, Saturation, Snapshot, Watched

TIMING = {"seconds", "ms_per_step", "parameters", "multiply_adds"}
# Axes of arrays that figures rely on: S models, L layers, H hidden units; any other letter is a size of that object.
AXES = {
    Decay: {"distance norm mean_square relative low high": "T", "relatives": "ST", "rates half_lives horizons": "S"},
    Memory: {"distance value low high": "N", "values": "SN", "spans": "S"},
    Saturation: {"left right": "SLH", "counts": "N", "edges": "E"},
    Bounds: {"levels": "Q", "hidden cell": "QT", "saturated": "T"},
    Measured: {"loss": "S"},
    Snapshot: {"loss metric clipped": "S"},
    Run: {"loss metric": "S"},
}
WHOLE = ("distance", "counts")  # arrays of whole numbers
FINITE = float(np.finfo(float).max)
STEEPEST = 710.0  # nats per step: from 1, floating point ends after 709
ROUNDED = 1 + 1e-9
COUNT = 2**53  # as far as every whole number is a float
YEARS = range(1970, 2200)


def check_record(record: Record) -> None:
    """Refuse, with a ValueError, a record whose parts don't fit each other."""
    steps = [snapshot.step for snapshot in record.snapshots]
    run, experiment = record.run, record.experiment
    measured = (*record.snapshots, *((run.measured_before, run.measured_after) if run else ()))
    decays = [s.decay for s in record.snapshots]
    problems = {
        f"status {record.status[:20]!r}": record.status not in STATUSES,
        "result for its status": (run is not None) != (record.status == "finished"),
        "order of snapshots": steps != sorted({*steps}),
        "step": not all(0 <= step <= experiment.steps for step in (*steps, record.step)),
        "seconds": not 0 <= record.seconds < 1e12,
        "created": not _is_time(record.created),
        "gradient": any(decay.of != "memory" for decay in decays),
    }
    if run:
        decays += [*run.measured_before.decays.values(), *run.measured_after.decays.values()]
        problems |= {
            "last step": steps[-1:] != [record.step],
            "experiment of the result": run.experiment != experiment,
            "snapshots": bool(run.snapshots) or not steps,
            "metric": {run.metric_name, run.memory.metric_name} != {METRICS[experiment.task]},
            "memory": run.memory.kind not in ("symbol", "window") or not run.memory.distance.size,
            "chance": not all(isfinite(each) and each >= 0 for each in (run.chance, run.memory.chance)),
            "timing": not (run.timing.keys() >= TIMING and all(0 <= each < inf for each in run.timing.values())),
            "model": not all(0 <= failure.model < experiment.seeds for failure in run.diverged),
            "failing step": not all(0 <= failure.step <= experiment.steps for failure in run.diverged),
            "kinds of gradient": any(
                {of: decay.of for of, decay in each.decays.items()} != {of: of for of in _gradients(experiment.cell)}
                for each in (run.measured_before, run.measured_after)
            ),
            "lengths": len({decay.distance.size for decay in decays}) > 1,
            "weights": not all(weight.shape[:1] == (experiment.seeds,) for weight in run.weights.values()),
        }
    _refuse(problems | _unfit(experiment.cell, measured, decays))
    check_parts(record, record.experiment)


def check_watched(watched: Watched) -> None:
    """Refuse, with a ValueError, a watched model whose parts don't fit each other."""
    steps = [snapshot.step for snapshot in watched.snapshots]
    "".join((watched.name, *watched.skipped)).encode()  # a UnicodeError is a ValueError
    _refuse({"cell": watched.cell not in GATES})
    decays = [snapshot.decay for snapshot in watched.snapshots]
    problems = {
        "activation": watched.activation not in ("tanh", "relu"),
        "sizes": not all(1 <= size < COUNT for size in (watched.input_size, watched.hidden_size, watched.layers)),
        "order of snapshots": steps != sorted({*steps}),
        "pass": not (0 <= watched.backwards < COUNT and all(1 <= step <= watched.backwards for step in steps)),
        "created": not _is_time(watched.created),
        "gradient": any(decay.of != "memory" for decay in decays),
        "skipped": not all(1 <= count < COUNT for count in watched.skipped.values()),
        "ends": any(gate.left is None for each in watched.snapshots for gate in each.saturation.values()),
    }
    _refuse(problems | _unfit(watched.cell, watched.snapshots, decays))
    check_parts(watched, watched)


def _unfit(cell: str, measured: Sequence[Snapshot | Measured], decays: Sequence[Decay]) -> dict[str, bool]:
    """Return what may be wrong with measurements of a cell, and whether it is."""
    gates = [gate for each in measured for gate in each.saturation.values()]
    return {
        "gates": any({*each.saturation} != {*GATES[cell]} for each in measured),
        "edges": any(gate.edges.shape != (gate.counts.size + 1,) for gate in gates),
        "ends": any((gate.left is None) != (gate.right is None) for gate in gates),
        "steps": not all(each.bounds.saturated.size for each in measured),
        "levels": any(each.bounds.levels.shape != LEVELS.shape for each in measured),
        "cell state": any((each.bounds.cell is None) != (cell != "lstm") for each in measured),
        "distances": not all(decay.distance.size for decay in decays),
    }


def _refuse(problems: dict[str, bool]) -> None:
    for problem, found in problems.items():
        if found:
            raise ValueError(f"unexpected {problem}")


def _is_time(text: str) -> bool:
    """Whether a text, ISO 8601, names a time that every calendar knows."""
    time = datetime.fromisoformat(text)
    return time.tzinfo is not None and time.year in YEARS


def _gradients(cell: str) -> list[str]:
    return ["memory", "hidden", "input", "weights"] + ["carry"] * bool(GATES[cell])


def check_parts(result: object, experiment: Experiment | Watched) -> None:
    """Refuse, with a ValueError, arrays whose shapes or contents don't fit what was measured or each other."""
    if isinstance(result, dict):
        result = tuple(result.values())
    if isinstance(result, tuple):
        for each in result:
            check_parts(each, experiment)
        return
    if not is_dataclass(result) or isinstance(result, Experiment):
        return
    kind, sizes = type(result), {"S": experiment.seeds, "L": experiment.layers, "H": experiment.hidden_size}
    for names, axes in AXES.get(kind, {}).items():
        for name in names.split():
            array = getattr(result, name)
            if array is None:
                continue
            if array.ndim != len(axes) or any(
                sizes.setdefault(a, n) != n for a, n in zip(axes, array.shape, strict=True)
            ):
                raise ValueError(f"{kind.__name__}.{name}: expected axes {axes} {sizes}, found {array.shape}")
            if array.dtype.kind != ("i" if name in WHOLE else "f"):
                raise ValueError(f"{kind.__name__}.{name}: unexpected numbers of {array.dtype}")
    for name, fits in CONTENTS[kind](result).items() if kind in CONTENTS else ():
        if not fits:
            raise ValueError(f"unexpected {kind.__name__}.{name}")
    for field in fields(result):
        check_parts(getattr(result, field.name), experiment)


def _within(values: np.ndarray | float, low: float, high: float) -> bool:
    """Whether all values are from low to high, or undefined."""
    values = np.asarray(values)
    return bool((np.isnan(values) | ((values >= low) & (values <= high))).all())


def _rising(values: np.ndarray) -> bool:
    return bool((values[1:] > values[:-1]).all())


def _decay(found: Decay) -> dict[str, bool]:
    T = found.distance.size
    sizes = (found.norm, found.relative, found.low, found.high, found.relatives)
    horizons = np.append(found.horizons, found.horizon)
    return {
        "of": found.of in (*GRADIENTS, "carry"),
        "threshold": 0 < found.threshold <= 1,
        "distance": np.array_equal(found.distance, np.arange(T)),
        "relative": all(_within(each, 0, FINITE) for each in sizes),
        "percentiles": _within(found.relative[:1], 1, 1)
        and not any((a > b * ROUNDED).any() for a, b in ((found.low, found.relative), (found.relative, found.high))),
        "mean_square": _within(found.mean_square, 0, inf),
        "rate": _within(np.append(found.rates, found.rate), -STEEPEST, STEEPEST),
        "factor": _within(found.factor, 0, inf),
        "r_squared": _within(found.r_squared, -0.01, 1.01),  # rounded
        "half_life": _within(np.append(found.half_lives, found.half_life), 0, inf),
        "horizon": _within(horizons, 0, T - 1) and bool((np.isnan(horizons) | (horizons % 1 == 0)).all()),
        "excluded": 0 <= found.excluded <= found.horizons.size,
    }


def _memory(found: Memory) -> dict[str, bool]:
    return {
        "distance": _rising(found.distance) and bool((found.distance >= 0).all()),
        "value": all(_within(each, 0, inf) for each in (found.value, found.low, found.high, found.values)),
        "span": _within(np.append(found.spans, found.span), 0, found.distance[-1]),
    }


def _saturation(found: Saturation) -> dict[str, bool]:
    edges = found.edges
    return {
        "left": found.left is None or _within(found.left, 0, 1),
        "right": found.right is None or _within(found.right, 0, 1),
        "counts": found.counts.size > 0 and bool(((found.counts >= 0) & (found.counts < COUNT)).all()),
        "edges": bool(np.isfinite(edges).all()) and _rising(edges),
        "low": found.left is None or edges[0] <= found.low < found.high <= edges[-1],
    }


def _bounds(found: Bounds) -> dict[str, bool]:
    overflow = found.overflow_step
    return {
        "levels": np.array_equal(found.levels, LEVELS),
        "hidden": bool((found.hidden >= 0).all()),
        "cell": found.cell is None or bool((found.cell >= 0).all()),
        "saturated": _within(found.saturated, 0, 1),
        "overflow_step": overflow is None or 0 <= overflow < found.saturated.size,
    }


def _snapshot(found: Snapshot) -> dict[str, bool]:
    return {"clipped": _within(found.clipped, 0, 1)}


CONTENTS: dict[type, Callable[..., dict[str, bool]]] = {  # what of a result is as it can be
    Decay: _decay,
    Memory: _memory,
    Saturation: _saturation,
    Bounds: _bounds,
    Snapshot: _snapshot,
}
