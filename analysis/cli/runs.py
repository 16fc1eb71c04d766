"""The commands that manage the history: runs, export, import, delete. They need no torch."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from analysis.cli import summary
from analysis.cli.arguments import STDOUT, read_bytes
from analysis.cli.output import FINISHED, print_note, require_other_than_history
from analysis.history.bundle import unbundle
from analysis.history.database import NoRunError, StoreError
from analysis.history.entry import Row
from analysis.history.serialization import LARGEST
from analysis.history.store import Store
from analysis.report import documents


def manage_runs(verb: str, arguments: Mapping[str, Any]) -> int:
    """Run a command of the history, print its result and return the exit status.

    Raises:
        StoreError: where the history can't be read, or can't be written by `import` and `delete`.
        ValueError: for a file that can't be read or written.
    """
    if verb != "import":
        require_existing_history(arguments["store"])
    with closing(Store(arguments["store"])) as store:
        if verb in ("import", "delete"):
            store.require_writable()
        if verb == "runs":
            text = _list_json(store) if arguments["json"] else _list(store)
        elif verb == "delete":
            text = _delete(store, arguments["id"])
        else:
            try:
                text = _import(store, arguments) if verb == "import" else _export(store, arguments)
            except OSError as error:
                raise ValueError(f"{arguments['file']}: {error.strerror}") from None
    if text:
        print(text)
    return FINISHED


def require_existing_history(path: str | None) -> None:
    """Raise StoreError for a history that was named but is not there, so that none is made by a typing error."""
    if path and not os.path.exists(os.path.expanduser(path)):
        raise StoreError(f"{path}: no such file: expected a history of runs")


def _list(store: Store) -> str:
    """Return a line for each run and each watched model."""
    lines = [summary.describe_row(row) for row in _rows(store)]
    return "\n".join([*lines, *_watched_lines(store)]) or "No run is kept."


def _list_json(store: Store) -> str:
    """Return the runs as JSON."""
    return documents.to_json([row.as_dict() for row in _rows(store)]).rstrip()


def _rows(store: Store) -> list[Row]:
    """Return all runs; print a note for each damaged one."""
    damaged: list[str] = []
    rows = store.rows(damaged)
    for reason in damaged:
        print_note(reason)
    return rows


def _watched_lines(store: Store) -> Iterator[str]:
    """Yield a line for each watched model: what it is, or what is wrong with it."""
    for id in store.watched():
        try:
            yield summary.describe_watched(id, store.load_watched(id))
        except StoreError as error:
            yield str(error)


def _import(store: Store, arguments: Mapping[str, Any]) -> str:
    """Import the exported runs in a file; return a line with the id of each."""
    known = {row.id for row in store.rows([])}
    ids = [store.import_(data) for data in unbundle(read_bytes(arguments["file"], LARGEST))]
    return "\n".join(f"Run {id} is here already." if id in known else f"Imported as run {id}." for id in ids)


def _export(store: Store, arguments: Mapping[str, Any]) -> str:
    """Write a run to a file and return a message, or to standard output and return ""."""
    target = arguments["file"]
    require_other_than_history(target, arguments)
    if target == STDOUT:
        sys.stdout.buffer.write(store.export(arguments["id"]))
        return ""
    Path(target).write_bytes(store.export(arguments["id"]))
    return f"Exported to {target}."


def _delete(store: Store, id: str) -> str:
    """Delete a run or a watched model; return a message."""
    try:
        store.delete(id)
        return f"Deleted run {id}."
    except NoRunError:
        if id not in store.watched():
            raise
    store.delete_watched(id)
    return f"Deleted watched model {id}."
