"""What the server knows of a worker process."""

from types import SimpleNamespace
from unittest.mock import Mock

from analysis.jobs import process
from analysis.jobs.process import CANCEL_SECONDS, WorkerProcess


def worker(**known):
    return WorkerProcess(Mock(exitcode=known.pop("exitcode", 0)), Mock(), **known)


def test_a_worker_is_idle_once_it_is_ready_and_has_no_run():
    assert worker(ready=True).idle
    assert not worker().idle
    assert not worker(ready=True, run="a").idle


def test_a_worker_is_overdue_some_time_after_its_run_was_cancelled(monkeypatch):
    now = 100.0
    monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=lambda: now))
    long_ago = now - CANCEL_SECONDS - 1
    assert worker(run="a", cancelled=long_ago).overdue
    assert not worker(run="a", cancelled=now).overdue
    assert not worker(run="a").overdue
    assert not worker(cancelled=long_ago).overdue


def test_how_a_worker_ended_is_described():
    assert worker(exitcode=-9).end() == "was killed by SIGKILL"
    assert worker(exitcode=-99).end() == "was killed by signal 99"
    assert worker(exitcode=3).end(1.0) == "ended with exit code 3"
