"""A SQLite file written by the standard library alone is the file that SQLAlchemy writes."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from e2e_magic.record import Run
from e2e_magic.storage import Store, StoreError, rows, schema
from e2e_magic.storage.local_file import TABLES, LocalFile, path_of
from tests import strategies
from tests.store_contract import record

RUN = Run("r", "first", datetime(2026, 1, 2, tzinfo=UTC))


def dump(path: Path) -> list[str]:
    """Return all that is in a file, as SQL; code has no order among itself."""
    connection = sqlite3.connect(path)
    lines = sorted(plain(line) for line in connection.iterdump())
    connection.close()
    return lines


def plain(sql: str) -> str:
    """Return a statement without what only looks different."""
    return re.sub(r"\s+", " ", sql).replace("( ", "(").replace(" )", ")").replace(" ,", ",").strip()


def test_the_tables_are_sqlalchemys() -> None:
    """One schema: the statements are those that SQLAlchemy makes of it."""
    dialect = sqlite.dialect()  # type: ignore[no-untyped-call]
    made = {
        plain(str(statement.compile(dialect=dialect)))
        for table in schema.tables.sorted_tables
        for statement in (CreateTable(table), *map(CreateIndex, table.indexes))
    }

    assert {plain(part) for part in TABLES.split(";\n") if part.strip()} == made


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(strategies.records(), max_size=4))
def test_what_is_written_either_way_is_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, records: list[Any]
) -> None:
    """Runs, trials, code, curves and logs, whatever they hold: the same rows in the same tables."""
    folder = tmp_path_factory.mktemp("both")
    given_records = [replace(one, trial=n) for n, one in enumerate(records)]
    file = LocalFile(folder / "plain.db")
    with Store(str(folder / "alchemy.db")) as store:
        assert file.append(given_records, [RUN]) == store.append(given_records, [RUN])
    file.close()

    assert dump(folder / "plain.db") == dump(folder / "alchemy.db")


def test_a_trial_that_is_there_stays_and_a_run_is_brought_up_to_date(tmp_path: Path) -> None:
    """As with `Store`: appended twice it is one row; a new name of the run takes the old one's place."""
    path = tmp_path / "x.db"
    file = LocalFile(path)

    assert file.append([record(1)], [RUN]) == 1
    assert file.append([record(1), record(2)], [replace(RUN, name="second")]) == 1
    file.close()
    with Store(str(path)) as store:
        assert set(store.names().values()) == {"second"} | ({record(1).run} - {RUN.id})
        assert [one.trial for one in store.records()] == [1, 2]


def test_a_run_that_somebody_deleted_is_made_anew(tmp_path: Path) -> None:
    """Another program may delete a run between two trials: nothing is lost of the next one."""
    path = tmp_path / "x.db"
    file = LocalFile(path)
    file.append([replace(record(1), run=RUN.id)], [RUN])
    with Store(str(path)) as store:
        store.delete_run(RUN.id)
    file.append([replace(record(2), run=RUN.id)], [RUN])
    file.close()

    with Store(str(path)) as store:
        assert [one.trial for one in store.records()] == [2]
        assert store.names() == {RUN.id: "first"}


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """A record that can be no row takes its transaction with it; the next one is written."""
    path = tmp_path / "x.db"
    file = LocalFile(path)
    with pytest.raises((OverflowError, StoreError)):
        file.append([record(1), replace(record(2), trial=2**80)], [RUN])
    file.append([record(3)], [RUN])
    file.close()

    with Store(str(path)) as store:
        assert [one.trial for one in store.records()] == [3]


def test_another_programs_file_is_left_as_it_is(tmp_path: Path) -> None:
    """A file that is no database is named, with what to do, and not touched."""
    path = tmp_path / "notes.txt"
    path.write_text("my notes")
    with pytest.raises(StoreError) as caught:
        LocalFile(path)

    assert str(caught.value) == (
        f"the store {path} can't be opened: the file is not a SQLite database; "
        "it was left as it is; name another file with %e2e store PATH"
    )
    assert path.read_text() == "my notes"


def test_newer_tables_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written to them; older ones are brought up to date (`test_schema`)."""
    path = tmp_path / "x.db"
    LocalFile(path).close()
    stored = rows.VERSION
    monkeypatch.setattr(rows, "VERSION", 1)
    with pytest.raises(
        StoreError, match=f"has version {stored}, but this e2e_magic reads up to 1; it was left as it is"
    ):
        LocalFile(path)


def test_only_plain_files_are_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path and SQLAlchemy's URL of one; no server, no memory, no URI."""
    monkeypatch.chdir(tmp_path)

    assert path_of("x.db") == path_of("sqlite:///x.db") == tmp_path / "x.db"
    assert path_of("sqlite:////tmp/y.db") == Path("/tmp/y.db")
    for other in (
        ":memory:",
        "postgresql://me@host/db",
        "sqlite:///file:x?mode=ro",
        "file:x",
        "sqlite://",
        "",
    ):
        assert path_of(other) is None
