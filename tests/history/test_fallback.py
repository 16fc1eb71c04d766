"""A history in its file, or in memory where that can't be written."""

import logging

import pytest

from analysis.history.database import MEMORY, NoRunError, StoreError
from analysis.history.fallback import FallbackStore
from analysis.history.serialization import encode
from analysis.history.store import Store
from analysis.history.transfer import finished_columns
from tests.helpers.runs import SMALL, limit


@pytest.fixture
def history(tmp_path):
    history = FallbackStore(tmp_path / "runs.sqlite")
    yield history
    history.close()


def finish(history, id, run):
    """Write a run's snapshots and its result, as a worker reports them."""
    for snapshot in run.snapshots:
        history.write(id, {"status": "running", "step": snapshot.step}, ("snapshot", snapshot.step, encode(snapshot)))
    history.write(id, *finished_columns(run))


def test_a_finished_run_is_in_the_file(history, run):
    id, mine = history.join(SMALL)
    assert mine and history.join(SMALL) == (id, False)
    finish(history, id, run)
    assert history.load(id) == history.file.load(id) == run
    assert history.row(id).unsaved is None and history.trouble is None
    assert history.join(SMALL) == (id, False) and history.add(SMALL) != id


def test_a_run_in_memory_alone_behaves_the_same(run):
    history = FallbackStore(MEMORY)
    assert history.file is None
    id, mine = history.join(SMALL)
    assert mine
    finish(history, id, run)
    assert history.load(id) == run and history.row(id).unsaved is None
    history.rename(id, "mine")
    assert [row.name for row in history.rows()] == ["mine"]
    history.delete(id)
    with pytest.raises(NoRunError):
        history.row(id)
    history.close()


def test_a_run_that_the_file_refuses_is_saved_once_there_is_room(history, run, monkeypatch, caplog):
    id, _ = history.join(SMALL)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "analysis.history"):
        limit(patch)
        finish(history, id, run)
        assert "full" in history.trouble and history.row(id).unsaved == history.trouble
        assert history.load(id) == run
        with pytest.raises(StoreError, match="full"):
            history.delete(id)
    assert sum("can't be used" in message for message in caplog.messages) == 1
    history.save_ended()
    assert history.trouble is None and history.row(id).unsaved is None
    assert Store(history.file.path).load(id) == run


def test_a_stopped_run_is_taken_once(history, run):
    id = history.add(SMALL)
    history.write(id, {"status": "cancelled"})
    assert history.find(SMALL).stopped
    assert history.take(id) and not history.take(id)
    checkpoint, snapshots = history.progress(id)
    assert checkpoint is None and snapshots == []


def test_a_stopped_run_that_could_not_be_read_is_taken_later(history, monkeypatch):
    id = history.add(SMALL)
    history.write(id, {"status": "cancelled"})

    def fail(*_):
        raise StoreError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(history.file, "take", fail)
        patch.setattr(history.file, "dump", fail)
        with pytest.raises(StoreError, match="gone"):
            history.take(id)
    assert history.row(id).unsaved is None
    assert history.take(id) and history.file.row(id).live


def test_a_stopped_run_is_taken_in_memory_while_the_file_is_read_only(history, monkeypatch):
    id = history.add(SMALL)
    history.write(id, {"status": "cancelled"})

    def refuse(*_):
        raise StoreError("read-only")

    monkeypatch.setattr(history.file, "take", refuse)
    assert history.take(id)
    assert history.row(id).unsaved == history.trouble == "read-only"


def test_a_closed_history_leaves_what_was_trained_to_others(tmp_path):
    history = FallbackStore(tmp_path / "runs.sqlite")
    id = history.add(SMALL)
    other = Store(tmp_path / "runs.sqlite")
    assert other.row(id).live
    history.close()
    assert other.row(id).status == "interrupted"
