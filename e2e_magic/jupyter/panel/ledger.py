"""What a panel knows of its trials, kept so that 10,000 of them are shown as fast as ten.

Each record is looked at once, when it comes. The table holds the best few and the last that ended early;
the charts' points are appended to, never made anew.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Self

from e2e_magic.derived import derive
from e2e_magic.record import Record
from e2e_magic.sweeping.schedule import Goal
from e2e_magic.sweeping.space import Space

# Beside the target, those of these that the trials have.
_COLUMNS = ("loss", "accuracy", "wall_time_s", "peak_rss_mib", "package_energy_j")


@dataclass(frozen=True, slots=True)
class Entry:
    """One trial: its record, and its numbers with what follows from them."""

    record: Record
    values: Mapping[str, Any]


class Column:
    """What the trials' parameters of some names are, as text, and the values behind each text."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.texts: list[str] = []
        self.values: dict[str, Any] = {}

    def follow(self, entries: Sequence[Entry]) -> Self:
        """Take in the entries that are new."""
        for entry in entries[len(self.texts) :]:
            values = tuple(entry.record.params.get(name) for name in self.names)
            value = values[0] if len(values) == 1 else values
            text = text_of(value)
            self.values.setdefault(text, value)
            self.texts.append(text)
        return self


class Ledger:
    """The trials of a panel, best first. Any thread may add, any may read.

    Parameters
    ----------
    goal : Goal
        The metric that the sweep is about; None as long as nothing runs.
    """

    def __init__(self, goal: Goal) -> None:
        self.goal = goal
        self.entries: list[Entry] = []
        self.columns: list[str] = []
        self._points: list[tuple[int, float]] = []
        self._columns: dict[tuple[str, ...], Column] = {}
        self._lock = threading.RLock()
        self._ranked: list[tuple[float, int]] = []
        self._early: list[Entry] = []
        self._seen: set[tuple[str, str, int]] = set()
        self._for: str | None = None

    def __len__(self) -> int:
        return len(self.entries)

    def add(self, record: Record) -> None:
        """Take one trial; one that is known already is left out."""
        key = (record.run, record.stage, record.trial)
        values = {**derive(record).values, **record.readings}
        with self._lock:
            if key in self._seen:
                return
            self._seen.add(key)
            self.entries.append(Entry(record, values))
            self._rank(len(self.entries) - 1)
            if record.state != "complete":
                self._early.append(self.entries[-1])
            self.columns += [name for name in _COLUMNS if name in values and name not in self.columns]

    def held(self) -> AbstractContextManager[object]:
        """Let no trial come in meanwhile."""
        return self._lock

    def aim(self, goal: Goal) -> None:
        """Rank all trials by another metric."""
        with self._lock:
            self.goal = goal
            self._again()

    def _again(self) -> None:
        self._ranked, self._points, self._for = [], [], self.goal.name
        for number in range(len(self.entries)):
            self._rank(number)

    def _rank(self, number: int) -> None:
        goal = self.goal
        if goal.name is None:
            return
        if goal.name != self._for:  # it was not known before the first complete trial
            self._again()
            return
        value = self.value(self.entries[number])
        if value is None:
            return
        bisect.insort(self._ranked, (goal.cost(value), number))
        self._points.append((number, value))

    def value(self, entry: Entry) -> float | None:
        """Return the target's value of a complete trial; None where there is none."""
        found = entry.values.get(self.goal.name or "")
        if entry.record.state != "complete" or found is None or isinstance(found, str) or found != found:
            return None
        return float(found)

    def best(self, most: int) -> list[Entry]:
        """Return the best trials, the best one first."""
        with self._lock:
            return [self.entries[number] for _, number in self._ranked[:most]]

    def ended_early(self, most: int) -> list[Entry]:
        """Return the last trials that failed or were interrupted."""
        with self._lock:
            return self._early[-most:]

    def count(self, state: str) -> int:
        """Return how many trials came to this state."""
        with self._lock:
            early = sum(entry.record.state == state for entry in self._early)
            return len(self.entries) - len(self._early) if state == "complete" else early

    def points(self) -> list[tuple[int, float]]:
        """Return the place among the entries and the target of each complete trial that has one."""
        with self._lock:
            return list(self._points)

    def column(self, names: tuple[str, ...]) -> Column:
        """Return the parameters of these names, for each entry."""
        with self._lock:
            return self._columns.setdefault(names, Column(names)).follow(self.entries)


def text_of(value: Any) -> str:
    """Write a parameter's value for a chart or a table."""
    if isinstance(value, str):
        return value
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def within(space: Space, params: Mapping[str, Any]) -> bool:
    """Tell whether these parameters are a combination of the space."""
    if set(params) != set(space.names):
        return False
    for axis in space.axes:
        values = tuple(params[name] for name in axis.names)
        if axis.distribution is not None:
            number = values[0]
            if not isinstance(number, int | float):
                return False
            if not axis.distribution.low <= number <= axis.distribution.high:
                return False
        elif (values[0] if len(values) == 1 else values) not in axis.values:
            return False
    return True
