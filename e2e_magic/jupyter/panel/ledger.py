"""The trials of a panel, ranked as they come, so that 10,000 of them are shown as fast as ten.

Each record is looked at once, when it comes. The table holds the best few and the last that ended early;
the charts' points are appended to, never rebuilt.
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
from e2e_magic.sweeping.schedule import Goal, key_of
from e2e_magic.sweeping.space import Space
from e2e_magic.sweeping.values import CONTENTS, Digests

# So many values have each a mark of their own, below a slider and on a chart's axis.
MOST_MARKS = 8
# Beside the target, those of these that the trials have.
_COLUMNS = ("loss", "accuracy", "wall_time_s", "peak_rss_mib", "package_energy_j")


@dataclass(frozen=True, slots=True)
class Entry:
    """One trial: its record, and its numbers with what follows from them."""

    record: Record
    values: Mapping[str, Any]


class Column:
    """Some parameters of each trial as text, and the value behind each text."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.texts: list[str] = []
        self.values: dict[str, Any] = {}

    def follow(self, entries: Sequence[Entry]) -> Self:
        """Append the entries that are new."""
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
        """Add one trial, unless it is there already."""
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
        """Return the lock that keeps new trials out while it is held."""
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
        if goal.name != self._for:  # the name was unknown before the first complete trial
            self._again()
            return
        value = self.value(self.entries[number])
        if value is None:
            return
        bisect.insort(self._ranked, (goal.cost(value), number))
        self._points.append((number, value))

    def value(self, entry: Entry) -> float | None:
        """Return the target's value of a complete trial; None where there is none."""
        value = entry.values.get(self.goal.name or "")
        if entry.record.state != "complete" or value is None or isinstance(value, str) or value != value:
            return None
        return float(value)

    def best(self, most: int) -> list[Entry]:
        """Return the best trials, the best one first."""
        with self._lock:
            return [self.entries[number] for _, number in self._ranked[:most]]

    def ended_early(self, most: int) -> list[Entry]:
        """Return the last trials that did not complete."""
        with self._lock:
            return self._early[-most:]

    def count(self, state: str) -> int:
        """Return the number of trials that ended in this state."""
        with self._lock:
            early = sum(entry.record.state == state for entry in self._early)
            return len(self.entries) - len(self._early) if state == "complete" else early

    def points(self) -> list[tuple[int, float]]:
        """Return (index in `entries`, target) of each complete trial that has a target."""
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


class Combinations:
    """The combinations of a space, by the content of their values, as a resumed sweep distinguishes them.

    Parameters
    ----------
    space : Space

    Raises
    ------
    PlanError
        If the content of a value can't be identified; the error names its parameter.
    """

    def __init__(self, space: Space) -> None:
        digests = Digests()
        self._space = space
        self._places: list[dict[str, int]] = []
        for axis in space.axes:
            values = [axis.at(place) for place in range(axis.count or 0)]
            self._places.append({key_of(one, digests.of(one)): place for place, one in enumerate(values)})

    def of(self, record: Record) -> dict[str, Any] | None:
        """Return the combination that a trial ran, with the space's own values; None where it ran none.

        A trial that comes from a store has a text where its value can't be kept.
        """
        if set(record.params) != set(self._space.names):
            return None
        contents = record.reported.get(CONTENTS, {})
        combination: dict[str, Any] = {}
        for axis, places in zip(self._space.axes, self._places, strict=True):
            params = {name: record.params[name] for name in axis.names}
            if axis.distribution is not None:
                [number] = params.values()
                low, high = axis.distribution.low, axis.distribution.high
                if not isinstance(number, int | float) or not low <= number <= high:
                    return None
                combination |= params
                continue
            place = places.get(key_of(params, {n: contents[n] for n in params if n in contents}))
            if place is None:
                return None
            combination |= axis.at(place)
        return combination
