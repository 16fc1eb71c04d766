"""The file that holds the history: SQLite, its tables, and transactions of several processes at once."""

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from secrets import token_hex

SCHEMA = 1  # increased when older files can't be read any more, or new files by an older Goldfish
APPLICATION = 0x676F6C64  # "gold"; SQLite keeps this number in the file's header
MAGIC = b"SQLite format 3\0"
BUSY_SECONDS = 10
MEMORY = ":memory:"

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
# Models watched in someone's own loop. The table is made when the first of them is saved.
WATCHED = "CREATE TABLE IF NOT EXISTS watched (id TEXT PRIMARY KEY, saved TEXT NOT NULL, data BLOB NOT NULL)"


class StoreError(Exception):
    """The history can't be read or written, or has no such run; the message is one line for the user."""


class Database:
    """One SQLite file, made when it isn't there; `:memory:` keeps its tables in this process alone.

    The constructor and every method raise StoreError for a file that can't be used; such a file is left unchanged.
    `close` frees the file, or the memory; so does garbage collection.
    """

    def __init__(self, path: Path | str) -> None:
        self._memory: sqlite3.Connection | None = None
        self._turn = threading.RLock()
        try:
            self.path = Path(path).expanduser().resolve()
        except RuntimeError as error:  # "~name" of a user that the system doesn't know
            raise StoreError(f"{path}: {error}: expected the path of a file to keep runs in") from error
        if str(path) == MEMORY:
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
        with self.reading() as connection:
            connection.execute("SELECT count(*) FROM runs, blobs WHERE run = id AND id = ''")
            # It stays open: on closing the last connection, SQLite moves its log into the file, which takes 20 ms.
            keeper = self._connect()
            keeper.execute("SELECT count(*) FROM runs").fetchone()
        self.close = weakref.finalize(self, keeper.close)

    @property
    def shared(self) -> bool:
        """Whether other processes can open the file."""
        return self._memory is None

    def _check_header(self) -> None:
        """Check the file's first bytes without SQLite, which may change a file by opening it."""
        if self.path.exists() and not self.path.is_file():
            raise StoreError(f"{self.path}: expected a file to keep runs in")
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
        """Make the file under a temporary name and link it to its own, so that two processes can do so at once."""
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

    @property
    def writable(self) -> bool:
        """Whether the file can be written to, and its folder, where SQLite keeps its log."""
        return self._memory is not None or all(os.access(place, os.W_OK) for place in (self.path, self.path.parent))

    def require_writable(self) -> None:
        """Raise a StoreError where the file can't be written to."""
        if not self.writable:
            raise StoreError(f"{self.path} can't be written to: expected a file, and a folder, that can be")

    def _connect(self) -> sqlite3.Connection:
        """Open a connection to the file, for reading alone where it can't be written."""
        mode = "rw"  # never makes a file
        if not self.writable:  # SQLite can't make its log then, and without a log it reads a file only as immutable
            mode = "ro" if self.path.with_name(self.path.name + "-wal").exists() else "ro&immutable=1"
        uri = f"{self.path.as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """Return a context in which a connection reads, in one transaction."""
        return self._transaction("BEGIN")

    def writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """Return a context in which a connection writes, in one transaction; it waits while another writes."""
        self.require_writable()
        return self._transaction("BEGIN IMMEDIATE")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        """Run a transaction in a new connection; in memory there is one connection, and threads take turns."""
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


class NoRunError(StoreError):
    """There is no run of that id."""


class TextError(StoreError):
    """A run's text is not here, or not as it was."""
