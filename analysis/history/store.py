"""The history of runs, which several processes read and write. It trains nothing; the file itself is in `database`.

A run is a row with its settings and figures, and blobs made by `serialization`: its snapshots as they come, a
checkpoint while it is unfinished, its result. A process that trains a run holds a file lock, its `Owner`; the operating
system frees the lock when the process ends, however it ends. The next reader of the history marks the run interrupted.
"""

import json
import logging
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

import platformdirs

from analysis.experiment import Experiment
from analysis.history.database import Database, NoRunError, StoreError, TextError
from analysis.history.entry import LIVE, NAME_LENGTH, Blob, Record, Row, reports_end
from analysis.history.locks import lives
from analysis.history.paces import Paces
from analysis.history.queries import (
    INSERT_BLOB,
    insert_run,
    return_to_checkpoint,
    select_blob,
    select_column,
    select_identical,
    select_rows,
    select_run,
    select_snapshots,
)
from analysis.history.serialization import decode
from analysis.history.transfer import IMPORTED, pack, read_key, unpack
from analysis.history.watched import WatchedModels
from analysis.results import Run, Snapshot, versions
from analysis.sources import file_setting
from analysis.span import marked

ENDED = "the process that worked on it ended"

logger = logging.getLogger(__name__)

R = TypeVar("R")


def default_path() -> Path:
    """Return the path of the history: `GOLDFISH_STORE`, else one in the platform's folder for a user's data."""
    named = os.environ.get("GOLDFISH_STORE")
    return Path(named) if named else platformdirs.user_data_path("goldfish", appauthor=False) / "runs.sqlite"


class Store:
    """The history in one file, made when it isn't there; `:memory:` keeps it in this process alone.

    The constructor and every method raise StoreError for a file that can't be used; such a file is left unchanged.
    `close` frees the file, or the memory; so does garbage collection.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self._file = Database(path or default_path())
        self.path, self.close, self.require_writable = self._file.path, self._file.close, self._file.require_writable
        models = WatchedModels(self._file)
        self.keep_watched, self.watched, self.load_watched = models.keep_watched, models.watched, models.load_watched
        self.rename_watched, self.delete_watched = models.rename_watched, models.delete_watched
        paces = Paces(self._file)
        self.find_paces, self.keep_paces = paces.find_paces, paces.keep_paces
        self.owners = self.path.with_name(self.path.name + ".owners")

    def _interrupt_orphans(self) -> set[str | None]:
        """Mark runs as interrupted if their owner's process has ended; return these owners, marked or not."""
        if not self._file.shared:
            return set()
        with self._file.reading() as connection:
            owners = connection.execute("SELECT DISTINCT owner FROM runs WHERE status IN (?, ?)", LIVE).fetchall()
        dead = {owner for (owner,) in owners if not (owner and lives(self.owners, owner))}
        if dead:
            try:
                self._mark_interrupted(dead)
            except StoreError as error:  # readers still see them interrupted: `_row` gets `dead`
                logger.info("runs of ended processes can't be marked: %s", error)
        return dead

    def _mark_interrupted(self, owners: set[str | None]) -> None:
        """Mark the live runs of these owners as interrupted."""
        with self._file.writing() as connection:
            connection.executemany(
                "UPDATE runs SET status = 'interrupted', reason = ?, owner = NULL WHERE owner IS ? "
                "AND status IN (?, ?)",
                [(ENDED, owner, *LIVE) for owner in owners],
            )

    # Writing

    def add(self, experiment: Experiment, owner: str | None = None) -> str:
        """Add a new run, queued by an owner; return its id. Raises ValueError for a text that can't be read."""
        key = read_key(experiment)
        with self._file.writing() as connection:
            return _insert_queued(connection, experiment, key, owner)

    def join(self, experiment: Experiment, owner: str | None = None) -> tuple[str, bool]:
        """Find the run of an identical experiment, or add a new one.

        Returns its id, and whether the caller is to train it: False where it is finished or under way.
        Raises ValueError for a text that can't be read.
        """
        self._interrupt_orphans()
        key = read_key(experiment)
        with self._file.writing() as connection:
            run = select_identical(connection, key)
            if run is None:
                return _insert_queued(connection, experiment, key, owner), True
            id, status = run["id"], run["status"]
            mine = status != "finished" and status not in LIVE and _take(connection, id, owner)
            if mine:  # the same text may have another path now
                connection.execute(
                    "UPDATE runs SET experiment = ? WHERE id = ?", (json.dumps(experiment.as_dict()), id)
                )
            return id, mine

    def take(self, id: str, owner: str | None = None) -> bool:
        """Take over a run that was cancelled, failed or interrupted; return False where it is not one of these.

        Raises TextError where its text is missing or has changed.
        """
        row = self.row(id)
        row.require_text()
        with self._file.writing() as connection:
            key = select_column(connection, id, "key")
            if row.stopped and not row.imported and _text_changed(row.experiment, key):
                raise TextError(f"run {id}: its text has changed: train again")
            return _take(connection, id, owner)

    def write(self, id: str, columns: dict[str, Any], blob: Blob | None = None) -> None:
        """Write a run's progress: columns of its row, and perhaps a snapshot, a checkpoint or its result."""
        columns = dict(columns)
        if reports_end(columns):
            columns["owner"] = None
        with self._file.writing() as connection:
            changes = ", ".join(f"{name} = :{name}" for name in ("id", *columns))
            if not connection.execute(f"UPDATE runs SET {changes} WHERE id = :id", columns | {"id": id}).rowcount:
                raise NoRunError(f"{self.path}: no run {id}")
            if blob:
                if blob[0] == "checkpoint":
                    connection.execute("DELETE FROM blobs WHERE run = ? AND kind = 'checkpoint'", (id,))
                connection.execute("INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?)", (id, *blob))
            if columns.get("status") == "finished":
                connection.execute("DELETE FROM blobs WHERE run = ? AND kind = 'checkpoint'", (id,))

    def rename(self, id: str, name: str) -> None:
        """Give a run a name."""
        self.write(id, {"name": name.strip()[:NAME_LENGTH]})

    def delete(self, id: str) -> None:
        """Delete a run that is not being trained."""
        self._interrupt_orphans()
        with self._file.writing() as connection:
            if (status := select_column(connection, id, "status")) in LIVE:
                raise StoreError(f"run {id} is {status}: cancel it before deleting it")
            connection.execute("DELETE FROM runs WHERE id = ?", (id,))
            connection.execute("PRAGMA incremental_vacuum").fetchall()  # makes the file smaller

    # Reading

    def rows(self, damaged: list[str] | None = None) -> list[Row]:
        """Return every run, the newest first.

        Errors of damaged runs are appended to `damaged`; without it, the first of them is raised.
        """
        dead = self._interrupt_orphans()
        with self._file.reading() as connection:
            runs = select_rows(connection, "SELECT * FROM runs ORDER BY created DESC, rowid DESC")
        rows = []
        for columns in runs:
            try:
                rows.append(self._row(columns, dead))
            except StoreError as error:
                if damaged is None:
                    raise
                damaged.append(str(error))
        return rows

    def row(self, id: str) -> Row:
        """Return one run."""
        return self.watch(id, since=None)[0]

    def find(self, experiment: Experiment) -> Row | None:
        """Return the run of an identical experiment that `join` would find; None where there is none.

        Raises ValueError for a text that can't be read.
        """
        dead = self._interrupt_orphans()
        key = read_key(experiment)
        with self._file.reading() as connection:
            columns = select_identical(connection, key)
        return self._row(columns, dead) if columns else None

    def watch(self, id: str, since: int | None = -1) -> tuple[Row, list[Snapshot]]:
        """Return a run and its snapshots later than a step; None = no snapshots."""
        dead = self._interrupt_orphans()
        with self._file.reading() as connection:
            columns = select_run(connection, id)
            blobs = [] if since is None else select_snapshots(connection, id, since)
        if columns is None:
            raise NoRunError(f"{self.path}: no run {id}")
        return self._row(columns, dead), [self._decode(Snapshot, data, id) for data in blobs]

    def load(self, id: str, *, snapshots: bool = True) -> Run:
        """Return the result of a finished run; without its snapshots it is read ten times as fast."""
        with self._file.reading() as connection:
            status = select_column(connection, id, "status")
            result = select_blob(connection, id, "run")
            encoded = select_snapshots(connection, id) if snapshots else []
        if result is None:
            raise StoreError(f"run {id} is {status}: only a finished run has a result")
        run = marked(self._decode(Run, result, id))
        return replace(run, snapshots=tuple(self._decode(Snapshot, data, id) for data in encoded))

    def progress(self, id: str) -> tuple[bytes | None, list[bytes]]:
        """Return what is needed to resume a run: its checkpoint if it has one, and its snapshots, all encoded."""
        with self._file.reading() as connection:
            return select_blob(connection, id, "checkpoint"), select_snapshots(connection, id)

    def _row(self, columns: dict[str, Any], dead: set[str | None]) -> Row:
        """Return a `Row` made of its columns; a live run of a dead owner is interrupted."""
        try:
            parsed: dict[str, Any] = {
                name: value if value is None else json.loads(value)
                for name, value in columns.items()
                if name in ("experiment", "versions", "metric")
            }
            parsed["experiment"] = Experiment.from_dict(parsed["experiment"])
            parsed["imported"] = str(columns["key"]).startswith(IMPORTED)
            row = Row(**{f.name: columns[f.name] for f in fields(Row) if f.name in columns} | parsed)
        except (ValueError, TypeError) as error:
            raise StoreError(f"{self.path}: run {columns['id']} is damaged: {error}") from error
        if row.live and self._file.shared and columns["owner"] in dead:  # not marked: the file is read-only
            return replace(row, status="interrupted", reason=ENDED)
        return row

    def _decode(self, kind: type[R], data: bytes, id: str) -> R:
        """Decode a blob of a run; raise a StoreError where it is damaged."""
        try:
            return decode(kind, data)
        except ValueError as error:
            raise StoreError(f"{self.path}: run {id} is damaged: {error}") from error

    # Moving runs to other histories

    def dump(self, id: str) -> tuple[dict[str, Any], list[Blob]]:
        """Return a run's columns and blobs as they are stored, for the `put` of another history."""
        with self._file.reading() as connection:
            columns = select_run(connection, id)
            blobs = connection.execute("SELECT kind, step, data FROM blobs WHERE run = ?", (id,)).fetchall()
        if columns is None:
            raise NoRunError(f"{self.path}: no run {id}")
        return columns, blobs

    def put(self, columns: dict[str, Any], blobs: Sequence[Blob]) -> None:
        """Store a run that another history dumped; replace any run of the same id."""
        with self._file.writing() as connection:
            connection.execute("DELETE FROM runs WHERE id = ?", (columns["id"],))
            insert_run(connection, columns)
            connection.executemany(INSERT_BLOB, [(columns["id"], *blob) for blob in blobs])

    def record(self, id: str) -> Record:
        """Return a run as one record."""
        row, snapshots = self.watch(id)
        run = replace(self.load(id), snapshots=()) if row.status == "finished" else None
        shared = {f.name: getattr(row, f.name) for f in fields(Record) if f.name not in ("snapshots", "run")}
        return Record(**shared, snapshots=tuple(snapshots), run=run)

    def export(self, id: str) -> bytes:
        """Return a run as one file, without its checkpoint: in another history it would be trained from the start."""
        return pack(self.record(id))

    def import_(self, data: bytes) -> str:
        """Import an exported run under a new id and return the id; a run that is here already keeps its id.

        An imported run is only shown: `find` and `join` don't return it for the same experiment. Raises StoreError
        for data that isn't an exported run.
        """
        try:
            columns, blobs = unpack(data)
        except Exception as error:  # a forged file may raise any exception
            raise StoreError(f"not a run that Goldfish exported: {error}") from error
        with self._file.reading() as connection:
            known = connection.execute(
                "SELECT id FROM runs WHERE key IN (?, ?) AND created = ? AND status = ? AND step >= ?",
                (
                    columns["key"], columns["key"].removeprefix(IMPORTED),
                    *(columns[name] for name in ("created", "status", "step")),
                ),
            ).fetchone()  # fmt: skip
        if known:
            return known[0]
        self.put(columns, blobs)
        return columns["id"]


def _text_changed(experiment: Experiment, key: str) -> bool:
    """Return whether a run's file has changed since it got its key; False if unreadable, which fails in training."""
    try:
        return file_setting(experiment.task) is not None and read_key(experiment) != key
    except ValueError:
        return False


def _insert_queued(connection: sqlite3.Connection, experiment: Experiment, key: str, owner: str | None) -> str:
    """Add a queued run; return its id."""
    id = token_hex(4)
    columns = {
        "id": id,
        "key": key,
        "status": "queued",
        "owner": owner,
        "experiment": json.dumps(experiment.as_dict()),
        "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "versions": json.dumps(versions()),
    }
    insert_run(connection, columns)
    return id


def _take(connection: sqlite3.Connection, id: str, owner: str | None) -> bool:
    """Queue a stopped run again, at its checkpoint; return False where it isn't stopped."""
    update = connection.execute(
        "UPDATE runs SET status = 'queued', reason = NULL, owner = ?, versions = ? "
        "WHERE id = ? AND status IN ('cancelled', 'failed', 'interrupted')",
        (owner, json.dumps(versions()), id),
    )
    if update.rowcount:
        return_to_checkpoint(connection, id)
    return update.rowcount == 1
