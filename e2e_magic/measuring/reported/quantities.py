"""Readers of one reported quantity each: a number, share, count, curve or matrix, checked and plain.

Each function raises `WrongValueError`, which names the expected kind and the value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from e2e_magic.measuring.reported.arrays import WrongValueError, absent, describe, values_of
from e2e_magic.measuring.reported.precision import decimal

# Shares are handed over rounded to two places.
_ROUNDED = 0.005


def read_share(value: object) -> float:
    """Return a share from 0 to 1."""
    number = _number(value, "a share from 0 to 1")
    if not 0 <= number <= 1:
        raise WrongValueError(f"expected a share from 0 to 1, got {number:g}")
    return number


def read_count(value: object) -> float:
    """Return a finite count of at least 0; a fraction is legal, as counts may be weighted."""
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
    values = values_of(value)
    alone = not values.shape and absent(values.items[0]) and type(values.items[0]) is not float
    if values.kind != "numbers" or len(values.shape) > 1 or not len(values) or alone:
        raise WrongValueError(f"expected a number, or one number per epoch, got {describe(value)}")
    numbers = values.floats()
    return numbers if values.shape else numbers[0]


def read_accuracy(value: object) -> float | list[float]:
    """Return a curve as `read_curve` does, in the precision of its numbers' own type."""
    curve = read_curve(value)
    return [decimal(number, value) for number in curve] if isinstance(curve, list) else decimal(curve, value)


def read_matrix(value: object) -> list[list[float]]:
    """Return the rows of a square matrix of counts; whole ones as int."""
    expected = "a square matrix (rows true, columns predicted)"
    values = values_of(value)
    shape = values.shape
    if values.kind != "numbers":
        raise WrongValueError(f"expected {expected} of counts, got {describe(value)} with {values.kind}")
    if len(shape) != 2 or shape[0] != shape[1] or not len(values):
        raise WrongValueError(f"expected {expected}, got shape {shape}")
    items, size = values.items, shape[0]
    wrong = next((n for n, item in enumerate(items) if absent(item) or not 0 <= item < math.inf), None)
    if wrong is not None:
        came = f"{items[wrong]:g}" if isinstance(items[wrong], int | float) else "a missing one"
        raise WrongValueError(
            f"expected counts of at least 0, got {came} in row {wrong // size + 1}, column {wrong % size + 1}"
        )
    if _has_totals(items, size):
        raise WrongValueError(
            f"expected {expected} without totals, got {size} x {size} whose last row or column is the sum of "
            f"the others: hand over matrix[:{size - 1}, :{size - 1}], or leave out margins=True"
        )
    if all(type(item) is int for item in items) or (
        max(items) < 2**53 and all(float(item).is_integer() for item in items)
    ):
        items = list(map(int, items))
    else:
        items = values.floats()
    return [items[start : start + size] for start in range(0, len(items), size)]


def _has_totals(items: Sequence[float], size: int) -> bool:
    """Return whether the margin of a matrix holds the totals of at least two classes.

    Of counts both margins do. Of shares only one may, whose totals are all alike then: rows or columns were
    divided by their sums, totals included. Shares may be rounded to two places.
    """
    if size < 3:
        return False
    rows = [items[start : start + size] for start in range(0, len(items), size)]
    shares = any(not float(item).is_integer() for item in items)
    rounded = _ROUNDED * (size - 1) if shares else 0.0

    def alike(one: float, other: float) -> bool:
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=rounded * other)

    added, constant = [], []
    for lines in (rows, list(zip(*rows, strict=True))):
        totals = [line[-1] for line in lines]
        added.append(all(alike(sum(line[:-1]), total) for line, total in zip(lines, totals, strict=True)))
        constant.append(shares and all(alike(total, totals[0]) for total in totals))
    if all(added):
        return rows[-1][-1] > 0
    return any(sums and same for sums, same in zip(added, constant, strict=True))


def _number(value: object, expected: str) -> float:
    values = values_of(value)
    if len(values) != 1 or values.kind != "numbers":
        raise WrongValueError(f"expected {expected}, got {describe(value)}")
    return values.floats()[0]
