"""Notice that a store's file was deleted or replaced while it is open here.

SQLite goes on writing into a file that has no name any more, and closing it would delete the log of the file
that is there now: sqlite.org/howtocorrupt.html, section 2.4.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from e2e_magic.storage.folders import takes_log


class OpenFile:
    """A file as it was when it was opened.

    Parameters
    ----------
    path : Path or None
        None for a store that is no file.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._was = None if path is None else _identity(path)

    def gone(self) -> str:
        """Return what happened to it, in words; empty while it is the one that was opened."""
        if self._path is None or self._was is None:
            return ""
        with suppress(OSError):  # one that can't be looked at may be there
            now = _identity(self._path)
            if now is None:
                return "was deleted"
            if now != self._was and takes_log(self._path):  # numbers of other file systems may change
                return "was replaced by another file"
        return ""


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino


def clear_the_way(path: Path) -> None:
    """Delete the log of a file that isn't there, which SQLite might take for that of the next one there."""
    with suppress(OSError):  # another kernel was faster, or there is no folder
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o644))
        for suffix in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def keep_open(opened: object) -> None:
    """Keep what has the old file open for as long as this process lives: it must not be closed."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(opened))
