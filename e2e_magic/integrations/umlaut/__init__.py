"""Databases of the UMLAUT suite (once e2ebench), both generations, as runs and records.

Input: a file. Output: runs and records, and a list of what could not be read.

A database is opened for reading only and nothing in it is executed: pickles, which older versions
wrote, are listed as unreadable. So is everything else that can't be read; nothing is dropped silently.
The suite wrote times by its machine's clock without a zone; they are taken as UTC.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e_magic.integrations.umlaut import first, second
from e2e_magic.integrations.umlaut.drafts import Row
from e2e_magic.integrations.umlaut.values import UnreadableError, moment
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Record, Run

if TYPE_CHECKING:
    import os

    import pandas as pd

__all__ = ["Imported", "read"]

_TABLES = ("benchmark_metadata", "measurement")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_ID = 64
_LONGEST_NAME = 10_000  # a parameter's text may be a description
# Characters or bytes of one value: the file may come from anybody.
_LONGEST = 16 * 2**20
# The fields of a row, and the column for each by generation and version; the first that is present counts.
_MEASURED = {
    "uuid": ("uuid", "benchmark_uuid"),
    "type": ("measurement_type", "type"),
    "description": ("measurement_description", "description", "function_name"),
    "method": ("measured_method_name",),
    "value": ("measurement_data", "value"),
    "unit": ("measurement_unit", "unit"),
    "time": ("measurement_datetime", "datetime"),
}
_ABOUT = {
    "name": ("meta_name",),
    "description": ("meta_description", "description"),
    "started_at": ("meta_start_time", "start_time"),
}


@dataclass(frozen=True)
class Imported:
    """The contents of a database.

    Attributes
    ----------
    runs : list of Run
        One per uuid; the id is the uuid, so that importing twice gives the same.
    records : list of Record
        Their trials.
    unread : DataFrame
        ``id type reason``: a row per measurement that could not be read.
    """

    runs: list[Run]
    records: list[Record]
    unread: pd.DataFrame

    @property
    def summary(self) -> str:
        """A sentence on what was read and what could not be."""
        came = f"{_count(len(self.runs), 'run')} with {_count(len(self.records), 'trial')}"
        if not len(self.unread):
            return f"{came}; everything could be read"
        return f"{came}; {_count(len(self.unread), 'measurement')} could not be read"

    def sentence(self, new: int, where: str) -> str:
        """Return the summary, and how many trials, all but the new ones, were in this place before."""
        old = len(self.records) - new
        if not old:
            return self.summary
        return f"{self.summary} ({old} of the trials {'was' if old == 1 else 'were'} {where} already)"


def read(path: str | os.PathLike[str]) -> Imported:
    """Read a database of the suite.

    Parameters
    ----------
    path : path-like
        The SQLite file; ``~`` is the home folder. It is not changed.

    Raises
    ------
    PlanError
        If there is no such file, it is no SQLite file, it is damaged, or its tables are others.
    """
    file = Path(path).expanduser().absolute()
    if not file.is_file():
        raise PlanError(f"import: there is no file {file}; give the path of a database of the UMLAUT suite")
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            connection.text_factory = _text
            return _read(connection, file)
    except sqlite3.Error as error:
        raise PlanError(
            f"import: {file.name} can't be read ({error}); it must be an SQLite database of the UMLAUT suite"
        ) from error


def _read(connection: sqlite3.Connection, file: Path) -> Imported:
    tables = _tables(connection, file)
    columns = {name: _columns(connection, name) for name in _TABLES if name in tables}
    named = columns.get("measurement", set())
    generation = (
        second if "measurement_data" in named else first if {"value", "benchmark_uuid"} <= named else None
    )
    if generation is None and "e2e_trials" in tables:
        raise PlanError(
            f"import: {file.name} is a store of e2e_magic itself, not a database of the UMLAUT suite; "
            "%e2e store PATH opens it, and %e2e results --all shows what is in it"
        )
    if generation is None:
        has = ", ".join(sorted(tables)) or "no table at all"
        raise PlanError(
            f"import: {file.name} is no database of the UMLAUT suite: expected the tables "
            f"{' and '.join(_TABLES)}, it has {has}"
        )
    unread: list[dict[str, object]] = []

    def note(row: Row, why: str) -> None:
        unread.append({"id": row.id, "type": row.type, "reason": why})

    rows: dict[str, list[Row]] = {}
    for row in _rows(connection, named):
        if isinstance(row.value, str | bytes) and len(row.value) > _LONGEST:
            note(row, f"its value is longer than {_LONGEST:,} characters")
        elif max(map(len, (row.uuid, row.type, row.description, row.method, row.unit))) > _LONGEST_NAME:
            short = replace(row, type=row.type[:_LONGEST_ID])
            note(short, f"one of its names is longer than {_LONGEST_NAME:,} characters")
        else:
            rows.setdefault(row.uuid, []).append(row)
    # The first versions had no table of runs: such runs appear in their measurements alone.
    runs = _runs(connection, columns.get("benchmark_metadata", set()), rows)
    records = []
    for uuid, run in runs.items():
        counted: Counter[str] = Counter()
        repeated: Counter[str] = Counter()
        for draft in generation.drafts(rows.get(uuid, []), note):
            counted[draft.stage] += 1
            if draft.sweep is None:
                repeated[draft.stage] += 1
            repeat = max(repeated[draft.stage], 1)
            records.append(draft.record(run.id, counted[draft.stage], repeat, run.started_at))
    return Imported(list(runs.values()), records, _frame(unread))


def _tables(connection: sqlite3.Connection, file: Path) -> set[str]:
    """Return the names of the tables; refuse views and virtual tables, which may run the file's own code."""
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 16 * _LONGEST)
    query = "SELECT name, type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' FROM sqlite_master"
    query += " WHERE type IN ('table', 'view')"
    plain = {str(name): bool(is_plain) for name, is_plain in connection.execute(query)}
    for name in _TABLES:
        if not plain.get(name, True):
            why = f"its {name} is no plain table"
            raise PlanError(f"import: {file.name} is no database of the UMLAUT suite: {why}")
    return set(plain)


def _frame(unread: list[dict[str, object]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(unread, columns=["id", "type", "reason"])


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")}


def _held(names: dict[str, tuple[str, ...]], there: set[str]) -> dict[str, str]:
    """Return the columns that a table has, by what they hold."""
    return {
        key: next(name for name in spelled if name in there)
        for key, spelled in names.items()
        if not there.isdisjoint(spelled)
    }


def _rows(connection: sqlite3.Connection, there: set[str]) -> Iterator[Row]:
    held = _held(_MEASURED, there)
    listed = ", ".join(held.values())
    identity = "id" if "id" in there else "rowid"
    # The names are this module's own; what is in the tables is never part of a statement.
    query = f"SELECT {identity}, {listed} FROM measurement ORDER BY {identity}"  # noqa: S608
    for number, *cells in connection.execute(query):
        by_name = dict(zip(held, cells, strict=True))
        yield Row(
            id=number,
            uuid=_word(by_name.get("uuid")),
            type=_word(by_name.get("type")),
            description=_word(by_name.get("description")),
            method=_word(by_name.get("method")),
            value=by_name.get("value"),
            unit=_word(by_name.get("unit")),
            time=_time(by_name.get("time")),
        )


def _runs(connection: sqlite3.Connection, there: set[str], rows: dict[str, list[Row]]) -> dict[str, Run]:
    """Return the runs by uuid, also one whose row of metadata is missing, in the order of their start."""
    held = _held(_ABOUT, there)
    query = f"SELECT {', '.join(['uuid', *held.values()])} FROM benchmark_metadata"  # noqa: S608
    described: dict[str, dict[str, Any]] = {}
    for uuid, *cells in connection.execute(query) if "uuid" in there else ():
        if len(_word(uuid)) <= _LONGEST_NAME:
            described[_word(uuid)] = dict(zip(held, cells, strict=True))
    for uuid in rows:
        described.setdefault(uuid, {})
    pairs = [_run(uuid, about, rows.get(uuid, [])) for uuid, about in described.items()]
    pairs.sort(key=lambda pair: pair[1].started_at)
    taken: Counter[str] = Counter()
    runs = {}
    for uuid, run in pairs:
        taken[run.name] += 1
        # A script's file name is the name of all its runs: the later ones get a number.
        name = run.name if taken[run.name] == 1 else f"{run.name} {taken[run.name]}"
        runs[uuid] = Run(run.id, name, run.started_at, run.description)
    return runs


def _run(uuid: str, about: dict[str, Any], rows: list[Row]) -> tuple[str, Run]:
    start = _time(about.get("started_at")) or next((row.time for row in rows if row.time), _EPOCH)
    description = _word(about.get("description"))[:_LONGEST_NAME]
    key = uuid
    if not 0 < len(uuid) <= _LONGEST_ID or not uuid.isprintable():
        key = hashlib.sha256(uuid.encode("utf-8", "backslashreplace")).hexdigest()[:16]
    name = _word(about.get("name"))[:_LONGEST_NAME].strip() or description.strip() or key[:8]
    return uuid, Run(key, name, start, description)


def _text(raw: bytes) -> str | bytes:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw


def _word(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return "" if value is None else str(value)


def _time(value: object) -> datetime | None:
    try:
        return moment(value)
    except UnreadableError:
        return None


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
