"""What ``%e2e auto on`` calls a cell: by the heading above it in the saved notebook, else by its first line.

No front end sends the heading with the cell, but Jupyter and VS Code tell the kernel which file is open.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from e2e_magic.text import legible

_LONGEST = 40
# A notebook with large outputs would be read longer than its cell takes.
_LARGEST_FILE = 20_000_000
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+(.+?)\s*#*\s*$")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKS = re.compile(r"<[^>]*>|(?<!\w)[*_`]+|[*_`]+(?!\w)")
_OURS = ("%load_ext", "%reload_ext", "%e2e")


class CellNames:
    """Names of cells; one that was named keeps its name while this kernel lives.

    Parameters
    ----------
    notebook : callable
        Returns the notebook's path, or an empty text.
    """

    def __init__(self, notebook: Callable[[], str]) -> None:
        self._notebook = notebook
        self._names: dict[str, str] = {}

    def of(self, source: str, cell: str | None) -> str:
        """Return the name of a cell, given its source and the front end's id of it; empty without a line."""
        if cell is None:  # who can't tell an edited cell from another one
            return self._heading(source, None) or first_line(source)
        if cell not in self._names:
            name = self._heading(source, cell) or first_line(source)
            taken, number = set(self._names.values()), 1
            while name and _numbered(name, number) in taken:
                number += 1
            self._names[cell] = _numbered(name, number)
        return self._names[cell]

    def _heading(self, source: str, cell: str | None) -> str:
        cells = list(_cells(self._notebook()))
        same = [n for n, (key, _, _) in enumerate(cells) if cell is not None and key == cell]
        same = same or [n for n, (_, kind, text) in enumerate(cells) if kind == "code" and text == source]
        before = 0
        for _, kind, text in reversed(cells[: same[0]] if same else []):
            if kind == "markdown" and (heading := last_heading(text)):
                return _numbered(heading, before + 1)
            before += kind == "code" and bool(text.strip()) and not text.lstrip().startswith(_OURS)
        return ""


def first_line(source: str) -> str:
    """Return a cell's first line with words, without the mark of a comment; of ``%%`` lines the next."""
    lines = [line.strip().lstrip("#").strip().removeprefix("@title ") for line in source.splitlines()]
    lines = [line for line in lines if line]
    plain = [line for line in lines if not line.startswith("%%")]
    return legible(next(iter([*plain, *lines]), ""), _LONGEST)


def last_heading(markdown: str) -> str:
    """Return the last heading of a text in Markdown, without marks and links; empty where there is none."""
    found, fenced = "", False
    for line in markdown.splitlines():
        fenced ^= line.lstrip().startswith(("```", "~~~"))
        if not fenced and (heading := _HEADING.match(line)):
            found = _MARKS.sub("", _LINK.sub(r"\1", heading[1])).strip() or found
    return legible(found, _LONGEST)


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name} {number}"


def _cells(path: str) -> Iterator[tuple[str, str, str]]:
    """Yield id, kind and source of the cells of a notebook's file; nothing where it can't be read."""
    file = Path(path)
    try:
        if not path.endswith(".ipynb") or file.stat().st_size > _LARGEST_FILE:
            return
        cells: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))["cells"]
        for cell in cells:
            yield str(cell.get("id")), str(cell["cell_type"]), "".join(cell["source"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return  # another program's file, or one that is being written
