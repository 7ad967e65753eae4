"""Many trials at once: their columns instead of an object each, and what follows from them as arrays.

A hundred thousand records, each with a few mappings, take seconds to make and to go through. Of trials that
are alike (the same readings, the same things reported, neither logs nor power curves) every number derived
is one line of numpy. The others are records, and `derive` sees them one by one: the same definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from e2e_magic import derived
from e2e_magic.record import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Trials in a block that is made of records.
CHUNK = 2_000
# What a trial says besides parameters and metrics.
PLAIN = ("run", "stage", "sweep", "trial", "repeat", "state", "error", "started_at", "host", "concurrent")
EXACT = 2.0**53  # below it every whole number is a float
_plain = attrgetter(*PLAIN)
_NUMBERS = frozenset(derived.NUMBERS)
_KNOWN = _NUMBERS | frozenset(derived.SETTINGS)
_CURVES = frozenset(derived.CURVES)


@dataclass(frozen=True, slots=True)
class Group:
    """Trials of a block that have the same readings.

    Attributes
    ----------
    where : array of int
        Their places in the block.
    readings : mapping of str to array or list
        A column per reading, as `column` makes them.
    """

    where: NDArray[np.intp]
    readings: Mapping[str, Any]

    def at(self, indices: Any) -> Group:
        """Return a part of it."""
        return Group(
            self.where[indices], {name: taken(cells, indices) for name, cells in self.readings.items()}
        )


@dataclass(frozen=True, slots=True)
class Block:
    """Some trials as columns.

    Attributes
    ----------
    said : mapping of str to sequence
        What each says of itself, by the names of `PLAIN`.
    params, reported : sequence of mapping
        A place per trial.
    groups : sequence of Group
        Each trial is in one of them.
    alone : sequence of bool
        Those of which a log or a curve has to be looked at.
    records : callable
        Gives the records of these places.
    """

    said: Mapping[str, Sequence[Any]]
    params: Sequence[Mapping[str, Any]]
    reported: Sequence[Mapping[str, Any]]
    groups: Sequence[Group]
    alone: Sequence[bool]
    records: Callable[[Sequence[int]], list[Record]]

    def __len__(self) -> int:
        return len(self.params)

    @classmethod
    def of(cls, records: Sequence[Record]) -> Block:
        """Take records apart; there is at least one."""
        shapes: dict[tuple[str, ...], list[int]] = {}
        for place, record in enumerate(records):
            shapes.setdefault(tuple(record.readings), []).append(place)
        groups = []
        for names, places in shapes.items():
            cells = zip(*[records[place].readings.values() for place in places], strict=True)
            readings = {name: column(list(cell)) for name, cell in zip(names, cells, strict=True)}
            groups.append(Group(np.array(places, dtype=np.intp), readings))
        return cls(
            dict(zip(PLAIN, map(list, zip(*map(_plain, records), strict=True)), strict=True)),
            [record.params for record in records],
            [record.reported for record in records],
            groups,
            [bool(record.events.t_s) or not _CURVES.isdisjoint(record.series) for record in records],
            lambda places: [records[place] for place in places],
        )

    def values(self) -> Iterator[tuple[NDArray[np.intp], dict[str, Any]]]:
        """Yield places with columns of all that was read and that follows there; each place comes once."""
        single = {place for place, alone in enumerate(self.alone) if alone}
        for group in self.groups:
            for names, indices in _alike(group, self.reported, single).items():
                some = group if len(indices) == len(group.where) else group.at(indices)
                told = [self.reported[place] for place in some.where.tolist()]
                numbers = {name: column([one[name] for one in told]) for name in names[0] if name in _NUMBERS}
                fits = _fitting(some, numbers)
                single.update(some.where[~fits].tolist())
                if not fits.all():
                    kept = np.flatnonzero(fits)
                    some, numbers = (
                        some.at(kept),
                        {name: taken(cells, kept) for name, cells in numbers.items()},
                    )
                if len(some.where):
                    yield some.where, _together(some, numbers, told[0])
        if single:
            ordered = sorted(single)
            yield np.array(ordered, dtype=np.intp), _one_by_one(self.records(ordered))


def blocks(trials: Iterable[Record | Block]) -> Iterator[Block]:
    """Yield blocks in the order of what comes, which is gone through once."""
    held: list[Record] = []
    for one in trials:
        if isinstance(one, Block):
            if held:
                yield Block.of(held)
                held = []
            if len(one):
                yield one
            continue
        held.append(one)
        if len(held) == CHUNK:
            yield Block.of(held)
            held = []
    if held:
        yield Block.of(held)


def column(cells: list[Any]) -> Any:
    """Make a column: float64 of floats, int64 of whole numbers that a float can hold, else a list."""
    kinds = set(map(type, cells))
    if kinds == {float}:
        return np.array(cells, dtype=np.float64)
    if kinds == {int} and min(cells) > -EXACT and max(cells) < EXACT:
        return np.array(cells, dtype=np.int64)
    return cells


def taken(cells: Any, indices: Any) -> Any:
    """Return a part of a column."""
    return cells[indices] if isinstance(cells, np.ndarray) else [cells[n] for n in indices]


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Turn mappings into a list per key, None where one has no such key."""
    return {name: _cells(rows, name) for name in dict.fromkeys(chain.from_iterable(rows))}


def _cells(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    try:
        return [row[name] for row in rows]  # of trials alike each has it, and this is twice as fast
    except KeyError:
        return [row.get(name) for row in rows]


def _alike(
    group: Group, reported: Sequence[Mapping[str, Any]], single: set[int]
) -> Mapping[tuple[tuple[str, ...], str], Sequence[int]]:
    """Return the group's indices by what was reported there; those of other reports become `single`."""
    settings: dict[tuple[str, ...], list[str] | None] = {}
    found: dict[tuple[tuple[str, ...], str], list[int]] = {}
    places = group.where.tolist()
    shapes = set(map(tuple, map(reported.__getitem__, places)))
    if len(shapes) == 1 and not single and _NUMBERS.issuperset(next(iter(shapes))):
        return {(shapes.pop(), ""): range(len(places))}  # as it mostly is
    for index, place in enumerate(places):
        if place in single:
            continue
        told = reported[place]
        names = tuple(told)
        if names not in settings:
            settings[names] = (
                [name for name in names if name not in _NUMBERS] if _KNOWN.issuperset(names) else None
            )
        shared = settings[names]
        if shared is None:
            single.add(place)
        else:
            key = names, repr([told[name] for name in shared]) if shared else ""
            found.setdefault(key, []).append(index)
    return found


def _fitting(group: Group, numbers: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Tell of which trials a definition may be read as one of arrays: see `derived.derive_alike`."""
    read = [group.readings[name] for name in derived.READINGS if name in group.readings]
    if any(isinstance(cells, list) for cells in (*read, *numbers.values())):
        return np.zeros(len(group.where), dtype=np.bool_)
    fits = np.ones(len(group.where), dtype=np.bool_)
    if "wall_time_s" in group.readings:
        fits &= group.readings["wall_time_s"] > 0
    if "entries" in numbers:
        fits &= numbers["entries"] != 0
    return fits


def _together(group: Group, numbers: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of trials that are alike."""
    read = {
        name: group.readings[name].astype(np.float64) for name in derived.READINGS if name in group.readings
    }
    handed = {
        name: cells if name == "entries" else cells.astype(np.float64) for name, cells in numbers.items()
    }
    with np.errstate(all="ignore"):  # as floats: infinite where it is too large
        values, missing = derived.derive_alike(
            read, handed, {name: value for name, value in settings.items() if name not in _NUMBERS}
        )
    for name in missing:  # what was asked for and can't be had has its column too
        values.setdefault(name, np.full(len(group.where), np.nan))
    for name, cells in group.readings.items():
        other = values.get(name)
        if other is not None and isinstance(cells, list):
            cells = [o if c is None else c for c, o in zip(cells, other.tolist(), strict=True)]  # noqa: PLW2901
        values[name] = cells  # what was read wins over what was derived from it
    return values


def _one_by_one(records: Sequence[Record]) -> dict[str, list[Any]]:
    """Return the columns of any trials."""
    merged = []
    for record in records:
        found = derived.derive(record)
        values: dict[str, Any] = {**dict.fromkeys(found.missing), **found.values}
        for name, cell in record.readings.items():
            if cell is not None or name not in values:
                values[name] = cell
        merged.append(values)
    return columns(merged)
