"""The history in a file, and in memory where the file can't be read or written.

A run that this process trains is in both until it has ended and is saved in the file. A run that could not be written
stays in memory, and is saved once the file can be written again.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from analysis.experiment import Experiment
from analysis.history.database import MEMORY, NoRunError, StoreError, TextError
from analysis.history.entry import Blob, Row, reports_end
from analysis.history.locks import Owner
from analysis.history.store import Store, default_path
from analysis.results import Run, Snapshot

logger = logging.getLogger(__name__)

R = TypeVar("R")


class FallbackStore:
    """A `Store` that keeps runs in memory while its file can't be written.

    Methods are those of `Store`. They raise NoRunError for a run that is in neither place. A file that fails raises no
    StoreError where memory can replace it: `trouble` and `Row.unsaved` then hold the reason. Several threads may use
    one FallbackStore.

    Args:
        path: of the file; None = `store.default_path()`, ":memory:" = memory alone.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.trouble: str | None = None  # why the file couldn't be read or written the last time
        self.damaged: tuple[str, ...] = ()  # errors of the damaged runs that `rows` last left out
        self.file: Store | None = None  # None where it can't be read
        self._owner: Owner | None = None  # None where the file can't be written
        self._memory = Store(MEMORY)
        self._unsaved: dict[str, str | None] = {}  # by run in memory alone: why it isn't in the file
        self._lock = threading.RLock()
        path = default_path() if path is None else path
        if str(path) == MEMORY:
            return
        try:
            self.file = Store(path)
            self.file.require_writable()
            self._owner = Owner(self.file.owners)
        except StoreError as error:  # the file may still be readable
            self._note_trouble(error)

    # Reading

    def rows(self) -> list[Row]:
        """Return every run, the newest first; those of a file that can't be read are left out, see `trouble`."""
        saved: list[Row] = []
        damaged: list[str] = []
        if self.file:
            try:
                saved = self.file.rows(damaged)
                self._note_reading()
            except StoreError as error:
                self._note_trouble(error)
        self.damaged = tuple(damaged)
        rows = {row.id: row for row in saved} | {row.id: self._marked(row) for row in self._memory.rows()}
        return sorted(rows.values(), key=lambda row: row.created, reverse=True)

    def row(self, id: str) -> Row:
        """Return one run."""
        return self._marked(self._read(id, lambda store: store.row(id)))

    def find(self, experiment: Experiment) -> Row | None:
        """Return the run that `join` would join or take over; None where there is none.

        Raises ValueError for a text that can't be read.
        """
        if row := self._memory.find(experiment):
            return self._marked(row)
        if self.file is None:
            return None
        try:
            row = self.file.find(experiment)
        except StoreError as error:
            self._note_trouble(error)
            return None
        self._note_reading()
        return row

    def watch(self, id: str, since: int = -1) -> tuple[Row, list[Snapshot]]:
        """Return a run and its snapshots later than a step; fast enough to be called every second."""
        row, snapshots = self._read(id, lambda store: store.watch(id, since))
        return self._marked(row), snapshots

    def load(self, id: str, *, snapshots: bool = True) -> Run:
        """Return the result of a finished run; without its snapshots it is read ten times as fast."""
        return self._read(id, lambda store: store.load(id, snapshots=snapshots))

    def progress(self, id: str) -> tuple[bytes | None, list[bytes]]:
        """Return what is needed to resume a run: its checkpoint if it has one, and its snapshots, all encoded."""
        return self._read(id, lambda store: store.progress(id))

    def export(self, id: str) -> bytes:
        """Return a run as one file."""
        return self._read(id, lambda store: store.export(id))

    def find_paces(self, experiments: Sequence[Experiment]) -> list[float] | None:
        """Return the milliseconds of an update of each of these experiments, if they were measured together."""
        return self._memory.find_paces(experiments) or self._either(lambda store: store.find_paces(experiments))

    def keep_paces(self, experiments: Sequence[Experiment], ms: Sequence[float]) -> list[float]:
        """Keep milliseconds that were measured together; return them, or what another process has kept by now."""
        return self._either(lambda store: store.keep_paces(experiments, ms))

    # Training

    def add(self, experiment: Experiment) -> str:
        """Add a new run, which this process is to train; return its id."""
        return self._begin(experiment, anew=True)[0]

    def join(self, experiment: Experiment) -> tuple[str, bool]:
        """Find the run of an identical experiment, or add a new one.

        Returns its id, and whether this process is to train it: False where it is finished or under way.
        """
        return self._begin(experiment, anew=False)

    def _begin(self, experiment: Experiment, *, anew: bool) -> tuple[str, bool]:
        """Add a run if `anew`, else join one; return its id, and whether this process is to train it."""

        def begin(store: Store, owner: str | None = None) -> tuple[str, bool]:
            return (store.add(experiment, owner), True) if anew else store.join(experiment, owner)

        with self._lock:
            row = self._memory.find(experiment) if self._owner else self.find(experiment)
            if row and not (anew or row.stopped):
                return row.id, False
            if self.file and self._owner and not (row and row.id in self._unsaved):
                try:
                    id, mine = begin(self.file, self._owner.name)
                    if mine:
                        self._memory.put(*self.file.dump(id))
                    return id, mine
                except StoreError as error:
                    self._note_trouble(error)
            id, mine = begin(self._memory)
            self._unsaved.setdefault(id, self.trouble)
            return id, mine

    def take(self, id: str) -> bool:
        """Take over a stopped run; return False where it has not stopped, or another process has taken it.

        Raises TextError where its text is missing or has changed.
        """
        with self._lock:
            self.row(id).require_text()
            if self.file and id not in self._unsaved:
                taken, trouble = False, self.trouble
                if self._owner:
                    try:
                        taken = self.file.take(id, self._owner.name)
                    except (NoRunError, TextError):
                        raise
                    except StoreError as error:  # the file can't be written
                        self._note_trouble(error)
                        trouble = str(error)
                    else:
                        if not taken:
                            return False
                self._memory.put(*self.file.dump(id))  # where the file can't be read either, nothing has changed
                if taken:
                    return True
                self._unsaved[id] = trouble
            return self._memory.take(id)

    def write(self, id: str, columns: dict[str, Any], blob: Blob | None = None) -> None:
        """Write the progress of a run that this process trains, as `Store.write` does.

        Raises StoreError where even memory can't hold it.
        """
        with self._lock:
            if self.file and id not in self._unsaved:
                try:
                    self.file.write(id, columns, blob)
                    self.trouble = None
                except StoreError as error:
                    self._mark_unsaved(id, error)
            self._memory.write(id, columns, blob)
            if self.file and reports_end(columns):
                if id in self._unsaved:  # the file may be writable again
                    self._save(id)
                else:
                    self._memory.delete(id)

    def save_ended(self) -> None:
        """Try again to save the runs that ended while the file could not be written."""
        with self._lock:
            if self.file is None or not self._unsaved:
                return
            for row in self._memory.rows():
                if row.id in self._unsaved and not row.live and not self._save(row.id):
                    return

    # Managing

    def rename(self, id: str, name: str) -> None:
        """Give a run a name."""
        self._change(id, lambda store: store.rename(id, name))

    def delete(self, id: str) -> None:
        """Delete a run; raises StoreError where it waits or trains, or stays in a file that can't be written."""
        with self._lock:
            # The file may still list the run as training, and refuses to delete it then: save its end there first.
            if self._unsaved.get(id) and self._in_file(id) and not self.row(id).live and not self._save(id):
                raise StoreError(self._unsaved[id])
            self._change(id, lambda store: store.delete(id))
            self._unsaved.pop(id, None)

    def import_(self, data: bytes) -> str:
        """Import an exported run; return its id. Raises StoreError for data that isn't an exported run."""
        if self.file is None:
            return self._memory.import_(data)
        try:
            return self.file.import_(data)
        except StoreError as error:
            id = self._memory.import_(data)  # raises the same where the data is wrong
            self._unsaved[id] = str(error)
            return id

    def close(self) -> None:
        """Save what can be saved, and close the file; runs that this process still trained count as interrupted."""
        self.save_ended()
        if self._owner:
            self._owner.release()
        if self.file:
            self.file.close()
        self._memory.close()

    # File or memory

    def _read(self, id: str, read: Callable[[Store], R]) -> R:
        """Read a run from memory, or where it isn't there from the file."""
        try:
            return read(self._memory)
        except NoRunError:
            if self.file is None:
                raise
        return read(self.file)

    def _either(self, use: Callable[[Store], R]) -> R:
        """Use the file, or where that fails memory."""
        if self.file:
            try:
                return use(self.file)
            except StoreError as error:
                self._note_trouble(error)
        return use(self._memory)

    def _change(self, id: str, change: Callable[[Store], None]) -> None:
        """Change a run in memory and in the file, wherever it is."""
        with self._lock:
            try:
                change(self._memory)
                if id in self._unsaved:
                    return
            except NoRunError:
                if self.file is None:
                    raise
            if self.file:
                change(self.file)

    def _save(self, id: str) -> bool:
        """Move a run that has ended from memory into the file; return False where that can't be written."""
        assert self.file is not None  # callers check this
        try:
            self.file.put(*self._memory.dump(id))
        except StoreError as error:
            self._mark_unsaved(id, error)
            return False
        self._memory.delete(id)
        del self._unsaved[id]
        self.trouble = None
        return True

    def _in_file(self, id: str) -> bool:
        """Return whether the file holds a run; False where it can't be read."""
        try:
            return bool(self.file and self.file.row(id))
        except StoreError as error:
            logger.debug("run %s can't be read in the file: %s", id, error)
            return False

    def _marked(self, row: Row) -> Row:
        """Return a row with the reason why it is in memory alone, if it is."""
        reason = self._unsaved.get(row.id)
        return replace(row, unsaved=reason) if reason else row

    def _mark_unsaved(self, id: str, error: StoreError) -> None:
        """Record that a run is in memory alone, and why."""
        self._note_trouble(error)
        self._unsaved[id] = self.trouble

    def _note_trouble(self, error: StoreError) -> None:
        """Keep why the file can't be used; log it if it is new."""
        if str(error) != self.trouble:  # pages read every second
            logger.warning("the history can't be used, runs are kept in memory: %s", error)
        self.trouble = str(error)

    def _note_reading(self) -> None:
        """Clear `trouble` after a successful reading, unless the file can't be written."""
        if self._owner and not self._unsaved:
            self.trouble = None
