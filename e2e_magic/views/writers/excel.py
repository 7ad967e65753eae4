"""Excel's workbooks."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

from e2e_magic.views.writers.cells import columns, need, plain, uncontrolled, utf8

if TYPE_CHECKING:
    import pandas as pd

_CELL = 32_767  # characters that a cell of Excel holds
_SHEET = 1_048_576  # rows of an Excel sheet
_LARGEST = 9.99e307
_FIRST_YEAR = 1900  # of Excel's calendar


def xlsx(frame: pd.DataFrame, handle: BinaryIO) -> None:
    """Write one sheet, and the units on a second; Excel knows no time zones, so times say UTC above."""
    openpyxl = need("openpyxl", "xlsx")
    if len(frame) >= _SHEET:
        raise ValueError(
            f"xlsx: a sheet holds {_SHEET - 1:,} rows below its header, got {len(frame):,}; "
            "write .parquet or .csv"
        )
    parts = columns(frame)
    zoned = [getattr(part.dtype, "tz", None) is not None for part in parts]
    # All values before the book, whose open sheet complains when an error passes it.
    rows = [[_cell(value) for value in row] for row in zip(*map(plain, parts), strict=True)]
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("frame")
    sheet.freeze_panes = "A2"
    headers = [
        _text(f"{name} (UTC)" if utc else name, sheet) for name, utc in zip(frame.columns, zoned, strict=True)
    ]
    for header in headers:
        header.font = openpyxl.styles.Font(bold=True)
    sheet.append(headers)
    for row in rows:
        sheet.append([_text(value, sheet) if isinstance(value, str) else value for value in row])
    units = frame.attrs.get("units")
    if isinstance(units, dict) and units:
        second = book.create_sheet("units")
        for pair in (("column", "unit"), *units.items()):
            second.append([_text(str(word), second) for word in pair])
    done = BytesIO()  # a zip file that fails half way would complain again when it is thrown away
    book.save(done)
    handle.write(done.getbuffer())


def _text(value: str, sheet: Any) -> Any:
    """Make a cell of text: never a formula, no control characters, no longer than Excel takes."""
    cell = need("openpyxl.cell", "xlsx").WriteOnlyCell(sheet)
    cell.value = uncontrolled(utf8(value))[:_CELL]
    cell.data_type = "s"  # text that starts with = stays text
    return cell


def _cell(value: Any) -> Any:
    """Return what Excel can hold; infinities and other things as text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        # Excel would round a whole number above 2**53, and has none above _LARGEST.
        exact = abs(value) <= (_LARGEST if isinstance(value, float) else 2**53)
        return value if exact else str(value)
    if isinstance(value, datetime) and value.year >= _FIRST_YEAR:
        return value.replace(tzinfo=None)
    return str(value)
