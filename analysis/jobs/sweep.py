"""Train many experiments, on this machine's workers or on any executor; finished runs of the history are reused."""

import contextlib
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from analysis.experiment import Experiment
from analysis.history.database import StoreError
from analysis.history.fallback import FallbackStore
from analysis.history.transfer import read_key
from analysis.jobs.pool import Jobs, QueueFullError
from analysis.results import Run

DEATHS = 3  # workers that a run may end before it counts as failed
POLL_SECONDS = 0.05  # between two looks at the runs that train


@dataclass(frozen=True)
class Failed:
    """An experiment that could not be trained, in the place of its `Run`."""

    experiment: Experiment
    reason: str
    status: str = "failed"


def sweep(
    experiments: Iterable[Experiment],
    executor: Executor | None = None,
    store: str | Path | None = None,
    on_result: Callable[[Run | Failed], None] | None = None,
) -> list[Run | Failed]:
    """Train experiments; return their results in the given order, each equal to that of `analysis.train`.

    All seeds of an experiment train together, as one run. A run that the history holds finished isn't trained again, and
    one that stopped goes on from its checkpoint. Each run is kept as soon as it is finished: after Ctrl-C, or any other
    error, the same call trains only what is missing. A script that calls this needs `if __name__ == "__main__":`, as
    workers import it.

    Args:
        experiments: what to train; equal ones are trained once.
        executor: who trains; None = one worker process for each core.
        store: the history: a path, None = the user's own, ":memory:" = none.
        on_result: called with each result as it comes.

    Raises:
        ValueError: for a text that can't be read, before anything is trained.
        StoreError: where the history that `store` names can't be used.
    """
    wanted = list(experiments)
    for experiment in wanted:
        read_key(experiment)
    results: dict[Experiment, Run | Failed] = {}
    with _open_pool(store, workers=None if executor is None else 0) as jobs:
        for result in train_in_pool(jobs, list(dict.fromkeys(wanted))):
            results[result.experiment] = result
            if on_result:
                on_result(result)
    return [results[experiment] for experiment in wanted]


@contextmanager
def _open_pool(store: str | Path | None, workers: int | None) -> Iterator[Jobs]:
    """Open a pool of so many workers with its history, and close it at the end."""
    with Jobs(store, workers) as jobs:
        if store is not None and jobs.trouble:
            raise StoreError(jobs.trouble)
        yield jobs


def result_of(history: FallbackStore | Jobs, id: str, experiment: Experiment) -> Run | Failed:
    """Return the result of a run that has ended, as that of an experiment; the same text may have another path now."""
    row = history.row(id)
    if row.status != "finished":
        return Failed(experiment, row.reason or f"it was {row.status}")
    try:
        return replace(history.load(id), experiment=experiment)
    except StoreError as error:
        return Failed(experiment, str(error))


def train_in_pool(jobs: Jobs, experiments: Sequence[Experiment]) -> Iterator[Run | Failed]:
    """Train experiments on a pool's workers; yield each result as it comes.

    Its queue is kept short: where this stops early, few runs are in the history that never began. These are deleted.
    """
    waiting, under_way = deque(experiments), dict[str, list[Experiment]]()
    deaths = Counter[str]()
    try:
        while waiting or under_way:
            while waiting and jobs.waiting < (os.cpu_count() or 1):
                experiment = waiting.popleft()
                under_way.setdefault(jobs.submit(experiment), []).append(experiment)
            for id in list(under_way):
                if not _has_ended(jobs, id, deaths):
                    continue
                for experiment in under_way.pop(id):
                    yield result_of(jobs, id, experiment)
            time.sleep(POLL_SECONDS)
    finally:
        for id in under_way:
            _delete_waiting(jobs, id)


def _has_ended(jobs: Jobs, id: str, deaths: Counter[str]) -> bool:
    """Return whether a run has ended for good; one whose worker died goes on, unless it died too often."""
    row = jobs.row(id)
    if row.live:
        return False
    if row.status != "interrupted":
        return True
    if deaths[id] + 1 < DEATHS:
        with contextlib.suppress(QueueFullError):  # then again at the next look
            jobs.resume(id)
            deaths[id] += 1
        return False
    jobs.history.write(id, {"status": "failed", "reason": f"it was tried {DEATHS} times: {row.reason}"})
    return True


def _delete_waiting(jobs: Jobs, id: str) -> None:
    """Delete a run that waits in a pool and has never begun."""
    row = jobs.row(id)
    if row.status == "queued" and not row.step:
        with contextlib.suppress(StoreError):  # another process is to train it
            jobs.cancel(id)
            jobs.delete(id)
