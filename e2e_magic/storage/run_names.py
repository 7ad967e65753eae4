"""The names of a store's runs that begin alike, so that the next run without a name gets the next number."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from e2e_magic.storage.local_file import distrust, path_of

_PATIENCE_S = 0.05


def beginning_with(address: str, start: str) -> list[str] | None:
    """Return the names of runs that begin with a text; None where that can't be asked quickly.

    A server, a file of something else and a file that another process holds locked aren't asked: a name is
    not worth a wait.
    """
    if address == ":memory:":
        return []
    path = path_of(address)
    if path is None:
        return None
    try:
        if not path.exists():
            return []
        # Not read-only: such a connection would leave the files of a write-ahead log behind.
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_PATIENCE_S)) as opened:
            distrust(opened)
            rows = opened.execute(
                "SELECT name FROM e2e_runs WHERE substr(name, 1, ?) = ?", (len(start), start)
            )
            return [str(name) for (name,) in rows]
    except (OSError, ValueError, sqlite3.Error):  # ValueError: a relative path in a directory that is gone
        return None
