"""Excel's workbooks."""

from __future__ import annotations

import math
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

from e2e_magic.writers.cells import columns, need, plain, uncontrolled, utf8

if TYPE_CHECKING:
    import pandas as pd

_CELL = 32_767  # characters that a cell of Excel holds
_SHEET = 1_048_576  # rows of an Excel sheet


def xlsx(frame: pd.DataFrame, handle: BinaryIO) -> None:
    """Write one sheet, and the units on a second; Excel knows no time zones, so times say UTC above."""
    openpyxl = need("openpyxl", "xlsx")
    if len(frame) >= _SHEET:
        raise ValueError(
            f"xlsx: a sheet holds {_SHEET - 1:,} rows below its header, got {len(frame):,}; "
            "write .parquet or .csv"
        )
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("frame")
    sheet.freeze_panes = "A2"
    bold = openpyxl.styles.Font(bold=True)
    aware = {name for name in frame.columns if getattr(frame[name].dtype, "tz", None) is not None}
    headers = [_excel(f"{name} (UTC)" if name in aware else name, sheet) for name in frame.columns]
    for cell in headers:
        cell.font = bold
    sheet.append(headers)
    for row in zip(*map(plain, columns(frame)), strict=True):
        sheet.append(
            [_excel(value, sheet) if isinstance(value, str) else _number(value, sheet) for value in row]
        )
    units = frame.attrs.get("units")
    if isinstance(units, dict) and units:
        second = book.create_sheet("units")
        for pair in (("column", "unit"), *units.items()):
            second.append([_excel(str(word), second) for word in pair])
    done = BytesIO()  # a zip file that fails half way would complain again when it is thrown away
    book.save(done)
    handle.write(done.getbuffer())


def _excel(value: str, sheet: Any) -> Any:
    """Make a cell of text: never a formula, no control characters, no longer than Excel takes."""
    cell = need("openpyxl.cell", "xlsx").WriteOnlyCell(sheet)
    cell.value = uncontrolled(utf8(value))[:_CELL]
    cell.data_type = "s"  # text that starts with = stays text
    return cell


def _number(value: Any, sheet: Any) -> Any:
    """Return what Excel can hold as it is; infinities and other things as text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        # Above 2**53 Excel would round a whole number.
        exact = math.isfinite(value) and not (isinstance(value, int) and abs(value) > 2**53)
        return value if exact else _excel(str(value), sheet)
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    return _excel(str(value), sheet)
