"""Results as CSV."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from analysis.experiment import Experiment
from analysis.report.documents import as_plain
from analysis.results import Decay, Run, finite_median

Curve = tuple[Experiment, str, Decay]  # whose, when (such as before and after), what


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
    """Columns of every model's own values, named by its seed."""
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
    """Write what trained networks answer by distance as CSV, a row for each distance."""
    return csv_table(
        *(
            {
                "cell": run.experiment.cell,
                "kind": run.memory.kind,
                "metric": run.memory.metric_name,
                "chance": run.memory.chance,
                "distance": run.memory.distance,
                "value": run.memory.value,
                "low": run.memory.low,
                "high": run.memory.high,
            }
            | _by_seed("value", run.experiment, run.memory.values)
            for run in runs
        )
    )


def snapshots_csv(*runs: Run) -> str:
    """Write runs through training as CSV, a row for each snapshot: medians, and every model's own."""
    return csv_table(*map(_through_training, runs))


def _through_training(run: Run) -> dict[str, Any]:
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
