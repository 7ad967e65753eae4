"""A store's file that is deleted or replaced while a kernel has it open."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from e2e_magic.storage.database import Store
from e2e_magic.storage.local_file import LocalFile
from e2e_magic.storage.vanishing import OpenFile, clear_the_way
from tests.store_contract import record

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows deletes no open file")
GONE = (
    "the store {path} {how} while it was open here: what it held is gone from there, and trials are kept in "
    "the new file from now on; %e2e results still has those of this kernel"
)


def trials(path: Path) -> list[int]:
    """Return the numbers of the trials in a file."""
    with Store(str(path)) as store:
        return [each.trial for each in store.records()]


def delete(path: Path, *suffixes: str) -> None:
    """Delete a file, and what SQLite has beside it."""
    for suffix in ("", *suffixes):
        path.with_name(path.name + suffix).unlink()


@pytest.mark.parametrize("beside", [(), ("-wal",), ("-wal", "-shm")], ids=str)
def test_what_comes_after_a_deletion_is_kept_and_said(tmp_path: Path, beside: tuple[str, ...]) -> None:
    """In a new file, whatever of SQLite's own was left beside the old one."""
    path = tmp_path / "kept.db"
    file = LocalFile(path)
    file.append(record(1))
    delete(path, *beside)
    with pytest.warns(UserWarning, match="while it was open") as warned:
        file.append(record(2))
    file.append(record(3))

    assert [str(one.message) for one in warned] == [GONE.format(path=path, how="was deleted")]
    assert trials(path) == [2, 3]
    file.close()
    assert trials(path) == [2, 3]


def test_another_s_file_keeps_its_log(tmp_path: Path) -> None:
    """A kernel that closes the deleted file leaves the log of the new one alone."""
    path = tmp_path / "kept.db"
    old = LocalFile(path)
    old.append(record(1))
    delete(path, "-wal", "-shm")
    new = LocalFile(path)
    new.append(record(2))
    old.close()
    new.append(record(3))

    assert trials(path) == [2, 3]
    new.close()
    assert trials(path) == [2, 3]


def test_a_file_in_its_place_takes_the_next(tmp_path: Path) -> None:
    """As after `git checkout`."""
    path, other = tmp_path / "kept.db", tmp_path / "other.db"
    with Store(str(other)) as store:
        store.append(record(7))
    file = LocalFile(path)
    file.append(record(1))
    delete(path, "-wal", "-shm")
    other.rename(path)
    with pytest.warns(UserWarning, match="while it was open") as warned:
        file.append(record(2))

    assert [str(one.message) for one in warned] == [
        GONE.format(path=path, how="was replaced by another file")
    ]
    assert trials(path) == [7, 2]
    file.close()


def test_two_processes_meet_in_the_new_file(tmp_path: Path) -> None:
    """Each notices it by itself; nothing of either is lost, and the file is whole."""
    path = tmp_path / "kept.db"
    code = (
        "import sys\nfrom datetime import UTC, datetime\nfrom pathlib import Path\n"
        "from e2e_magic.record import Record\nfrom e2e_magic.storage.local_file import LocalFile\n"
        "def record(n): return Record('ab', 'train', n, 1, 'complete', datetime.now(UTC))\n"
        "file = LocalFile(Path(sys.argv[1]))\nfile.append(record(1))\nprint('there', flush=True)\n"
        "for line in sys.stdin:\n    file.append(record(int(line)))\n    print('kept', flush=True)\n"
        "file.close()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    ) as child:  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "there\n"
        file = LocalFile(path)
        file.append(record(2))
        delete(path)
        with pytest.warns(UserWarning, match="was deleted"):
            file.append(record(3))
        for number in (4, 5):
            child.stdin.write(f"{number}\n")
            assert child.stdout.readline() == "kept\n"
        file.append(record(6))
        child.stdin.close()
    file.append(record(8))
    file.close()

    assert child.returncode == 0
    assert sorted(trials(path)) == [3, 4, 5, 6, 8]
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_a_session_reads_what_is_there_now(session: Any, tmp_path: Path) -> None:
    """`results(all)` shows the new file, and none is made to read a deleted one."""
    path = tmp_path / "kept.db"
    session.set_store(str(path))
    session.keep(record(1))
    assert [each.trial for each in session.writer.reading().records()] == [1]
    delete(path, "-wal", "-shm")

    assert session.writer.reading() is None
    assert not path.exists()
    with pytest.warns(UserWarning, match="was deleted while it was open here"):
        session.keep(record(2))
    assert [each.trial for each in session.writer.reading().records()] == [2]


def test_what_can_t_be_looked_at_is_not_gone(tmp_path: Path) -> None:
    """Neither is a store that is no file; and the way is cleared only where nothing is."""
    path = tmp_path / "folder" / "kept.db"
    path.parent.mkdir()
    path.write_bytes(b"1")
    there = OpenFile(path)
    path.with_name("kept.db-wal").write_bytes(b"log")
    clear_the_way(path)

    assert path.with_name("kept.db-wal").exists()
    assert there.gone() == ""
    assert OpenFile(None).gone() == ""
    path.unlink()
    assert there.gone() == "was deleted"
    clear_the_way(path)
    assert not path.with_name("kept.db-wal").exists()
