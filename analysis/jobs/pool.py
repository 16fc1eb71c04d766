"""Training in worker processes: submit, watch, cancel, resume. Pages and the command line train through it.

A worker reports through a pipe. The server's one thread writes what it hears into the
history, and into a second one in memory, which serves where the first can't be written. A worker whose server is
gone ends at once.
"""

import atexit
import contextlib
import importlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Self, TypeVar

from analysis.experiment import Experiment
from analysis.history.database import MEMORY, NoRunError, StoreError, TextError
from analysis.history.entry import LIVE, Blob, Row
from analysis.history.locks import Owner
from analysis.history.store import Store, default_path
from analysis.jobs.worker import CHECKPOINT_SECONDS, perform
from analysis.results import Run, Snapshot

WAITING = 100  # runs that may wait
RETRY_SECONDS = 5  # between two tries to keep what could not be written
CANCEL_SECONDS = 2.0  # after which a worker that has not yet come to its next step is killed
FOLLOW_SECONDS = 0.3  # between two looks at a run that another process trains
STARTS = 3  # workers that may fail to start, one after the other, before the pool gives up

R = TypeVar("R")


class QueueFullError(Exception):
    """Too many runs wait already."""


@dataclass(eq=False)
class _Worker:
    process: multiprocessing.process.BaseProcess
    pipe: Connection
    ready: bool = False
    run: str | None = None
    begun: bool = False  # whether it has reported anything of its run
    cancelled: float | None = None  # when its run was to stop, in `time.monotonic` seconds


class Jobs:
    """A pool of worker processes, and the history of what they and others have trained.

    Where the history can't be used, or can't be written any more, runs go on in memory: `trouble` and `Row.unsaved`
    say why. Make one per server; `close` it, use it in a `with`, or let the process end.

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
        self.trouble: str | None = None  # why the history could last not be read or written
        self.damaged: tuple[str, ...] = ()  # what is wrong with runs that `rows` last left out
        self._store: Store | None = None
        self._owner: Owner | None = None
        path = default_path() if store is None else store
        if str(path) != MEMORY:
            try:
                self._store = Store(path)
                self._store.require_writable()
                self._owner = Owner(self._store.owners)
            except StoreError as error:  # perhaps it can be read all the same
                self.trouble = str(error)
        self._spare = Store(MEMORY)
        self._unsaved: dict[str, str | None] = {}  # run -> why it is in memory alone
        self._queue: deque[str] = deque()
        self._given_again: set[str] = set()
        self._most_waiting, self._checkpoint_seconds = waiting, checkpoint_seconds
        self._lock = threading.RLock()
        methods = multiprocessing.get_all_start_methods()
        self._context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if "forkserver" in methods:
            self._context.set_forkserver_preload(["analysis.jobs.pool"])
        self._closed, self._failed_starts = False, 0
        self._count = (os.cpu_count() or 1) if workers is None else workers
        self._workers: list[_Worker] = []
        self._thread = threading.Thread(target=self._listen, name="jobs", daemon=True)
        if self._count:
            self._thread.start()
        atexit.register(self.close)

    # What a page asks for

    def submit(self, experiment: Experiment) -> str:
        """Have an experiment trained; return the id of its run.

        The run of an identical experiment is joined where it is finished or under way, and resumed where it
        stopped. Raises QueueFullError, and ValueError for a text that can't be read.
        """
        with self._lock:
            row = self.find(experiment)
            if row is None or row.stopped:
                self._require_room()
            id, mine = self._begin(experiment)
            if mine:
                self._enqueue(id)
            return id

    def train_here(
        self,
        run: Experiment | str,
        on_snapshot: Callable[[Snapshot], None] = lambda snapshot: None,
        *,
        anew: bool = False,
    ) -> tuple[str, Run]:
        """Train an experiment in this process, or go on with a run by its id; return id and result.

        The run of an identical experiment is joined, unless it is to be trained anew: one that is finished gives its
        result, one that another process trains is followed, one that stopped is gone on with.

        Raises StoreError where a run by its id is finished, or in others' hands, and whatever the training raises.
        """
        if isinstance(run, str):
            id, mine = run, self._take(run)
            if not mine:
                raise StoreError(f"run {id} is {self.row(id).status}: only a run that stopped can be resumed")
        else:
            id, mine = self._begin(run, new=anew)
        if not mine and (result := self._follow(id, on_snapshot)):
            return id, result
        experiment, report = self._spare.row(id).experiment, partial(self._hear, id)
        result = perform(
            experiment, report, *self._spare.progress(id),
            checkpoint_seconds=self._checkpoint_seconds, on_snapshot=on_snapshot,
        )  # fmt: skip
        return id, result

    def _follow(self, id: str, on_snapshot: Callable[[Snapshot], None]) -> Run | None:
        """Wait until another process has trained a run; return its result, None where it stopped there and is ours."""
        step = -1
        while True:
            row, snapshots = self.watch(id, step)
            for snapshot in snapshots:
                step = snapshot.step
                on_snapshot(snapshot)
            if row.status == "finished":
                return self.load(id)
            if row.status == "cancelled":
                raise StoreError(f"run {id} was cancelled at step {row.step}: train again, or resume it")
            if not row.live and self._take(id):
                return None
            time.sleep(FOLLOW_SECONDS)

    def resume(self, id: str) -> None:
        """Go on with a run that was cancelled, failed or interrupted; nothing happens where it is none of these.

        Raises QueueFullError, and StoreError where its text is not here as it was.
        """
        with self._lock:
            if self.row(id).stopped:
                self._require_room()
            if self._take(id):
                self._enqueue(id)

    def cancel(self, id: str) -> None:
        """Stop a run within one step, or two seconds; it can be resumed.

        Raises StoreError where another process trains it.
        """
        with self._lock:
            if id in self._queue:
                self._queue.remove(id)
                self._hear(id, {"status": "cancelled"}, None)
                return
            for worker in self._workers:
                if worker.run == id:
                    worker.cancelled = worker.cancelled or time.monotonic()
                    with contextlib.suppress(OSError):  # it died this moment
                        worker.pipe.send((id, None, None, None))
                    return
        if self.row(id).live:
            raise StoreError(f"run {id} is trained by another process: cancel it there")

    @property
    def waiting(self) -> int:
        """How many runs wait for a worker."""
        return len(self._queue)

    @property
    def under_way(self) -> list[str]:
        """The runs that train or wait here."""
        return [*(worker.run for worker in self._workers if worker.run), *self._queue]

    @property
    def store(self) -> Store | None:
        """The history in its file; None where that can't be used."""
        return self._store

    def rows(self) -> list[Row]:
        """Return every run, the newest first; those of a history that can't be read are left out, see `trouble`."""
        kept, damaged = [], []
        if self._store:
            try:
                kept = self._store.rows(damaged)
                self._is_read()
            except StoreError as error:
                self.trouble = str(error)
        self.damaged = tuple(damaged)
        rows = {row.id: row for row in kept} | {row.id: self._mark(row) for row in self._spare.rows()}
        return sorted(rows.values(), key=lambda row: row.created, reverse=True)

    def row(self, id: str) -> Row:
        """Return one run. Raises NoRunError, as the methods below."""
        return self._mark(self._ask(id, lambda store: store.row(id)))

    def find(self, experiment: Experiment) -> Row | None:
        """Return the run that `submit` would join or resume, None where there is none.

        Raises ValueError for a text that can't be read.
        """
        if row := self._spare.find(experiment):
            return self._mark(row)
        try:
            found = self._store and self._store.find(experiment)
            self._is_read()
            return found
        except StoreError as error:
            self.trouble = str(error)
            return None

    def watch(self, id: str, since: int = -1) -> tuple[Row, list[Snapshot]]:
        """Return a run and its snapshots later than a step: cheap enough to ask every second."""
        row, snapshots = self._ask(id, lambda store: store.watch(id, since))
        return self._mark(row), snapshots

    def load(self, id: str, *, snapshots: bool = True) -> Run:
        """Return the result of a finished run, without its snapshots ten times as fast."""
        return self._ask(id, lambda store: store.load(id, snapshots=snapshots))

    def rename(self, id: str, name: str) -> None:
        """Give a run a name."""
        with self._lock:
            self._ask(id, lambda store: store.rename(id, name), every=True)

    def delete(self, id: str) -> None:
        """Delete a run; StoreError where it is queued or running."""
        with self._lock:
            if self._unsaved.get(id) and self._in_file(id) and not self.row(id).live and not self._keep(id):
                raise StoreError(self._unsaved[id])  # the file may say that it still trains
            self._ask(id, lambda store: store.delete(id), every=True)
            self._unsaved.pop(id, None)

    def export(self, id: str) -> bytes:
        """Return a run as one file."""
        return self._ask(id, lambda store: store.export(id))

    def import_(self, data: bytes) -> str:
        """Take in an exported run; return its id. StoreError where the file isn't one."""
        if self._store:
            try:
                return self._store.import_(data)
            except StoreError as error:
                id = self._spare.import_(data)  # raises the same where it is the file that is wrong
                self._unsaved[id] = str(error)
                return id
        return self._spare.import_(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers; what they trained is interrupted."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        atexit.unregister(self.close)
        if self._count:
            self._thread.join()
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
            worker.process.close()
            worker.pipe.close()
        for id in self.under_way:
            self._hear(id, {"status": "interrupted", "reason": "the server stopped"}, None)
        self._keep_what_is_left()
        if self._owner:
            self._owner.release()
        if self._store:
            self._store.close()
        self._spare.close()

    # The two histories: what is trained here is in the spare one too until it has ended and is kept

    def _ask(self, id: str, question: Callable[[Store], R], *, every: bool = False) -> R:
        """Ask the histories for a run: the spare one first, and the other where it isn't there, or in any case."""
        try:
            answer = question(self._spare)
            if not every or id in self._unsaved:
                return answer
        except NoRunError:
            if not self._store:
                raise
        return question(self._store) if self._store else answer

    def _is_read(self) -> None:
        """Forget what went wrong with a reading, once another goes well; what can't be written stays trouble."""
        if self._owner and not self._unsaved:
            self.trouble = None

    def _mark(self, row: Row) -> Row:
        reason = self._unsaved.get(row.id)
        return replace(row, unsaved=reason) if reason else row

    def _begin(self, experiment: Experiment, *, new: bool = False) -> tuple[str, bool]:
        """Join the run of an identical experiment, or note a new one: its id, and whether to train it here."""

        def begin(store: Store, owner: str | None = None) -> tuple[str, bool]:
            return (store.add(experiment, owner), True) if new else store.join(experiment, owner)

        found = self._spare.find(experiment) if self._owner else self.find(experiment)
        if found and not (new or found.stopped):
            return found.id, False
        if self._owner and not (found and found.id in self._unsaved):
            try:
                id, mine = begin(self._store, self._owner.name)
                if mine:
                    self._spare.put(*self._store.dump(id))
                return id, mine
            except StoreError as error:
                self.trouble = str(error)
        id, mine = begin(self._spare)
        self._unsaved.setdefault(id, self.trouble)
        return id, mine

    def _take(self, id: str) -> bool:
        """Take over a run that stopped: False where it did not, or another process was first."""
        self.row(id).require_text()
        if self._store and id not in self._unsaved:
            taken = False
            try:
                if self._owner:
                    taken = self._store.take(id, self._owner.name)
                else:
                    self._unsaved[id] = self.trouble
            except (NoRunError, TextError):
                raise
            except StoreError as error:  # it can't be written
                self._unsaved[id] = self.trouble = str(error)
            if id not in self._unsaved and not taken:
                return False
            self._spare.put(*self._store.dump(id))
            if id not in self._unsaved:
                return True
        return self._spare.take(id)

    def _hear(self, id: str, columns: dict[str, Any], blob: Blob | None) -> None:
        """Write what became of a run; once it has ended and is kept, forget it in memory."""
        ended = _ended(columns)
        if self._store and id not in self._unsaved:
            try:
                self._store.write(id, columns, blob)
                self.trouble = None
            except StoreError as error:
                self._unsaved[id] = self.trouble = str(error)
        self._spare.write(id, columns, blob)
        if self._store and ended:
            if id in self._unsaved:  # perhaps there is room again
                self._keep(id)
            else:
                self._spare.delete(id)

    def _keep(self, id: str) -> bool:
        """Move a run that has ended out of memory into the file; False where that can't be written."""
        try:
            self._store.put(*self._spare.dump(id))
        except StoreError as error:
            self._unsaved[id] = self.trouble = str(error)
            return False
        self._spare.delete(id)
        del self._unsaved[id]
        self.trouble = None
        return True

    def _keep_what_is_left(self) -> None:
        """Try again to keep the runs that ended while the file could not be written."""
        with self._lock:
            for row in self._spare.rows() if self._store and self._unsaved else ():
                if row.id in self._unsaved and not row.live and not self._keep(row.id):
                    return

    def _in_file(self, id: str) -> bool:
        try:
            return bool(self._store and self._store.row(id))
        except StoreError:
            return False

    # Workers

    def _start(self) -> _Worker:
        here, there = self._context.Pipe()
        # The function as it is imported now: Streamlit imports modules anew when their files change.
        work = importlib.import_module("analysis.jobs.worker").work
        process = self._context.Process(target=work, args=(there, self._checkpoint_seconds), daemon=True)
        try:
            process.start()
        finally:
            there.close()
        return _Worker(process, here)

    def _require_room(self) -> None:
        if self.waiting >= self._most_waiting:
            raise QueueFullError(f"{self.waiting} runs wait already: expected to wait until one has its turn")

    def _enqueue(self, id: str) -> None:
        self._failed_starts = 0  # if workers could not be started, try again
        self._queue.append(id)
        self._dispatch()

    def _dispatch(self) -> None:
        for worker in self._workers:
            if self._queue and worker.ready and worker.run is None:
                worker.begun, worker.cancelled, worker.run = False, None, self._queue.popleft()
                experiment = self._spare.row(worker.run).experiment
                with contextlib.suppress(OSError):  # it died this moment: `_listen` will notice
                    worker.pipe.send((worker.run, experiment.as_dict(), *self._spare.progress(worker.run)))

    def _listen(self) -> None:
        again = time.monotonic() + RETRY_SECONDS
        while not self._closed:
            if time.monotonic() > again:
                self._keep_what_is_left()
                again = time.monotonic() + RETRY_SECONDS
            while len(self._workers) < self._count and self._failed_starts < STARTS and not self._closed:
                try:
                    self._workers.append(self._start())
                except Exception as error:  # no memory or no processes left: whatever it is, the thread lives on
                    self._no_start(f"{type(error).__name__}: {error}")
            for worker in self._workers:
                if worker.run and worker.cancelled and time.monotonic() > worker.cancelled + CANCEL_SECONDS:
                    worker.process.kill()
            for pipe in wait([worker.pipe for worker in self._workers], timeout=0.2):
                (worker,) = (worker for worker in self._workers if worker.pipe is pipe)
                try:
                    id, columns, blob = pipe.recv()
                except (EOFError, OSError):
                    self._replace(worker)
                    continue
                with self._lock:
                    if id:
                        worker.begun = True
                        try:
                            self._hear(id, columns, blob)
                        except StoreError as error:  # too large for any history
                            self._hear(id, {"status": "failed", "reason": f"it can't be kept: {error}"}, None)
                            worker.run = None
                            worker.process.kill()
                            continue
                    if id is None or _ended(columns):
                        worker.ready, worker.run, self._failed_starts = True, None, 0
                        self._dispatch()

    def _replace(self, worker: _Worker) -> None:
        """Bury a worker that died, mark its run interrupted, and start another."""
        worker.process.join(5)
        worker.process.kill()
        worker.process.join()
        code = worker.process.exitcode
        names = {known.value: known.name for known in signal.Signals}
        how = f"was killed by {names.get(-code, f'signal {-code}')}" if code < 0 else f"ended with exit code {code}"
        worker.process.close()
        worker.pipe.close()
        with self._lock:
            self._workers.remove(worker)
            if worker.run and worker.cancelled:
                self._hear(worker.run, {"status": "cancelled"}, None)
            elif worker.run and not (worker.begun or worker.run in self._given_again):  # it died before it was asked
                self._given_again.add(worker.run)
                self._queue.appendleft(worker.run)
            elif worker.run:
                self._hear(worker.run, {"status": "interrupted", "reason": f"its worker {how}"}, None)
            if not worker.ready:
                self._no_start(f"it {how}")

    def _no_start(self, why: str) -> None:
        """Count a worker that didn't start; give up what waits once none does, until something is submitted again."""
        with self._lock:
            self._failed_starts += 1
            while self._queue and self._failed_starts >= STARTS and not self._workers:
                self._hear(self._queue.popleft(), {"status": "failed", "reason": f"no worker starts: {why}"}, None)


def _ended(columns: dict[str, Any]) -> bool:
    return columns.get("status", "running") not in LIVE
