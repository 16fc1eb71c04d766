"""How long updates took when a comparison began: who goes on with it later trains as many of them again."""

import json
import sqlite3
from collections.abc import Sequence
from hashlib import sha256
from math import inf

from analysis.experiment import Experiment
from analysis.history.database import Database
from analysis.history.transfer import read_key

# The table is made when the first comparison is measured.
PACES = "CREATE TABLE IF NOT EXISTS paces (experiments TEXT PRIMARY KEY, ms TEXT NOT NULL)"


class Paces:
    """The milliseconds of an update, measured together for several experiments, in a history's file.

    Methods raise StoreError for a file that can't be used, ValueError for a text or data that can't be read.
    """

    def __init__(self, file: Database) -> None:
        self._file = file

    def find_paces(self, experiments: Sequence[Experiment]) -> list[float] | None:
        """Return the milliseconds of each of these experiments, if they were measured together; else None."""
        key = _key(experiments)
        with self._file.reading() as connection:
            return _select(connection, key, len(experiments))

    def keep_paces(self, experiments: Sequence[Experiment], ms: Sequence[float]) -> list[float]:
        """Keep the milliseconds of these experiments; return them, or what another process has kept by now."""
        key = _key(experiments)
        with self._file.writing() as connection:
            connection.execute(PACES)
            if kept := _select(connection, key, len(experiments)):
                return kept
            connection.execute("INSERT OR REPLACE INTO paces VALUES (?, ?)", (key, json.dumps([*ms])))
        return [*ms]


def _key(experiments: Sequence[Experiment]) -> str:
    """Return a key that is the same for the same experiments in the same order alone."""
    return sha256("".join(map(read_key, experiments)).encode()).hexdigest()


def _select(connection: sqlite3.Connection, key: str, count: int) -> list[float] | None:
    """Return so many milliseconds kept under a key; None where there are none, or they are damaged."""
    table = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'paces'").fetchone()
    row = connection.execute("SELECT ms FROM paces WHERE experiments = ?", (key,)).fetchone() if table else None
    try:
        ms = [float(each) for each in json.loads(row[0])] if row else []
    except (ValueError, TypeError):
        return None
    return ms if len(ms) == count and all(0 < each < inf for each in ms) else None
