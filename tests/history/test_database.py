"""Files that are no history, damaged ones, full disks."""

import random
import sqlite3
from contextlib import closing

import pytest

from analysis.history.database import APPLICATION, StoreError
from analysis.history.store import Store
from tests.helpers.runs import keep, limit


def refused(path, match):
    """Opening or reading a file fails in one clear line, and leaves it as it was."""
    before = path.read_bytes()
    with pytest.raises(StoreError, match=match) as caught, closing(Store(path)) as store:
        store.rows()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"x", b"not a database " * 100, b"SQLite format 3\0" + bytes(10)])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    refused(tmp_path / "file", "no history of Goldfish runs")


def test_a_foreign_database_is_refused(tmp_path):
    connection = sqlite3.connect(tmp_path / "file")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE runs (id)")
    connection.commit()
    connection.close()
    refused(tmp_path / "file", "no history of Goldfish runs")


def test_a_newer_schema_is_refused(store, run):
    keep(store, run)
    store.close()
    connection = sqlite3.connect(store.path)
    connection.execute("PRAGMA user_version = 7")
    connection.commit()
    connection.close()
    refused(store.path, "newer Goldfish")


def test_a_truncated_history_is_refused(store, run):
    keep(store, run)
    store.close()
    content = store.path.read_bytes()
    for size in (100, 4096, 4097, len(content) // 2, len(content) - 4096):
        store.path.write_bytes(content[:size])
        refused(store.path, "malformed|no such table|not a database|disk I/O")


def test_a_damaged_history_is_refused_wherever_it_is_hit(store, run):
    id = keep(store, run)
    store.close()
    content = store.path.read_bytes()
    draw = random.Random(0)
    refusals = 0
    for _ in range(60):
        damaged = bytearray(content)
        start = draw.randrange(100, len(content))
        damaged[start : start + 300] = draw.randbytes(len(damaged[start : start + 300]))
        store.path.write_bytes(damaged)
        try:
            with closing(Store(store.path)) as again:
                again.rows()
                assert again.load(id) == run  # what it says is right
        except StoreError as error:
            assert "\n" not in str(error)
            refusals += 1
    assert refusals > 30


def test_a_file_without_tables_is_refused(tmp_path):
    connection = sqlite3.connect(tmp_path / "file")
    connection.executescript(f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 1; CREATE TABLE x (y)")
    connection.close()
    refused(tmp_path / "file", "no such table")


def test_a_place_where_nothing_can_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"expected a (folder|file)"):
        Store(tmp_path / "file" / "runs.sqlite")
    with pytest.raises(StoreError, match="expected a file"):
        Store(tmp_path)


def test_a_full_disk_raises_an_error_and_loses_no_run(store, run, monkeypatch):
    id = keep(store, run)
    limit(monkeypatch)
    with pytest.raises(StoreError, match="full"):
        for _ in range(3):
            keep(store, run)
    assert store.load(id) == run


def test_a_deleted_history_raises_an_error_and_is_not_made_anew(store):
    store.path.unlink()
    with pytest.raises(StoreError, match="unable to open"):
        store.rows()
    assert not store.path.exists()
