"""Models that were watched in someone's own training loop: a table of its own in the history's file."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

from analysis.history.database import WATCHED, Database, NoRunError, StoreError
from analysis.history.entry import NAME_LENGTH
from analysis.history.serialization import decode, encode
from analysis.history.validation import check_watched
from analysis.results import Watched


class WatchedModels:
    """The watched models in a history's file. Methods raise StoreError for a file that can't be used."""

    def __init__(self, file: Database) -> None:
        self._file = file

    def keep_watched(self, watched: Watched, id: str | None = None) -> str:
        """Save a watched model under a new id, or replace the one under `id`; return the id.

        Raises StoreError where its parts don't fit together.
        """
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
        """Return when each watched model was last saved (ISO 8601, UTC), by its id, the newest model first."""
        with self._file.reading() as connection:
            rows = _select_watched(connection, "SELECT id, saved FROM watched ORDER BY rowid DESC")
        return {str(id): str(saved) for id, saved in rows}

    def load_watched(self, id: str) -> Watched:
        """Return a watched model. Raises NoRunError where there is none, StoreError where it is damaged."""
        with self._file.reading() as connection:
            rows = _select_watched(connection, "SELECT data FROM watched WHERE id = ?", id)
        if not rows:
            raise NoRunError(f"{self._file.path}: no watched model {id}")
        try:
            watched = decode(Watched, rows[0][0])
            check_watched(watched)
        except ValueError as error:
            raise StoreError(f"{self._file.path}: watched model {id} is damaged: {error}") from error
        return watched

    def rename_watched(self, id: str, name: str) -> None:
        """Give a watched model a name."""
        self.keep_watched(replace(self.load_watched(id), name=name.strip()[:NAME_LENGTH]), id)

    def delete_watched(self, id: str) -> None:
        """Delete a watched model; a loop that saves it again brings it back."""
        with self._file.writing() as connection:
            connection.execute("DELETE FROM watched WHERE id = ?", (id,))
            connection.execute("PRAGMA incremental_vacuum").fetchall()  # makes the file smaller


def _select_watched(connection: sqlite3.Connection, query: str, *values: str) -> list[tuple[Any, ...]]:
    """Return the rows that a query selects from the table of watched models; none where the table doesn't exist yet."""
    table = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'watched'").fetchone()
    return connection.execute(query, values).fetchall() if table else []
