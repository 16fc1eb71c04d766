"""The history of runs, which several processes read and write. It trains nothing; the file itself is in `database`.

A run is a row with its settings and figures, and blobs made by `codec`: its snapshots as they come, a checkpoint
while it is unfinished, its result. Who works on a run holds an `Owner`'s lock, which the operating system frees when
that process ends, however it ends: a run whose owner's lock is free is marked interrupted by whoever looks next.
"""

import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

import platformdirs

from analysis.experiment import SETTINGS, Experiment
from analysis.history.database import WATCHED, Database, NoRunError, StoreError, TextError
from analysis.history.entry import LIVE, NAME_LENGTH, Blob, Record, Row
from analysis.history.locks import lives
from analysis.history.serialization import decode, encode
from analysis.history.transfer import IMPORTED, pack, run_key, unpack
from analysis.history.validation import check_watched
from analysis.results import Run, Snapshot, Watched, versions

ENDED = "the process that worked on it ended"

R = TypeVar("R")


def default_path() -> Path:
    """Return where the history is kept: `GOLDFISH_STORE`, or in the platform's folder for a user's data."""
    named = os.environ.get("GOLDFISH_STORE")
    return Path(named) if named else platformdirs.user_data_path("goldfish", appauthor=False) / "runs.sqlite"


class Store:
    """The history in one file, made when it isn't there; `:memory:` keeps it in this process alone.

    Raises StoreError, here and in every method, for a file that can't be used, which is left as it is. `close` lets go
    of the file, or of a history in memory; so does forgetting the object.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self._file = Database(path or default_path())
        self.path, self.close, self.require_writable = self._file.path, self._file.close, self._file.require_writable
        self.owners = self.path.with_name(self.path.name + ".owners")

    def _dead(self) -> set[str]:
        """Find the owners that are gone and mark their runs interrupted, if that can be written."""
        if not self._file.shared:
            return set()
        with self._file.reading() as connection:
            owners = connection.execute("SELECT DISTINCT owner FROM runs WHERE status IN (?, ?)", LIVE).fetchall()
        dead = {owner for (owner,) in owners if not (owner and lives(self.owners, owner))}
        if dead:
            with suppress(StoreError), self._file.writing() as connection:
                connection.executemany(
                    "UPDATE runs SET status = 'interrupted', reason = ?, owner = NULL WHERE owner IS ? "
                    "AND status IN (?, ?)",
                    [(ENDED, owner, *LIVE) for owner in dead],
                )
        return dead

    # Writing

    def add(self, experiment: Experiment, owner: str | None = None) -> str:
        """Note a new run as queued by an owner; return its id."""
        with self._file.writing() as connection:
            return self._insert(connection, experiment, owner)

    def join(self, experiment: Experiment, owner: str | None = None) -> tuple[str, bool]:
        """Find the run of an identical experiment, or note a new one.

        Returns its id, and whether it is now the caller's to train: neither finished nor in anyone's hands.
        """
        self._dead()
        with self._file.writing() as connection:
            found = _identical(connection, experiment)
            if found is None:
                return self._insert(connection, experiment, owner), True
            id, status = found["id"], found["status"]
            mine = status != "finished" and status not in LIVE and self._take(connection, id, owner)
            if mine:  # the text that is here now may have another path
                connection.execute(
                    "UPDATE runs SET experiment = ? WHERE id = ?", (json.dumps(experiment.as_dict()), id)
                )
            return id, mine

    def take(self, id: str, owner: str | None = None) -> bool:
        """Take over a run that was cancelled, failed or interrupted; False where it is not one of these.

        Raises TextError where its text is not here, or not as it was.
        """
        row = self.row(id)
        row.require_text()
        with self._file.writing() as connection:
            known = _only(connection, id, "key")
            if row.stopped and not row.imported and _text_changed(row.experiment, known):
                raise TextError(f"run {id}: its text has changed: train again")
            return self._take(connection, id, owner)

    def write(self, id: str, columns: dict[str, Any], blob: Blob | None = None) -> None:
        """Note what became of a run: columns of its row, and a snapshot, a checkpoint or its result."""
        columns = dict(columns)
        if columns.get("status", "running") not in LIVE:
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
        self._dead()
        with self._file.writing() as connection:
            if (status := _only(connection, id, "status")) in LIVE:
                raise StoreError(f"run {id} is {status}: cancel it before deleting it")
            connection.execute("DELETE FROM runs WHERE id = ?", (id,))
            connection.execute("PRAGMA incremental_vacuum").fetchall()  # gives the space back

    def _insert(self, connection: sqlite3.Connection, experiment: Experiment, owner: str | None) -> str:
        columns = {
            "id": token_hex(4),
            "key": run_key(experiment),
            "status": "queued",
            "owner": owner,
            "experiment": json.dumps(experiment.as_dict()),
            "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "versions": json.dumps(versions()),
        }
        _insert_row(connection, columns)
        return columns["id"]

    def _take(self, connection: sqlite3.Connection, id: str, owner: str | None) -> bool:
        """Queue a run again, at its checkpoint: what came later will come again."""
        taken = connection.execute(
            "UPDATE runs SET status = 'queued', reason = NULL, owner = ?, versions = ? "
            "WHERE id = ? AND status IN ('cancelled', 'failed', 'interrupted')",
            (owner, json.dumps(versions()), id),
        )
        if taken.rowcount:
            found = connection.execute("SELECT step FROM blobs WHERE run = ? AND kind = 'checkpoint'", (id,)).fetchone()
            step = found[0] if found else 0
            connection.execute("UPDATE runs SET step = ? WHERE id = ?", (step, id))
            connection.execute(
                "DELETE FROM blobs WHERE run = ? AND kind = 'snapshot' AND step > ?", (id, step if found else -1)
            )
        return taken.rowcount == 1

    # Reading

    def rows(self, damaged: list[str] | None = None) -> list[Row]:
        """Return every run, the newest first; what is wrong with a damaged one goes into `damaged` if that is given."""
        dead = self._dead()
        with self._file.reading() as connection:
            found = _rows(connection, "SELECT * FROM runs ORDER BY created DESC, rowid DESC")
        rows = []
        for columns in found:
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
        """Return the run of an identical experiment, that which `join` would find."""
        dead = self._dead()
        with self._file.reading() as connection:
            found = _identical(connection, experiment)
        return found and self._row(found, dead)

    def watch(self, id: str, since: int | None = -1) -> tuple[Row, list[Snapshot]]:
        """Return a run and its snapshots later than a step; None = no snapshots."""
        dead = self._dead()
        with self._file.reading() as connection:
            found = _rows(connection, "SELECT * FROM runs WHERE id = ?", id)
            blobs = [] if since is None else _snapshots(connection, id, since)
        if not found:
            raise NoRunError(f"{self.path}: no run {id}")
        return self._row(found[0], dead), [self._decode(Snapshot, data, id) for data in blobs]

    def load(self, id: str, *, snapshots: bool = True) -> Run:
        """Return the result of a finished run; most of the time goes into its snapshots, if they are wanted."""
        with self._file.reading() as connection:
            status = _only(connection, id, "status")
            result, taken = _blob(connection, id, "run"), _snapshots(connection, id) if snapshots else []
        if result is None:
            raise StoreError(f"run {id} is {status}: only a finished run has a result")
        run = self._decode(Run, result, id)
        return replace(run, snapshots=tuple(self._decode(Snapshot, data, id) for data in taken))

    def progress(self, id: str) -> tuple[bytes | None, list[bytes]]:
        """Return what it takes to go on with a run: its checkpoint if it has one, and its snapshots, undecoded."""
        with self._file.reading() as connection:
            return _blob(connection, id, "checkpoint"), _snapshots(connection, id)

    def _row(self, columns: dict[str, Any], dead: set[str]) -> Row:
        try:
            parsed = {
                name: value if value is None else json.loads(value)
                for name, value in columns.items()
                if name in ("experiment", "versions", "metric")
            }
            row = Row(**{f.name: columns[f.name] for f in fields(Row) if f.name in columns} | parsed)
            imported = str(columns["key"]).startswith(IMPORTED)
            row = replace(row, experiment=Experiment.from_dict(row.experiment), imported=imported)
        except (ValueError, TypeError) as error:
            raise StoreError(f"{self.path}: run {columns['id']} is damaged: {error}") from error
        if row.live and self._file.shared and columns["owner"] in dead:  # and it could not be written
            return replace(row, status="interrupted", reason=ENDED)
        return row

    def _decode(self, kind: type[R], data: bytes, id: str) -> R:
        try:
            return decode(kind, data)
        except ValueError as error:
            raise StoreError(f"{self.path}: run {id} is damaged: {error}") from error

    # Moving runs about

    def dump(self, id: str) -> tuple[dict[str, Any], list[Blob]]:
        """Return a run as it is kept, for `put`."""
        with self._file.reading() as connection:
            found = _rows(connection, "SELECT * FROM runs WHERE id = ?", id)
            blobs = connection.execute("SELECT kind, step, data FROM blobs WHERE run = ?", (id,)).fetchall()
        if not found:
            raise NoRunError(f"{self.path}: no run {id}")
        return found[0], blobs

    def put(self, columns: dict[str, Any], blobs: Sequence[Blob]) -> None:
        """Keep a run as another history dumped it, in place of what there is of it."""
        with self._file.writing() as connection:
            connection.execute("DELETE FROM runs WHERE id = ?", (columns["id"],))
            _insert_row(connection, columns)
            connection.executemany("INSERT INTO blobs VALUES (?, ?, ?, ?)", [(columns["id"], *blob) for blob in blobs])

    def record(self, id: str) -> Record:
        """Return all that is known of a run."""
        row, snapshots = self.watch(id)
        run = replace(self.load(id), snapshots=()) if row.status == "finished" else None
        shared = {f.name: getattr(row, f.name) for f in fields(Record) if f.name not in ("snapshots", "run")}
        return Record(**shared, snapshots=tuple(snapshots), run=run)

    def export(self, id: str) -> bytes:
        """Return a run as one file. A checkpoint stays behind: elsewhere the training would start anew."""
        return pack(self.record(id))

    def import_(self, data: bytes) -> str:
        """Take in a run that was exported, under an id of its own; one that is here already keeps its id.

        It is there to look at: whoever trains the same experiment does not get it as the result.
        """
        try:
            columns, blobs = unpack(data)
        except Exception as error:  # whatever a forged file leads to
            raise StoreError(f"not a run that Goldfish exported: {error}") from error
        with self._file.reading() as connection:
            found = connection.execute(
                "SELECT id FROM runs WHERE key IN (?, ?) AND created = ? AND status = ? AND step >= ?",
                (
                    columns["key"], columns["key"].removeprefix(IMPORTED),
                    *(columns[name] for name in ("created", "status", "step")),
                ),
            ).fetchone()  # fmt: skip
        if found:
            return found[0]
        self.put(columns, blobs)
        return columns["id"]

    # Models that were watched in someone's own loop

    def keep_watched(self, watched: Watched, id: str | None = None) -> str:
        """Keep a watched model, in place of what is kept under its id if that is given; return the id."""
        try:
            check_watched(watched)
        except ValueError as error:
            raise StoreError(f"{watched.name[:NAME_LENGTH]!a} can't be kept: {error}") from error
        id = id or token_hex(4)
        with self._file.writing() as connection:
            connection.execute(WATCHED)
            connection.execute(
                "INSERT INTO watched VALUES (?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET saved = excluded.saved, data = excluded.data",
                (id, datetime.now(UTC).isoformat(), encode(watched)),
            )
        return id

    def watched(self) -> dict[str, str]:
        """Return when each watched model was last saved, by its id, the newest first."""
        with self._file.reading() as connection:
            found = _watched(connection, "SELECT id, saved FROM watched ORDER BY rowid DESC")
        return {str(id): str(saved) for id, saved in found}

    def load_watched(self, id: str) -> Watched:
        """Return a watched model."""
        with self._file.reading() as connection:
            found = _watched(connection, "SELECT data FROM watched WHERE id = ?", id)
        if not found:
            raise NoRunError(f"{self.path}: no watched model {id}")
        try:
            watched = decode(Watched, found[0][0])
            check_watched(watched)
        except ValueError as error:
            raise StoreError(f"{self.path}: watched model {id} is damaged: {error}") from error
        return watched

    def rename_watched(self, id: str, name: str) -> None:
        """Give a watched model a name."""
        self.keep_watched(replace(self.load_watched(id), name=name.strip()[:NAME_LENGTH]), id)

    def delete_watched(self, id: str) -> None:
        """Delete a watched model; a loop that saves it again brings it back."""
        with self._file.writing() as connection:
            connection.execute("DELETE FROM watched WHERE id = ?", (id,))
            connection.execute("PRAGMA incremental_vacuum").fetchall()  # gives the space back


def _text_changed(experiment: Experiment, known: str) -> bool:
    """Whether an experiment's text is another than when it got its key; one that can't be read fails in training."""
    try:
        return experiment.task in SETTINGS["text_file"].tasks and run_key(experiment) != known
    except ValueError:
        return False


def _rows(connection: sqlite3.Connection, query: str, *values: str) -> list[dict[str, Any]]:
    found = connection.execute(query, values)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found]


def _watched(connection: sqlite3.Connection, query: str, *values: str) -> list[tuple[Any, ...]]:
    """Ask the table of watched models, if it is there."""
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'watched'").fetchone()
    return connection.execute(query, values).fetchall() if there else []


def _identical(connection: sqlite3.Connection, experiment: Experiment) -> dict[str, Any] | None:
    query = (
        "SELECT * FROM runs WHERE key = ? "
        "ORDER BY status = 'finished' DESC, status IN ('queued', 'running') DESC, created DESC LIMIT 1"
    )
    return next(iter(_rows(connection, query, run_key(experiment))), None)


def _only(connection: sqlite3.Connection, id: str, column: str) -> Any:  # noqa: ANN401
    found = connection.execute(f"SELECT {column} FROM runs WHERE id = ?", (id,)).fetchone()
    if found is None:
        raise NoRunError(f"no run {id}")
    return found[0]


def _blob(connection: sqlite3.Connection, id: str, kind: str) -> bytes | None:
    found = connection.execute("SELECT data FROM blobs WHERE run = ? AND kind = ?", (id, kind)).fetchone()
    return found and found[0]


def _snapshots(connection: sqlite3.Connection, id: str, since: int = -1) -> list[bytes]:
    query = "SELECT data FROM blobs WHERE run = ? AND kind = 'snapshot' AND step > ? ORDER BY step"
    return [data for (data,) in connection.execute(query, (id, since))]


def _insert_row(connection: sqlite3.Connection, columns: dict[str, Any]) -> None:
    names = ", ".join(columns)
    connection.execute(f"INSERT INTO runs ({names}) VALUES ({', '.join(f':{name}' for name in columns)})", columns)
