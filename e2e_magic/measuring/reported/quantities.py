"""One reported quantity each: a number, a share, a count, a curve, a matrix of counts, checked and plain.

Each function raises `WrongValueError`, which says what was expected and what came.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from e2e_magic.measuring.reported.arrays import WrongValueError, array_of, describe

# A larger whole number is no number of numpy's.
_LARGEST = 2**63


def read_share(value: object) -> float:
    """Return a share from 0 to 1."""
    number = _number(value, "a share from 0 to 1")
    if not 0 <= number <= 1:
        raise WrongValueError(f"expected a share from 0 to 1, got {number:g}")
    return number


def read_count(value: object) -> float:
    """Return a finite count of at least 0; a fraction is legal, for counts may be weighted."""
    number = _number(value, "a count of at least 0")
    if not 0 <= number < math.inf:
        raise WrongValueError(f"expected a count of at least 0, got {number:g}")
    return number


def read_target(value: object) -> float:
    """Return a target accuracy: above 0, as a share or in percent."""
    expected = "a number above 0 and up to 1 (up to 100 for percent)"
    number = _number(value, expected)
    if not 0 < number <= 100:
        raise WrongValueError(f"expected {expected}, got {number:g}")
    return number


def read_entries(value: object) -> int:
    """Return a whole number above 0."""
    expected = "how many entries were handled, a whole number above 0"
    number = _number(value, expected)
    if not (number > 0 and number.is_integer()):
        raise WrongValueError(f"expected {expected}, got {number:g}")
    return int(number)


def read_curve(value: object) -> float | list[float]:
    """Return a number, or one per epoch. NaN and infinities are legal: training may diverge."""
    if _are_plain((value,)):
        return float(value)  # type: ignore[arg-type]
    if isinstance(value, list | tuple) and value and _are_plain(value):
        return list(map(float, value))
    array = array_of(value)
    if array.dtype.kind not in "iuf" or array.ndim > 1 or not array.size:
        raise WrongValueError(f"expected a number, or one number per epoch, got {describe(value)}")
    numbers: float | list[float] = array.astype(float).tolist()
    return numbers


def read_matrix(value: object) -> list[list[float]]:
    """Return the rows of a square matrix of counts; whole ones as int."""
    if (plain_rows := _plain_matrix(value)) is not None:
        return plain_rows
    import numpy as np

    expected = "a square matrix (rows true, columns predicted)"
    array = array_of(value)
    if array.dtype.kind not in "iuf":
        raise WrongValueError(f"expected {expected} of counts, got {describe(value)} with {_kind(array)}")
    if array.ndim != 2 or array.shape[0] != array.shape[1] or not array.size:
        raise WrongValueError(f"expected {expected}, got shape {array.shape}")
    wrong = np.argwhere(~((array >= 0) & (array < math.inf)))
    if len(wrong):
        row, column = (int(place) for place in wrong[0])
        raise WrongValueError(
            f"expected counts of at least 0, got {float(array[row, column]):g} in row {row + 1}, "
            f"column {column + 1}"
        )
    if array.dtype.kind == "f" and bool((array == np.floor(array)).all()) and float(array.max()) < 2**53:
        array = array.astype(np.int64)
    rows: list[list[float]] = array.tolist()
    return rows


def _are_plain(values: Iterable[object]) -> bool:
    """Tell whether these are Python's own numbers, which need no numpy: it stays out of the process."""
    return all(type(v) is float or (type(v) is int and abs(v) < _LARGEST) for v in values)


def _plain_matrix(value: object) -> list[list[float]] | None:
    """Return a square matrix of Python's own numbers; None for any other, or where one is no count."""
    if not isinstance(value, list | tuple) or not value:
        return None
    rows = [list(row) if isinstance(row, list | tuple) else [] for row in value]
    cells = [cell for row in rows for cell in row]
    if any(len(row) != len(rows) for row in rows) or not _are_plain(cells):
        return None
    if not all(0 <= cell < math.inf for cell in cells):
        return None
    if all(float(cell).is_integer() for cell in cells) and (
        all(type(cell) is int for cell in cells) or max(cells) < 2**53
    ):
        return [list(map(int, row)) for row in rows]
    return [list(map(float, row)) for row in rows]


def _number(value: object, expected: str) -> float:
    if _are_plain((value,)):
        return float(value)  # type: ignore[arg-type]
    array = array_of(value)
    if array.size != 1 or array.dtype.kind not in "iuf":
        raise WrongValueError(f"expected {expected}, got {describe(value)}")
    return float(array.reshape(-1)[0])


def _kind(array: Any) -> str:
    return {"U": "text", "S": "text", "b": "truth values", "O": "objects", "c": "complex numbers"}.get(
        array.dtype.kind, str(array.dtype)
    )
