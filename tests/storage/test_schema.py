"""Older files are opened: the steps from version to version, and what happens if one fails."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from e2e_magic.storage import Store, StoreError, rows, schema
from e2e_magic.storage.local_file import LocalFile
from tests.store_contract import alike, record

SECOND = ("ALTER TABLE e2e_runs ADD COLUMN note {text} NOT NULL DEFAULT ''",)
THIRD = ("UPDATE e2e_runs SET note = 'from ' || id",)


def _open(path: Path, how: str) -> None:
    """Open a file and close it again, by SQLAlchemy or by the standard library alone."""
    (Store(str(path)) if how == "sqlalchemy" else LocalFile(path)).close()


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


@pytest.mark.parametrize("how", ["sqlalchemy", "sqlite3"])
def test_an_older_file_is_brought_up_to_date(older: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Each step once and in order, whatever was stored stays; the next opening changes nothing."""
    monkeypatch.setattr(rows, "VERSION", rows.VERSION + 2)
    monkeypatch.setattr(rows, "MIGRATIONS", {rows.VERSION - 2: SECOND, rows.VERSION - 1: THIRD})
    _open(older, how)

    with Store(str(older)) as store:
        assert alike(record(1), store.records()[0])
        store.append(record(3))
    with Store(str(older)) as store:
        assert [r.trial for r in store.records()] == [1, 2, 3]

    assert _version(older) == (rows.VERSION,)
    with closing(sqlite3.connect(older)) as connection:
        assert connection.execute("SELECT note FROM e2e_runs").fetchall() == [("from ab12cd",)]


@pytest.mark.parametrize("how", ["sqlalchemy", "sqlite3"])
def test_a_step_that_fails_leaves_the_file_as_it_was(
    older: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """All steps are one transaction."""
    with monkeypatch.context() as patched:
        patched.setattr(rows, "VERSION", rows.VERSION + 1)
        patched.setattr(rows, "MIGRATIONS", {rows.VERSION - 1: (*SECOND, "SELECT * FROM nowhere")})
        with pytest.raises(StoreError) as caught:
            _open(older, how)

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
    monkeypatch.setattr(rows, "MIGRATIONS", {rows.VERSION - 1: SECOND})
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


FIRST = Path(__file__).parent / "before" / "store.sqlite"
OPEN = """
import sys, time
from pathlib import Path
from e2e_magic.storage.local_file import LocalFile
how = sys.argv[2]
if how == "sqlalchemy":
    from e2e_magic.storage import Store
while not Path(sys.argv[3]).exists():
    time.sleep(0.001)
(Store(sys.argv[1]) if how == "sqlalchemy" else LocalFile(Path(sys.argv[1]))).close()
"""


def test_kernels_that_open_an_older_file_at_once_bring_it_up_to_date_once(tmp_path: Path) -> None:
    """Eight processes, by either way: one of them does it, and nobody fails."""
    path, start = tmp_path / "old.db", tmp_path / "start"
    shutil.copyfile(FIRST, path)
    ways = ["sqlalchemy", "sqlite3"] * 4
    processes = [
        subprocess.Popen([sys.executable, "-c", OPEN, str(path), how, str(start)], stderr=subprocess.PIPE)
        for how in ways
    ]
    start.touch()
    heard = [process.communicate(timeout=120)[1] for process in processes]

    assert heard == [b""] * 8
    assert _version(path) == (rows.VERSION,)
    with closing(sqlite3.connect(path)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(e2e_trials)")]
    assert columns.count("derived") == 1


def test_an_older_file_has_todays_columns_in_todays_order(tmp_path: Path) -> None:
    """What is brought up to date is what would be made today."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    shutil.copyfile(FIRST, old)
    LocalFile(old).close()
    LocalFile(new).close()

    def tables(path: Path) -> dict[str, list[Any]]:
        with closing(sqlite3.connect(path)) as connection:
            names = [
                row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            ]
            return {name: list(connection.execute(f"PRAGMA table_info({name})")) for name in names}

    assert tables(old) == tables(new)
