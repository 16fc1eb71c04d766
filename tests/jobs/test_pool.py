"""Training in workers: submitting, joining, watching, cancelling, resuming."""

from collections import deque

import pytest

from analysis import Experiment, train
from analysis.history.database import StoreError
from analysis.history.store import Store
from analysis.jobs.pool import QueueFullError
from analysis.jobs.worker import perform
from tests.helpers.jobs import LONG, SMALL, ended, pool, until

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
        with pytest.raises(StoreError, match=f"run {id} was cancelled at update"):
            here.train_here(LONG, lambda snapshot: server.cancel(id))
        assert ended(server, id).status == "cancelled"


def test_a_run_is_under_way_while_it_passes_from_the_queue_to_a_worker(tmp_path):
    class Queue(deque):
        def popleft(self):
            seen.append(jobs.under_way)
            id = super().popleft()
            seen.append(jobs.under_way)
            return id

    seen = []
    with pool(tmp_path / "runs.sqlite") as jobs:
        jobs._queue = Queue()
        id = jobs.submit(SMALL)
        ended(jobs, id)
        assert seen == [[id], [id]]
