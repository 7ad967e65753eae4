"""Older files are opened: the steps from version to version, and what happens if one fails."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from e2e_magic.storage import Store, StoreError, rows, schema
from tests.store_contract import alike, record


def _second(connection: sa.Connection) -> None:
    connection.execute(sa.text("ALTER TABLE e2e_runs ADD COLUMN note TEXT NOT NULL DEFAULT ''"))


def _third(connection: sa.Connection) -> None:
    connection.execute(sa.text("UPDATE e2e_runs SET note = 'from ' || id"))


def _version(path: Path) -> tuple[int, ...]:
    with closing(sqlite3.connect(path)) as connection:
        return tuple(row[0] for row in connection.execute("SELECT version FROM e2e_version"))


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """Give a file of the first version with trials in it."""
    path = tmp_path / "older.db"
    with Store(str(path)) as store:
        store.append([record(1), record(2)])
    return path


def test_a_fresh_store_has_todays_version(older: Path) -> None:
    """Written once, with the tables."""
    assert _version(older) == (rows.VERSION,)


def test_an_older_file_is_brought_up_to_date(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step once and in order, whatever was stored stays; the next opening changes nothing."""
    monkeypatch.setattr(rows, "VERSION", rows.VERSION + 2)
    monkeypatch.setattr(schema, "MIGRATIONS", {rows.VERSION - 2: _second, rows.VERSION - 1: _third})

    with Store(str(older)) as store:
        assert alike(record(1), store.records()[0])
        store.append(record(3))
    with Store(str(older)) as store:
        assert [r.trial for r in store.records()] == [1, 2, 3]

    assert _version(older) == (rows.VERSION,)
    with closing(sqlite3.connect(older)) as connection:
        assert connection.execute("SELECT note FROM e2e_runs").fetchall() == [("from ab12cd",)]


def test_a_step_that_fails_leaves_the_file_as_it_was(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps are one transaction."""

    def broken(connection: sa.Connection) -> None:
        _second(connection)
        connection.execute(sa.text("SELECT * FROM nowhere"))

    with monkeypatch.context() as patched:
        patched.setattr(rows, "VERSION", rows.VERSION + 1)
        patched.setattr(schema, "MIGRATIONS", {rows.VERSION - 1: broken})
        with pytest.raises(StoreError) as caught:
            Store(str(older))

    assert str(caught.value) == (
        f"the store {older} can't be opened: no such table: nowhere (OperationalError); "
        "mend that, or name another store with %e2e store URL"
    )
    assert _version(older) == (rows.VERSION,)
    with closing(sqlite3.connect(older)) as connection:
        assert "note" not in {row[1] for row in connection.execute("PRAGMA table_info(e2e_runs)")}
    with Store(str(older)) as store:
        assert len(store.records()) == 2


def test_two_at_once_bring_it_up_to_date_once(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second finds the work done: it asks again once it has the lock."""
    monkeypatch.setattr(rows, "VERSION", rows.VERSION + 1)
    monkeypatch.setattr(schema, "MIGRATIONS", {rows.VERSION - 1: _second})
    seen: list[Any] = []
    found = schema.stored_version

    def outdated(connection: sa.Connection) -> int | None:
        if not seen:  # the first question of the second store, before the other one is done
            seen.append(True)
            Store(str(older)).close()
            return rows.VERSION - 1
        return found(connection)

    monkeypatch.setattr(schema, "stored_version", outdated)

    Store(str(older)).close()

    assert _version(older) == (rows.VERSION,)
