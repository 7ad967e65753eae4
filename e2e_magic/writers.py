"""Write a frame or a figure to a file, in the form that its suffix names.

The file is whole or it is not there: the content goes to a hidden file beside it, is flushed to the
disk and takes the name in one step. When that fails, what had the name before stays as it was.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, cast

from e2e_magic.plan import nearest
from e2e_magic.quantities import digits

if TYPE_CHECKING:
    import pandas as pd

FIGURES = (".png", ".svg", ".pdf")
_EXTRA = 'pip install "e2e-magic[export]"'
_CELL = 32_767  # characters that a cell of Excel holds
_SHEET = 1_048_576  # rows of an Excel sheet
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


class WriteError(OSError):
    """Says which file could not be written, why, and what to do; `errno` is the system's code."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.errno = code


def write(content: object, path: str | os.PathLike[str]) -> Path:
    """Write a frame or a figure and return the absolute path.

    Parameters
    ----------
    content : DataFrame, or matplotlib Figure or Axes
    path : path-like
        ``.csv .json .parquet .xlsx .md .tex`` for a frame, ``.png .svg .pdf`` for a figure; ``~`` is
        the home folder. csv, json, parquet and xlsx hold every number in full; md and tex are for
        reading: three significant digits, columns without a value left out.

    Raises
    ------
    ValueError
        If the suffix is not one of these, or the frame does not fit the format.
    TypeError
        If `content` is neither a frame nor a figure.
    ImportError
        If the format needs a package that is not installed.
    WriteError
        An OSError: if the folder is missing or not writable, or the disk is full.
    """
    target = Path(path).expanduser().absolute()
    suffix = target.suffix.lower()
    render: Callable[[BinaryIO], object]
    if draw := _savefig(content):
        _check_suffix("a figure", target, FIGURES)

        def render(handle: BinaryIO) -> object:
            return draw(handle, format=suffix[1:], bbox_inches="tight")
    else:
        frame = _frame(content)
        _check_suffix("a frame", target, tuple(_FORMS))

        def render(handle: BinaryIO) -> object:
            return _FORMS[suffix](frame, handle)

    # A link stays a link: the file that it points to is replaced.
    real = Path(os.path.realpath(target))
    if real.is_dir():
        raise WriteError(f"cannot write {target}: it is a folder; add a file name", errno.EISDIR)
    try:
        with _replaced(real) as handle:
            render(handle)
    except OSError as error:
        raise WriteError(f"could not write {target}: {_why(error, real)}", error.errno) from error
    return target


def _savefig(content: object) -> Callable[..., object] | None:
    """Return what draws a figure, or the figure of Axes; None for what is neither."""
    if not hasattr(content, "savefig"):
        content = getattr(content, "figure", None)
    return getattr(content, "savefig", None)


def _frame(content: object) -> pd.DataFrame:
    """Return a frame as a plain table: its index, unless it only counts, as columns, all names text."""
    import pandas as pd

    if not isinstance(content, pd.DataFrame):
        raise TypeError(f"write: expected a DataFrame or a matplotlib figure, got {type(content).__name__}")
    counts = isinstance(content.index, pd.RangeIndex) and content.index.name is None
    table = pd.DataFrame(content if counts else content.reset_index())
    table.columns = [
        _utf8("_".join(map(str, name)) if isinstance(name, tuple) else str(name)) for name in table.columns
    ]
    table.attrs = dict(content.attrs)
    return table


def _check_suffix(what: str, path: Path, allowed: tuple[str, ...]) -> None:
    suffix = path.suffix.lower()
    if suffix not in allowed:
        got = f"{suffix!r}{nearest(suffix, allowed)}" if suffix else "none"
        raise ValueError(
            f"path: {what} can be written as {', '.join(allowed)}, by the suffix; {path.name!r} has {got}"
        )


@contextmanager
def _replaced(path: Path) -> Iterator[BinaryIO]:
    """Open a hidden file beside `path` that takes its name, and its mode, when the block succeeds."""
    hidden = path.parent / f".e2e-{secrets.token_hex(6)}.tmp"
    descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        if path.exists():
            hidden.chmod(path.stat().st_mode & 0o7777)
        hidden.replace(path)
    except BaseException:  # an interrupt leaves no half file either
        hidden.unlink(missing_ok=True)
        raise


def _why(error: OSError, path: Path) -> str:
    """Say what an OSError means here, and the next step."""
    folder = path.parent
    if error.errno in _FULL:
        return (
            "the disk is full, or a limit on file size is reached; free some space or choose another folder"
        )
    if error.errno == errno.ENOTDIR:
        return f"{folder} is not a folder; choose one that is"
    if not folder.exists():
        return f"the folder {folder} does not exist; create it first, or choose another"
    if error.errno in _DENIED:
        return f"writing to {folder} is not allowed; choose a folder that is yours"
    if error.errno == errno.ENAMETOOLONG:
        return "the file name is too long; choose a shorter one"
    # The system's words without the number and the hidden file's name.
    return f"{error.strerror or error}; choose another folder or free what blocks this one"


@contextmanager
def _text(handle: BinaryIO) -> Iterator[TextIO]:
    """Write text as UTF-8 with ``\\n``; what UTF-8 can't hold, a lone surrogate, is spelled out."""
    text = TextIOWrapper(handle, encoding="utf-8", errors="backslashreplace", newline="")
    try:
        yield text
        text.flush()
    finally:
        _let_go(text)


def _let_go(text: TextIOWrapper) -> None:
    """Give the binary file back to its owner, also when what is still buffered can't be written."""
    try:
        text.detach()
    except (OSError, ValueError):
        # The error that brought us here is on its way already, or flush() has raised this very one.
        return


def _utf8(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _csv(frame: pd.DataFrame, handle: BinaryIO) -> None:
    import csv

    # A carriage return in unquoted text would end the row for most readers.
    quoting = csv.QUOTE_NONNUMERIC if _has_return(frame) else csv.QUOTE_MINIMAL
    with _text(handle) as text:
        frame.to_csv(text, index=False, lineterminator="\n", quoting=quoting)


def _has_return(frame: pd.DataFrame) -> bool:
    return any("\r" in name for name in frame.columns) or any(
        isinstance(value, str) and "\r" in value
        for column in _columns(frame)
        if column.dtype.kind not in "iufbM"
        for value in column.unique()
    )


def _json(frame: pd.DataFrame, handle: BinaryIO) -> None:
    """Write a list of rows, one a line: null where missing, times in ISO 8601, ``"Infinity"`` as text.

    Not pandas' writer, which cuts numbers after 15 places and turns infinity into null.
    """
    names = [json.dumps(name) for name in frame.columns]
    columns = [_plain(column) for column in _columns(frame)]
    with _text(handle) as text:
        text.write("[")
        for number, row in enumerate(zip(*columns, strict=True)):
            cells = (
                f"{name}: {json.dumps(_jsonable(cell), default=str)}"
                for name, cell in zip(names, row, strict=True)
            )
            text.write(",\n " if number else "\n ")
            text.write("{" + ", ".join(cells) + "}")
        text.write("\n]\n")


def _jsonable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(inner) for inner in value]
    return value


def _parquet(frame: pd.DataFrame, handle: BinaryIO) -> None:
    """Write with pyarrow, which keeps dtypes, and ``attrs``, units included, in the file's metadata."""
    _need("pyarrow", "parquet")
    table = frame.copy(deep=False)
    for name in [name for name in table.columns if table[name].dtype == object]:
        # A column of mixed types has no place in parquet; its values are spelled as Python does.
        table[name] = [None if value is None else _utf8(str(value)) for value in _plain(table[name])]
        table[name] = table[name].astype("string")
    table.attrs = {key: value for key, value in frame.attrs.items() if _is_json(value)}
    done = BytesIO()
    table.to_parquet(done, engine="pyarrow", index=False)
    handle.write(done.getbuffer())


def _is_json(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _xlsx(frame: pd.DataFrame, handle: BinaryIO) -> None:
    """Write one sheet, and the units on a second; Excel knows no time zones, so times say UTC above."""
    _need("openpyxl", "xlsx")
    from openpyxl import Workbook
    from openpyxl.styles import Font

    if len(frame) >= _SHEET:
        raise ValueError(
            f"xlsx: a sheet holds {_SHEET - 1:,} rows below its header, got {len(frame):,}; write .parquet or .csv"
        )
    book = Workbook(write_only=True)
    sheet = book.create_sheet("frame")
    sheet.freeze_panes = "A2"
    bold = Font(bold=True)
    aware = {name for name in frame.columns if getattr(frame[name].dtype, "tz", None) is not None}
    headers = [_excel(f"{name} (UTC)" if name in aware else name, sheet) for name in frame.columns]
    for cell in headers:
        cell.font = bold
    sheet.append(headers)
    for row in zip(*map(_plain, _columns(frame)), strict=True):
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
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet)
    cell.value = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", _escaped, _utf8(value))[:_CELL]
    cell.data_type = "s"  # text that starts with = stays text
    return cell


def _escaped(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"


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


def _md(frame: pd.DataFrame, handle: BinaryIO) -> None:
    """Write a pipe table, as GitHub, Jupyter and pandoc read it."""
    names, rows, numeric = _readable(frame)
    with _text(handle) as text:
        text.write(_md_row(names))
        text.write(_md_row(["---:" if right else ":---" for right in numeric], raw=True))
        for row in rows:
            text.write(_md_row(row))


def _md_row(cells: list[str], *, raw: bool = False) -> str:
    return f"| {' | '.join(cells if raw else map(_md_escape, cells))} |\n"


def _md_escape(cell: str) -> str:
    # An underscore inside a word marks nothing; elsewhere it may.
    cell = re.sub(r"[\\|`*\[\]~$<>&#]|(?<![^\W_])_|_(?![^\W_])", _md_mark, cell)
    return " ".join(re.sub(r"\r\n?|\n", "<br>", cell).split())


def _md_mark(found: re.Match[str]) -> str:
    entities = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    return entities.get(found[0], f"\\{found[0]}")


_TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "∞": r"$\infty$",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}


def _tex(frame: pd.DataFrame, handle: BinaryIO) -> None:
    """Write a ``tabular`` with booktabs' rules, to be ``\\input`` where ``\\usepackage{booktabs}`` is."""
    names, rows, numeric = _readable(frame)
    with _text(handle) as text:
        text.write(
            f"\\begin{{tabular}}{{{''.join('r' if right else 'l' for right in numeric)}}}\n\\toprule\n"
        )
        text.write(_tex_row(names) + "\\midrule\n")
        for row in rows:
            text.write(_tex_row(row))
        text.write("\\bottomrule\n\\end{tabular}\n")


def _tex_row(cells: list[str]) -> str:
    # In braces, for \\ followed by [ would be read as a length.
    escaped = ["".join(_TEX.get(mark, mark) for mark in " ".join(cell.split())) for cell in cells]
    return " & ".join(f"{{{cell}}}" if cell.startswith(("[", "*")) else cell for cell in escaped) + " \\\\\n"


def _readable(frame: pd.DataFrame) -> tuple[list[str], list[list[str]], list[bool]]:
    """Return names, rows of text and which columns are numbers, without columns that hold nothing."""
    kept = [
        (n, c) for n, c in zip(frame.columns, _columns(frame), strict=True) if not len(c) or c.notna().any()
    ]
    rows = zip(*([_readable_cell(value) for value in _plain(column)] for _, column in kept), strict=True)
    return [name for name, _ in kept], [list(row) for row in rows], [c.dtype.kind in "iuf" for _, c in kept]


def _readable_cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return digits(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}{'Z' if value.tzinfo else ''}"
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", _escaped, str(value))


def _columns(frame: pd.DataFrame) -> list[pd.Series[Any]]:
    """Return the columns by position, for names may repeat."""
    return [frame.iloc[:, n] for n in range(frame.shape[1])]


def _plain(column: pd.Series[Any]) -> list[Any]:
    """Return a column as Python's own values, None where missing, aware times in UTC."""
    if getattr(column.dtype, "tz", None) is not None:
        column = column.dt.tz_convert("UTC")
    absent = column.isna().to_numpy(dtype=bool)
    values = cast("list[Any]", column.astype(object).tolist())
    return [
        None
        if gone
        else value.item()
        if type(value).__module__ == "numpy" and hasattr(value, "item")
        else value.to_pydatetime(warn=False)
        if hasattr(value, "to_pydatetime")
        else value
        for value, gone in zip(values, absent.tolist(), strict=True)
    ]


def _need(package: str, form: str) -> None:
    """Check that an optional package can be imported."""
    from importlib import import_module

    try:
        import_module(package)
    except ImportError as error:
        raise ImportError(f"writing {form} needs {package}: {_EXTRA}", name=package) from error


_FORMS: dict[str, Callable[[pd.DataFrame, BinaryIO], None]] = {
    ".csv": _csv,
    ".json": _json,
    ".parquet": _parquet,
    ".xlsx": _xlsx,
    ".md": _md,
    ".tex": _tex,
}
