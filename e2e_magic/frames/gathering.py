"""Records taken apart into columns, some thousand at a time.

A hundred thousand records are a few hundred MiB of small objects; their columns are a tenth of that. So
they are read, taken apart and let go in chunks, which also spares the machine most of that memory's cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from e2e_magic.derived import derive
from e2e_magic.record import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHUNK = 2_000
# What a record says besides parameters and metrics.
PLAIN = ("run", "stage", "sweep", "trial", "repeat", "state", "error", "started_at", "host", "concurrent")
_plain = attrgetter(*PLAIN)
_NUMBERS = {float, type(None)}


class Table:
    """Columns that grow by chunks of rows; a column may lack in some of them.

    Attributes
    ----------
    size : int
        The rows so far.
    """

    def __init__(self) -> None:
        self.size = 0
        self._parts: dict[str, list[tuple[int, Any]]] = {}

    def add(self, cells: Mapping[str, list[Any]], size: int) -> None:
        """Take in the columns of the next `size` rows, None where a row has nothing."""
        for name, column in cells.items():
            # Numbers are kept as such: 8 bytes each instead of 32.
            plain = set(map(type, column)) <= _NUMBERS
            part = np.array(column, dtype=np.float64) if plain else column
            self._parts.setdefault(name, []).append((self.size, part))
        self.size += size

    def names(self) -> list[str]:
        """Return the columns in the order in which they appeared."""
        return list(self._parts)

    def cells(self, name: str) -> list[Any] | NDArray[np.float64]:
        """Return a whole column: an array where all is float or missing (NaN), else a list with None."""
        parts = self._parts.get(name, ())
        if all(isinstance(part, np.ndarray) for _, part in parts):
            numbers = np.full(self.size, np.nan)
            for start, part in parts:
                numbers[start : start + len(part)] = part
            return numbers
        whole: list[Any] = [None] * self.size
        for start, part in parts:
            if isinstance(part, np.ndarray):  # beside a chunk of other things: as Python's own again
                part = [None if value != value else value for value in part.tolist()]  # noqa: PLW2901
            whole[start : start + len(part)] = part
        return whole


def gather(records: Iterable[Record]) -> tuple[dict[str, list[Any]], Table, Table]:
    """Take records apart, and go through them once.

    Returns
    -------
    plain : dict of str to list
        What each record says of itself, by the names of `PLAIN`.
    params, values : Table
        The parameters; the metrics, read and derived.
    """
    plain: dict[str, list[Any]] = {name: [] for name in PLAIN}
    params, values = Table(), Table()
    source = iter(records)
    while chunk := list(islice(source, _CHUNK)):
        for name, cells in zip(PLAIN, zip(*map(_plain, chunk), strict=True), strict=True):
            plain[name] += cells
        params.add(_columns([record.params for record in chunk]), len(chunk))
        values.add(_metrics(chunk), len(chunk))
    return plain, params, values


def _metrics(records: Sequence[Record]) -> dict[str, list[Any]]:
    """Return the columns of what was read and of what follows from it."""
    read = _columns([record.readings for record in records])
    derived = [derive(record) for record in records]
    values = _columns([found.values for found in derived])
    for name in dict.fromkeys(chain.from_iterable(found.missing for found in derived)):
        # What was asked for and can't be had has its column too.
        values.setdefault(name, [None] * len(records))
    for name, cells in read.items():
        other = values.get(name)
        # What was read wins over what was derived from it.
        if other is None or not any(cell is None for cell in cells):
            values[name] = cells
        else:
            values[name] = [o if c is None else c for c, o in zip(cells, other, strict=True)]
    return values


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Turn mappings into a list per key, None where one has no such key."""
    return {name: _cells(rows, name) for name in dict.fromkeys(chain.from_iterable(rows))}


def _cells(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    try:
        return [row[name] for row in rows]  # of trials alike each has it, and this is twice as fast
    except KeyError:
        return [row.get(name) for row in rows]
