"""Errors of a store as sentences for people: what, why, what to do."""

from __future__ import annotations

# Ends what a remedy says of another file, in a cell.
_ELSEWHERE = " with %e2e store PATH"
# What SQLite says, why that is, and the next step. The first that stands in its message counts.
_SQLITE = (
    (
        "not ours:",
        "it has something in a table's place that would run by itself, or a version that is none",
        "it was left as it is: it is not one that this package wrote; name another file",
    ),
    (
        "file is not a database",
        "the file is not a SQLite database",
        "it was left as it is; name another file",
    ),
    (
        "malformed",
        "the file is damaged or was cut off",
        "it was left as it is; restore a copy of it, or name another file",
    ),
    (
        "disk is full",
        "there is no space left on the disk",
        "free some, or name a file elsewhere",
    ),
    (
        "readonly database",
        "the file or its folder may not be written",
        "change its permissions, or name a file elsewhere",
    ),
    (
        "unable to open",
        "the file can't be opened or made there",
        "check that the folder exists and may be written, or name a file elsewhere",
    ),
    (
        "locking protocol",
        "its file system doesn't hold the locks that SQLite needs",
        "name a file on a disk of this machine, or a database server",
    ),
    (
        "is locked",
        "another program holds the file",
        "end that program, or name another file",
    ),
    (
        "disk I/O error",
        "the file can't be read or written (disk I/O error)",
        "check the disk and its quota, or name a file elsewhere",
    ),
)


class StoreError(OSError):
    """The store can't be opened, read or written: one sentence with what, why and what to do.

    Parameters
    ----------
    text : str
    in_cell : str
        Its end, where that is what to type in a cell: elsewhere it is left out.
    """

    def __init__(self, text: str, in_cell: str = "") -> None:
        super().__init__(text + in_cell)
        self.text = text


def not_sqlite(address: str) -> StoreError:
    """Return the error for a file that is something else."""
    _, why, remedy = _SQLITE[1]
    return StoreError(f"the store {address} can't be opened: {why}; {remedy}", _ELSEWHERE)


def newer_version(address: str, stored: object, newest: int) -> StoreError:
    """Return the error for a store that was written by a newer package."""
    return StoreError(
        f"the store {address} has version {stored}, but this e2e_magic reads up to {newest}; "
        "it was left as it is: update e2e_magic, or name another file",
        _ELSEWHERE,
    )


def explained(address: str, doing: str, error: BaseException) -> StoreError:
    """Return what a database's error means.

    Parameters
    ----------
    address : str
        The store as a person knows it; without its password.
    doing : str
        ``opened``, ``read`` or ``written``.
    error : BaseException
        What the driver raised, perhaps wrapped by SQLAlchemy.
    """
    cause = getattr(error, "orig", None) or error
    text = " ".join(str(cause).split())
    if type(cause).__module__ == "sqlite3":
        for part, why, remedy in _SQLITE:
            if part in text:
                return StoreError(f"the store {address} can't be {doing}: {why}; {remedy}", _ELSEWHERE)
    reason = text[:300] or type(cause).__name__
    return StoreError(
        f"the store {address} can't be {doing}: {reason} ({type(cause).__name__}); "
        "mend that, or name another store",
        " with %e2e store URL",
    )
