"""Finished trials into the tables, each time in one transaction: the same steps over any database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from e2e_magic.record import Record, Run
from e2e_magic.storage import packing, rows
from e2e_magic.storage.errors import StoreError

Row = Mapping[str, Any]
_MOST_TRIALS = 2**53


class Statements(Protocol):
    """What a database does within one transaction; a row is a mapping of column to value."""

    def insert(self, table: str, new: Sequence[Row]) -> list[int]:
        """Insert rows and return their numbers, in the same order."""

    def seal(self, numbers: Sequence[int]) -> None:
        """Write the blocks that these new trials fill, where the database has any: see `sealing`."""

    def insert_absent(self, table: str, row: Row) -> None:
        """Insert a row unless there is one of its key; two writers may do so at the same time."""

    def run_number(self, column: Literal["key", "id"], value: str) -> int | None:
        """Return the number of the newest run that has this value."""

    def update_run(self, number: int, changes: Row) -> None:
        """Change columns of the run of this number."""

    def update_trial(self, run: int, stage_key: str, trial: int, changes: Row) -> None:
        """Change columns of a trial, by the number of its run."""

    def stored_trials(self, run: int, stage_key: str, least: int, most: int) -> set[int]:
        """Return which trials of a run's stage are there, from `least` to `most`."""


class _StoredRun(NamedTuple):
    """A run's number, and the run with its row as this process wrote it last, if it did."""

    number: int
    run: Run | None = None
    row: Row | None = None


_NEVER = _StoredRun(0)


class Appending(ABC):
    """A store that takes finished trials.

    Attributes
    ----------
    conflict : type of Exception
        What the database raises for a row whose run is gone.
    """

    conflict: ClassVar[type[Exception]]

    def __init__(self) -> None:
        self._runs: dict[str, _StoredRun] = {}  # by id

    @abstractmethod
    def close(self) -> None:
        """Close the store."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[Statements]:
        """Return a transaction; what fails in it is a `StoreError`, and nothing of it stays."""

    def append(
        self,
        records: Record | Iterable[Record],
        runs: Iterable[Run] = (),
        changed: Iterable[Record] = (),
    ) -> int:
        """Write finished trials in one transaction, with their runs where those are given.

        Parameters
        ----------
        records : Record or iterable of Record
        runs : iterable of Run
            Runs of these records as they are now. Without it, the newest stored run of a record's run id
            is meant; where there is none, one is created that has nothing but its id and time.
        changed : iterable of Record
            Trials that are there already and have other readings now.

        Returns
        -------
        int
            How many were new. A trial (run, stage, number) that is there already stays as it is.

        Raises
        ------
        StoreError
            If they can't be written.
        """
        trials = [records] if isinstance(records, Record) else list(records)
        runs, changed = list(runs), list(changed)

        def numbers(statements: Statements, stored: dict[str, _StoredRun]) -> list[int]:
            for run in runs:
                before = stored.get(run.id, _NEVER)
                if run is not before.run:
                    row = rows.run_row(run)
                    stored[run.id] = _StoredRun(put_run(statements, row, before.row), run, row)
            for record in trials:
                if record.run not in stored:
                    number = statements.run_number("id", packing.escape(record.run))
                    if number is None:
                        nameless = rows.run_row(Run(record.run, record.run, record.started_at))
                        number = put_run(statements, nameless)
                    stored[record.run] = _StoredRun(number)
            for record in changed:
                if record.run in stored:
                    key, changes = packing.key(record.stage), rows.readings(record)
                    statements.update_trial(stored[record.run].number, key, record.trial, changes)
            return [stored[record.run].number for record in trials]

        return self._append([rows.trial_rows(record) for record in trials], numbers)

    def append_killed(self, record: Record, run: Run) -> int:
        """Write the trial of a process that has ended; as `append`, but a run that is there stays as it is.

        A trial of number 0 gets the next that is free in its run and stage.
        """
        key = packing.key(record.stage)
        with self._writing() as statements:
            there = statements.run_number("id", packing.escape(run.id))
            if there is not None and not record.trial:
                taken = statements.stored_trials(there, key, 1, _MOST_TRIALS)
                record = replace(record, trial=max(taken, default=0) + 1)
        return self.append([replace(record, trial=record.trial or 1)], [] if there is not None else [run])

    def append_rows(self, trials: Sequence[rows.TrialRows], runs: Sequence[Row]) -> int:
        """Write trials that are rows already, each with the row of its run; as `append`."""

        def numbers(statements: Statements, stored: dict[str, _StoredRun]) -> list[int]:
            for row in runs:
                before = stored.get(row["key"], _NEVER)
                if row != before.row:
                    stored[row["key"]] = _StoredRun(put_run(statements, row, before.row), None, row)
            return [stored[row["key"]].number for row in runs]

        return self._append(trials, numbers)

    def _append(
        self,
        trials: Sequence[rows.TrialRows],
        numbers: Callable[[Statements, dict[str, _StoredRun]], list[int]],
    ) -> int:
        """Write trials; `numbers` writes their runs and returns the number of each one's."""
        try:
            return self._append_once(trials, numbers)
        except StoreError as error:
            if not isinstance(error.__cause__, self.conflict) or not self._runs:
                raise
            self._runs = {}  # somebody has deleted a run that was stored: it is inserted anew
            return self._append_once(trials, numbers)

    def _append_once(
        self,
        trials: Sequence[rows.TrialRows],
        numbers: Callable[[Statements, dict[str, _StoredRun]], list[int]],
    ) -> int:
        with self._writing() as statements:
            stored = dict(self._runs)
            new = put_trials(statements, trials, numbers(statements, stored))
        self._runs = stored  # not before: a row that was rolled back has no number
        return new


def put_run(statements: Statements, row: Row, before: Row | None = None) -> int:
    """Write a run (see `rows.run_row`) or what has changed of it, and return its number.

    What is as it was `before`, when this process wrote it last, is left alone: another may have given
    the run a new name since.
    """
    number = statements.run_number("key", row["key"])
    if number is None:
        statements.insert_absent("e2e_runs", row)
        number = statements.run_number("key", row["key"])
        assert number is not None  # noqa: S101 - it is there now, whoever was faster
        return number
    changes = {name: value for name, value in row.items() if not before or value != before.get(name)}
    if changes:
        statements.update_run(number, changes)
    return number


def put_trials(statements: Statements, trials: Sequence[rows.TrialRows], runs: Sequence[int]) -> int:
    """Write trials of the runs of these numbers, but those that are there; return how many were new."""
    new: dict[tuple[int, str, int], rows.TrialRows] = {}
    for trial, run in zip(trials, runs, strict=True):
        new.setdefault((run, trial.row["stage_key"], trial.row["trial"]), trial)
    of_stages: dict[tuple[int, str], list[int]] = {}
    for run, stage, number in new:
        of_stages.setdefault((run, stage), []).append(number)
    for (run, stage), numbers in of_stages.items():
        for number in statements.stored_trials(run, stage, min(numbers), max(numbers)):
            new.pop((run, stage, number), None)
    if not new:
        return 0
    for key, text in {trial.source for trial in new.values() if trial.source is not None}:
        statements.insert_absent("e2e_sources", {"key": key, "text": text})
    numbers = statements.insert(
        "e2e_trials", [{"run": run, **trial.row} for (run, _, _), trial in new.items()]
    )
    curves = [
        {"trial": number, **curve}
        for trial, number in zip(new.values(), numbers, strict=True)
        for curve in trial.curves
    ]
    if curves:
        statements.insert("e2e_curves", curves)
    statements.seal(numbers)
    return len(new)
