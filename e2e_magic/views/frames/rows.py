"""A row per trial: the results frame.

A hundred thousand records are a few hundred MiB of small objects; their columns are a tenth of that. So they
are read, split into columns and released in blocks, which also saves most of the cost of that memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from e2e_magic.derived.blocks import IDENTITY, Block, blocks, by_name
from e2e_magic.derived.declarations import declared
from e2e_magic.record import STATES, Record
from e2e_magic.views.frames import columns, schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FLOATS = {float, type(None)}
_NO_NAMES: Mapping[str, str] = {}


def results(records: Iterable[Record | Block], names: Mapping[str, str] = _NO_NAMES) -> pd.DataFrame:
    """Return a row per trial: identity, parameters, every metric; all columns always there.

    Parameters
    ----------
    records : iterable of Record or Block
        In the order of the rows. They are iterated once, and none is kept. A store yields blocks.
    names : mapping of str to str
        The runs' names by id; a run that is not in it appears by its id.

    Returns
    -------
    DataFrame
        Columns as in the contract's section 5. A parameter that a trial hasn't is missing; one whose value
        is None, NaN or NaT reads ``None``, ``nan`` or ``NaT``, so that no chart, table or comparison takes it
        for missing. Metrics that the contract doesn't list (another package's, say) follow at the end, as
        ``metric_NAME`` where the name is taken. Times are UTC.
    """
    plain, params, values = _gather(records)
    state = pd.Index(list(STATES), dtype=columns.CATEGORY)
    table: dict[str, Any] = {
        "run": columns.text([names.get(run, run) for run in plain.pop("run")]),
        "stage": columns.text(plain.pop("stage")),
        "sweep": columns.text(plain.pop("sweep")),
        "trial": np.concatenate([_whole([]), *plain.pop("trial")]),
        "repeat": np.concatenate([_whole([]), *plain.pop("repeat")]),
        "state": pd.Categorical(plain.pop("state"), categories=state),
        "error": columns.text(plain.pop("error")),
        "started_at": columns.times([]).append(plain.pop("started_at")),
    }
    for name in params.names():
        table[f"param_{columns.printable(name)}"] = columns.inferred(params.cells(name))
        params.drop(name)
    misfits = []
    for name in schema.CONTRACT:
        if name in schema.TRUTHS:
            table[name] = pd.array(plain.pop(name), dtype="boolean")
            continue
        table[name], fits = _column(name, values)
        if fits:
            values.drop(name)
        else:
            misfits.append(name)
    table["host"] = columns.text([host or None for host in plain.pop("host")])
    table["concurrent"] = pd.array(plain.pop("concurrent"), dtype="boolean")
    others = [*_others(values.names()), *misfits]
    units = schema.units([*schema.CONTRACT, *others])
    for name in others:
        cells = values.cells(name)
        column = name if name not in table else f"metric_{name}"
        table[column] = columns.inferred(cells)
        units[column] = units.get(name, "")
    return columns.of_runs(columns.frame(table, units), names)


def _column(name: str, values: _Table) -> tuple[Any, bool]:
    """Make a column of the contract, always of its kind, and return it with whether all values fit.

    Text that a collector returns for a number doesn't fit: it is missing here and is kept in a
    separate ``metric_NAME``.
    """
    if name in schema.TEXTS:
        cells = values.cells(name)
        if isinstance(cells, np.ndarray):  # no text in it at all
            cells = [None if cell != cell else cell for cell in cells.tolist()]
        return columns.text(cells), True
    plain = values.numbers(name)
    cells = values.cells(name) if plain is None else plain
    column = columns.integers(cells) if name in schema.INTEGERS else None
    if column is None:
        column = cells if plain is not None else columns.floats(cells)
    if column is not None:
        return column, True
    numbers = [_number(cell) for cell in cells]
    return columns.floats(numbers), all(
        (n is None) == (c is None) for n, c in zip(numbers, cells, strict=True)
    )


def _number(value: Any) -> Any:
    """Return a value if it is a number, else None; a whole number too large for a float becomes infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _others(values: Iterable[str]) -> list[str]:
    """Return the metrics outside the contract: declared by other packages, then those that were read."""
    order = {name: n for n, name in enumerate(declared())}
    read = sorted(values, key=lambda name: (order.get(name, len(order)), name))
    contract = set(schema.CONTRACT)
    return [name for name in dict.fromkeys([*schema.third_party(), *read]) if name not in contract]


class _Table:
    """Columns that grow by blocks of rows; a column may be absent from some blocks.

    Attributes
    ----------
    size : int
        The rows so far.
    """

    def __init__(self) -> None:
        self.size = 0
        self._parts: dict[str, list[tuple[Any, Any]]] = {}

    def put(self, cells: Mapping[str, Any], where: Any) -> None:
        """Add columns of the next rows; they count when `grow` is called.

        Parameters
        ----------
        cells : mapping of str to array or list
            None (NaN in an array of floats) where a row has nothing.
        where : slice or array of int
            Which rows, counted from `size`.
        """
        shifted = self._shifted(where)
        for name, column in cells.items():
            part = column
            # Numbers are kept as such: 8 bytes each instead of 32.
            if isinstance(column, list) and set(map(type, column)) <= _FLOATS:
                part = np.array(column, dtype=np.float64)
            parts = self._parts.setdefault(name, [])
            parts.append((shifted, part))
            while len(parts) > 1 and (one := _joined(*parts[-2:])) is not None:
                parts[-2:] = [one]

    def _shifted(self, where: Any) -> Any:
        if isinstance(where, np.ndarray):
            if len(where) != where[-1] - where[0] + 1:
                return where + self.size
            where = slice(where[0], where[-1] + 1)  # they are in order
        return slice(self.size + (where.start or 0), self.size + where.stop)

    def grow(self, size: int) -> None:
        """Add to the number of rows."""
        self.size += size

    def names(self) -> list[str]:
        """Return the columns in the order in which they appeared."""
        return list(self._parts)

    def drop(self, name: str) -> None:
        """Release a column of which no more is wanted: all of them twice are more than the frame."""
        self._parts.pop(name, None)

    def numbers(self, name: str) -> NDArray[np.float64] | None:
        """Return a whole column as floats, NaN where a row has nothing; None where it isn't all numbers."""
        parts = self._parts.get(name, ())
        if not all(isinstance(part, np.ndarray) for _, part in parts):
            return None
        numbers = np.full(self.size, np.nan)
        for where, part in parts:
            numbers[where] = part
        return numbers

    def cells(self, name: str) -> list[Any] | NDArray[np.float64]:
        """Return a whole column: an array where all is float or missing (NaN), else a list with None."""
        parts = self._parts.get(name, ())
        numbers = self.numbers(name)
        if numbers is not None and all(part.dtype == np.float64 for _, part in parts):
            return numbers
        whole = np.full(self.size, None, dtype=object)
        for where, part in parts:
            if isinstance(part, np.ndarray):  # as Python's own again
                cells = part.astype(object)
                cells[np.isnan(part)] = None
                whole[where] = cells
            else:
                cells = np.empty(len(part), dtype=object)
                for n, cell in enumerate(part):  # a cell may be a list, which numpy would look into
                    cells[n] = cell
                whole[where] = cells
        listed: list[Any] = whole.tolist()
        return listed


def _joined(first: tuple[Any, Any], then: tuple[Any, Any]) -> tuple[Any, Any] | None:
    """Return two blocks of numbers as one; None where they don't follow each other, or the first is larger.

    A column in one piece leaves room for another when it is released, many small ones don't.
    """
    (place, cells), (other, more) = first, then
    if not (isinstance(cells, np.ndarray) and isinstance(more, np.ndarray) and len(more) >= len(cells)):
        return None
    if not (isinstance(place, slice) and isinstance(other, slice) and place.stop == other.start):
        return None
    if cells.dtype != more.dtype:
        return None
    return slice(place.start, other.stop), np.concatenate([cells, more])


def _parameters(block: Block) -> dict[str, list[Any]]:
    """Return the parameters as columns; a swept None, NaN or NaT becomes a word, unlike an absent parameter.

    A value whose text doesn't identify its content (a data frame, a model) becomes its trial's label.
    """
    contents = [each.get("param_contents") or {} for each in block.reported]
    columns = by_name(
        [
            {**params, **{name: each.get("label") for name, each in content.items()}} if content else params
            for params, content in zip(block.params, contents, strict=True)
        ]
    )
    for name, cells in columns.items():
        if any(map(_is_nothing, cells)):
            columns[name] = [
                str(cell) if _is_nothing(cell) and name in own else cell
                for cell, own in zip(cells, block.params, strict=True)
            ]
    return columns


def _is_nothing(cell: Any) -> bool:
    """Return whether pandas takes a parameter's value for a missing one."""
    return cell is None or (isinstance(cell, float) and cell != cell) or type(cell).__name__ == "NaTType"


def _whole(cells: list[int]) -> NDArray[np.int64]:
    return np.array(cells, dtype=np.int64)


_AS_ARRAYS: Mapping[str, Callable[[Any], Any]] = {
    "trial": _whole,
    "repeat": _whole,
    "started_at": columns.times,
}


def _gather(trials: Iterable[Record | Block]) -> tuple[dict[str, list[Any]], _Table, _Table]:
    """Split trials into columns in a single pass.

    Returns
    -------
    plain : dict of str to list
        The identity of each trial, by the names of `IDENTITY`; arrays of some trials for `_AS_ARRAYS`.
    params, values : Table
        The parameters; the metrics, read and derived.
    """
    plain: dict[str, list[Any]] = {name: [] for name in (*IDENTITY, *schema.TRUTHS)}
    params, values = _Table(), _Table()
    for block in blocks(trials):
        for name, column in block.identity.items():
            if name in _AS_ARRAYS:  # an object each is four times as large
                plain[name].append(_AS_ARRAYS[name](column))
            else:
                plain[name] += column
        for name in schema.TRUTHS:
            truths = [each.get(name) for each in block.reported]
            plain[name] += [truth if isinstance(truth, bool) else None for truth in truths]
        params.put(_parameters(block), slice(len(block)))
        params.grow(len(block))
        for where, cells in block.values():
            values.put(cells, where)
        values.grow(len(block))
    return plain, params, values
