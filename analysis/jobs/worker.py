"""What a worker process does: it trains, and reports what becomes of it. It knows no history."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from analysis.experiment import Experiment
from analysis.history.entry import Blob
from analysis.history.serialization import decode, encode
from analysis.history.transfer import finished_columns
from analysis.results import Run, Snapshot
from analysis.training.trainer import Checkpoint, Trainer, resume

WARM = Experiment(hidden_size=1, seeds=1, length=2, batch_size=1, steps=1)
PROGRESS_SECONDS = 0.3  # between two reports of the step alone
CHECKPOINT_SECONDS = 1.0
CHECKPOINT_SHARE = 0.05  # of the time that checkpoints may take

Report = Callable[[dict[str, Any], Blob | None], None]


class _CancelledError(Exception):
    pass


def perform(
    experiment: Experiment,
    report: Report,
    checkpoint: bytes | None = None,
    snapshots: tuple[bytes, ...] = (),
    cancelled: Callable[[], bool] = lambda: False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    on_snapshot: Callable[[Snapshot], None] = lambda snapshot: None,
) -> Run | None:
    """Train, and report what becomes of it in the words of `Store.write`; None where it was cancelled.

    Raises what the training raises, having reported it.
    """
    reporter = _Reporter(report, cancelled, checkpoint_seconds)

    def taken(snapshot: Snapshot) -> None:
        reporter.snapshot(snapshot)
        on_snapshot(snapshot)

    report({"status": "running", "reason": None}, None)
    try:
        start, earlier = checkpoint and decode(Checkpoint, checkpoint), [decode(Snapshot, data) for data in snapshots]
    except ValueError:  # damaged: the same comes out of it from the beginning
        start = None
    try:
        run = resume(experiment, start, earlier if start else (), taken, reporter.step)
    except _CancelledError:
        return None
    except KeyboardInterrupt:
        report({"status": "interrupted", "reason": "stopped from the keyboard"}, None)
        raise
    except Exception as error:
        what = "" if isinstance(error, ValueError | ModuleNotFoundError) else f"{type(error).__name__}: "
        report({"status": "failed", "reason": f"{what}{error}"}, None)
        raise
    report(*finished_columns(run))
    return run


class _Reporter:
    """Watches one training: reports where it is, takes checkpoints at times, stops it where that is wanted."""

    def __init__(self, report: Report, cancelled: Callable[[], bool], checkpoint_seconds: float) -> None:
        self.report, self.cancelled, self.checkpoint_seconds = report, cancelled, checkpoint_seconds
        self.trainer: Trainer | None = None
        self.reported = time.perf_counter()
        self.next_checkpoint = self.reported + checkpoint_seconds

    def step(self, trainer: Trainer) -> None:
        self.trainer = trainer
        if self.cancelled():
            self._checkpoint({"status": "cancelled"})
            raise _CancelledError
        now = time.perf_counter()
        if now >= self.next_checkpoint:
            self._checkpoint({})
            self.reported = time.perf_counter()
            self.next_checkpoint = self.reported + max(
                self.checkpoint_seconds, (self.reported - now) / CHECKPOINT_SHARE
            )
        elif now - self.reported > PROGRESS_SECONDS:
            self.report(self._place(), None)
            self.reported = now

    def snapshot(self, snapshot: Snapshot) -> None:
        self.report(self._place() | {"step": snapshot.step}, ("snapshot", snapshot.step, encode(snapshot)))
        self.reported = time.perf_counter()

    def _checkpoint(self, columns: dict[str, Any]) -> None:
        self.report(columns | self._place(), self._saved())

    def _saved(self) -> Blob:
        return "checkpoint", self.trainer.step, encode(self.trainer.checkpoint())

    def _place(self) -> dict[str, Any]:
        return {"step": self.trainer.step, "seconds": self.trainer.elapsed} if self.trainer else {}


def work(pipe: Connection, checkpoint_seconds: float) -> None:
    """Train what comes through the pipe, one after the other, until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's
    torch.set_num_threads(1)
    _stand_back()
    threading.Thread(target=_end_with_server, daemon=True).start()
    perform(WARM, lambda columns, blob: None)  # what is loaded at first use is loaded now
    pipe.send((None, {}, None))  # ready
    with contextlib.suppress(EOFError, OSError):
        while True:
            id, settings, checkpoint, snapshots = pipe.recv()
            if settings is None:  # cancelled when it was done already
                continue

            def cancelled(id: str = id) -> bool:
                return pipe.poll() and pipe.recv()[0] == id

            def report(columns: dict[str, Any], blob: Blob | None, id: str = id) -> None:
                pipe.send((id, columns, blob))

            with contextlib.suppress(Exception):  # reported
                perform(Experiment.from_dict(settings), report, checkpoint, snapshots, cancelled, checkpoint_seconds)


def _stand_back() -> None:
    """Take of a core what nobody else wants, so that pages answer at once while all cores train."""
    with contextlib.suppress(AttributeError, OSError):  # as far as the system can
        os.nice(19)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _end_with_server() -> None:
    """Wait for the server's end, however it comes, and end too."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
