"""Train in worker processes: submit, watch, cancel, resume. Pages and the command line train through this pool.

A worker reports through a pipe; one thread of this process receives the reports and writes them into the history. A
worker ends at once when this process does.
"""

import atexit
import contextlib
import logging
import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from typing import Self

from analysis.experiment import Experiment
from analysis.history.database import StoreError
from analysis.history.entry import reports_end
from analysis.history.fallback import FallbackStore
from analysis.jobs.process import WorkerProcess
from analysis.jobs.worker import CHECKPOINT_SECONDS, perform
from analysis.results import Run, Snapshot

WAITING = 100  # runs that may wait
RETRY_SECONDS = 5  # between two attempts to save runs that could not be written
FOLLOW_SECONDS = 0.3  # between two readings of a run that another process trains
LISTEN_SECONDS = 0.2  # the longest wait for a report, before other work is done
END_SECONDS = 5.0  # time for a worker to end by itself once its pipe is closed
STARTS = 3  # after this many failed starts in a row the pool gives up

logger = logging.getLogger(__name__)


class QueueFullError(Exception):
    """Too many runs wait already."""


class Jobs:
    """A pool of worker processes, and the history of what they and others have trained.

    Where the history can't be used or written, runs are kept in memory: `trouble` and `Row.unsaved` hold the reason.
    Make one per server; `close` it, use it in a `with`, or let the process end. Several threads may use it.

    Args:
        store: path of the history; None = `store.default_path()`, ":memory:" = in memory alone.
        workers: how many processes; None = one per core, 0 = only `train_here`.
        waiting: how many runs may wait.
        checkpoint_seconds: between two checkpoints of a run.
    """

    def __init__(
        self,
        store: str | Path | None = None,
        workers: int | None = None,
        waiting: int = WAITING,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        history = self.history = FallbackStore(store)
        # Callers read and manage runs through the pool, and need no history besides.
        self.store = history.file
        self.rows, self.row, self.find, self.watch = history.rows, history.row, history.find, history.watch
        self.load, self.export, self.import_ = history.load, history.export, history.import_
        self.rename, self.delete = history.rename, history.delete
        self._queue: deque[str] = deque()
        self._requeued: set[str] = set()  # runs that were queued again because their worker died before a report
        self._most_waiting, self._checkpoint_seconds = waiting, checkpoint_seconds
        self._lock = threading.RLock()
        self._context: ForkServerContext | SpawnContext
        if "forkserver" in multiprocessing.get_all_start_methods():
            self._context = multiprocessing.get_context("forkserver")
            self._context.set_forkserver_preload([__name__])
        else:
            self._context = multiprocessing.get_context("spawn")
        self._closed, self._failed_starts = False, 0
        self._count = (os.cpu_count() or 1) if workers is None else workers
        self._workers: list[WorkerProcess] = []
        self._thread = threading.Thread(target=self._listen, name="jobs", daemon=True)
        if self._count:
            self._thread.start()
        atexit.register(self.close)

    @property
    def trouble(self) -> str | None:
        """Why the history's file couldn't be read or written the last time; None where it could."""
        return self.history.trouble

    @property
    def damaged(self) -> tuple[str, ...]:
        """The errors of the damaged runs that `rows` last left out."""
        return self.history.damaged

    @property
    def waiting(self) -> int:
        """How many runs wait for a worker."""
        return len(self._queue)

    @property
    def under_way(self) -> list[str]:
        """The runs that train or wait here, in the order of their turns."""
        queued = [*self._queue]  # read first: a run that is given to a worker meanwhile is found there
        training = [run for worker in [*self._workers] if (run := worker.run)]
        return [*dict.fromkeys([*training, *queued])]

    # Training

    def submit(self, experiment: Experiment) -> str:
        """Queue an experiment for training; return the id of its run.

        Where a run of an identical experiment is finished or under way, its id is returned; a stopped one is resumed.
        Raises QueueFullError, and ValueError for a text that can't be read.
        """
        with self._lock:
            row = self.find(experiment)
            if row is None or row.stopped:
                self._require_room()
            id, mine = self.history.join(experiment)
            if mine:
                self._enqueue(id)
            return id

    def resume(self, id: str) -> None:
        """Queue a run that was cancelled, failed or interrupted; leave any other run as it is.

        Raises QueueFullError, and StoreError where its text is missing or has changed.
        """
        with self._lock:
            if self.row(id).stopped:
                self._require_room()
            if self.history.take(id):
                self._enqueue(id)

    def cancel(self, id: str) -> None:
        """Stop a run within one step, or two seconds; it can be resumed.

        Raises StoreError where another process trains it.
        """
        with self._lock:
            if id in self._queue:
                self._queue.remove(id)
                self.history.write(id, {"status": "cancelled"})
                return
            for worker in self._workers:
                if worker.run == id:
                    worker.cancelled = worker.cancelled or time.monotonic()
                    with contextlib.suppress(OSError):  # it has just died: `_listen` will notice
                        worker.pipe.send((id, None, None, None))
                    return
        if self.row(id).live:
            raise StoreError(f"run {id} is trained by another process: cancel it there")

    def train_here(
        self,
        run: Experiment | str,
        on_snapshot: Callable[[Snapshot], None] = lambda snapshot: None,
        *,
        anew: bool = False,
    ) -> tuple[str, Run]:
        """Train an experiment in this process, or resume a run by its id; return the run's id and result.

        Unless `anew`, a run of an identical experiment is joined: the result of a finished one is returned, one that
        another process trains is waited for, and a stopped one is resumed.

        Raises StoreError for the id of a run that has not stopped, and whatever the training raises.
        """
        if isinstance(run, str):
            id, mine = run, self.history.take(run)
            if not mine:
                raise StoreError(f"run {id} is {self.row(id).status}: only a run that stopped can be resumed")
        elif anew:
            id, mine = self.history.add(run), True
        else:
            id, mine = self.history.join(run)
        if not mine and (result := self._follow(id, on_snapshot)):
            return id, result
        checkpoint, snapshots = self.history.progress(id)
        trained = perform(
            self.row(id).experiment,
            partial(self.history.write, id),
            checkpoint,
            snapshots,
            checkpoint_seconds=self._checkpoint_seconds,
            on_snapshot=on_snapshot,
        )
        assert trained is not None  # only runs of workers can be cancelled
        return id, trained

    def _follow(self, id: str, on_snapshot: Callable[[Snapshot], None]) -> Run | None:
        """Wait until another process has trained a run, and return its result.

        Returns None where the run stopped there and this process has taken it over. Raises StoreError where it was
        cancelled.
        """
        step = -1
        while True:
            row, snapshots = self.watch(id, step)
            for snapshot in snapshots:
                step = snapshot.step
                on_snapshot(snapshot)
            if row.status == "finished":
                return self.load(id)
            if row.status == "cancelled":
                raise StoreError(f"run {id} was cancelled at update {row.step}: train again, or resume it")
            if not row.live and self.history.take(id):
                return None
            time.sleep(FOLLOW_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers; the runs they trained are interrupted."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        atexit.unregister(self.close)
        if self._thread.ident:  # the thread was started
            self._thread.join()
        for worker in self._workers:
            worker.end()
        for id in self.under_way:
            self.history.write(id, {"status": "interrupted", "reason": "the server stopped"})
        self.history.close()

    # Giving runs to workers

    def _require_room(self) -> None:
        """Raise QueueFullError where no further run may wait."""
        if self.waiting >= self._most_waiting:
            raise QueueFullError(f"{self.waiting} runs wait already: expected to wait until one has its turn")

    def _enqueue(self, id: str) -> None:
        """Add a run to the queue, and start it if a worker is idle."""
        self._failed_starts = 0  # if workers could not be started, try again
        self._queue.append(id)
        self._dispatch()

    def _dispatch(self) -> None:
        """Send a waiting run to each idle worker."""
        for worker in self._workers:
            if self._queue and worker.idle:
                id = self._queue[0]
                worker.run, worker.begun, worker.cancelled = id, False, None
                self._queue.popleft()  # now that `under_way` finds it with the worker
                settings = self.row(id).experiment.as_dict()
                with contextlib.suppress(OSError):  # it has just died: `_listen` will notice
                    worker.pipe.send((id, settings, *self.history.progress(id)))

    # The thread that receives what workers report

    def _listen(self) -> None:
        """Start workers, write their reports to the history and kill overdue ones, until the pool is closed."""
        retry = time.monotonic() + RETRY_SECONDS
        while not self._closed:
            if time.monotonic() > retry:
                self.history.save_ended()
                retry = time.monotonic() + RETRY_SECONDS
            self._start_missing()
            for worker in self._workers:
                if worker.overdue:
                    worker.process.kill()
            reporting = wait([worker.pipe for worker in self._workers], timeout=LISTEN_SECONDS)
            for worker in [worker for worker in self._workers if worker.pipe in reporting]:
                self._receive(worker)

    def _start_missing(self) -> None:
        """Start workers until the pool is complete, or too many have failed to start."""
        while len(self._workers) < self._count and self._failed_starts < STARTS and not self._closed:
            try:
                self._workers.append(WorkerProcess.start(self._context, self._checkpoint_seconds))
            except Exception as error:  # such as no memory or no processes left: this thread must go on
                logger.exception("a worker could not be started")
                self._count_failed_start(f"{type(error).__name__}: {error}")

    def _receive(self, worker: WorkerProcess) -> None:
        """Write one report of a worker to the history, and send it the next run once this one has ended."""
        try:
            id, columns, blob = worker.pipe.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return
        with self._lock:
            if id:  # None = ready for its first run
                worker.begun = True
                try:
                    self.history.write(id, columns, blob)
                except StoreError as error:  # too large for any history
                    logger.warning("run %s fails, its result can't be kept: %s", id, error)
                    self.history.write(id, {"status": "failed", "reason": f"it can't be kept: {error}"})
                    worker.run = None
                    worker.process.kill()
                    return
            if id is None or reports_end(columns):
                worker.ready, worker.run, self._failed_starts = True, None, 0
                self._dispatch()

    def _replace(self, worker: WorkerProcess) -> None:
        """Remove a worker that died, and queue or end its run; `_listen` starts another worker."""
        ending = worker.end(END_SECONDS)
        logger.warning("the worker of run %s %s", worker.run, ending)
        with self._lock:
            if worker.run and worker.cancelled:
                self.history.write(worker.run, {"status": "cancelled"})
            elif worker.run and not (worker.begun or worker.run in self._requeued):
                self._requeued.add(worker.run)  # the run has not begun: queue it again, but only once
                self._queue.appendleft(worker.run)
            elif worker.run:
                self.history.write(worker.run, {"status": "interrupted", "reason": f"its worker {ending}"})
            self._workers.remove(worker)
            if not worker.ready:
                self._count_failed_start(f"it {ending}")

    def _count_failed_start(self, why: str) -> None:
        """Count a worker that didn't start; fail the waiting runs once none starts any more."""
        with self._lock:
            self._failed_starts += 1
            while self._queue and self._failed_starts >= STARTS and not self._workers:
                self.history.write(self._queue.popleft(), {"status": "failed", "reason": f"no worker starts: {why}"})
