"""Finished trials into a SQLite file by the standard library: nothing foreign comes into the process.

The tables are those of ``schema``, the rows those of ``rows``: `Store` reads what is written here, and a test
holds the two against each other.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from stat import S_ISREG
from typing import Any, Literal

from e2e_magic.measuring.trial import warn_user
from e2e_magic.storage import rows, sealing
from e2e_magic.storage.appending import Appending
from e2e_magic.storage.errors import explained, newer_version, not_sqlite
from e2e_magic.storage.folders import takes_log
from e2e_magic.storage.vanishing import OpenFile, clear_the_way, keep_open

# How long a writer waits for the others (s): eight kernels at once need a few milliseconds.
PATIENCE_S = 5.0
# Bytes of one value: far more than a trial's largest, and far less than a machine's memory.
_LONGEST = 256 * 2**20
# Bytes of the smallest SQLite file: a page.
_LEAST_SIZE = 512
# The tables whose rows' numbers are needed.
_NUMBERED = ("e2e_runs", "e2e_trials")
# As SQLAlchemy writes them for SQLite.
TABLES = """
CREATE TABLE e2e_runs (number INTEGER NOT NULL, "key" VARCHAR(64) NOT NULL, id TEXT NOT NULL,
    name TEXT NOT NULL, started_at VARCHAR(32) NOT NULL, description TEXT NOT NULL,
    environment TEXT NOT NULL, settings TEXT NOT NULL, PRIMARY KEY (number), UNIQUE ("key"));
CREATE TABLE e2e_sources ("key" VARCHAR(64) NOT NULL, text TEXT NOT NULL, PRIMARY KEY ("key"));
CREATE TABLE e2e_version (version INTEGER NOT NULL);
CREATE TABLE e2e_trials (number INTEGER NOT NULL, run INTEGER NOT NULL, stage_key VARCHAR(64) NOT NULL,
    stage TEXT NOT NULL, trial BIGINT NOT NULL, repeat BIGINT NOT NULL, state VARCHAR(16) NOT NULL,
    started_at VARCHAR(32) NOT NULL, error TEXT, sweep TEXT, params TEXT NOT NULL, measures TEXT NOT NULL,
    numbers BLOB NOT NULL, readings TEXT NOT NULL, reported TEXT NOT NULL, missing TEXT NOT NULL,
    source VARCHAR(64), host TEXT NOT NULL, concurrent BOOLEAN NOT NULL, curves TEXT NOT NULL, events BLOB,
    derived TEXT,
    PRIMARY KEY (number), CONSTRAINT e2e_one_trial UNIQUE (run, stage_key, trial),
    FOREIGN KEY(run) REFERENCES e2e_runs (number), FOREIGN KEY(source) REFERENCES e2e_sources ("key"));
CREATE INDEX e2e_trials_by_state ON e2e_trials (run, state);
CREATE INDEX e2e_trials_by_time ON e2e_trials (started_at);
CREATE TABLE e2e_curves (trial INTEGER NOT NULL, place INTEGER NOT NULL, metric TEXT NOT NULL,
    data BLOB NOT NULL, PRIMARY KEY (trial, place), FOREIGN KEY(trial) REFERENCES e2e_trials (number));
"""
_NAMES = ("e2e_version", "e2e_runs", "e2e_sources", "e2e_trials", "e2e_curves", "e2e_blocks")


def path_of(address: str) -> Path | None:
    """Return the path of a store's address where that is a plain SQLite file; None for any other.

    It is absolute, but for a relative one in a directory that is gone.
    """
    text = address.strip()
    text = text.removeprefix("sqlite:///")
    if not text or text == ":memory:" or "://" in text or text.startswith("file:") or "?" in text:
        return None
    return absolute(text)


def absolute(path: str) -> Path:
    """Return a path made absolute, links kept; one that can't be made absolute stays as it is."""
    with suppress(RuntimeError):  # no HOME, and a user whom the system doesn't know
        path = str(Path(path).expanduser())
    with suppress(FileNotFoundError):  # the working directory is gone
        path = os.path.abspath(path)  # noqa: PTH100 - pathlib would follow links
    return Path(path)


def check_size(path: Path) -> None:
    """Raise `StoreError` for a file that is too short for SQLite's: it would be overwritten.

    The file isn't opened for that, here or anywhere else in this package: closing it would give up the locks
    that SQLite has on it in this process, and another's end would then delete the log into which this one
    goes on writing (sqlite.org/howtocorrupt.html, section 2.2).
    """
    try:
        stat = path.stat()
    except OSError:  # not there, or not to be looked at: SQLite says so in its own words
        return
    if S_ISREG(stat.st_mode) and 0 < stat.st_size < _LEAST_SIZE:
        raise not_sqlite(str(path))


def distrust(connection: sqlite3.Connection) -> None:
    """Keep a file from running code of its own, as it may come from anybody; see SQLite's security.html.

    Raises
    ------
    sqlite3.DatabaseError
        If something of it would run: a view or a virtual table in a table's place, a trigger on one, a column
        that is computed. Our own triggers may run: their whole text is compared.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_VIEW, False)
    names = f"({', '.join(map(repr, _NAMES))})"
    query = (
        f"SELECT type, name, sql FROM sqlite_master WHERE lower(tbl_name) IN {names} "  # noqa: S608 - our own
        "AND (type IN ('view', 'trigger') OR (type = 'table' AND sql LIKE 'CREATE VIRTUAL%'))"
    )
    for kind, name, text in connection.execute(query).fetchall():
        if text not in sealing.TRIGGERS:
            raise sqlite3.DatabaseError(f"not ours: {kind} {name}")
    for (name,) in connection.execute(
        f"SELECT name FROM sqlite_master WHERE type = 'table' AND lower(name) IN {names}"  # noqa: S608 - as above
    ).fetchall():
        for column in connection.execute(f'PRAGMA table_xinfo("{name}")').fetchall():
            if column[-1]:
                raise sqlite3.DatabaseError(f"not ours: column {column[1]}")


def configure(connection: Any, *, lasting: bool = True) -> None:
    """Set a new connection up; where the file need not outlive the machine, no commit waits for the disk.

    With a write-ahead log readers and the writer don't wait for each other. NORMAL: what was committed
    survives the end of the process, however it comes; only the machine losing power may take the last
    trials, and never the file. Where the file system doesn't keep what such a log needs (`folders.takes_log`)
    the file has a rollback journal, which needs FULL for that; one that has a log stays as it is.
    """
    distrust(connection)
    connection.execute(f"PRAGMA busy_timeout = {int(PATIENCE_S * 1000)}")
    journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    if not lasting:
        connection.execute("PRAGMA synchronous = OFF")  # before anything of it is written
    if journal not in ("wal", "memory") and (not path or takes_log(Path(path))):
        journal = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if lasting:
        connection.execute(f"PRAGMA synchronous = {'FULL' if path and journal != 'wal' else 'NORMAL'}")
    connection.execute("PRAGMA foreign_keys = ON")


@cache
def _insertion(table: str, columns: tuple[str, ...]) -> str:
    names, places = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608 - our own tables and columns


class LocalFile(Appending):
    """A SQLite file that takes finished trials; it is the `Statements` of its own transactions.

    Parameters
    ----------
    path : Path
        Made where it isn't there.

    Raises
    ------
    StoreError
        If it can't be opened; what stands in the file is never overwritten.
    """

    conflict = sqlite3.IntegrityError
    _lasting = True  # whether it is to outlive the machine's losing power
    _read_whole = True  # whether anybody will read all of it at once

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.address = str(path)
        self._path = path
        self._lock = threading.RLock()
        self._open()

    def _open(self) -> None:
        check_size(self._path)
        try:
            self._connection = sqlite3.connect(
                self._path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise explained(self.address, "opened", error) from error
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise
        self._there = OpenFile(self._path)

    @property
    def gone(self) -> bool:
        """Whether it is there no more, or another is in its place."""
        return bool(self._there.gone())

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self.gone:
                keep_open(self._connection)
            else:
                self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[LocalFile]:
        with self._lock:
            if how := self._there.gone():
                self._open_anew(how)
            with self._transaction("written"):
                yield self

    def _open_anew(self, how: str) -> None:
        """Open what is there now, or make it; the user hears of it."""
        keep_open(self._connection)
        clear_the_way(self._path)
        self._open()
        self._runs.clear()
        warn_user(
            f"the store {self.address} {how} while it was open here: what it held is gone from there, and "
            "trials are kept in the new file from now on; %e2e results still has those of this kernel"
        )

    def insert(self, table: str, new: Sequence[Mapping[str, Any]]) -> list[int]:
        """Insert rows and return their numbers, none for a table without them, as `Statements` wants it."""
        query = _insertion(table, tuple(new[0]))
        cells = [tuple(row.values()) for row in new]
        if table not in _NUMBERED:
            self._connection.executemany(query, cells)
            return []
        return [self._connection.execute(query, row).lastrowid or 0 for row in cells]

    def seal(self, numbers: Sequence[int]) -> None:
        """Write the blocks that these new trials fill."""
        if self._read_whole:
            sealing.seal_full(self._connection.execute, numbers)

    def insert_absent(self, table: str, row: Mapping[str, Any]) -> None:
        """Insert a row unless there is one of its key."""
        there = f"SELECT 1 FROM {table} WHERE key = ?"  # noqa: S608 - our own tables
        if self._connection.execute(there, (row["key"],)).fetchone() is None:
            self.insert(table, [row])

    def run_number(self, column: Literal["key", "id"], value: str) -> int | None:
        """Return the number of the newest run that has this value."""
        order = "ORDER BY started_at DESC, number DESC LIMIT 1"
        query = f'SELECT number FROM e2e_runs WHERE "{column}" = ? {order}'  # noqa: S608 - our own columns
        there = self._connection.execute(query, (value,)).fetchone()
        return None if there is None else int(there[0])

    def update_run(self, number: int, changes: Mapping[str, Any]) -> None:
        """Change columns of the run of this number."""
        assignments = ", ".join(f'"{name}" = ?' for name in changes)
        query = f"UPDATE e2e_runs SET {assignments} WHERE number = ?"  # noqa: S608 - our own columns
        self._connection.execute(query, (*changes.values(), number))

    def update_trial(self, run: int, stage_key: str, trial: int, changes: Mapping[str, Any]) -> None:
        """Change columns of a trial, by the number of its run."""
        assignments = ", ".join(f'"{name}" = ?' for name in changes)
        which = "run = ? AND stage_key = ? AND trial = ?"
        query = f"UPDATE e2e_trials SET {assignments} WHERE {which}"  # noqa: S608 - our own columns
        self._connection.execute(query, (*changes.values(), run, stage_key, trial))

    def stored_trials(self, run: int, stage_key: str, least: int, most: int) -> set[int]:
        """Return which trials of a run's stage are there, from `least` to `most`."""
        query = "SELECT trial FROM e2e_trials WHERE run = ? AND stage_key = ? AND trial BETWEEN ? AND ?"
        return {trial for (trial,) in self._connection.execute(query, (run, stage_key, least, most))}

    def _prepare(self) -> None:
        """Make the tables where there are none; a file that has today's is not written to."""
        try:
            configure(self._connection, lasting=self._lasting)
        except sqlite3.Error as error:
            raise explained(self.address, "opened", error) from error
        with self._transaction("opened", begin="BEGIN"):
            version = self._version()
        if version is None:
            with self._transaction("opened"):
                version = self._version()  # another may have been faster
                if version is None:
                    for statement in (*TABLES.split(";\n"), *sealing.TABLES):
                        self._connection.execute(statement)
                    self.insert("e2e_version", [{"version": rows.VERSION}])
                    version = rows.VERSION
        if version > rows.VERSION:
            raise newer_version(self.address, version, rows.VERSION)
        if version < rows.VERSION:
            self._migrate()

    def _migrate(self) -> None:
        """Bring older tables up to date, once, whoever comes first."""
        with self._transaction("opened"):
            version = self._version() or 0
            for step in range(version, rows.VERSION):
                for statement in (*rows.MIGRATIONS.get(step, ()), *rows.SQLITE_MIGRATIONS.get(step, ())):
                    self._connection.execute(statement.format(text="TEXT"))
            if version < rows.VERSION:
                self._connection.execute("UPDATE e2e_version SET version = ?", (rows.VERSION,))

    def _version(self) -> int | None:
        there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'e2e_version'"
        if not self._connection.execute(there).fetchone():
            return None
        version = self._connection.execute("SELECT max(version) FROM e2e_version").fetchone()[0]
        if not (version is None or (isinstance(version, int) and version > 0)):
            raise sqlite3.DatabaseError("not ours: version")
        return version

    @contextmanager
    def _transaction(self, doing: str, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
        """Return a transaction; what fails is a `StoreError`, and nothing of it stays.

        A writer takes the lock at once, for one that turns writer later can't wait.
        """
        with self._lock:
            try:
                self._connection.execute(begin)
                yield
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                raise explained(self.address, doing, error) from error
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
