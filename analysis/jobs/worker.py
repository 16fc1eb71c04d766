"""The work of a worker process: train runs, and report their progress. It doesn't open the history."""

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from analysis.engine.speed import keep_speed
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
LOG = "GOLDFISH_LOG"  # a level, such as debug: a worker then logs to its standard error

Report = Callable[[dict[str, Any], Blob | None], None]

logger = logging.getLogger(__name__)


class _CancelledError(Exception):
    """Stops a training that was cancelled."""


def perform(
    experiment: Experiment,
    report: Report,
    checkpoint: bytes | None = None,
    snapshots: Sequence[bytes] = (),
    cancelled: Callable[[], bool] = lambda: False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    on_snapshot: Callable[[Snapshot], None] = lambda snapshot: None,
) -> Run | None:
    """Train an experiment and report its progress, as `Store.write` takes it; return None where it was cancelled.

    Raises what the training raises, after reporting it.

    Args:
        experiment: what to train.
        report: takes columns of the run's row, and a blob or None.
        checkpoint: encoded, where to continue; None = from the start.
        snapshots: encoded, those taken so far.
        cancelled: called after every step; the training stops once it returns True.
        checkpoint_seconds: between two checkpoints, at least.
        on_snapshot: called with each new snapshot.
    """
    reporter = _Reporter(report, cancelled, checkpoint_seconds)

    def report_snapshot(snapshot: Snapshot) -> None:
        reporter.report_snapshot(snapshot)
        on_snapshot(snapshot)

    report({"status": "running", "reason": None}, None)
    start, earlier = _decode_progress(checkpoint, snapshots)
    try:
        run = resume(experiment, start, earlier, report_snapshot, reporter.report_step)
    except _CancelledError:
        return None
    except KeyboardInterrupt:
        report({"status": "interrupted", "reason": "stopped from the keyboard"}, None)
        raise
    except Exception as error:
        logger.exception("training failed: %s", experiment)
        name = "" if isinstance(error, ValueError | ModuleNotFoundError) else f"{type(error).__name__}: "
        report({"status": "failed", "reason": f"{name}{error}"}, None)
        raise
    report(*finished_columns(run))
    return run


def _decode_progress(
    checkpoint: bytes | None, snapshots: Sequence[bytes]
) -> tuple[Checkpoint | None, Sequence[Snapshot]]:
    """Decode the checkpoint and the snapshots; return None and no snapshots where there is no intact checkpoint."""
    if not checkpoint:
        return None, ()
    try:
        return decode(Checkpoint, checkpoint), [decode(Snapshot, data) for data in snapshots]
    except ValueError:  # training from the start gives the same result
        logger.exception("a damaged checkpoint is left out")
        return None, ()


class _Reporter:
    """Reports the progress of one training, with checkpoints, and stops the training once it is cancelled."""

    def __init__(self, report: Report, cancelled: Callable[[], bool], checkpoint_seconds: float) -> None:
        self.report, self.cancelled, self.checkpoint_seconds = report, cancelled, checkpoint_seconds
        self.trainer: Trainer | None = None  # None until the first step
        self.last_report = time.perf_counter()
        self.next_checkpoint = self.last_report + checkpoint_seconds

    def report_step(self, trainer: Trainer) -> None:
        """Report a step if a report is due. Where the run is cancelled, send a checkpoint and raise _CancelledError."""
        self.trainer = trainer
        if self.cancelled():
            self._send_checkpoint(trainer, {"status": "cancelled"})
            raise _CancelledError
        now = time.perf_counter()
        if now >= self.next_checkpoint:
            self._send_checkpoint(trainer, {})
            self.last_report = time.perf_counter()
            pause = (self.last_report - now) / CHECKPOINT_SHARE
            self.next_checkpoint = self.last_report + max(self.checkpoint_seconds, pause)
        elif now - self.last_report > PROGRESS_SECONDS:
            self.report(self._position(), None)
            self.last_report = now

    def report_snapshot(self, snapshot: Snapshot) -> None:
        """Report a snapshot."""
        self.report(self._position() | {"step": snapshot.step}, ("snapshot", snapshot.step, encode(snapshot)))
        self.last_report = time.perf_counter()

    def _send_checkpoint(self, trainer: Trainer, columns: dict[str, Any]) -> None:
        """Report a checkpoint, with these columns besides the position."""
        self.report(columns | self._position(), ("checkpoint", trainer.step, encode(trainer.checkpoint())))

    def _position(self) -> dict[str, Any]:
        """Return the columns of the step and the seconds so far; none before the first step."""
        return {"step": self.trainer.step, "seconds": self.trainer.elapsed} if self.trainer else {}


def work(pipe: Connection, checkpoint_seconds: float) -> None:
    """Train the runs that come through a pipe, one after the other, until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server
    if level := os.environ.get(LOG):
        logging.basicConfig(level=level.upper())
    torch.set_num_threads(1)
    lower_priority()
    threading.Thread(target=_end_with_server, daemon=True).start()
    perform(WARM, lambda columns, blob: None)  # loads libraries now that the first run would have to load
    keep_speed()
    pipe.send((None, {}, None))  # ready
    with contextlib.suppress(EOFError, OSError):
        while True:
            id, settings, checkpoint, snapshots = pipe.recv()
            if settings is None:  # a cancel that arrived after its run's end
                continue

            def cancelled(id: str = id) -> bool:
                return pipe.poll() and pipe.recv()[0] == id

            def report(columns: dict[str, Any], blob: Blob | None, id: str = id) -> None:
                pipe.send((id, columns, blob))

            with contextlib.suppress(Exception):  # `perform` has reported and logged it
                perform(Experiment.from_dict(settings), report, checkpoint, snapshots, cancelled, checkpoint_seconds)


def lower_priority() -> None:
    """Run at idle priority, as far as the system allows, so that pages stay responsive while all cores train."""
    with contextlib.suppress(AttributeError, OSError):
        os.nice(19)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _end_with_server() -> None:
    """Wait until the server has ended, in whatever way, and end this process."""
    server = multiprocessing.parent_process()
    assert server is not None  # a worker has one
    wait([server.sentinel])
    os._exit(1)
