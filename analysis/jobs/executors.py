"""Train runs of the history on an executor of `concurrent.futures`, which may be anywhere."""

import contextlib
from collections.abc import Generator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from analysis.experiment import Experiment
from analysis.history.database import StoreError
from analysis.history.entry import Blob, reports_end
from analysis.history.fallback import FallbackStore
from analysis.jobs.outcome import Failed, OnProgress, fail, result_of
from analysis.jobs.pool import FOLLOW_SECONDS
from analysis.jobs.worker import perform
from analysis.results import Run

Report = tuple[dict[str, Any], Blob | None]  # as `Store.write` takes it


class Crew(Protocol):
    """Workers somewhere that train runs of a history and write into it."""

    def submit(self, id: str) -> None:
        """Have a run trained."""

    def training(self) -> list[str]:
        """Return the runs that workers train now."""

    def next_ended(self, seconds: float) -> str | None:
        """Wait so long for a run to end; return its id, None where none has ended."""

    def stop(self) -> None:
        """Stop what is under way."""


def train_by_crew(
    crew: Crew, history: FallbackStore, experiments: Sequence[Experiment], on_progress: OnProgress | None = None
) -> Generator[Run | Failed]:
    """Train experiments by a crew; yield each result as it comes, at first those that the history holds finished.

    A run that another process trains is waited for. Where this stops early, runs that never began are deleted.
    """
    under_way: dict[str, list[Experiment]] = {}
    ours: set[str] = set()
    try:
        for experiment in experiments:
            id, mine = history.join(experiment)
            under_way.setdefault(id, []).append(experiment)
            if mine:
                ours.add(id)
                crew.submit(id)
        ended = [id for id in under_way if id not in ours]
        while under_way:
            for id in ended:
                row = history.row(id)
                if row.status == "interrupted" and history.take(id):  # by another process
                    ours.add(id)
                    crew.submit(id)
                elif not row.live:
                    for experiment in under_way.pop(id):
                        yield result_of(history, id, experiment)
            if on_progress:
                steps = {id: history.row(id).step for id in crew.training()}
                on_progress({each: steps.get(id, 0) for id, named in under_way.items() for each in named})
            if under_way:
                done = crew.next_ended(FOLLOW_SECONDS)
                ended = [id for id in under_way if id == done or id not in ours]
    finally:
        crew.stop()
        for id in ours & under_way.keys():
            _delete_waiting(history, id)


def _delete_waiting(history: FallbackStore, id: str) -> None:
    """Delete a run of this process that has never begun."""
    with contextlib.suppress(StoreError):
        row = history.row(id)
        if row.status == "queued" and not row.step:
            history.write(id, {"status": "cancelled"})
            history.delete(id)


def write_reports(history: FallbackStore, id: str, reports: Sequence[Report]) -> bool:
    """Write what a worker reported of a run; return whether the run has ended with it."""
    try:
        for columns, blob in reports:
            history.write(id, columns, blob)
            if reports_end(columns):
                return True
    except StoreError as error:  # too large for any history
        fail(history, id, f"it can't be kept: {error}")
        return True
    return False


class ExecutorCrew:
    """The workers of any executor: they get a run with its checkpoint, and return all that there is to write of it."""

    def __init__(self, executor: Executor, history: FallbackStore) -> None:
        self._executor, self._history = executor, history
        self._futures: dict[str, Future[list[Report]]] = {}
        self._done = SimpleQueue[str]()

    def submit(self, id: str) -> None:
        """Have a run trained."""
        settings = self._history.row(id).experiment.as_dict()
        future = self._executor.submit(train_apart, settings, *self._history.progress(id))
        self._futures[id] = future
        future.add_done_callback(lambda future: self._done.put(id))

    def training(self) -> list[str]:
        """Return no run: an executor doesn't tell how far one is."""
        return []

    def next_ended(self, seconds: float) -> str | None:
        """Wait so long for a run to end; return its id, None where none has ended.

        Raises BrokenExecutor or CancelledError where the executor lost it.
        """
        try:
            id = self._done.get(timeout=seconds)
        except Empty:
            return None
        try:
            reports = self._futures.pop(id).result()
        except (BrokenExecutor, CancelledError):
            raise
        except Exception as error:  # of the executor: `train_apart` returns what happens in training
            fail(self._history, id, f"{type(error).__name__}: {error}")
        else:
            write_reports(self._history, id, reports)
        return id

    def stop(self) -> None:
        """Cancel the runs that have not begun; others go on in vain, as an executor can't stop them."""
        for future in self._futures.values():
            future.cancel()


def train_apart(settings: dict[str, Any], checkpoint: bytes | None, snapshots: Sequence[bytes]) -> list[Report]:
    """Train the experiment of these settings; return all reports on it but the checkpoints."""
    reports: list[Report] = []

    def keep(columns: dict[str, Any], blob: Blob | None) -> None:
        if blob is None or blob[0] != "checkpoint":
            reports.append((columns, blob))

    with contextlib.suppress(Exception):  # `perform` has reported it
        perform(Experiment.from_dict(settings), keep, checkpoint, snapshots)
    return reports
