"""The formats that programs read: csv, json and parquet, every number in full."""

from __future__ import annotations

import csv as dialect
import json as notation
import math
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from e2e_magic.views.writers.cells import columns, need, plain, text_of, utf8

if TYPE_CHECKING:
    import pandas as pd


def csv(frame: pd.DataFrame, handle: BinaryIO) -> None:
    """Write comma-separated values, numbers so that they read back the same."""
    # A carriage return in unquoted text would end the row for most readers.
    quoting: Literal[0, 2] = dialect.QUOTE_NONNUMERIC if _has_return(frame) else dialect.QUOTE_MINIMAL
    with text_of(handle) as text:
        frame.to_csv(text, index=False, lineterminator="\n", quoting=quoting)


def _has_return(frame: pd.DataFrame) -> bool:
    return any("\r" in name for name in frame.columns) or any(
        isinstance(value, str) and "\r" in value
        for column in columns(frame)
        if column.dtype.kind not in "iufbM"
        for value in (column if column.dtype == object else column.unique())  # lists can't be hashed
    )


def json(frame: pd.DataFrame, handle: BinaryIO) -> None:
    """Write a list of rows, one a line; see `objects`."""
    with text_of(handle) as text:
        text.write("[")
        for number, row in enumerate(objects(frame)):
            text.write(",\n " if number else "\n ")
            text.write(notation.dumps(row))
        text.write("\n]\n")


def objects(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield each row as JSON has it: None where missing, times in ISO 8601, ``"Infinity"`` as text.

    Not pandas' way, which cuts numbers after 15 places and turns infinity into null.
    """
    names = [str(name) for name in frame.columns]
    values = [plain(column) for column in columns(frame)]
    for row in zip(*values, strict=True):
        yield {name: _jsonable(cell) for name, cell in zip(names, row, strict=True)}


def _jsonable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(inner) for inner in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)


def parquet(frame: pd.DataFrame, handle: BinaryIO) -> None:
    """Write with pyarrow, which keeps dtypes, and ``attrs``, units included, in the file's metadata."""
    need("pyarrow", "parquet")
    table = frame.copy(deep=False)
    for name in [name for name in table.columns if table[name].dtype == object]:
        # A column of mixed types has no place in parquet; its values are spelled as Python does.
        table[name] = [None if value is None else utf8(str(value)) for value in plain(table[name])]
        table[name] = table[name].astype("string")
    table.attrs = {key: value for key, value in frame.attrs.items() if _is_json(value)}
    done = BytesIO()
    table.to_parquet(done, engine="pyarrow", index=False)
    handle.write(done.getbuffer())


def _is_json(value: object) -> bool:
    try:
        notation.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
