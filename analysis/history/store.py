"""The history of runs, which several processes read and write. It trains nothing; the file itself is in `database`.

A run is a row with its settings and figures, and blobs made by `serialization`: its snapshots as they come, a
checkpoint while it is unfinished, its result. A process that trains a run holds a file lock, its `Owner`; the operating
system frees the lock when the process ends, however it ends. Whoever reads the history next marks the run interrupted.
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

from analysis.experiment import SETTINGS, Experiment
from analysis.history.database import Database, NoRunError, StoreError, TextError
from analysis.history.entry import LIVE, NAME_LENGTH, Blob, Record, Row, reports_end
from analysis.history.locks import lives
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

ENDED = "the process that worked on it ended"

logger = logging.getLogger(__name__)

R = TypeVar("R")


def default_path() -> Path:
    """Return the path of the history: `GOLDFISH_STORE`, else one in the platform's folder for a user's data."""
    named = os.environ.get("GOLDFISH_STORE")
    return Path(named) if named else platformdirs.user_data_path("goldfish", appauthor=False) / "runs.sqlite"


class Store:
    """The history in one file, made when it isn't there; `:memory:` keeps it in this process alone.

    Every method, and making one, raises StoreError for a file that can't be used; such a file is left unchanged.
    `close` frees the file, or the memory; so does garbage collection.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self._file = Database(path or default_path())
        self.path, self.close, self.require_writable = self._file.path, self._file.close, self._file.require_writable
        models = WatchedModels(self._file)
        self.keep_watched, self.watched, self.load_watched = models.keep_watched, models.watched, models.load_watched
        self.rename_watched, self.delete_watched = models.rename_watched, models.delete_watched
        self.owners = self.path.with_name(self.path.name + ".owners")

    def _interrupt_orphans(self) -> set[str | None]:
        """Mark the runs interrupted whose owner's process has ended, if that can be written; return those owners."""
        if not self._file.shared:
            return set()
        with self._file.reading() as connection:
            owners = connection.execute("SELECT DISTINCT owner FROM runs WHERE status IN (?, ?)", LIVE).fetchall()
        dead = {owner for (owner,) in owners if not (owner and lives(self.owners, owner))}
        if dead:
            try:
                self._mark_interrupted(dead)
            except StoreError as error:  # readers see it all the same: `_row` is told who is dead
                logger.info("runs of ended processes can't be marked: %s", error)
        return dead

    def _mark_interrupted(self, owners: set[str | None]) -> None:
        with self._file.writing() as connection:
            connection.executemany(
                "UPDATE runs SET status = 'interrupted', reason = ?, owner = NULL WHERE owner IS ? "
                "AND status IN (?, ?)",
                [(ENDED, owner, *LIVE) for owner in owners],
            )

    # Writing

    def add(self, experiment: Experiment, owner: str | None = None) -> str:
        """Note a new run as queued by an owner; return its id. Raises ValueError for a text that can't be read."""
        key = read_key(experiment)
        with self._file.writing() as connection:
            return _insert_queued(connection, experiment, key, owner)

    def join(self, experiment: Experiment, owner: str | None = None) -> tuple[str, bool]:
        """Find the run of an identical experiment, or note a new one.

        Returns its id, and whether it is now the caller's to train: it was neither finished nor under way.
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
            if mine:  # the text that is here now may have another path
                connection.execute(
                    "UPDATE runs SET experiment = ? WHERE id = ?", (json.dumps(experiment.as_dict()), id)
                )
            return id, mine

    def take(self, id: str, owner: str | None = None) -> bool:
        """Take over a run that was cancelled, failed or interrupted; return False where it is not one of these.

        Raises TextError where its text is not here, or not as it was.
        """
        row = self.row(id)
        row.require_text()
        with self._file.writing() as connection:
            known = select_column(connection, id, "key")
            if row.stopped and not row.imported and _text_changed(row.experiment, known):
                raise TextError(f"run {id}: its text has changed: train again")
            return _take(connection, id, owner)

    def write(self, id: str, columns: dict[str, Any], blob: Blob | None = None) -> None:
        """Note how far a run has come: columns of its row, and a snapshot, a checkpoint or its result."""
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
            connection.execute("PRAGMA incremental_vacuum").fetchall()  # gives the space back

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
        run = self._decode(Run, result, id)
        return replace(run, snapshots=tuple(self._decode(Snapshot, data, id) for data in encoded))

    def progress(self, id: str) -> tuple[bytes | None, list[bytes]]:
        """Return what it takes to resume a run: its checkpoint if it has one, and its snapshots, undecoded."""
        with self._file.reading() as connection:
            return select_blob(connection, id, "checkpoint"), select_snapshots(connection, id)

    def _row(self, columns: dict[str, Any], dead: set[str | None]) -> Row:
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
        if row.live and self._file.shared and columns["owner"] in dead:  # and that could not be written
            return replace(row, status="interrupted", reason=ENDED)
        return row

    def _decode(self, kind: type[R], data: bytes, id: str) -> R:
        try:
            return decode(kind, data)
        except ValueError as error:
            raise StoreError(f"{self.path}: run {id} is damaged: {error}") from error

    # Moving runs to other histories

    def dump(self, id: str) -> tuple[dict[str, Any], list[Blob]]:
        """Return a run's columns and blobs as they are kept, for `put` of another history."""
        with self._file.reading() as connection:
            columns = select_run(connection, id)
            blobs = connection.execute("SELECT kind, step, data FROM blobs WHERE run = ?", (id,)).fetchall()
        if columns is None:
            raise NoRunError(f"{self.path}: no run {id}")
        return columns, blobs

    def put(self, columns: dict[str, Any], blobs: Sequence[Blob]) -> None:
        """Keep a run that another history dumped, in place of what is here under its id."""
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
        """Take in a run that was exported, under an id of its own; one that is here already keeps its id.

        It is there to be shown: `find` and `join` don't return it as the result of the same experiment. Raises
        StoreError where the data isn't an exported run.
        """
        try:
            columns, blobs = unpack(data)
        except Exception as error:  # whatever a forged file leads to
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


def _text_changed(experiment: Experiment, known: str) -> bool:
    """Whether an experiment's text has changed since the run got its key; one that can't be read fails in training."""
    try:
        return experiment.task in SETTINGS["text_file"].tasks and read_key(experiment) != known
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
