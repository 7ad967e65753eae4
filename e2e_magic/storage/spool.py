"""Trials on their way to another database: a SQLite file of the same tables, in which they wait."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from e2e_magic.storage import packing
from e2e_magic.storage.appending import Row
from e2e_magic.storage.folders import state_folder, takes_log, temporary_folder
from e2e_magic.storage.local_file import LocalFile
from e2e_magic.storage.rows import TrialRows

_SUFFIXES = ("", "-wal", "-shm", "-journal", ".lock")


class Waiting(NamedTuple):
    """A trial that waits, with its number in the file and its run's row."""

    number: int
    run: Row
    trial: TrialRows


class Spool(LocalFile):
    """A file of trials that wait; what it holds is a store like any other, should nobody ever fetch it.

    It outlives its process, however that ends. It need not outlive the machine: a commit waits for
    no disk.
    """

    _lasting = False
    _read_whole = False

    def count(self) -> int:
        """Return how many trials wait."""
        return int(self._all("SELECT count(*) AS trials FROM e2e_trials")[0]["trials"])

    def oldest(self, most: int, but: Sequence[int] = ()) -> list[Waiting]:
        """Return the trials that wait longest, in their order, without some."""
        left_out = ", ".join(map(str, but))
        trials = self._all(
            f"SELECT * FROM e2e_trials WHERE number NOT IN ({left_out}) ORDER BY number LIMIT ?",  # noqa: S608
            most,
        )
        runs = {run.pop("number"): run for run in self._all("SELECT * FROM e2e_runs")}
        waiting = []
        for row in trials:
            number, run, key = row.pop("number"), runs[row.pop("run")], row["source"]
            row["concurrent"] = bool(row["concurrent"])  # SQLite has no truth values, other databases do
            code = self._all("SELECT text FROM e2e_sources WHERE key = ?", key)
            curves = self._all(
                "SELECT place, metric, data FROM e2e_curves WHERE trial = ? ORDER BY place", number
            )
            source = (key, code[0]["text"]) if code else None
            waiting.append(Waiting(number, run, TrialRows(row, source, curves)))
        return waiting

    def remove(self, numbers: Sequence[int]) -> None:
        """Remove trials: they have arrived."""
        with self._transaction("written"):
            for number in numbers:
                self._connection.execute("DELETE FROM e2e_curves WHERE trial = ?", (number,))
                self._connection.execute("DELETE FROM e2e_trials WHERE number = ?", (number,))

    def drop_run(self, run: str) -> None:
        """Remove the trials of a run (its id)."""
        of_run = "SELECT t.number FROM e2e_trials t JOIN e2e_runs r ON r.number = t.run WHERE r.id = ?"
        self.remove([row["number"] for row in self._all(of_run, packing.escape(run))])

    def _all(self, query: str, *values: object) -> list[dict[str, Any]]:
        with self._transaction("read", begin="BEGIN"):
            answer = self._connection.execute(query, values)
            names = [column[0] for column in answer.description]
            return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def new_path(address: str) -> Path | None:
    """Return where trials for an address may wait; None where there is no room for them."""
    folder = state_folder()
    if folder is None or not takes_log(folder / "x"):
        folder = temporary_folder()
    return None if folder is None else folder / f"{_prefix(address)}{os.getpid()}-{os.urandom(4).hex()}.db"


def left_over(path: Path) -> Iterator[Path]:
    """Yield the files for the same address, in the same folder, whose processes have ended."""
    prefix = path.name.rsplit("-", 2)[0] + "-"
    for file in sorted(path.parent.glob(f"{prefix}*.db")):
        owner = file.name.removeprefix(prefix).partition("-")[0]
        if file != path and owner.isdigit() and not _alive(int(owner)):
            yield file


def delete(path: Path) -> None:
    """Delete a file from which everything has arrived, with what SQLite keeps beside it."""
    for suffix in _SUFFIXES:
        with suppress(OSError):
            path.with_name(path.name + suffix).unlink()


def _prefix(address: str) -> str:
    return f"outbox-{packing.key(address)[:12]}-"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
