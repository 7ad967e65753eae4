"""Columns from lists of Python values: the right dtype, and missing where there is no value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from e2e_magic.derived.blocks import EXACT
from e2e_magic.record import named

if TYPE_CHECKING:
    from numpy.typing import NDArray

# pandas 2 has no `str` dtype that knows NA; its `string` is the nearest.
_NEW = int(pd.__version__.split(".")[0]) >= 3
TEXT: Any = "str" if _NEW else "string"
CATEGORY: Any = "str" if _NEW else object
_INT64 = range(-(2**63), 2**63)


def text(values: Sequence[object]) -> Any:
    """Make a column of text; None is missing, other things are spelled by ``str``."""
    places = _places(values)
    if places is None:
        return pd.array([None if value is None else printable(str(value)) for value in values], dtype=TEXT)
    # Columns of text mostly repeat a few values: each is created once.
    each = pd.array([None if value is None else printable(value) for value in places], dtype=TEXT)
    return each.take(np.fromiter(map(places.__getitem__, values), dtype=np.intp, count=len(values)))


def _places(values: Sequence[object]) -> dict[Any, int] | None:
    """Return each text (and None) with its own number; None where an item isn't text."""
    try:
        places = dict.fromkeys(values)
    except TypeError:  # a list, say
        return None
    if not all(value is None or type(value) is str for value in places):
        return None
    return {value: n for n, value in enumerate(places)}


def is_text(column: Any) -> bool:
    """Return whether a column is pandas' text rather than plain objects; both are of kind O."""
    return isinstance(column.dtype, pd.StringDtype)


def printable(value: str) -> str:
    r"""Spell lone surrogates as ``\ud800``, which UTF-8 can hold."""
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")


def floats(values: Sequence[object] | NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Make a column of float64, None as NaN; return None where an item is no number."""
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None


def integers(values: Sequence[object] | NDArray[np.float64]) -> Any:
    """Make a column of Int64, None and NaN as NA; return None where an item is no whole number."""
    numbers = floats(values)
    if numbers is None:
        return None
    absent = np.isnan(numbers)
    filled = np.where(absent, 0.0, numbers)
    if np.all((np.abs(filled) < EXACT) & (filled == np.rint(filled))):
        return pd.arrays.IntegerArray(filled.astype(np.int64), absent)
    if isinstance(values, np.ndarray) or not np.isfinite(filled).all():
        return None
    try:  # whole numbers that a float would round
        whole = [0 if gone else int(cast("Any", v)) for v, gone in zip(values, absent, strict=True)]
        if any(not gone and n != v for n, v, gone in zip(whole, values, absent, strict=True)):
            return None
        return pd.arrays.IntegerArray(np.array(whole, dtype=np.int64), absent)
    except (TypeError, ValueError, OverflowError):
        return None


def times(values: Sequence[datetime | None]) -> pd.DatetimeIndex:
    """Make a column of UTC times in microseconds; None is missing."""
    known: Any = list(values)
    try:
        return pd.DatetimeIndex(pd.to_datetime(known, utc=True)).as_unit("us")
    except pd.errors.OutOfBoundsDatetime:  # pandas 2 reads nanoseconds first, which end in 2262
        naive = [None if time is None else time.astimezone(UTC).replace(tzinfo=None) for time in values]
        return pd.DatetimeIndex(np.array(naive, dtype="datetime64[us]")).tz_localize("UTC")


def labels(values: Sequence[str], lengths: Sequence[int] | NDArray[np.int64]) -> pd.Categorical:
    """Make a categorical that repeats each value a given number of times; categories by first appearance."""
    values = [printable(value) for value in values]
    order = {value: n for n, value in enumerate(dict.fromkeys(values))}
    codes = np.repeat(np.array([order[value] for value in values], dtype=np.int32), lengths)
    return pd.Categorical.from_codes(codes, categories=pd.Index(list(order), dtype=CATEGORY))


def inferred(values: Any) -> Any:
    """Make a column from values of any type.

    Whole numbers give int64 (Int64 where some are missing), numbers float64, truths boolean, text
    `TEXT`, functions and classes their names; a mixture, or anything else, stays as it is in an object
    column.
    """
    if isinstance(values, np.ndarray) and values.dtype == np.float64:
        return values
    plain = [value.item() if isinstance(value, np.generic) else named(value) for value in values]
    # Only NaN differs from itself.
    plain = [None if isinstance(value, float) and value != value else value for value in plain]
    kinds = {type(value) for value in plain if value is not None}
    if kinds == {bool}:
        return pd.array(plain, dtype="boolean")
    if kinds == {int} and all(value is None or value in _INT64 for value in plain):
        column = integers(plain)
        return column if column.isna().any() else column.to_numpy(dtype=np.int64)
    if kinds <= {int, float}:
        column = floats(plain)
        if column is not None:
            return column
    if kinds == {str}:
        return text(plain)
    mixed = np.empty(len(plain), dtype=object)
    for n, value in enumerate(plain):
        mixed[n] = value
    return pd.Series(mixed, dtype=object)


def frame(columns: Mapping[str, Any], units: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Combine columns into a frame, with the units of those that have one."""
    table = pd.DataFrame(dict(columns), copy=False)
    table.attrs["units"] = {name: unit for name, unit in (units or {}).items() if unit}
    return table


def of_runs(table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Note in a frame which runs there are, in the order of their start: each has its colour by that."""
    table.attrs["runs"] = list(dict.fromkeys(names.values()))
    return table


def joined(parts: Iterable[Any]) -> NDArray[np.float64]:
    """Concatenate arrays of floats, without a loop over their values."""
    arrays = [np.asarray(part, dtype=np.float64) for part in parts]
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=np.float64)
