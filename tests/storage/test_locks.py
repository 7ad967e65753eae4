"""The locks on a store's file: a program that reads it elsewhere takes nothing away."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e_magic.storage.database import Store
from e2e_magic.storage.errors import StoreError
from e2e_magic.storage.local_file import LocalFile, check_size
from e2e_magic.storage.run_names import beginning_with
from tests.store_contract import record

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows' locks are of a handle, not of a process")
COUNTS = """
import sqlite3, sys
file = sqlite3.connect(sys.argv[1])
print(file.execute("SELECT COUNT(*) FROM e2e_trials").fetchone()[0])
file.close()
"""


def counted_elsewhere(path: Path) -> int:
    """Return how many trials another process finds, which closes the file then."""
    command = [sys.executable, "-c", COUNTS, str(path)]
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


@contextmanager
def opened_again(path: Path) -> Iterator[None]:
    """Open it once more, and leave that open."""
    with Store(str(path)) as store:
        assert store.counts()
        yield


@contextmanager
def opened_in_between(path: Path) -> Iterator[None]:
    """Open it once more, and close that."""
    with Store(str(path), create=False) as store:
        assert list(store.records())
    yield


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Ask for the names of its runs."""
    assert beginning_with(str(path), "") is not None
    yield


@contextmanager
def checked(path: Path) -> Iterator[None]:
    """Look whether it is a store."""
    check_size(path)
    yield


@pytest.mark.parametrize("use", [opened_again, opened_in_between, named, checked])
@pytest.mark.parametrize("write", [LocalFile, lambda path: Store(str(path))], ids=["file", "store"])
def test_a_reader_elsewhere_takes_no_row_away(
    tmp_path: Path,
    write: Callable[[Path], LocalFile | Store],
    use: Callable[[Path], contextmanager[None]],
) -> None:
    """Whatever else this process does with the file: what it writes afterwards is seen everywhere."""
    path = tmp_path / "kept.db"
    writer = write(path)
    writer.append(record(1))
    with use(path):
        assert counted_elsewhere(path) == 1
        writer.append(record(2))
        assert counted_elsewhere(path) == 2
    writer.append(record(3))
    assert counted_elsewhere(path) == 3
    writer.close()
    assert counted_elsewhere(path) == 3


@pytest.mark.parametrize("size", [1, 15, 16, 511, 512, 4095, 4096, 10_000])
def test_a_file_of_something_else_stays_as_it_is(tmp_path: Path, size: int) -> None:
    """Whatever its length: nothing is written into it, and the error says so."""
    path = tmp_path / "notes.txt"
    path.write_bytes(b"n" * size)
    for opening in (LocalFile, lambda file: Store(str(file))):
        with pytest.raises(StoreError) as caught:
            opening(path)
        assert str(caught.value) == (
            f"the store {path} can't be opened: the file is not a SQLite database; it was left as it is; "
            "name another file with %e2e store PATH"
        )
    assert beginning_with(str(path), "n") is None
    assert path.read_bytes() == b"n" * size
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]
