"""What becomes of an experiment in a sweep: its run, or why there is none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from analysis.experiment import Experiment
from analysis.history.database import StoreError
from analysis.history.fallback import FallbackStore
from analysis.results import Run

DEATHS = 3  # workers that a run may end before it counts as failed

OnProgress = Callable[[Mapping[Experiment, int]], None]  # gets the updates that each one under way has made


@dataclass(frozen=True)
class Failed:
    """An experiment that could not be trained, in the place of its `Run`."""

    experiment: Experiment
    reason: str
    status: str = "failed"


def result_of(history: FallbackStore, id: str, experiment: Experiment) -> Run | Failed:
    """Return the result of a run that has ended, as that of an experiment: the same text may have another path now."""
    row = history.row(id)
    if row.status != "finished":
        return Failed(experiment, row.reason or f"it was {row.status}")
    try:
        return replace(history.load(id), experiment=experiment)
    except StoreError as error:
        return Failed(experiment, str(error))


def fail(history: FallbackStore, id: str, reason: str) -> None:
    """Write into the history that a run failed, and why."""
    history.write(id, {"status": "failed", "reason": " ".join(reason.split())})


def fail_after_deaths(history: FallbackStore, id: str, last: str) -> None:
    """Write into the history that a run failed because its workers died; `last` says how the last one did."""
    fail(history, id, f"it was tried {DEATHS} times: {last}")
