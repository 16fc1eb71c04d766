"""SQL queries of the history's tables of runs and blobs. Each query runs in a transaction of its caller."""

import sqlite3
from typing import Any

from analysis.history.database import NoRunError

Columns = dict[str, Any]  # a row of the table `runs`, or some of its columns, by name

INSERT_BLOB = "INSERT INTO blobs VALUES (?, ?, ?, ?)"


def select_rows(connection: sqlite3.Connection, query: str, *values: str) -> list[Columns]:
    """Return the rows that a query selects, each by the names of its columns."""
    cursor = connection.execute(query, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def select_run(connection: sqlite3.Connection, id: str) -> Columns | None:
    """Return the columns of a run; None where there is no such run."""
    return next(iter(select_rows(connection, "SELECT * FROM runs WHERE id = ?", id)), None)


def select_identical(connection: sqlite3.Connection, key: str) -> Columns | None:
    """Return the run of a key: a finished one, else one under way, else the newest; None where there is none."""
    query = (
        "SELECT * FROM runs WHERE key = ? "
        "ORDER BY status = 'finished' DESC, status IN ('queued', 'running') DESC, created DESC LIMIT 1"
    )
    return next(iter(select_rows(connection, query, key)), None)


def select_column(connection: sqlite3.Connection, id: str, column: str) -> str:
    """Return one text column of a run; raises NoRunError where there is no such run."""
    row = connection.execute(f"SELECT {column} FROM runs WHERE id = ?", (id,)).fetchone()
    if row is None:
        raise NoRunError(f"no run {id}")
    return row[0]


def select_blob(connection: sqlite3.Connection, id: str, kind: str) -> bytes | None:
    """Return a run's checkpoint or result, encoded; None where it has none."""
    row = connection.execute("SELECT data FROM blobs WHERE run = ? AND kind = ?", (id, kind)).fetchone()
    return row[0] if row else None


def select_snapshots(connection: sqlite3.Connection, id: str, since: int = -1) -> list[bytes]:
    """Return a run's snapshots later than a step, encoded, the earliest first."""
    query = "SELECT data FROM blobs WHERE run = ? AND kind = 'snapshot' AND step > ? ORDER BY step"
    return [data for (data,) in connection.execute(query, (id, since))]


def insert_run(connection: sqlite3.Connection, columns: Columns) -> None:
    """Add a row to the table of runs."""
    names = ", ".join(columns)
    connection.execute(f"INSERT INTO runs ({names}) VALUES ({', '.join(f':{name}' for name in columns)})", columns)


def return_to_checkpoint(connection: sqlite3.Connection, id: str) -> None:
    """Set a run back to its checkpoint, or to its start; delete later snapshots, which will be taken again."""
    row = connection.execute("SELECT step FROM blobs WHERE run = ? AND kind = 'checkpoint'", (id,)).fetchone()
    step, last = (row[0], row[0]) if row else (0, -1)
    connection.execute("UPDATE runs SET step = ? WHERE id = ?", (step, id))
    connection.execute("DELETE FROM blobs WHERE run = ? AND kind = 'snapshot' AND step > ?", (id, last))
