"""What a session keeps while its store fails, and when it is written after all."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from e2e_magic.record import Run
from e2e_magic.storage import Store, StoreError
from e2e_magic.storage import writer as module
from e2e_magic.storage.place import placed
from e2e_magic.storage.writer import Writer
from tests.store_contract import record

RUN = Run("ab12cd", "first", datetime(2026, 8, 1, tzinfo=UTC))


@pytest.fixture
def writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    """Give a writer whose store is in a folder that isn't there yet."""
    monkeypatch.setenv("E2E_MAGIC_STORE", str(tmp_path / "later" / "e2ebench.db"))
    made = Writer(lambda key: RUN if key == RUN.id else None)
    yield made
    made.close()


def test_nothing_is_opened_before_the_first_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking what is kept makes no file; the first trial does, beside the notebook."""
    monkeypatch.delenv("E2E_MAGIC_STORE")
    monkeypatch.chdir(tmp_path)
    writer = Writer(lambda _: RUN)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # as a cell may do

    assert writer.reading() is None
    assert (
        writer.described()
        == f"trials are kept in {tmp_path / 'e2ebench.db'}, which is made with the first one"
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "elsewhere"]

    writer.keep([record()])
    assert (tmp_path / "e2ebench.db").exists()
    assert writer.described() == f"trials are kept in {tmp_path / 'e2ebench.db'}: 1 run, 1 trial"
    writer.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e2ebench.db", "elsewhere"]


@pytest.mark.parametrize("address", ["team.db", "./team.db", "sqlite:///team.db"])
def test_a_relative_path_stays_where_the_session_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """A cell may change the directory before the first trial; the variable's path means the same file."""
    monkeypatch.setenv("E2E_MAGIC_STORE", address)
    monkeypatch.chdir(tmp_path)
    writer = Writer(lambda _: RUN)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    assert writer.address == str(tmp_path / "team.db")
    writer.keep([record()])
    writer.close()

    assert sorted(p.name for p in tmp_path.iterdir()) == ["elsewhere", "team.db"]


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("/data/team.db", "/data/team.db"),
        ("sqlite:////data/team.db", "sqlite:////data/team.db"),
        (":memory:", ":memory:"),
        ("sqlite://", "sqlite://"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite:///file:x?mode=ro&uri=true", "sqlite:///file:x?mode=ro&uri=true"),
        ("postgresql://me@host/runs", "postgresql://me@host/runs"),
        ("runs/team.db", "/home/me/runs/team.db"),
        ("sqlite:///runs/team.db", "sqlite:////home/me/runs/team.db"),
    ],
)
def test_only_relative_paths_are_placed(address: str, meant: str) -> None:
    """What names its place by itself, or is no file, stays as it is."""
    assert placed(Path("/home/me"), address) == meant
    assert placed(None, address) == address


def test_a_failure_is_said_once_and_made_good_later(writer: Writer, tmp_path: Path) -> None:
    """Trials wait in memory; when the folder is there, all of them are written, in order."""
    said: list[str] = []
    for n in (1, 2, 3):
        writer.keep([record(n)], said.append)

    assert said == [
        f"the store {tmp_path / 'later' / 'e2ebench.db'} can't be opened: "
        "the file can't be opened or made there; "
        "check that the folder exists and may be written, or name a file elsewhere with %e2e store PATH. "
        "Meanwhile trials are kept in memory; they are written as soon as it works"
    ]
    assert [r.trial for r in writer.unsaved] == [1, 2, 3]
    (tmp_path / "later").mkdir()
    writer.keep([record(4)], said.append)

    assert len(said) == 1
    assert writer.unsaved == []
    assert writer.store is not None
    assert [r.trial for r in writer.store.records()] == [1, 2, 3, 4]
    assert writer.store.runs() == [RUN]


def test_what_waits_is_written_when_it_is_closed(writer: Writer, tmp_path: Path) -> None:
    """At exit and when the extension is unloaded."""
    writer.keep([record()], lambda _: None)
    (tmp_path / "later").mkdir()

    writer.close()

    with Store(str(tmp_path / "later" / "e2ebench.db")) as store:
        assert len(store.records()) == 1


def test_a_store_that_cannot_be_read_any_more_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence of the error stands by itself, with what waits."""
    path = tmp_path / "e2ebench.db"
    monkeypatch.setenv("E2E_MAGIC_STORE", str(path))
    writer = Writer(lambda _: RUN)
    writer.keep([record(1)])
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("DROP TABLE e2e_curves")
        other.execute("DROP TABLE e2e_trials")
    writer.keep([record(2)], lambda _: None)
    said = writer.described()

    assert said.startswith(f"the store {path} can't be read: no such table: e2e_trials (OperationalError); ")
    assert said.endswith("; 1 in memory could not be written yet")
    writer.close()


def test_after_a_long_wait_it_rests(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that doesn't answer costs its time-out once, and not after each cell."""
    now, tries = [0.0], []

    def slow() -> Any:
        tries.append(now[0])
        now[0] += 5.0
        raise StoreError("no answer")

    monkeypatch.setattr(writer, "_clock", lambda: now[0])
    monkeypatch.setattr(writer, "_sink", slow)
    for n in range(1, 8):
        writer.keep([record(n)], lambda _: None)
        now[0] += 10.0

    assert tries == [0.0, 55.0]
    assert len(writer.unsaved) == 7


def test_it_rests_no_longer_than_needed(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it rests reading doesn't wait for the writer; once writing works, trials wait for nothing."""
    now, held = [0.0], [True]
    sink = writer._sink

    def slow() -> Any:
        if held[0]:
            now[0] += 5.0
            raise StoreError("locked")
        return sink()

    monkeypatch.setattr(writer, "_clock", lambda: now[0])
    monkeypatch.setattr(writer, "_sink", slow)
    writer.keep([record(1)], lambda _: None)
    held[0] = False
    (tmp_path / "later").mkdir()
    assert writer.reading() is not None
    assert (now[0], len(writer.unsaved)) == (5.0, 1)

    assert writer.described().endswith(": 1 run, 1 trial")
    writer.keep([record(2)])

    assert (now[0], writer.unsaved) == (5.0, [])


def test_a_trial_that_can_be_no_row_holds_nobody_up(writer: Writer, tmp_path: Path) -> None:
    """It is said, stays in memory, and those beside it are written."""
    (tmp_path / "later").mkdir()
    said: list[str] = []
    odd = record(2, params={"huge": 10**5000})

    writer.keep([record(1), odd, record(3)], said.append)

    assert writer.store is not None
    assert [r.trial for r in writer.store.records()] == [1, 3]
    assert len(said) == 1
    assert said[0].startswith("train: trial 2 can't be written to the store (ValueError: Exceeds the limit")
    assert said[0].endswith(") and is kept in memory only")


def test_another_store_takes_what_was_kept_nowhere(writer: Writer, tmp_path: Path) -> None:
    """Measured first, stored later: nothing is lost."""
    writer.set_address(":memory:")
    writer.keep([record(1), record(2)])
    assert writer.described() == (
        "trials are kept in this kernel's memory only (:memory:); %e2e store PATH keeps them"
    )

    writer.set_address(str(tmp_path / "team.db"))

    assert writer.unsaved == []
    with Store(str(tmp_path / "team.db")) as store:
        assert len(store.records()) == 2


def test_a_store_that_can_not_be_opened_changes_nothing(writer: Writer, tmp_path: Path) -> None:
    """The one before stays, with all that waits."""
    writer.set_address(str(tmp_path / "good.db"))
    (tmp_path / "bad.db").write_text("no database")

    with pytest.raises(StoreError):
        writer.set_address(str(tmp_path / "bad.db"))

    writer.keep([record()])
    assert writer.address == str(tmp_path / "good.db")
    assert len(writer.reading().records()) == 1  # type: ignore[union-attr]


def test_a_forked_child_writes_nothing(writer: Writer, tmp_path: Path) -> None:
    """Its trials have its parent's numbers; what waits is its parent's to write."""
    writer.keep([record(1)], lambda _: None)
    (tmp_path / "later").mkdir()
    child = os.fork()
    if child == 0:
        writer.keep([record(2)], lambda _: None)
        writer.flush(lambda _: None)
        os._exit(0)
    os.waitpid(child, 0)

    assert list((tmp_path / "later").iterdir()) == []
    writer.keep([record(3)], lambda _: None)
    assert writer.store is not None
    assert [r.trial for r in writer.store.records()] == [1, 3]


def test_a_lock_delays_nothing_for_long(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program that holds the file costs one wait; the trials are written when it lets go."""
    from e2e_magic.storage import local_file

    monkeypatch.setattr(local_file, "PATIENCE_S", 0.2)
    monkeypatch.setattr(module, "_QUICK_S", 60.0)
    (tmp_path / "later").mkdir()
    writer.keep([record(1)])
    path = tmp_path / "later" / "e2ebench.db"
    said: list[str] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writer.keep([record(2)], said.append)
        other.execute("ROLLBACK")
    writer.keep([record(3)], said.append)

    assert len(said) == 1
    assert writer.store is not None
    assert [r.trial for r in writer.store.records()] == [1, 2, 3]
