"""Visitors' files on the server: kept by their content, until others need the room. What a run needs stays."""

import os
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

MEGABYTE = 10**6
MOST = 500 * MEGABYTE  # of all files


class NoRoomError(Exception):
    """Files that runs need take all the room."""


class Uploads:
    """A folder of files, which goes when the server ends. Several threads may use it.

    Args:
        needed: returns the paths of files that must stay, and others.
        most: bytes of all files; those that were not used for longest make room for new ones.
    """

    def __init__(self, needed: Callable[[], set[str]], most: int = MOST) -> None:
        self._folder = TemporaryDirectory(prefix="goldfish-")
        self._needed, self._most = needed, most
        self._sizes: dict[Path, int] = {}  # those used last come last
        self._lock = threading.Lock()

    def keep(self, content: bytes, name: str = "") -> Path:
        """Keep a file under its name, or none but its hash; return its path, the same for the same content.

        Raises:
            NoRoomError: where runs need so much of the other files that there is no room.
        """
        path = self._place(content, name)
        with self._lock:
            if path not in self._sizes:
                self._make_room(len(content))
                path.parent.mkdir(exist_ok=True)
                new = path.with_name(f"{path.name}.new")
                new.write_bytes(content)
                os.replace(new, path)  # nobody reads half of it
            self._sizes.pop(path, None)
            self._sizes[path] = len(content)
        return path

    def holds(self, path: str | None) -> bool:
        """Return whether a path is that of an uploaded file, still here or not."""
        return path is not None and Path(self._folder.name) in Path(path).parents

    def _place(self, content: bytes, name: str) -> Path:
        folder = Path(self._folder.name, sha256(content).hexdigest())
        return folder / name if name else folder.with_suffix(".txt")

    def _make_room(self, size: int) -> None:
        """Delete files that nothing needs, those unused for longest first, until there is room for so many bytes."""
        if sum(self._sizes.values()) + size <= self._most:
            return
        needed = self._needed()
        for path in [path for path in self._sizes if str(path) not in needed]:
            path.unlink(missing_ok=True)
            del self._sizes[path]
            if sum(self._sizes.values()) + size <= self._most:
                return
        raise NoRoomError(
            f"unfinished runs need the files that fill the server's {self._most / MEGABYTE:,.0f} MB for uploads: wait "
            "for them, or delete some on the page Runs"
        )
