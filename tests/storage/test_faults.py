"""Real processes, real signals, real disks: no trial that was reported finished is lost."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from e2e_magic.storage import Store, StoreError, rows
from tests.store_contract import record

# Measures trials and says each number when the trial is reported finished.
KERNEL = """
import sys
import e2e_magic as e2e
for n in range(int(sys.argv[1])):
    with e2e.measure(sys.argv[2] if len(sys.argv) > 2 else "train", interval=0.01) as trial:
        e2e.log(loss=1 / (n + 1))
    sys.stdout.write(f"{trial.records[-1].run} {trial.records[-1].trial}\\n")
    sys.stdout.flush()
"""
# Eight on a machine with two cores, one of them busy, may wait for each other for longer than a person likes.
PATIENT = """
from e2e_magic.storage import local_file, outbox, writer
local_file.PATIENCE_S = writer._LAST_S = outbox._SILENT_S = 60.0
"""


def kernel(store: Path | str, *arguments: object, before: str = "") -> subprocess.Popen[str]:
    """Start a process that measures into a store, after other code."""
    return subprocess.Popen(
        [sys.executable, "-W", "always", "-c", before + KERNEL, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "E2E_MAGIC_STORE": str(store)},
    )


def whole(path: Path) -> bool:
    """Ask SQLite to check the file."""
    with closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder that other users may enter."""
    made = Path(tempfile.mkdtemp(prefix="e2e-store-"))
    made.chmod(0o755)
    yield made
    made.chmod(0o755)
    shutil.rmtree(made)


def test_every_trial_that_was_reported_finished_survives_sigkill(tmp_path: Path) -> None:
    """Killed at random points of 50 trials, again and again: the file opens, and each is in it."""
    path, chance, reported = tmp_path / "e2ebench.db", random.Random(6), set()
    for _ in range(5):
        process = kernel(path, 50)
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(chance.randrange(1, 50)):
            line = process.stdout.readline()
            assert line, process.stderr.read()
            reported.add(tuple(line.split()))
        process.kill()
        reported |= {
            tuple(line.split())
            for line in process.stdout.read().splitlines(keepends=True)
            if line[-1] == "\n"
        }
        process.wait(10)
        process.stdout.close()
        process.stderr.close()

    assert whole(path)
    with Store(str(path)) as store:
        records = store.records()
    assert reported <= {(r.run, str(r.trial)) for r in records}
    # The one in which a process was killed is written by its sampler, which has no log.
    assert all(len(r.events) == (r.state == "complete") for r in records)


def test_eight_kernels_write_to_one_file_at_once(tmp_path: Path) -> None:
    """They make the file together and wait for each other: nothing is lost, nobody complains."""
    path = tmp_path / "team.db"
    processes = [kernel(path, 25, f"stage {n}", before=PATIENT) for n in range(8)]
    said = [process.communicate(timeout=120) for process in processes]

    assert [error for _, error in said if "e2ebench" in error or "Warning" in error] == []
    assert whole(path)
    with Store(str(path)) as store:
        assert sorted(sum(states.values()) for states in store.counts().values()) == [25] * 8
        assert store.stages() == [f"stage {n}" for n in range(8)]
    assert [p.name for p in tmp_path.iterdir()] == ["team.db"]


def test_eight_kernels_write_to_one_postgresql_at_once(new_postgresql: Callable[[], str]) -> None:
    """A team's server: the tables are made by all at once, and each trial is there."""
    url = new_postgresql()
    processes = [kernel(url, 10, f"stage {n}", before=PATIENT) for n in range(8)]
    said = [process.communicate(timeout=120) for process in processes]

    assert [error for _, error in said if "Warning" in error] == []
    with Store(url) as store:
        assert sorted(sum(states.values()) for states in store.counts().values()) == [10] * 8


def _fill(path: Path) -> str:
    """Write trials until the disk is full, and say what came and how much is there."""
    written = 0
    with Store(str(path)) as store:
        try:
            for n in range(1, 2000):
                store.append(record(n, source=str(n) * 2000))
                written = n
        except StoreError as error:
            found = [r.trial for r in store.records(series=False)]
            return f"{error}|{found == list(range(1, written + 1))}"
    return f"never full after {written}"


def test_a_full_disk_costs_nothing_that_was_written(need: Any, tmp_path: Path) -> None:
    """On a real file system of 300 KiB: the error says what to do, and all before it can be read."""
    need(os.geteuid() == 0 and shutil.which("mount"), "root, to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], check=False, capture_output=True
    )
    need(mounted.returncode == 0, "the right to mount a small disk")
    try:
        text, readable = _fill(disk / "e2ebench.db").split("|")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)

    assert text == (
        f"the store {disk / 'e2ebench.db'} can't be written: there is no space left on the disk; "
        "free some, or name a file elsewhere with %e2e store PATH"
    )
    assert readable == "True"


def test_a_quota_costs_nothing_that_was_written(folder: Path, as_nobody: Callable[[Any], str]) -> None:
    """A limit on the size of files, as a batch system sets it."""

    def limited() -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        return _fill(folder / "e2ebench.db")

    folder.chmod(0o777)
    text, readable = as_nobody(limited).split("|")

    assert text == (
        f"the store {folder / 'e2ebench.db'} can't be written: the file can't be read or written "
        "(disk I/O error); check the disk and its quota, or name a file elsewhere with %e2e store PATH"
    )
    assert readable == "True"


def test_a_folder_that_may_not_be_written(folder: Path, as_nobody: Callable[[Any], str]) -> None:
    """The error says so, as another user than root."""
    folder.chmod(0o555)

    said = as_nobody(lambda: Store(str(folder / "e2ebench.db")))

    assert said == (
        f"StoreError: the store {folder / 'e2ebench.db'} can't be opened: "
        "the file can't be opened or made there; "
        "check that the folder exists and may be written, or name a file elsewhere with %e2e store PATH"
    )
    assert list(folder.iterdir()) == []


def test_a_store_that_may_only_be_read_is_read(folder: Path, as_nobody: Callable[[Any], str]) -> None:
    """A colleague's file: all of it is there, and writing says why it can't."""
    path = folder / "theirs.db"
    with Store(str(path)) as store:
        store.append([record(1), record(2)])
    path.chmod(0o444)
    folder.chmod(0o555)

    def read() -> str:
        with Store(str(path)) as store:
            try:
                store.append(record(3))
            except StoreError as error:
                return f"{len(store.records())}|{error}"
        return "written?"

    assert as_nobody(read) == (
        f"2|the store {path} can't be written: the file or its folder may not be written; "
        "change its permissions, or name a file elsewhere with %e2e store PATH"
    )


def _made(path: Path) -> bytes:
    with Store(str(path)) as store:
        store.append([record(n, source=os.urandom(2000).hex()) for n in range(1, 40)])
    return path.read_bytes()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_left_as_it_is(tmp_path: Path, share: float) -> None:
    """Copied halfway, or cut off by a crash: nothing is written to what remains."""
    path = tmp_path / "cut.db"
    data = _made(path)
    path.write_bytes(data[: int(len(data) * share)])

    with pytest.raises(StoreError) as caught, Store(str(path)) as store:
        store.append(record(99))

    assert str(caught.value).startswith(f"the store {path} can't be ")
    assert str(caught.value).endswith(
        ": the file is damaged or was cut off; it was left as it is; "
        "restore a copy of it, or name another file with %e2e store PATH"
    )
    assert path.read_bytes() == data[: int(len(data) * share)]


@pytest.mark.parametrize(
    "text", [b"hello, I am a notebook\n" * 100, b"x", b"SQLite format 4\0" + b"\0" * 5000]
)
def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path, text: bytes) -> None:
    """Whatever it is, it is somebody's."""
    path = tmp_path / "notes.txt"
    path.write_bytes(text)

    with pytest.raises(StoreError) as caught:
        Store(str(path))

    assert str(caught.value) == (
        f"the store {path} can't be opened: the file is not a SQLite database; "
        "it was left as it is; name another file with %e2e store PATH"
    )
    assert path.read_bytes() == text


def test_a_newer_store_is_left_as_it_is(tmp_path: Path) -> None:
    """It is neither read wrongly nor written to; the error names both versions."""
    path = tmp_path / "newer.db"
    _made(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE e2e_version SET version = 99")
    before = path.read_bytes()

    with pytest.raises(StoreError) as caught:
        Store(str(path))

    assert str(caught.value) == (
        f"the store {path} has version 99, but this e2e_magic reads up to {rows.VERSION}; "
        "it was left as it is: update e2e_magic, or name another file with %e2e store PATH"
    )
    assert path.read_bytes() == before


def test_another_programs_tables_stay(tmp_path: Path) -> None:
    """A database that holds something else keeps it; ours have names of their own."""
    path = tmp_path / "shared.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE runs (x)")
        connection.execute("INSERT INTO runs VALUES (42)")

    with Store(str(path)) as store:
        store.append(record())

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT x FROM runs").fetchall() == [(42,)]
    assert stat.S_ISREG(path.stat().st_mode)


def test_a_file_that_someone_holds_is_waited_for_and_then_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that doesn't end costs the waiting once, and an error in words."""
    from e2e_magic.storage import address

    monkeypatch.setattr(address, "PATIENCE_S", 0.2)
    path = tmp_path / "held.db"
    with Store(str(path)) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as caught:
            store.append(record())
        assert store.records() == []  # reading goes on

        other.execute("ROLLBACK")
        assert store.append(record()) == 1

    assert str(caught.value) == (
        f"the store {path} can't be written: another program holds the file; "
        "end that program, or name another file with %e2e store PATH"
    )
