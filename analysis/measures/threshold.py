"""Recompute the horizons of runs for another threshold than the measured one."""

from dataclasses import replace
from typing import TypeVar

from analysis.history.entry import Progress
from analysis.measures.decay import at_threshold
from analysis.results import Run

R = TypeVar("R", Run, Progress)


def horizons_at(run: R, threshold: float) -> R:
    """Return a run whose snapshots have their horizons computed for a threshold, a share of the gradient."""
    if all(snapshot.decay.threshold == threshold for snapshot in run.snapshots):
        return run
    return replace(
        run,
        snapshots=tuple(replace(snapshot, decay=at_threshold(snapshot.decay, threshold)) for snapshot in run.snapshots),
    )
