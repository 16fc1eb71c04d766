"""Runs read at another threshold than the one they were measured at."""

from dataclasses import replace
from typing import TypeVar

from analysis.history.entry import Progress
from analysis.measures.decay import at_threshold
from analysis.results import Run

R = TypeVar("R", Run, Progress)


def horizons_at(run: R, threshold: float) -> R:
    """Return a run with the horizons of its snapshots at another threshold, a share of the gradient."""
    if all(snapshot.decay.threshold == threshold for snapshot in run.snapshots):
        return run
    return replace(
        run,
        snapshots=tuple(replace(snapshot, decay=at_threshold(snapshot.decay, threshold)) for snapshot in run.snapshots),
    )
