import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from analysis import Experiment, train
from analysis.history.database import MEMORY, StoreError
from analysis.history.store import Store
from analysis.jobs.pool import Jobs, QueueFullError
from analysis.jobs.worker import perform
from tests.helpers.runs import limit
from tests.jobs import held

SMALL = Experiment(hidden_size=4, length=8, seeds=1, batch_size=4, steps=60)
LONG = SMALL.replace(steps=100_000, snapshot_every=50)
PATIENCE = 120  # seconds after which a wait is a failure


def until(condition):
    """Wait for something to become true, and return it."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.002)
    return found


def wait_for_step(jobs, id, step):
    until(lambda: jobs.row(id).step >= step)


def ended(jobs, id):
    return until(lambda: not (row := jobs.row(id)).live and row)


@contextmanager
def pool(path, **settings):
    jobs = Jobs(path, **{"workers": 1, "checkpoint_seconds": 0.01, **settings})
    try:
        yield jobs
    finally:
        jobs.close()


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    with pool(tmp_path_factory.mktemp("jobs") / "runs.sqlite") as jobs:
        yield jobs


@pytest.fixture(scope="module")
def whole():
    return train(SMALL)


@pytest.fixture
def hold(tmp_path, monkeypatch):
    """A file: while it exists, runs in workers of new pools go no further than the step in it."""
    path = tmp_path / "hold"
    path.write_text("50")
    monkeypatch.setattr("analysis.jobs.worker.work", partial(held.work, str(path)))
    return path


@pytest.fixture
def others():
    """The worker processes that were there before this test."""
    return {child.pid for child in multiprocessing.active_children()}


def worker_pids(others=()):
    """Return the ids of the worker processes that this process has, without some."""
    return [child.pid for child in multiprocessing.active_children() if child.pid not in others]


def gone(pid):
    """Say whether a process, of whichever parent, has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


# Training, watching, joining


def test_a_worker_trains_what_train_does(jobs, whole):
    id = jobs.submit(SMALL)
    assert ended(jobs, id).status == "finished"
    assert jobs.load(id) == whole
    row, snapshots = jobs.watch(id)
    assert tuple(snapshots) == whole.snapshots
    assert row.unsaved is None
    assert jobs.watch(id, since=50)[1] == [whole.snapshots[-1]]


def test_an_identical_experiment_is_joined(jobs):
    id = jobs.submit(SMALL)
    assert ended(jobs, id).status == "finished"
    assert jobs.submit(Experiment.from_dict(SMALL.as_dict())) == id
    assert not jobs.under_way
    running = jobs.submit(LONG)
    waiting = jobs.submit(LONG.replace(seed=1))
    assert jobs.submit(LONG) == running
    assert jobs.submit(LONG.replace(seed=1)) == waiting
    assert jobs.waiting == 1
    for id in (waiting, running):
        jobs.cancel(id)
        assert ended(jobs, id).status == "cancelled"
        jobs.delete(id)


def test_a_run_is_found_by_its_experiment(jobs):
    experiment = SMALL.replace(seed=4)
    assert jobs.find(experiment) is None
    id = jobs.submit(experiment)
    assert jobs.find(experiment).id == id and jobs.find(experiment.replace(seed=5)) is None
    ended(jobs, id)
    assert jobs.find(experiment).id == id and jobs.find(experiment).status == "finished"


def test_two_sessions_watch_one_run(jobs):
    """Two servers on one history: the second joins what the first trains, sees it move, and can't stop it."""
    id = jobs.submit(LONG)
    with pool(jobs.store.path) as other:
        assert other.submit(LONG) == id
        assert not other.under_way
        until(lambda: len(other.watch(id)[1]) >= 2)
        assert other.row(id).status == "running"
        with pytest.raises(StoreError, match="another process"):
            other.cancel(id)
    assert jobs.row(id).live
    jobs.cancel(id)
    ended(jobs, id)
    jobs.delete(id)


def test_a_run_is_renamed_and_exported_while_it_trains(jobs):
    id = jobs.submit(LONG)
    jobs.rename(id, "mine")
    until(lambda: jobs.watch(id)[1])
    copy = jobs.import_(jobs.export(id))
    assert jobs.row(copy).name == jobs.row(id).name == "mine"
    assert jobs.row(copy).status == "interrupted"
    with pytest.raises(StoreError, match="cancel it"):
        jobs.delete(id)
    jobs.cancel(id)
    ended(jobs, id)
    jobs.delete(id)
    jobs.delete(copy)


def test_a_full_queue_refuses(tmp_path):
    with pool(tmp_path / "runs.sqlite", waiting=1) as jobs:
        running = jobs.submit(LONG)
        until(lambda: jobs.row(running).status == "running")
        jobs.submit(LONG.replace(seed=1))
        with pytest.raises(QueueFullError, match="1 runs wait"):
            jobs.submit(LONG.replace(seed=2))
        assert jobs.submit(LONG) == running
        assert len(jobs.rows()) == 2
    assert {row.status for row in Store(tmp_path / "runs.sqlite").rows()} == {"interrupted"}


def test_what_cannot_be_trained_fails_with_the_reason(jobs, tmp_path):
    id = jobs.submit(SMALL.replace(length=100_000, hidden_size=512, seeds=64, batch_size=4096))
    row = ended(jobs, id)
    assert row.status == "failed"
    assert "MiB" in row.reason
    with pytest.raises(ValueError, match="text_file"):
        jobs.submit(SMALL.replace(task="text", text_file=str(tmp_path / "none")))


def test_an_imported_run_is_not_joined(tmp_path, whole):
    with pool(tmp_path / "there.sqlite") as there:
        id = there.submit(SMALL)
        ended(there, id)
        data = there.export(id)
    with pool(tmp_path / "runs.sqlite") as jobs:
        copy = jobs.import_(data)
        assert jobs.find(SMALL) is None
        id = jobs.submit(SMALL)
        assert id != copy
        assert ended(jobs, id).status == "finished"
        assert {row.id for row in jobs.rows()} == {id, copy}
        assert jobs.load(id) == jobs.load(copy) == whole


def test_a_text_uploaded_again_is_trained_on(tmp_path):
    for name in ("before", "after"):
        (tmp_path / name).write_text("the quick brown fox jumps over the lazy dog. " * 20)
    before, after = (SMALL.replace(task="text", text_file=str(tmp_path / name)) for name in ("before", "after"))
    with pool(tmp_path / "runs.sqlite", workers=0) as jobs:
        id = jobs.submit(before)
    (tmp_path / "before").unlink()  # the server's folder goes with the server
    with pool(tmp_path / "runs.sqlite") as jobs:
        jobs.resume(id)
        row = ended(jobs, id)
        assert row.status == "failed" and "before" in row.reason
        assert jobs.submit(after) == id
        assert ended(jobs, id).status == "finished"
        assert jobs.load(id) == train(after)


# Cancelling and resuming


def test_training_stops_at_the_very_step(whole):
    reports = []
    asked = iter(range(1, 100))
    result = perform(SMALL, lambda *report: reports.append(report), cancelled=lambda: next(asked) == 23)
    assert result is None
    columns, (kind, step, checkpoint) = reports[-1]
    assert (columns["status"], columns["step"], kind, step) == ("cancelled", 23, "checkpoint", 23)
    snapshots = tuple(blob[2] for _, blob in reports if blob and blob[0] == "snapshot")
    assert perform(SMALL, lambda *report: None, checkpoint, snapshots) == whole


def test_a_cancelled_run_is_resumed_to_the_same_result(tmp_path, hold):
    experiment = SMALL.replace(steps=300, seed=5)
    with pool(tmp_path / "runs.sqlite") as jobs:
        id = jobs.submit(experiment)
        until(lambda: jobs.row(id).step > 20)
        jobs.cancel(id)
        hold.unlink()
        row = ended(jobs, id)
        assert row.status == "cancelled"
        assert row.step < 300
        assert jobs.submit(experiment) == id  # resumes
        assert ended(jobs, id).status == "finished"
        assert jobs.load(id) == train(experiment)


def test_a_waiting_run_is_cancelled(jobs):
    running, waiting = jobs.submit(LONG), jobs.submit(LONG.replace(seed=1))
    jobs.cancel(waiting)
    assert jobs.row(waiting).status == "cancelled"
    jobs.cancel(running)
    ended(jobs, running)
    jobs.cancel(running)  # nothing is left to cancel
    for id in (running, waiting):
        jobs.delete(id)


def test_here_without_workers(tmp_path, whole):
    with pool(tmp_path / "runs.sqlite", workers=0) as jobs:
        snapshots = []
        id, run = jobs.train_here(SMALL, snapshots.append)
        assert run == whole == jobs.load(id)
        assert tuple(snapshots) == whole.snapshots

        def stop(snapshot):
            if snapshot.step == 30:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            jobs.train_here(SMALL, stop, anew=True)
        stopped = jobs.rows()[0]
        assert (stopped.status, stopped.step) == ("interrupted", 30)
        assert jobs.train_here(stopped.id) == (stopped.id, whole)
        with pytest.raises(StoreError, match="finished"):
            jobs.train_here(stopped.id)


def test_a_run_that_is_followed_is_trained_on_here_when_its_server_stops(tmp_path, hold):
    path, experiment = tmp_path / "runs.sqlite", SMALL.replace(steps=300, snapshot_every=50)
    hold.write_text("150")
    with pool(path) as server, pool(path, workers=0) as here:
        id, snapshots = server.submit(experiment), []
        until(lambda: server.row(id).step > 100)

        def stop(snapshot):
            snapshots.append(snapshot)
            server.close()

        assert here.train_here(experiment, stop) == (id, train(experiment))
        assert {snapshot.step for snapshot in snapshots} == {*range(0, 301, 50)}
        assert [row.status for row in here.rows()] == ["finished"]


def test_a_run_that_is_followed_stays_cancelled(tmp_path):
    with pool(tmp_path / "runs.sqlite") as server, pool(tmp_path / "runs.sqlite", workers=0) as here:
        id = server.submit(LONG)
        until(lambda: server.row(id).step)
        with pytest.raises(StoreError, match=f"run {id} was cancelled at step"):
            here.train_here(LONG, lambda snapshot: server.cancel(id))
        assert ended(server, id).status == "cancelled"


# What dies


def test_a_worker_that_does_not_answer_a_cancel_is_killed(tmp_path, others):
    with pool(tmp_path / "runs.sqlite") as jobs:
        id = jobs.submit(LONG)
        until(lambda: jobs.row(id).step)
        (pid,) = worker_pids(others)
        os.kill(pid, signal.SIGSTOP)
        jobs.cancel(id)
        assert ended(jobs, id).status == "cancelled"
        assert ended(jobs, jobs.submit(SMALL)).status == "finished"


def test_a_run_too_large_to_be_kept_fails_alone(tmp_path, whole, monkeypatch):
    connect = sqlite3.connect

    def connect_with_little_memory(path, **options):
        connection = connect(path, **options)
        if path == MEMORY:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 60_000)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_with_little_memory)
    with pool(tmp_path / "runs.sqlite") as jobs:
        failed = ended(jobs, jobs.submit(SMALL.replace(hidden_size=128)))
        assert failed.status == "failed" and "can't be kept" in failed.reason and "too big" in failed.reason
        id = jobs.submit(SMALL)
        assert ended(jobs, id).status == "finished"
        assert jobs.load(id) == whole


def test_a_damaged_checkpoint_costs_time_alone(tmp_path, hold):
    with pool(tmp_path / "runs.sqlite") as jobs:
        id = jobs.submit(experiment := SMALL.replace(steps=200, seed=501))
        until(lambda: jobs.store.progress(id)[0])
        jobs.cancel(id)
        hold.unlink()
        assert ended(jobs, id).status == "cancelled"
        jobs.store.write(id, {}, ("checkpoint", jobs.row(id).step, b"damaged"))
        jobs.resume(id)
        assert ended(jobs, id).status == "finished"
        assert jobs.load(id) == train(experiment)


def test_a_worker_killed_at_any_moment_costs_nothing(tmp_path, hold, others, whole):
    draw = random.Random(0)
    with pool(tmp_path / "runs.sqlite") as jobs:
        hold.unlink()
        done = jobs.submit(SMALL)
        ended(jobs, done)
        for k in range(20):
            hold.write_text("55")  # of 60 steps: no run is finished before it is killed
            experiment = SMALL.replace(seed=100 + k)
            id = jobs.submit(experiment)
            wait_for_step(jobs, id, draw.randrange(51))
            for pid in worker_pids(others):
                os.kill(pid, signal.SIGKILL)
            row = ended(jobs, id)
            assert (row.status, row.reason) == ("interrupted", "its worker was killed by SIGKILL")
            hold.unlink()
            jobs.resume(id)
            assert ended(jobs, id).status == "finished"
            assert jobs.load(id) == train(experiment)
            assert jobs.load(done) == whole


SERVER = """
import multiprocessing, sys, time
from functools import partial
from analysis.experiment import Experiment
from analysis.jobs import worker
from analysis.jobs.pool import Jobs
from tests.jobs import held

def until(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.002)

def main():
    worker.work = partial(held.work, sys.argv[2])
    jobs = Jobs(sys.argv[1], workers=2, checkpoint_seconds=0.01)
    small = Experiment(hidden_size=4, length=8, seeds=1, batch_size=4, steps=60)
    done = jobs.submit(small)
    until(lambda: not jobs.row(done).live)
    ids = [jobs.submit(small.replace(steps=200, seed=seed)) for seed in range(3)]
    until(lambda: jobs.row(ids[0]).step > 30)
    print(done, *ids, *(child.pid for child in multiprocessing.active_children()), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    main()
"""


def test_a_killed_server_takes_its_workers_along_and_loses_nothing(tmp_path, whole):
    script, path, hold = tmp_path / "server.py", tmp_path / "runs.sqlite", tmp_path / "hold"
    script.write_text(SERVER)
    hold.write_text("150")  # of 200 steps: no run but the first is finished before the server is killed
    root = Path(__file__).parents[2]
    server = subprocess.Popen(
        [sys.executable, script, path, hold], cwd=root, env=os.environ | {"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with server:
        done, *ids, first, second = server.stdout.readline().split()
        server.kill()
    until(lambda: gone(first) and gone(second))
    store = Store(path)
    rows = {row.id: row for row in store.rows()}
    assert rows[done].status == "finished"
    assert store.load(done) == whole
    assert [rows[id].status for id in ids] == ["interrupted"] * 3
    assert "process" in rows[ids[0]].reason
    with pool(path, workers=2) as jobs:
        for id in ids:
            jobs.resume(id)
        for id in ids:
            assert ended(jobs, id).status == "finished"
            assert jobs.load(id) == train(rows[id].experiment)


def test_a_closed_pool_interrupts_what_it_trained(tmp_path):
    path = tmp_path / "runs.sqlite"
    with pool(path) as jobs:
        id = jobs.submit(LONG)
        until(lambda: jobs.row(id).step)
    assert Store(path).row(id).status == "interrupted"
    assert not list(Store(path).owners.iterdir())


# Where nothing can be written


def refused_path(tmp_path, how):
    path = tmp_path / "runs.sqlite"
    if how == "read-only":
        path.write_text("a file, not a folder")
        return path / "runs.sqlite"
    if how == "damaged":
        Store(path).close()
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "foreign":
        path.write_text("something else")
    return path


@pytest.mark.parametrize("how", ["read-only", "damaged", "foreign"])
def test_without_a_usable_history_runs_live_in_memory(tmp_path, whole, how):
    path = refused_path(tmp_path, how)
    with pool(path) as jobs:
        assert str(path) in jobs.trouble
        id = jobs.submit(SMALL)
        assert ended(jobs, id).status == "finished"
        assert jobs.load(id) == whole
        assert jobs.row(id).unsaved == jobs.trouble
        assert jobs.submit(SMALL) == id
        jobs.rename(id, "kept")
        copy = jobs.import_(jobs.export(id))
        assert copy == id
        assert [row.name for row in jobs.rows()] == ["kept"]
        jobs.delete(id)
        assert jobs.rows() == []


def test_trouble_with_a_reading_is_over_with_the_next(tmp_path):
    path, elsewhere = tmp_path / "runs.sqlite", tmp_path / "elsewhere"
    with pool(path) as jobs:
        for ask in (jobs.rows, lambda: jobs.find(SMALL)):
            path.rename(elsewhere)
            ask()
            assert "unable to open" in jobs.trouble
            elsewhere.rename(path)
            ask()
            assert jobs.trouble is None


@pytest.mark.parametrize("pages", [1, 8, 12])
def test_on_a_full_disk_a_run_goes_on_in_memory(tmp_path, whole, monkeypatch, pages):
    with pool(tmp_path / "runs.sqlite") as jobs, monkeypatch.context() as patch:
        limit(patch, pages)
        id = jobs.submit(SMALL)
        row = ended(jobs, id)
        assert row.status == "finished"
        assert "full" in row.unsaved
        assert "full" in jobs.trouble
        assert jobs.load(id) == whole
        assert jobs.submit(SMALL) == id
        assert [row.id for row in jobs.rows()] == [id]


def test_when_the_disk_has_room_again_the_run_is_kept(tmp_path, monkeypatch, hold):
    path = tmp_path / "runs.sqlite"
    hold.write_text("150")
    experiment = SMALL.replace(steps=200)
    with pool(path) as jobs:
        with monkeypatch.context() as patch:
            limit(patch, 20)
            id = jobs.submit(experiment)
            until(lambda: jobs.row(id).unsaved)
            assert jobs.row(id).live
        hold.unlink()
        ended(jobs, id)
        until(lambda: jobs.row(id).unsaved is None)
        assert jobs.trouble is None
    assert Store(path).load(id) == train(experiment)


def test_a_history_that_breaks_while_a_run_trains(tmp_path, hold):
    path = tmp_path / "runs.sqlite"
    experiment = SMALL.replace(steps=200)
    with pool(path) as jobs:
        id = jobs.submit(experiment)
        until(lambda: jobs.row(id).step > 20)
        path.unlink()
        hold.unlink()
        row = ended(jobs, id)
        assert row.status == "finished"
        assert str(path) in row.unsaved
        assert jobs.load(id) == train(experiment)
        assert [row.id for row in jobs.rows()] == [id]
        assert jobs.trouble


def test_workers_that_do_not_start_fail_what_waits(tmp_path, monkeypatch, whole):
    with monkeypatch.context() as patch:
        patch.setattr("analysis.jobs.worker.work", exit)  # ends at once
        jobs = Jobs(tmp_path / "runs.sqlite", workers=1, checkpoint_seconds=0.01)
        id = jobs.submit(SMALL)
        row = ended(jobs, id)
        assert row.status == "failed"
        assert "no worker starts" in row.reason
    with jobs:
        assert jobs.submit(SMALL) == id
        assert ended(jobs, id).status == "finished"
        assert jobs.load(id) == whole


# What could be lost


def test_a_run_is_filed_under_the_text_it_learned_from(tmp_path):
    path = tmp_path / "mine.txt"
    one, other = (
        "the quick brown fox jumps over the lazy dog. " * 20,
        "pack my box with five dozen liquor jugs. " * 20,
    )
    experiment = SMALL.replace(task="text", text_file=str(path))
    with pool(tmp_path / "runs.sqlite") as jobs:
        path.write_text(one)
        running = jobs.submit(LONG)
        waiting = jobs.submit(experiment)
        path.write_text(other)  # while it waits
        jobs.cancel(running)
        assert ended(jobs, waiting).status == "finished"
        assert jobs.find(experiment).id == waiting
        path.write_text(one)
        assert jobs.find(experiment) is None


def test_a_run_whose_text_has_changed_is_not_gone_on_with(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("the quick brown fox jumps over the lazy dog. " * 20)
    with pool(tmp_path / "runs.sqlite") as jobs:
        id = jobs.submit(LONG.replace(task="text", text_file=str(path)))
        until(lambda: jobs.row(id).step > 10)
        jobs.cancel(id)
        ended(jobs, id)
        path.write_text("pack my box with five dozen liquor jugs. " * 20)
        with pytest.raises(StoreError, match="its text has changed"):
            jobs.resume(id)
        assert jobs.row(id).status == "cancelled" and jobs.row(id).unsaved is None


def test_what_ended_while_the_disk_was_full_is_kept_once_there_is_room(tmp_path, monkeypatch, whole):
    path = tmp_path / "runs.sqlite"
    with pool(path) as jobs:
        with monkeypatch.context() as patch:
            limit(patch, 1)
            ids = [jobs.submit(SMALL), jobs.submit(SMALL.replace(seed=1))]
            for id in ids:
                assert ended(jobs, id).unsaved
            with pytest.raises(StoreError, match="full"):
                for id in ids:
                    jobs.delete(id)
        left = [row.id for row in jobs.rows()]
        assert left == ids[::-1]
        jobs.rename(ids[0], "kept")
        jobs.delete(ids[1])
        assert [row.id for row in jobs.rows()] == ids[:1]
    (row,) = Store(path).rows()
    assert (row.id, row.name, row.status) == (ids[0], "kept", "finished")
    assert Store(path).load(ids[0]) == whole


def test_a_full_queue_costs_no_run(tmp_path):
    with pool(tmp_path / "runs.sqlite", workers=0) as jobs:
        id = jobs.submit(SMALL)
    with pool(tmp_path / "runs.sqlite", waiting=1) as jobs:
        jobs.rename(id, "precious")
        running = jobs.submit(LONG)
        until(lambda: jobs.row(running).status == "running")
        waiting = jobs.submit(LONG.replace(seed=1))
        for ask in (lambda: jobs.resume(id), lambda: jobs.submit(SMALL)):
            with pytest.raises(QueueFullError):
                ask()
        assert jobs.submit(LONG.replace(seed=1)) == waiting  # joins
        assert (jobs.row(id).name, jobs.row(id).status) == ("precious", "interrupted")


def test_a_run_that_its_worker_never_began_is_given_to_the_next(tmp_path, others):
    with pool(tmp_path / "runs.sqlite") as jobs:
        ended(jobs, jobs.submit(SMALL))
        (pid,) = worker_pids(others)
        os.kill(pid, signal.SIGSTOP)  # it is given the run, and can't begin it
        id = jobs.submit(experiment := SMALL.replace(seed=500))
        until(lambda: id in jobs.under_way and not jobs.waiting)
        os.kill(pid, signal.SIGKILL)
        assert ended(jobs, id).status == "finished"
        assert jobs.load(id) == train(experiment)


def test_a_history_that_can_only_be_read(tmp_path, monkeypatch, whole):
    path = tmp_path / "runs.sqlite"
    with pool(path) as jobs:
        id = jobs.submit(SMALL)
        ended(jobs, id)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    monkeypatch.setattr("analysis.history.database.os.access", lambda *_: False)  # of no use to root
    with pool(path) as jobs:
        assert "can't be written to" in jobs.trouble
        assert jobs.submit(SMALL) == id and jobs.load(id) == whole
        other = jobs.submit(SMALL.replace(seed=1))
        assert ended(jobs, other).status == "finished" and jobs.row(other).unsaved
        assert [row.id for row in jobs.rows()] == [other, id]
        with pytest.raises(StoreError, match="can't be written to"):
            jobs.delete(id)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == before
