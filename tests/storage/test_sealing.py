"""Copies of finished rows in blocks: what reads all trials gets them from there, and never anything stale."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_magic.record import Record
from e2e_magic.session import Session
from e2e_magic.storage import WHOLE_STORE, Selection, Store, StoreError, rows, sealing
from e2e_magic.storage.local_file import LocalFile
from tests.store_contract import START, alike, record

FULL, REST = 2, 30
SIZE = FULL * sealing.BLOCK + REST
CODE = "fit()"
CHANGES = {
    "UPDATE e2e_trials SET stage = 'other' WHERE number = 2001": lambda stages: stages[2000] == "other",
    "UPDATE e2e_trials SET number = 90000 WHERE number = 3": lambda stages: len(stages) == SIZE,
    "DELETE FROM e2e_trials WHERE number = 2000": lambda stages: len(stages) == SIZE - 1,
}
TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def trials() -> Iterator[Record]:
    """Yield trials of two stages; the first ones have a log and curves."""
    whole = record(1, stage="train", source=CODE)
    bare = replace(whole, series={}, events=type(whole.events)())
    for n in range(1, SIZE + 1):
        kind = whole if n <= 20 else bare
        stage = "train" if n % 3 else "check"
        started = START + timedelta(seconds=n)
        yield replace(kind, trial=n, stage=stage, started_at=started, params={"lr": n, "kind": "a"})


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a store, one half by the standard library and one by SQLAlchemy."""
    path = tmp_path_factory.mktemp("sealed") / "x.db"
    every = list(trials())
    with closing(LocalFile(path)) as file:
        file.append(every[: SIZE // 2])
    with Store(str(path)) as store:
        for first in range(SIZE // 2, SIZE, 200):
            store.append(every[first : min(first + 200, SIZE)])
    return path


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    """Return the path of a copy."""
    return Path(shutil.copyfile(original, tmp_path / "x.db"))


def places(path: Path) -> list[int]:
    """Return the places of the blocks of a store."""
    with closing(sqlite3.connect(path)) as connection:
        return [place for (place,) in connection.execute("SELECT place FROM e2e_blocks ORDER BY place")]


def change(path: Path, *statements: str, values: tuple[Any, ...] = ()) -> None:
    """Do to a store what any SQL shell may do."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement, values)
        connection.commit()


def stages(path: Path, selection: Selection = WHOLE_STORE) -> list[str]:
    """Return the stages of selected trials, as a frame of all trials gets them."""
    with Store(str(path)) as store:
        return [stage for block in store.blocks(selection) for stage in block.identity["stage"]]


def unseal(path: Path) -> None:
    """Make a store one of version 2, which has no blocks."""
    names = [text.split()[2] for text in sealing.TRIGGERS]
    change(path, *(f"DROP TRIGGER {name}" for name in names), "DROP TABLE e2e_blocks")
    change(path, "UPDATE e2e_version SET version = 2")


def test_writing_fills_blocks_of_which_all_trials_are_read(path: Path) -> None:
    """The rows themselves aren't looked at: what is changed behind the blocks' back isn't seen."""
    assert places(path) == list(range(FULL))

    change(path, "DROP TRIGGER e2e_unseal_UPDATE", "UPDATE e2e_trials SET stage = 'hidden'")

    assert stages(path).count("hidden") == REST


@pytest.mark.parametrize(("statement", "shown"), CHANGES.items())
def test_what_anybody_changes_is_seen(path: Path, statement: str, shown: Callable[[list[str]], bool]) -> None:
    """A block goes with the first of its rows that changes, and comes again when all are read."""
    change(path, statement)
    assert len(places(path)) < FULL

    assert shown(stages(path))
    assert shown(stages(path))
    assert places(path)[:FULL] == list(range(FULL))


def test_a_row_in_a_sealed_place_is_seen(path: Path) -> None:
    """As one that was deleted and is written again."""
    with closing(sqlite3.connect(path)) as connection:
        row = connection.execute("SELECT * FROM e2e_trials WHERE number = 7").fetchone()
    change(path, "DELETE FROM e2e_trials WHERE number = 7")
    stages(path)
    change(path, f"INSERT INTO e2e_trials VALUES ({', '.join('?' * len(row))})", values=row)

    assert len(stages(path)) == SIZE


def test_frames_are_the_same_with_blocks_and_without(session: Session, path: Path) -> None:
    """Of all trials and of some: whichever way a row is read."""
    session.set_store(path)
    since = START + timedelta(seconds=sealing.BLOCK + 100)
    selections = (
        WHOLE_STORE,
        Selection(stage="check", everything=True),
        Selection(since=since, everything=True),
        Selection(stage="check", since=since, everything=True),
    )
    sealed = [session.frame("results", each) for each in selections]
    counts = [len(frame) for frame in sealed]
    with Store(str(path)) as store:
        whole = store.records(series=False)
    change(path, "DROP TRIGGER e2e_unseal_UPDATE", "UPDATE e2e_blocks SET data = x'00'")

    for frame, selection in zip(sealed, selections, strict=True):
        assert frame.equals(session.frame("results", selection))
    with Store(str(path)) as store:
        assert all(map(alike, whole, store.records(series=False)))
    assert counts == [SIZE, SIZE // 3, SIZE - sealing.BLOCK - 99, (SIZE // 3) - (sealing.BLOCK + 99) // 3]


def test_a_run_that_is_deleted_is_gone(path: Path) -> None:
    """With its blocks; the numbers of its trials may be another's then."""
    with Store(str(path)) as store:
        store.append(record(1, run="other", stage="other"))
        assert store.delete_run(record(1).run) == SIZE
        assert [r.stage for block in store.blocks() for r in block.records(range(len(block)))] == ["other"]

    assert places(path) == []


def test_resuming_reads_no_log(path: Path) -> None:
    """What a search learns from is derived already: a trial whose log is gone from the file counts."""
    with Store(str(path)) as store:
        [before] = [r for r in store.records(Selection(stage="train")) if r.trial == 1]
    change(path, "DELETE FROM e2e_curves")

    with Store(str(path)) as store:
        found = list(store.finished("train", CODE))

    assert len(found) == SIZE - SIZE // 3
    assert found[0].readings["best_loss"] == min(before.events.values["loss"])
    assert not found[0].events.t_s


@pytest.mark.parametrize("how", [Store, LocalFile])
def test_a_store_of_before_gets_blocks_as_it_is_read(path: Path, how: Any) -> None:
    """Opening it copies nothing, so that no cell waits; the first frame of all does, once."""
    unseal(path)
    how(path).close()
    assert places(path) == []

    assert len(stages(path, Selection(stage="train", everything=True))) == SIZE - SIZE // 3
    assert places(path) == []  # not all were read
    assert len(stages(path)) == SIZE
    assert places(path) == list(range(FULL))


def test_two_that_read_a_store_of_before_at_once_agree(path: Path) -> None:
    """Each block is one row, whoever wrote it last."""
    unseal(path)
    read: list[int] = []
    threads = [threading.Thread(target=lambda: read.append(len(stages(path)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert read == [SIZE] * 3
    assert places(path) == list(range(FULL))


def test_a_store_of_before_that_may_not_be_written_is_read(path: Path, monkeypatch: Any) -> None:
    """It has all that is read; nothing is made in it."""
    unseal(path)
    before = path.read_bytes()
    monkeypatch.setattr("e2e_magic.storage.address.os.access", lambda _, mode: mode == 4)
    monkeypatch.setattr(Store, "_connected", _failing_to_write(Store._connected))

    assert len(stages(path)) == SIZE
    assert path.read_bytes() == before


def _failing_to_write(connected: Any) -> Any:
    def only_reading(store: Store, doing: Any, writes: bool | None = None) -> Any:
        if writes or doing == "written":
            raise StoreError(f"the store {store.address} can't be written")
        return connected(store, doing, writes)

    return only_reading


def test_a_process_killed_as_it_fills_a_block_loses_nothing(path: Path) -> None:
    """Row and block are one transaction."""
    script = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from e2e_magic.record import Record
from e2e_magic.storage import sealing
from e2e_magic.storage.local_file import LocalFile
def record(n):
    return Record("ab", "train", n, 1, "complete", datetime.now(UTC))
file = LocalFile(Path(sys.argv[1]))
file.append([record(n) for n in range(int(sys.argv[2]) + 1, 3 * sealing.BLOCK)])
sealing.packed = lambda rows: os.kill(os.getpid(), signal.SIGKILL)
file.append(record(3 * sealing.BLOCK))
"""
    command = [sys.executable, "-c", script, str(path), str(SIZE)]
    done = subprocess.run(command, timeout=120, check=False)

    assert done.returncode == -9
    assert places(path) == list(range(FULL))
    with Store(str(path)) as store:
        assert len(list(store.iterate(series=False))) == 3 * sealing.BLOCK - 1
        store.append(record(3 * sealing.BLOCK, run="ab"))
    assert places(path) == list(range(FULL + 1))


def _head(columns: list[Any], rest: bytes = b"") -> bytes:
    head = json.dumps(columns).encode()
    return zlib.compress(len(head).to_bytes(4, "little") + head + rest)


ROW = (90_000, 1, "s", 1, 1, *"ssssssssss", 0, "[]", None, "[]", b"", None)
BAD = {
    "nothing": b"",
    "text": "text",
    "a number": 3,
    "no compressed bytes": b"x" * 99,
    "too short": zlib.compress(b"x"),
    "a bomb": zlib.compress(bytes(2**28)),
    "no JSON": zlib.compress((4).to_bytes(4, "little") + b"none"),
    "nested deep": zlib.compress((200_000).to_bytes(4, "little") + b"[" * 200_000),
    "a mapping": _head({"a": 1}),  # type: ignore[arg-type]
    "too few columns": _head([[1]]),
    "no columns": _head([None] * 21),
    "more texts than rows": _head([[1], [1], [2**20, None], *[[1]] * 18], bytes(2**20)),
    "rows of another place": sealing.packed([ROW]),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_a_damaged_block_costs_nothing(path: Path, data: Any) -> None:
    """The rows are still there."""
    change(path, "UPDATE e2e_blocks SET data = ? WHERE place = 0", values=(data,))

    assert len(stages(path)) == SIZE


def test_rows_that_are_none_of_ours_are_read_one_by_one(path: Path) -> None:
    """A row of another type costs that row, and its block is not made."""
    change(path, "UPDATE e2e_trials SET host = x'00ff' WHERE number = 2")

    with pytest.warns(UserWarning, match="has 1 damaged row; .* host is of type bytes"):
        assert len(stages(path)) == SIZE - 1
    assert places(path) == [1]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-(2**63), 2**63 - 1), TEXTS, TEXTS, st.binary(max_size=20)),
        min_size=1,
        max_size=9,
    )
)
def test_rows_come_out_as_they_went_in(some: list[tuple[int, str | None, str | None, bytes]]) -> None:
    """Whatever texts, whole numbers and bytes there are."""
    made = [
        (
            *(
                n + 1,
                number,
                first,
                number,
                number,
                second,
                first,
                None,
                "",
                first,
                "{}",
                second,
                "same",
                None,
            ),
            *(second, 1, "[]", None, first, data, second),
        )
        for n, (number, first, second, data) in enumerate(some)
    ]
    data = sealing.packed(made)

    assert data is not None
    assert sealing.rows_in(data, 0) == made


def test_what_waits_for_a_server_has_no_blocks() -> None:
    """It is a file of few trials, from which they are taken."""
    from e2e_magic.storage.spool import Spool

    assert LocalFile._read_whole
    assert not Spool._read_whole
    assert rows.VERSION - 1 in rows.READ_AS_THEY_ARE
