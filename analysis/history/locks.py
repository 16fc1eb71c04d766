"""Locks that the operating system frees when the process that holds them ends, however it ends."""

import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from analysis.history.database import StoreError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt


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
        file = os.open(folder / owner, os.O_RDONLY if fcntl else os.O_RDWR)
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
