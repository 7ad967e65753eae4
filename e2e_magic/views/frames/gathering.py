"""Trials as whole columns, put together block by block.

A hundred thousand records are a few hundred MiB of small objects; their columns are a tenth of that. So
they are read, taken apart and let go in blocks, which also spares the machine most of that memory's cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from e2e_magic.derived.blocks import IDENTITY, Block, blocks, columns
from e2e_magic.record import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUMBERS = {float, type(None)}


class Table:
    """Columns that grow by blocks of rows; a column may lack in some of them.

    Attributes
    ----------
    size : int
        The rows so far.
    """

    def __init__(self) -> None:
        self.size = 0
        self._parts: dict[str, list[tuple[Any, Any]]] = {}

    def put(self, cells: Mapping[str, Any], where: Any) -> None:
        """Take in columns of the next rows; they count when `grow` is called.

        Parameters
        ----------
        cells : mapping of str to array or list
            None (NaN in an array of floats) where a row has nothing.
        where : slice or array of int
            Which rows, counted from `size`.
        """
        shifted = (
            where + self.size if isinstance(where, np.ndarray) else slice(self.size, self.size + where.stop)
        )
        for name, column in cells.items():
            part = column
            # Numbers are kept as such: 8 bytes each instead of 32.
            if isinstance(column, list) and set(map(type, column)) <= _NUMBERS:
                part = np.array(column, dtype=np.float64)
            self._parts.setdefault(name, []).append((shifted, part))

    def grow(self, size: int) -> None:
        """Count rows in."""
        self.size += size

    def names(self) -> list[str]:
        """Return the columns in the order in which they appeared."""
        return list(self._parts)

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
        found: list[Any] = whole.tolist()
        return found


def gather(trials: Iterable[Record | Block]) -> tuple[dict[str, list[Any]], Table, Table]:
    """Take trials apart, and go through them once.

    Returns
    -------
    plain : dict of str to list
        What each trial says of itself, by the names of `IDENTITY`.
    params, values : Table
        The parameters; the metrics, read and derived.
    """
    plain: dict[str, list[Any]] = {name: [] for name in IDENTITY}
    params, values = Table(), Table()
    for block in blocks(trials):
        for name, cells in block.identity.items():
            plain[name] += cells
        params.put(columns(block.params), slice(len(block)))
        params.grow(len(block))
        for where, found in block.values():
            values.put(found, where)
        values.grow(len(block))
    return plain, params, values
