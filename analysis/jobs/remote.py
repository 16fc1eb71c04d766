"""The work of a task on a worker of a dask cluster: train one run, and report its progress through the cluster."""

import contextlib
import time
from functools import cache
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any

from analysis.experiment import Experiment
from analysis.history.entry import Blob, reports_end
from analysis.jobs.executors import Report
from analysis.jobs.worker import PROGRESS_SECONDS, perform
from analysis.results import versions
from analysis.sources import source_sha256

QUEUED = 64  # reports of all workers that wait for the process that sweeps
ANSWER_SECONDS = 60.0  # for that process to answer; a worker that gets no answer gives up
COMPARED = ("goldfish", "numpy", "torch")


@cache
def library_versions() -> dict[str, str]:
    """Return the versions of numpy and torch without their builds, and eight digits of the hash of Goldfish's code."""
    folder = Path(__file__).parent.parent
    code = sha256()
    for path in sorted(folder.rglob("*.py")):
        code.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    plain = {name: version.partition("+")[0] for name, version in versions().items()}
    return plain | {"goldfish": code.hexdigest()[:8]}


def differences(there: dict[str, str]) -> str:
    """Return which versions of a worker differ from those here, in words that follow its name; "" where none does."""
    here = library_versions()
    names = [name for name in COMPARED if there.get(name) != here[name]]
    if not names:
        return ""
    listed = (" and ".join(f"{name} {found.get(name)}" for name in names) for found in (there, here))
    return "has {}, here it is {}".format(*listed)


def train_reporting(channel: str, id: str) -> None:
    """Train a run, whose settings and checkpoint the process that sweeps sends; report its progress to that process.

    Args:
        channel: name of the queue to that process.
        id: of the run in its history.
    """
    from distributed import Event, Queue, get_client, get_worker

    client = get_client()
    queue = Queue(channel, client=client, maxsize=QUEUED)
    try:
        reply = Queue(f"{channel}-{token_hex(8)}", client=client)
        queue.put((id, None, (reply.name, get_worker().address, library_versions())), timeout=ANSWER_SECONDS)
        answer = reply.get(timeout=ANSWER_SECONDS)
        reply.close()
        if answer is None:  # it is not to be trained any more
            return
        attempt, file, settings, checkpoint, snapshots = answer
        experiment = Experiment.from_dict(settings)
        reporter = Reporter(queue, Event(f"{channel}-stopped", client=client), id, attempt)
        if refusal := why_not_trained(experiment, file):
            reporter.report({"status": "failed", "reason": f"worker {get_worker().address}: {refusal}"}, None)
        else:
            with contextlib.suppress(Exception):  # `perform` has reported it
                perform(experiment, reporter.report, checkpoint, snapshots, lambda: reporter.stopped)
        if reporter.stopped:
            raise ConnectionError("the process that sweeps has stopped, or could not be reached")
    finally:
        queue.close()


def why_not_trained(experiment: Experiment, file: str | None) -> str:
    """Return what is wrong with the file that an experiment learns from; `file` is the hash that it should have."""
    try:
        there = source_sha256(experiment)
    except ValueError as error:
        return str(error)
    return "" if there == file else "the file it learns from has another content there"


class Reporter:
    """Sends reports on a run through a queue of the cluster: several together, but ends and checkpoints at once."""

    def __init__(self, queue: Any, stop: Any, id: str, attempt: int) -> None:  # noqa: ANN401
        self._queue, self._stop, self._id, self._attempt = queue, stop, id, attempt
        self._waiting: list[Report] = []
        self._sent = 0.0
        self.stopped = False  # whether the process that sweeps has stopped or is gone

    def report(self, columns: dict[str, Any], blob: Blob | None) -> None:
        """Keep a report, and send what is due."""
        self._waiting.append((columns, blob))
        due, end = time.perf_counter() > self._sent + PROGRESS_SECONDS, reports_end(columns)
        if not self.stopped and (due or end or (blob and blob[0] == "checkpoint")):
            try:
                self._queue.put((self._id, self._attempt, self._waiting), timeout=ANSWER_SECONDS)
                self.stopped = not end and self._stop.is_set()
            except Exception:  # the scheduler or that process has ended
                self.stopped = True
            self._waiting, self._sent = [], time.perf_counter()
