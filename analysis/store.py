"""The history of runs: one SQLite file that several processes read and write. It trains nothing.

A run is a row with its settings and figures, and blobs made by `codec`: its snapshots as they come, a checkpoint
while it is unfinished, its result. Who works on a run holds an `Owner`'s lock, which the operating system frees when
that process ends, however it ends: a run whose owner's lock is free is marked interrupted by whoever looks next.
"""

import json
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from hashlib import sha256
from math import inf, isfinite
from pathlib import Path, PureWindowsPath
from secrets import token_hex
from typing import Any, TypeVar

import platformdirs

from analysis.bounds import LEVELS
from analysis.cells import LAYERS
from analysis.codec import LARGEST, check_axes, decode, encode
from analysis.config import SETTINGS, Experiment
from analysis.results import Decay, Measured, Result, Run, Snapshot, Watched
from analysis.tasks import read_text
from analysis.training import versions

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

SCHEMA = 1  # one more whenever the tables, or the settings and results in them, change
APPLICATION = 0x676F6C64  # "gold", which SQLite keeps in the file's header
MAGIC = b"SQLite format 3\0"
BUSY_SECONDS = 10
NAME_LENGTH = 200
MEMORY = ":memory:"
IMPORTED = "imported "  # in front of an imported run's key, so that no experiment has it
TIMING = {"seconds", "ms_per_step", "parameters", "multiply_adds"}

LIVE = ("queued", "running")
STATUSES = (*LIVE, "finished", "cancelled", "failed", "interrupted")
ENDED = "the process that worked on it ended"

TABLES = f"""
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA application_id = {APPLICATION};
CREATE TABLE runs (
    id TEXT PRIMARY KEY, key TEXT NOT NULL, name TEXT NOT NULL DEFAULT '', status TEXT NOT NULL, reason TEXT,
    owner TEXT, experiment TEXT NOT NULL, created TEXT NOT NULL, seconds REAL NOT NULL DEFAULT 0,
    step INTEGER NOT NULL DEFAULT 0, versions TEXT NOT NULL, metric TEXT, metric_name TEXT, chance REAL,
    horizon_before REAL, horizon_after REAL, diverged INTEGER
);
CREATE INDEX runs_by_key ON runs (key);
CREATE TABLE blobs (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, kind TEXT NOT NULL, step INTEGER NOT NULL,
    data BLOB NOT NULL, PRIMARY KEY (run, kind, step)
);
PRAGMA user_version = {SCHEMA};
"""
WATCHED = "CREATE TABLE IF NOT EXISTS watched (id TEXT PRIMARY KEY, saved TEXT NOT NULL, data BLOB NOT NULL)"

R = TypeVar("R")
Blob = tuple[str, int, bytes]  # kind (snapshot, checkpoint or run), step, data


class StoreError(Exception):
    """The history can't be read or written, or has no such run; the message is one line for the user."""


class NoRunError(StoreError):
    """There is no run of that id."""


@dataclass(frozen=True)
class Row:
    """What the history says of a run at a glance. What isn't known yet, or is undefined, is None."""

    id: str
    name: str
    status: str  # queued, running, finished, cancelled, failed, interrupted
    reason: str | None  # why it failed or was interrupted
    experiment: Experiment
    created: str  # ISO 8601, UTC
    seconds: float  # of training so far
    step: int
    versions: dict[str, str]
    metric: list[float | None] | None  # per seed, once finished
    metric_name: str | None
    chance: float | None
    horizon_before: float | None
    horizon_after: float | None
    diverged: int | None  # how many models
    unsaved: str | None = None  # why the run is in this process's memory alone
    text_missing: bool = False  # it came without the text that it needs: its `text_file` only names that

    @property
    def live(self) -> bool:
        """Whether it waits or trains."""
        return self.status in LIVE

    def require_text(self) -> None:
        """Raise a StoreError where the run's text is not here: its `text_file` must not be opened."""
        if self.text_missing:
            raise StoreError(f"run {self.id}: its text is not here: upload it and train again")

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, ready for JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {
            "experiment": self.experiment.as_dict()
        }


@dataclass(frozen=True, eq=False)
class Record(Result):
    """A run as one file: its row, its snapshots, and if it is finished its result (whose snapshots are those)."""

    name: str
    status: str
    reason: str | None
    experiment: Experiment
    created: str
    seconds: float
    step: int
    versions: dict[str, str]
    snapshots: tuple[Snapshot, ...]
    run: Run | None


class Owner:
    """A lock that the operating system holds for this process for as long as it lives."""

    def __init__(self, folder: Path) -> None:
        self.name = f"{os.getpid()}-{token_hex(4)}"
        self._path = folder / self.name
        unlocked = folder / f".{self.name}"
        try:
            folder.mkdir(exist_ok=True)
            for left in folder.glob("[!.]*"):  # by processes that were killed
                if not lives(folder, left.name):
                    left.unlink(missing_ok=True)
            self._file = os.open(unlocked, os.O_CREAT | os.O_EXCL | os.O_RDWR)
            _lock(self._file)
            unlocked.rename(self._path)  # no one ever sees it unlocked
        except OSError as error:
            raise StoreError(f"{folder}: {error.strerror}") from error

    def release(self) -> None:
        """Give the lock back: whatever this process still worked on counts as interrupted."""
        os.close(self._file)
        with suppress(OSError):
            self._path.unlink()


def lives(folder: Path, owner: str) -> bool:
    """Say whether the process that holds an owner's lock is still there."""
    try:
        file = os.open(folder / owner, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:  # not ours to open
        return True
    try:
        return not _lock(file, shared=True)
    finally:
        os.close(file)


def _lock(file: int, *, shared: bool = False) -> bool:
    """Take the lock on an open file; False where another process has it. Windows knows no shared locks."""
    try:
        if fcntl:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        else:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True


def default_path() -> Path:
    """Return where the history is kept: `GOLDFISH_STORE`, or in the platform's folder for a user's data."""
    named = os.environ.get("GOLDFISH_STORE")
    return Path(named) if named else platformdirs.user_data_path("goldfish", appauthor=False) / "runs.sqlite"


def key(experiment: Experiment, text_sha256: str | None = None) -> str:
    """Return what identical experiments, and no others, have in common; a text counts by its content.

    Settings at their default are left out, so that a setting added later changes no key.
    """
    settings = {name: value for name, value in experiment.as_dict().items() if value != SETTINGS[name].default}
    if experiment.task in SETTINGS["text_file"].metadata["tasks"]:
        settings["text_file"] = read_text(experiment.text_file)[1] if text_sha256 is None else text_sha256
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def finished(run: Run) -> tuple[dict[str, Any], Blob]:
    """Return what `Store.write` takes to note that a run is finished, and its result."""
    columns = {
        "status": "finished",
        "reason": None,
        "step": run.snapshots[-1].step,
        "seconds": run.timing.get("seconds", 0.0),
        "metric": json.dumps([float(value) if value == value else None for value in run.metric]),
        "metric_name": run.metric_name,
        "chance": run.chance,
        "horizon_before": run.before.horizon,  # NaN becomes NULL
        "horizon_after": run.after.horizon,
        "diverged": len(run.diverged),
    }
    return columns, ("run", 0, encode(replace(run, snapshots=())))


class Store:
    """The history in one file, made when it isn't there; `:memory:` keeps it in this process alone.

    Raises StoreError, here and in every method, for a file that can't be used, which is left as it is. `close` lets go
    of the file, or of a history in memory; so does forgetting the object.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self._memory: sqlite3.Connection | None = None
        self._turn = threading.RLock()
        self.path = Path(path or default_path()).expanduser().absolute()
        self.owners = self.path.with_name(self.path.name + ".owners")
        if path == MEMORY:
            self._memory = sqlite3.connect(MEMORY, isolation_level=None, check_same_thread=False)
            self._memory.executescript(TABLES + "PRAGMA foreign_keys = ON;")
            self.close = weakref.finalize(self, self._memory.close)
            return
        try:
            self._check_header()
        except FileNotFoundError:
            self._create()
            self._check_header()
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}: expected a file to keep runs in") from error
        with self._connection() as connection:
            connection.execute("SELECT count(*) FROM runs, blobs WHERE run = id AND id = ''")
            # Where no connection is left, SQLite moves its log into the file and waits for the disk: 20 ms each time.
            keeper = self._connect()
            keeper.execute("SELECT count(*) FROM runs").fetchone()
        self.close = weakref.finalize(self, keeper.close)

    def _check_header(self) -> None:
        """Read the file's first bytes, and nothing else: SQLite itself might change a file by looking at it."""
        with self.path.open("rb") as file:
            header = file.read(100)
        version, application = (int.from_bytes(header[at : at + 4]) for at in (60, 68))
        if len(header) < 100 or not header.startswith(MAGIC) or application != APPLICATION:
            raise StoreError(
                f"{self.path} is no history of Goldfish runs: expected one that Goldfish made, or a new name"
            )
        if version != SCHEMA:
            raise StoreError(
                f"{self.path} was made by {'a newer' if version > SCHEMA else 'another'} Goldfish "
                f"(its schema is {version}): expected {SCHEMA}, or a new name"
            )

    def _create(self) -> None:
        """Make the file elsewhere and move it here whole, so that two processes may do so at once."""
        new = self.path.with_name(f"{self.path.name}.{token_hex(4)}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(new, isolation_level=None)) as connection:
                connection.executescript(TABLES)
            try:
                os.link(new, self.path)
            except OSError:
                if not self.path.exists():  # a file system without links
                    new.rename(self.path)
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise StoreError(f"{self.path}: {reason}: expected a folder that can be written to") from error
        finally:
            with suppress(OSError):
                new.unlink()

    def _connect(self) -> sqlite3.Connection:
        uri = f"{self.path.as_uri()}?mode=rw"  # never makes a file
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    @contextmanager
    def _connection(self, begin: str = "BEGIN") -> Iterator[sqlite3.Connection]:
        """One transaction in a connection of its own, or in memory by turns."""
        with self._turn if self._memory else nullcontext():
            try:
                connection = self._memory or self._connect()
                try:
                    connection.execute(begin)
                    yield connection
                    connection.execute("COMMIT")
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    if connection is not self._memory:
                        connection.close()
            except (sqlite3.Error, UnicodeError, OverflowError) as error:
                raise StoreError(f"{self.path}: {error}") from error

    def _writing(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._connection("BEGIN IMMEDIATE")

    def _dead(self) -> set[str]:
        """Find the owners that are gone and mark their runs interrupted, if that can be written."""
        if self._memory:
            return set()
        with self._connection() as connection:
            owners = connection.execute("SELECT DISTINCT owner FROM runs WHERE status IN (?, ?)", LIVE).fetchall()
        dead = {owner for (owner,) in owners if not (owner and lives(self.owners, owner))}
        if dead:
            with suppress(StoreError), self._writing() as connection:
                connection.executemany(
                    "UPDATE runs SET status = 'interrupted', reason = ?, owner = NULL WHERE owner IS ? "
                    "AND status IN (?, ?)",
                    [(ENDED, owner, *LIVE) for owner in dead],
                )
        return dead

    # Writing

    def add(self, experiment: Experiment, owner: str | None = None, id: str | None = None) -> str:
        """Note a new run as queued by an owner; return its id."""
        with self._writing() as connection:
            return self._insert(connection, experiment, owner, id)

    def join(self, experiment: Experiment, owner: str | None = None) -> tuple[str, bool]:
        """Find the run of an identical experiment, or note a new one.

        Returns its id, and whether it is now the caller's to train: neither finished nor in anyone's hands.
        """
        self._dead()
        with self._writing() as connection:
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

        Raises StoreError where its text is not here.
        """
        self.row(id).require_text()
        with self._writing() as connection:
            _only(connection, id, "id")  # deleted meanwhile?
            return self._take(connection, id, owner)

    def write(self, id: str, columns: dict[str, Any], blob: Blob | None = None) -> None:
        """Note what became of a run: columns of its row, and a snapshot, a checkpoint or its result."""
        columns = dict(columns)
        if columns.get("status", "running") not in LIVE:
            columns["owner"] = None
        with self._writing() as connection:
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
        with self._writing() as connection:
            if (status := _only(connection, id, "status")) in LIVE:
                raise StoreError(f"run {id} is {status}: cancel it before deleting it")
            connection.execute("DELETE FROM runs WHERE id = ?", (id,))
            connection.execute("PRAGMA incremental_vacuum").fetchall()  # gives the space back

    def _insert(self, connection: sqlite3.Connection, experiment: Experiment, owner: str | None, id: str = "") -> str:
        columns = {
            "id": id or token_hex(4),
            "key": key(experiment),
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

    def rows(self) -> list[Row]:
        """Return every run, the newest first."""
        dead = self._dead()
        with self._connection() as connection:
            found = _rows(connection, "SELECT * FROM runs ORDER BY created DESC, rowid DESC")
        return [self._row(row, dead) for row in found]

    def row(self, id: str) -> Row:
        """Return one run."""
        return self.watch(id, since=None)[0]

    def find(self, experiment: Experiment) -> Row | None:
        """Return the run of an identical experiment, that which `join` would find."""
        dead = self._dead()
        with self._connection() as connection:
            found = _identical(connection, experiment)
        return found and self._row(found, dead)

    def watch(self, id: str, since: int | None = -1) -> tuple[Row, list[Snapshot]]:
        """Return a run and its snapshots later than a step; None = no snapshots."""
        dead = self._dead()
        with self._connection() as connection:
            found = _rows(connection, "SELECT * FROM runs WHERE id = ?", id)
            blobs = [] if since is None else _snapshots(connection, id, since)
        if not found:
            raise NoRunError(f"{self.path}: no run {id}")
        return self._row(found[0], dead), [self._decode(Snapshot, data, id) for data in blobs]

    def load(self, id: str) -> Run:
        """Return the result of a finished run."""
        with self._connection() as connection:
            status = _only(connection, id, "status")
            result, snapshots = _blob(connection, id, "run"), _snapshots(connection, id)
        if result is None:
            raise StoreError(f"run {id} is {status}: only a finished run has a result")
        run = self._decode(Run, result, id)
        return replace(run, snapshots=tuple(self._decode(Snapshot, data, id) for data in snapshots))

    def progress(self, id: str) -> tuple[bytes | None, list[bytes]]:
        """Return what it takes to go on with a run: its checkpoint if it has one, and its snapshots, undecoded."""
        with self._connection() as connection:
            return _blob(connection, id, "checkpoint"), _snapshots(connection, id)

    def _row(self, columns: dict[str, Any], dead: set[str]) -> Row:
        try:
            parsed = {
                name: value if value is None else json.loads(value)
                for name, value in columns.items()
                if name in ("experiment", "versions", "metric")
            }
            row = Row(**{f.name: columns[f.name] for f in fields(Row) if f.name in columns} | parsed)
            experiment = Experiment.from_dict(row.experiment)
            missing = experiment.text_file is not None and str(columns["key"]).startswith(IMPORTED)
            row = replace(row, experiment=experiment, text_missing=missing)
        except (ValueError, TypeError) as error:
            raise StoreError(f"{self.path}: run {columns['id']} is damaged: {error}") from error
        if row.live and not self._memory and columns["owner"] in dead:  # and it could not be written
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
        with self._connection() as connection:
            found = _rows(connection, "SELECT * FROM runs WHERE id = ?", id)
            blobs = connection.execute("SELECT kind, step, data FROM blobs WHERE run = ?", (id,)).fetchall()
        if not found:
            raise NoRunError(f"{self.path}: no run {id}")
        return found[0], blobs

    def put(self, columns: dict[str, Any], blobs: Sequence[Blob]) -> None:
        """Keep a run as another history dumped it, in place of what there is of it."""
        with self._writing() as connection:
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
        return encode(_without_path(self.record(id)))

    def import_(self, data: bytes) -> str:
        """Take in a run that was exported, under an id of its own; one that is here already keeps its id.

        It is there to look at: whoever trains the same experiment does not get it as the result.
        """
        try:
            record = decode(Record, data, LARGEST)
            _check(record)
            columns, blobs = _unpacked(_without_path(record))
        except Exception as error:  # whatever a forged file leads to
            raise StoreError(f"not a run that Goldfish exported: {error}") from error
        with self._connection() as connection:
            found = connection.execute(
                "SELECT id FROM runs WHERE key IN (?, ?) AND created = ? AND status = ?",
                (columns["key"], columns["key"].removeprefix(IMPORTED), columns["created"], columns["status"]),
            ).fetchone()
        if found:
            return found[0]
        self.put(columns, blobs)
        return columns["id"]

    # Models that were watched in someone's own loop: a table that is there once one of them was saved

    def keep_watched(self, watched: Watched, id: str | None = None) -> str:
        """Keep a watched model, in place of what is kept under its id if that is given; return the id."""
        try:
            _check_watched(watched)
        except ValueError as error:
            raise StoreError(f"{watched.name[:NAME_LENGTH]!a} can't be kept: {error}") from error
        id = id or token_hex(4)
        with self._writing() as connection:
            connection.execute(WATCHED)
            connection.execute(
                "INSERT INTO watched VALUES (?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET saved = excluded.saved, data = excluded.data",
                (id, datetime.now(UTC).isoformat(), encode(watched)),
            )
        return id

    def watched(self) -> dict[str, str]:
        """Return when each watched model was last saved, by its id, the newest first."""
        with self._connection() as connection:
            found = _watched(connection, "SELECT id, saved FROM watched ORDER BY rowid DESC")
        return {str(id): str(saved) for id, saved in found}

    def load_watched(self, id: str) -> Watched:
        """Return a watched model."""
        with self._connection() as connection:
            found = _watched(connection, "SELECT data FROM watched WHERE id = ?", id)
        if not found:
            raise NoRunError(f"{self.path}: no watched model {id}")
        try:
            watched = decode(Watched, found[0][0])
            _check_watched(watched)
        except ValueError as error:
            raise StoreError(f"{self.path}: watched model {id} is damaged: {error}") from error
        return watched

    def rename_watched(self, id: str, name: str) -> None:
        """Give a watched model a name."""
        self.keep_watched(replace(self.load_watched(id), name=name.strip()[:NAME_LENGTH]), id)

    def delete_watched(self, id: str) -> None:
        """Delete a watched model; a loop that saves it again brings it back."""
        with self._writing() as connection:
            connection.execute("DELETE FROM watched WHERE id = ?", (id,))
            connection.execute("PRAGMA incremental_vacuum").fetchall()  # gives the space back


def _without_path(record: Record) -> Record:
    """Leave of a text's path the file's name, to be shown: no path out of a record is ever opened."""
    if record.experiment.text_file is None:
        return record
    name = PureWindowsPath(record.experiment.text_file).name  # takes both kinds of slashes
    experiment = record.experiment.replace(text_file=name[:NAME_LENGTH] or "text")
    return replace(record, experiment=experiment, run=record.run and replace(record.run, experiment=experiment))


def _unpacked(record: Record) -> tuple[dict[str, Any], list[Blob]]:
    """Return a record under a new id as `Store.put` takes it."""
    run, experiment = record.run, record.experiment
    columns, result = finished(replace(run, snapshots=record.snapshots)) if run else ({}, None)
    columns |= {
        "id": token_hex(4),
        "key": IMPORTED + key(experiment, run.text_sha256 or "" if run else ""),
        "name": record.name[:NAME_LENGTH],
        "status": "interrupted" if record.status in LIVE else record.status,
        "reason": record.reason,
        "experiment": json.dumps(experiment.as_dict()),
        "created": record.created,
        "seconds": record.seconds,
        "step": record.step,
        "versions": json.dumps(record.versions),
    }
    snapshots = [("snapshot", snapshot.step, encode(snapshot)) for snapshot in record.snapshots]
    return columns, snapshots + ([result] if result else [])


def _check(record: Record) -> None:
    """Refuse, with a ValueError, a record whose parts don't fit each other."""
    steps = [snapshot.step for snapshot in record.snapshots]
    run, experiment = record.run, record.experiment
    measured = (*record.snapshots, *((run.measured_before, run.measured_after) if run else ()))
    decays = [s.decay for s in record.snapshots]
    problems = {
        f"status {record.status[:20]!r}": record.status not in STATUSES,
        "result for its status": (run is not None) != (record.status == "finished"),
        "order of snapshots": steps != sorted({*steps}),
        "step": not all(0 <= step <= experiment.steps for step in (*steps, record.step)),
        "seconds": not 0 <= record.seconds < 1e12,
        "time zone": datetime.fromisoformat(record.created).tzinfo is None,
    }
    if run:
        decays += [*run.measured_before.decays.values(), *run.measured_after.decays.values()]
        problems |= {
            "experiment of the result": run.experiment != experiment,
            "snapshots": bool(run.snapshots) or not steps,
            "decay": any("memory" not in each.decays for each in (run.measured_before, run.measured_after)),
            "memory": run.memory.kind not in ("symbol", "window") or not run.memory.distance.size,
            "chance": not isfinite(run.chance),
            "timing": not (run.timing.keys() >= TIMING and all(0 <= each < inf for each in run.timing.values())),
            "model": not all(0 <= failure.model < experiment.seeds for failure in run.diverged),
            "weights": not all(weight.shape[:1] == (experiment.seeds,) for weight in run.weights.values()),
        }
    _refuse(problems | _unfit(experiment.cell, measured, decays))
    check_axes(record, record.experiment)


def _check_watched(watched: Watched) -> None:
    """Refuse, with a ValueError, a watched model whose parts don't fit each other."""
    steps = [snapshot.step for snapshot in watched.snapshots]
    "".join((watched.name, *watched.skipped)).encode()  # a UnicodeError is a ValueError
    _refuse({"cell": watched.cell not in LAYERS})
    decays = [snapshot.decay for snapshot in watched.snapshots]
    problems = {
        "activation": watched.activation not in ("tanh", "relu"),
        "sizes": min(watched.input_size, watched.hidden_size, watched.layers) < 1,
        "order of snapshots": steps != sorted({*steps}),
        "pass": not all(1 <= step <= watched.backwards for step in steps),
        "time zone": datetime.fromisoformat(watched.created).tzinfo is None,
        "ends": any(gate.left is None for each in watched.snapshots for gate in each.saturation.values()),
    }
    _refuse(problems | _unfit(watched.cell, watched.snapshots, decays))
    check_axes(watched, watched)


def _unfit(cell: str, measured: Sequence[Snapshot | Measured], decays: Sequence[Decay]) -> dict[str, bool]:
    """Return what may be wrong with measurements of a cell, and whether it is."""
    gates = [gate for each in measured for gate in each.saturation.values()]
    return {
        "gates": any({*each.saturation} != {*LAYERS[cell].gates} for each in measured),
        "edges": any(gate.edges.shape != (gate.counts.size + 1,) for gate in gates),
        "ends": any((gate.left is None) != (gate.right is None) for gate in gates),
        "steps": not all(each.bounds.saturated.size for each in measured),
        "levels": any(each.bounds.levels.shape != LEVELS.shape for each in measured),
        "cell state": any((each.bounds.cell is None) != (cell != "lstm") for each in measured),
        "distances": not all(decay.distance.size for decay in decays),
    }


def _refuse(problems: dict[str, bool]) -> None:
    for problem, found in problems.items():
        if found:
            raise ValueError(f"unexpected {problem}")


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
    return next(iter(_rows(connection, query, key(experiment))), None)


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
