"""Write a frame or a figure to a file, in the format of the file's suffix.

Input: a frame or a figure, and a path. Output: a file.

The file is whole or it is not there: the content goes to a hidden file beside it, is flushed to the
disk and takes the name in one step. When that fails, a previous file of that name stays unchanged.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from e2e_magic.measuring.plan import nearest
from e2e_magic.views.writers import data, documents, excel
from e2e_magic.views.writers.atomic import WriteError, write_whole
from e2e_magic.views.writers.cells import utf8

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FIGURES", "FRAMES", "WriteError", "write"]

FRAMES: dict[str, Callable[[pd.DataFrame, BinaryIO], None]] = {
    ".csv": data.csv,
    ".json": data.json,
    ".parquet": data.parquet,
    ".xlsx": excel.xlsx,
    ".md": documents.md,
    ".tex": documents.tex,
}
FIGURES = (".png", ".svg", ".pdf")


def write(content: object, path: str | os.PathLike[str]) -> Path:
    """Write a frame or a figure and return the absolute path.

    Parameters
    ----------
    content : DataFrame, or matplotlib Figure or Axes
    path : path-like
        ``.csv .json .parquet .xlsx .md .tex`` for a frame, ``.png .svg .pdf`` for a figure; ``~`` is
        the home folder. csv, json and parquet hold every number in full, xlsx 16 digits; md and tex are for
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
        _check_suffix("a frame", target, tuple(FRAMES))

        def render(handle: BinaryIO) -> object:
            return FRAMES[suffix](frame, handle)

    return write_whole(target, render)


def _savefig(content: object) -> Callable[..., object] | None:
    """Return the method that saves a figure, or the figure of Axes; None for anything else."""
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
        utf8("_".join(map(str, name)) if isinstance(name, tuple) else str(name)) for name in table.columns
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
