"""One history, which several processes write."""

import json
import multiprocessing
from dataclasses import replace

import pytest

from analysis.history.database import MEMORY, NoRunError, StoreError
from analysis.history.locks import Owner, lives
from analysis.history.serialization import decode, encode
from analysis.history.store import Store, default_path
from analysis.history.transfer import finished_columns, read_key, run_key
from analysis.jobs.pool import Jobs
from analysis.training.trainer import Checkpoint, resume
from tests.helpers.runs import SMALL, keep, stopped, trained


def test_a_run_is_kept_and_listed(store, run):
    id = keep(store, run)
    row = store.row(id)
    assert (row.status, row.step, row.chance) == ("finished", 20, run.chance)
    assert row.metric == run.metric.tolist()
    assert (row.horizon_before, row.horizon_after) == (run.before.horizon, run.after.horizon)
    assert store.rows() == [row]
    assert store.load(id) == run
    assert store.load(id, snapshots=False) == replace(run, snapshots=())
    assert json.loads(json.dumps(row.as_dict(), allow_nan=False))["experiment"] == SMALL.as_dict()


def test_a_model_that_diverged_has_no_metric(store):
    row = store.row(keep(store, trained("diverged")))
    assert row.metric == [None, None]
    assert row.diverged == 2


def test_only_new_snapshots_are_read_again(store, run):
    id = keep(store, run)
    assert [snapshot.step for snapshot in store.watch(id)[1]] == [0, 10, 20]
    assert store.watch(id, since=10)[1] == [run.snapshots[2]]
    assert store.watch(id, since=20)[1] == []


def test_rename_and_delete(store, run):
    id = keep(store, run)
    store.rename(id, "  the best one ")
    assert store.row(id).name == "the best one"
    store.close()
    size = store.path.stat().st_size
    store.delete(id)
    assert store.rows() == []
    assert store.path.stat().st_size < size
    for missing in (store.row, store.delete, store.load, store.take, store.export, lambda id: store.rename(id, "x")):
        with pytest.raises(NoRunError, match=f"no run {id}"):
            missing(id)


def test_a_live_run_is_not_deleted(store):
    owner = Owner(store.owners)
    id = store.add(SMALL, owner.name)
    with pytest.raises(StoreError, match="cancel it before"):
        store.delete(id)
    with pytest.raises(StoreError, match="only a finished run"):
        store.load(id)
    owner.release()
    store.delete(id)


def test_identical_experiments_are_joined(store, run):
    owner = Owner(store.owners)
    id, mine = store.join(SMALL, owner.name)
    assert mine
    assert store.join(SMALL, owner.name) == (id, False)
    assert store.join(SMALL.replace(seed=1), owner.name)[0] != id
    store.write(id, {"status": "cancelled"})
    assert store.join(SMALL, owner.name) == (id, True)
    store.write(id, *finished_columns(run))
    assert store.join(SMALL, owner.name) == (id, False)
    owner.release()


def test_a_text_counts_by_its_content(tmp_path):
    for name, content in (("a", "one"), ("b", "one"), ("c", "two")):
        (tmp_path / name).write_text(content)
    a, b, c = (read_key(SMALL.replace(task="text", text_file=str(tmp_path / name))) for name in "abc")
    assert a == b != c


def test_a_run_taken_again_has_the_text_where_it_is_now(store, tmp_path):
    for name in "ab":
        (tmp_path / name).write_text("one")
    here, there = (SMALL.replace(task="text", text_file=str(tmp_path / name)) for name in "ab")
    id = store.add(here)
    store.write(id, {"status": "interrupted"})
    (tmp_path / "a").unlink()
    assert store.join(there) == (id, True)
    assert store.row(id).experiment == there


def test_taking_over_a_run_drops_snapshots_later_than_its_checkpoint(store, run):
    id = store.add(SMALL)
    for snapshot in run.snapshots:
        store.write(id, {"step": snapshot.step}, ("snapshot", snapshot.step, encode(snapshot)))
    store.write(id, {"status": "cancelled"}, ("checkpoint", 12, encode(stopped(SMALL, 12)[0])))
    owner = Owner(store.owners)
    assert store.take(id, owner.name)
    assert not store.take(id, owner.name)
    row, snapshots = store.watch(id)
    assert (row.status, row.step, [snapshot.step for snapshot in snapshots]) == ("queued", 12, [0, 10])
    assert resume(SMALL, decode(Checkpoint, store.progress(id)[0]), snapshots) == run
    owner.release()


def test_a_run_whose_owner_is_gone_is_interrupted(store):
    owner = Owner(store.owners)
    id = store.add(SMALL, owner.name)
    assert lives(store.owners, owner.name)
    assert store.row(id).status == "queued"
    owner.release()
    assert not lives(store.owners, owner.name)
    assert store.row(id).status == "interrupted"
    assert "process" in store.row(id).reason


def test_a_history_in_memory_does_the_same(run):
    memory = Store(MEMORY)
    id = keep(memory, run)
    assert memory.load(id) == run
    memory.rename(id, "x")
    memory.delete(id)
    assert memory.rows() == []
    memory.close()


def test_where_the_history_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("GOLDFISH_STORE", str(tmp_path / "here"))
    assert default_path() == tmp_path / "here"
    monkeypatch.delenv("GOLDFISH_STORE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_path().name == "runs.sqlite"


def _write_many(path, run, count):
    store = Store(path)
    for _ in range(count):
        store.rename(keep(store, run), "written")


def test_four_processes_write_at_once(tmp_path, run):
    path = tmp_path / "new folder" / "runs.sqlite"
    context = multiprocessing.get_context("forkserver" if hasattr(multiprocessing, "forkserver") else None)
    writers = [context.Process(target=_write_many, args=(path, run, 5)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
        writer.close()
    store = Store(path)
    rows = store.rows()
    assert len(rows) == 20
    assert all(row.name == "written" and store.load(row.id) == run for row in rows)
    assert [file.name for file in path.parent.iterdir() if "-wal" not in file.name and "-shm" not in file.name] == [
        "runs.sqlite"
    ]


def test_a_history_has_one_lock_by_whatever_name(tmp_path):
    (tmp_path / "link.sqlite").symlink_to(tmp_path / "runs.sqlite")
    store = Store(tmp_path / "runs.sqlite")
    owner = Owner(store.owners)
    id = store.add(SMALL, owner.name)
    assert Store(tmp_path / "link.sqlite").row(id).status == "queued"
    owner.release()


def test_settings_that_mean_the_same_have_one_key():
    assert run_key(SMALL.replace(length=None)) == run_key(SMALL.replace(length=30)) != run_key(SMALL.replace(length=31))
    assert run_key(SMALL.replace(forget_bias=0.0)) == run_key(SMALL.replace(forget_bias=-0.0)) != run_key(SMALL)


def test_a_damaged_run_hides_no_other(store, run):
    ids = [keep(store, run) for _ in range(3)]
    store.write(ids[1], {"experiment": "{}x"})
    damaged = []
    assert [row.id for row in store.rows(damaged)] == [ids[2], ids[0]]
    (message,) = damaged
    assert f"run {ids[1]} is damaged" in message
    with pytest.raises(StoreError, match="damaged"):
        store.rows()
    store.delete(ids[1])
    assert len(store.rows()) == 2


def test_a_history_in_memory_by_its_name_makes_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOLDFISH_STORE", MEMORY)
    with Jobs(workers=0) as jobs:
        assert jobs.trouble is None and jobs.rows() == []
        jobs.submit(SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_path_in_an_unknown_users_home_is_refused():
    with pytest.raises(StoreError, match=r"~nobody-of-that-name/runs: .*expected the path"):
        Store("~nobody-of-that-name/runs")
