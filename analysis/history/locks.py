"""Locks that the operating system frees when the process that holds them ends, however it ends."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from analysis.history.database import StoreError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

WINDOWS = sys.platform == "win32"


class Owner:
    """A lock that this process holds while it trains runs; its name is the `owner` in the rows of these runs.

    Raises StoreError where the folder can't be written.
    """

    def __init__(self, folder: Path) -> None:
        self.name = f"{os.getpid()}-{token_hex(4)}"
        self._path = folder / self.name
        unlocked = folder / f".{self.name}"
        try:
            folder.mkdir(exist_ok=True)
            for leftover in folder.glob("[!.]*"):  # left by processes that were killed
                if not lives(folder, leftover.name):
                    leftover.unlink(missing_ok=True)
            self._file = os.open(unlocked, os.O_CREAT | os.O_EXCL | os.O_RDWR)
            _lock(self._file)
            unlocked.rename(self._path)  # renamed only once it is locked, so that other processes never see it unlocked
        except OSError as error:
            raise StoreError(f"{folder}: {error.strerror}") from error

    def release(self) -> None:
        """Free the lock; runs that this process still trained then count as interrupted."""
        os.close(self._file)
        with suppress(OSError):
            self._path.unlink()


def lives(folder: Path, owner: str) -> bool:
    """Return whether the process that holds an owner's lock still runs."""
    try:
        file = os.open(folder / owner, os.O_RDWR if WINDOWS else os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:  # this user may not open it
        return True
    try:
        return not _lock(file, shared=True)
    finally:
        os.close(file)


def _lock(file: int, *, shared: bool = False) -> bool:
    """Take the lock on an open file; return False where another process has it. Windows has no shared locks."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
