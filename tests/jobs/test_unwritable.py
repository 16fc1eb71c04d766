"""Histories that can't be written or change meanwhile: no run is lost."""

import pytest

from analysis import train
from analysis.history.database import StoreError
from analysis.history.store import Store
from analysis.jobs.pool import Jobs, QueueFullError
from tests.helpers.jobs import LONG, SMALL, ended, pool, until
from tests.helpers.runs import limit

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
        jobs = Jobs(tmp_path / "runs.sqlite", workers=1)
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
    path.write_text("the quick brown fox jumps over the lazy dog. " * 200)
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
