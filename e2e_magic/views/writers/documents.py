"""The formats that people read: Markdown and LaTeX, three significant digits, no empty columns."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from e2e_magic.text import digits
from e2e_magic.views.writers.cells import columns, plain, text_of, uncontrolled

if TYPE_CHECKING:
    import pandas as pd


def md(frame: pd.DataFrame, handle: BinaryIO) -> None:
    """Write a pipe table, as GitHub, Jupyter and pandoc read it."""
    names, rows, numeric = _readable(frame)
    with text_of(handle) as text:
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


def _md_mark(match: re.Match[str]) -> str:
    entities = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    return entities.get(match[0], f"\\{match[0]}")


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


def tex(frame: pd.DataFrame, handle: BinaryIO) -> None:
    r"""Write a ``tabular`` with booktabs' rules, to be ``\input`` where ``\usepackage{booktabs}`` is."""
    names, rows, numeric = _readable(frame)
    with text_of(handle) as text:
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
        (n, c) for n, c in zip(frame.columns, columns(frame), strict=True) if not len(c) or c.notna().any()
    ]
    rows = zip(*([_readable_cell(value) for value in plain(column)] for _, column in kept), strict=True)
    return [name for name, _ in kept], [list(row) for row in rows], [c.dtype.kind in "iuf" for _, c in kept]


def _readable_cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return digits(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}{'Z' if value.tzinfo else ''}"
    return uncontrolled(str(value))
