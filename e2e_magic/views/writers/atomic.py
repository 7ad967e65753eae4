"""Atomic file writing, and the reason in words when a file can't be written."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


class WriteError(OSError):
    """A file could not be written: which, why, and what to do; `errno` is the system's code."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.errno = code


def write_whole(target: Path, render: Callable[[BinaryIO], object]) -> Path:
    """Write a file, whole or not at all, and return its path.

    Parameters
    ----------
    target : Path
        An absolute path. A link stays a link: the file that it points to is replaced.
    render : callable
        Writes the content to the open file.

    Raises
    ------
    WriteError
        If the folder is missing or not writable, or the disk is full.
    """
    real = Path(os.path.realpath(target))
    try:
        if real.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        with replaced(real) as handle:
            render(handle)
    except OSError as error:
        raise WriteError(f"could not write {target}: {why(error, real)}", error.errno) from error
    return target


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """Open a hidden file beside `path` that takes its name, and its mode, when the block succeeds."""
    hidden = path.parent / f".e2e-{secrets.token_hex(6)}.tmp"
    try:
        with hidden.open("xb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        if path.exists():
            hidden.chmod(path.stat().st_mode & 0o7777)
        hidden.replace(path)
    except BaseException:  # an interrupt leaves no half file either, not even one that it opens just now
        with suppress(OSError):
            hidden.unlink()
        raise


def why(error: OSError, path: Path) -> str:
    """Return the meaning of an OSError for this file, and the next step."""
    folder = path.parent
    if error.errno in _FULL:
        return (
            "the disk is full, or a limit on file size is reached; free some space or choose another folder"
        )
    if error.errno in _DENIED:
        return f"writing to {folder} is not allowed; choose a folder that is yours"
    reasons = {
        errno.ENOENT: f"the folder {folder} does not exist; create it first, or choose another",
        errno.ENOTDIR: f"{folder} is not a folder; choose one that is",
        errno.EISDIR: "it is a folder; add a file name",
        errno.ENAMETOOLONG: "the file name is too long; choose a shorter one",
    }
    if error.errno in reasons:
        return reasons[error.errno]
    # The system's words without the number and the hidden file's name.
    return f"{error.strerror or error}; choose another folder or free what blocks this one"
