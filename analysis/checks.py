"""Whether results out of a file fit together: what was damaged or forged is a ValueError."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from math import inf, isfinite

from analysis.bounds import LEVELS
from analysis.cells import LAYERS
from analysis.config import Experiment
from analysis.results import (
    STATUSES,
    Bounds,
    Decay,
    Measured,
    Memory,
    Record,
    Run,
    Saturation,
    Snapshot,
    Watched,
)

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
        "time zone": datetime.fromisoformat(record.created).tzinfo is None,
    }
    if run:
        decays += [*run.measured_before.decays.values(), *run.measured_after.decays.values()]
        problems |= {
            "experiment of the result": run.experiment != experiment,
            "snapshots": bool(run.snapshots) or not steps,
            "decay": any("memory" not in each.decays for each in (run.measured_before, run.measured_after)),
            "memory": run.memory.kind not in ("symbol", "window") or not run.memory.distance.size,
            "chance": not isfinite(run.chance),
            "timing": not (run.timing.keys() >= TIMING and all(0 <= each < inf for each in run.timing.values())),
            "model": not all(0 <= failure.model < experiment.seeds for failure in run.diverged),
            "weights": not all(weight.shape[:1] == (experiment.seeds,) for weight in run.weights.values()),
        }
    _refuse(problems | _unfit(experiment.cell, measured, decays))
    check_axes(record, record.experiment)


def check_watched(watched: Watched) -> None:
    """Refuse, with a ValueError, a watched model whose parts don't fit each other."""
    steps = [snapshot.step for snapshot in watched.snapshots]
    "".join((watched.name, *watched.skipped)).encode()  # a UnicodeError is a ValueError
    _refuse({"cell": watched.cell not in LAYERS})
    decays = [snapshot.decay for snapshot in watched.snapshots]
    problems = {
        "activation": watched.activation not in ("tanh", "relu"),
        "sizes": min(watched.input_size, watched.hidden_size, watched.layers) < 1,
        "order of snapshots": steps != sorted({*steps}),
        "pass": not all(1 <= step <= watched.backwards for step in steps),
        "time zone": datetime.fromisoformat(watched.created).tzinfo is None,
        "ends": any(gate.left is None for each in watched.snapshots for gate in each.saturation.values()),
    }
    _refuse(problems | _unfit(watched.cell, watched.snapshots, decays))
    check_axes(watched, watched)


def _unfit(cell: str, measured: Sequence[Snapshot | Measured], decays: Sequence[Decay]) -> dict[str, bool]:
    """Return what may be wrong with measurements of a cell, and whether it is."""
    gates = [gate for each in measured for gate in each.saturation.values()]
    return {
        "gates": any({*each.saturation} != {*LAYERS[cell].gates} for each in measured),
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


def check_axes(result: object, experiment: Experiment | Watched) -> None:
    """Refuse, with a ValueError, arrays whose shapes don't fit what was measured or each other."""
    if isinstance(result, dict):
        result = tuple(result.values())
    if isinstance(result, tuple):
        for each in result:
            check_axes(each, experiment)
        return
    if not is_dataclass(result) or isinstance(result, Experiment):
        return
    sizes = {"S": experiment.seeds, "L": experiment.layers, "H": experiment.hidden_size}
    for names, axes in AXES.get(type(result), {}).items():
        for name in names.split():
            array = getattr(result, name)
            shape = () if array is None else array.shape
            if array is not None and (
                len(shape) != len(axes) or any(sizes.setdefault(a, n) != n for a, n in zip(axes, shape, strict=True))
            ):
                raise ValueError(f"{type(result).__name__}.{name}: expected axes {axes} {sizes}, found {shape}")
    for field in fields(result):
        check_axes(getattr(result, field.name), experiment)
