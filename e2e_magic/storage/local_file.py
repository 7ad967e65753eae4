"""Finished trials into a SQLite file by the standard library: nothing foreign comes into the process.

The tables are those of ``schema``, the rows those of ``rows``: `Store` reads what is written here, and a test
holds the two against each other.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from e2e_magic.record import Record, Run
from e2e_magic.storage import packing, rows
from e2e_magic.storage.errors import StoreError, explained, newer_version, not_sqlite

# How long a writer waits for the others (s): eight kernels at once need a few milliseconds.
PATIENCE_S = 5.0
HEADER = b"SQLite format 3\0"
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
    PRIMARY KEY (number), CONSTRAINT e2e_one_trial UNIQUE (run, stage_key, trial),
    FOREIGN KEY(run) REFERENCES e2e_runs (number), FOREIGN KEY(source) REFERENCES e2e_sources ("key"));
CREATE INDEX e2e_trials_by_state ON e2e_trials (run, state);
CREATE INDEX e2e_trials_by_time ON e2e_trials (started_at);
CREATE TABLE e2e_curves (trial INTEGER NOT NULL, place INTEGER NOT NULL, metric TEXT NOT NULL,
    data BLOB NOT NULL, PRIMARY KEY (trial, place), FOREIGN KEY(trial) REFERENCES e2e_trials (number));
"""


class OlderTables(Exception):  # noqa: N818 - nothing is wrong with the file
    """The file's tables are of an older version: `Store` brings them up to date."""


class _StoredRun(NamedTuple):
    number: int
    run: Run | None = None
    row: Mapping[str, Any] = {}


def path_of(address: str) -> Path | None:
    """Return the path of a store's address where that is a plain SQLite file; None for any other."""
    text = address.strip()
    text = text.removeprefix("sqlite:///")
    if not text or text == ":memory:" or "://" in text or text.startswith("file:") or "?" in text:
        return None
    return Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 - links stay


def check_header(path: Path) -> None:
    """Raise `StoreError` for a file of something else: SQLite would overwrite a short one."""
    try:
        with path.open("rb") as file:
            start = file.read(len(HEADER))
    except OSError:  # not there, a directory, or not to be read: SQLite says so in its own words
        return
    if start and start != HEADER:
        raise not_sqlite(str(path))


def configure(connection: Any) -> None:
    """Set a new connection up.

    With a write-ahead log readers and the writer don't wait for each other. NORMAL: what was committed
    survives the end of the process, however it comes; only the machine losing power may take the last
    trials, and never the file.
    """
    connection.execute(f"PRAGMA busy_timeout = {int(PATIENCE_S * 1000)}")
    if connection.execute("PRAGMA journal_mode").fetchone()[0] not in ("wal", "memory"):
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


class LocalFile:
    """A SQLite file that takes finished trials.

    Parameters
    ----------
    path : Path
        Made where it isn't there.

    Raises
    ------
    StoreError
        If it can't be opened; what stands in the file is never overwritten.
    OlderTables
        If its tables must be brought up to date first.
    """

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._lock = threading.RLock()
        self._runs: dict[str, _StoredRun] = {}  # by id
        check_header(path)
        try:
            self._connection = sqlite3.connect(
                path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise explained(self.address, "opened", error) from error
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def append(self, records: Sequence[Record], runs: Sequence[Run] = ()) -> int:
        """Write finished trials in one transaction, with their runs as they are now: as `Store.append`.

        Returns
        -------
        int
            How many were new. A trial (run, stage, number) that is there already stays as it is.
        """
        try:
            return self._append(records, runs)
        except StoreError as error:
            if not isinstance(error.__cause__, sqlite3.IntegrityError) or not self._runs:
                raise
            self._runs = {}  # somebody has deleted a run that was stored: it is made anew
            return self._append(records, runs)

    def _append(self, records: Sequence[Record], runs: Sequence[Run]) -> int:
        stored = dict(self._runs)
        with self._transaction("written"):
            for run in runs:
                before = stored.get(run.id, _StoredRun(0))
                if run is not before.run:
                    row = rows.run_row(run)
                    stored[run.id] = _StoredRun(self._put_run(row, before.row), run, row)
            for record in records:
                if record.run not in stored:
                    stored[record.run] = _StoredRun(self._run_of(record))
            new = sum(self._put_trial(record, stored[record.run].number) for record in records)
        self._runs = stored  # not before: a row that was rolled back has no number
        return new

    def _put_run(self, row: Mapping[str, Any], before: Mapping[str, Any]) -> int:
        """Write a run or what has changed of it since this process wrote it; return its number."""
        mine = "SELECT number FROM e2e_runs WHERE key = ?"
        there = self._connection.execute(mine, (row["key"],)).fetchone()
        if there is None:
            return self._insert("e2e_runs", row)
        # What is as it was is left alone: another may have given the run a new name since.
        changed = {name: value for name, value in row.items() if not before or value != before.get(name)}
        if changed:
            assignments = ", ".join(f'"{name}" = ?' for name in changed)
            query = f"UPDATE e2e_runs SET {assignments} WHERE number = ?"  # noqa: S608 - our own columns
            self._connection.execute(query, (*changed.values(), there[0]))
        return int(there[0])

    def _run_of(self, record: Record) -> int:
        """Return the number of the newest stored run of this id; one is made where there is none."""
        newest = "SELECT number FROM e2e_runs WHERE id = ? ORDER BY started_at DESC, number DESC LIMIT 1"
        there = self._connection.execute(newest, (packing.escape(record.run),)).fetchone()
        if there is not None:
            return int(there[0])
        return self._insert("e2e_runs", rows.run_row(Run(record.run, record.run, record.started_at)))

    def _put_trial(self, record: Record, run: int) -> bool:
        row = rows.trial_row(record, run)
        one = "SELECT 1 FROM e2e_trials WHERE run = ? AND stage_key = ? AND trial = ?"
        if self._connection.execute(one, (run, row["stage_key"], record.trial)).fetchone():
            return False
        if record.source is not None:
            code = (row["source"], packing.escape(record.source))
            self._connection.execute('INSERT OR IGNORE INTO e2e_sources ("key", text) VALUES (?, ?)', code)
        number = self._insert("e2e_trials", row)
        for curve in rows.curve_rows(record, number):
            self._insert("e2e_curves", curve)
        return True

    def _insert(self, table: str, row: Mapping[str, Any]) -> int:
        names, places = ", ".join(f'"{name}"' for name in row), ", ".join("?" * len(row))
        query = f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608 - our own tables and columns
        return int(self._connection.execute(query, tuple(row.values())).lastrowid or 0)

    def _prepare(self) -> None:
        """Make the tables where there are none; a file that has today's is not written to."""
        try:
            configure(self._connection)
        except sqlite3.Error as error:
            raise explained(self.address, "opened", error) from error
        with self._transaction("opened", begin="BEGIN"):
            version = self._version()
        if version is None:
            with self._transaction("opened"):
                version = self._version()  # another may have been faster
                if version is None:
                    for statement in TABLES.split(";\n"):
                        self._connection.execute(statement)
                    self._insert("e2e_version", {"version": rows.VERSION})
                    version = rows.VERSION
        if version > rows.VERSION:
            raise newer_version(self.address, version, rows.VERSION)
        if version < rows.VERSION:
            raise OlderTables

    def _version(self) -> int | None:
        there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'e2e_version'"
        if not self._connection.execute(there).fetchone():
            return None
        version = self._connection.execute("SELECT max(version) FROM e2e_version").fetchone()[0]
        return None if version is None else int(version)

    @contextmanager
    def _transaction(self, doing: str, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
        """Hold a transaction; what fails is a `StoreError`, and nothing of it stays.

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
