"""A frame short enough to read: what matters first, no empty columns, three significant digits."""

from __future__ import annotations

import functools
import html
import re
import shutil
from collections.abc import Callable
from typing import Any

import pandas as pd

from e2e_magic.text import counted, digits, legible
from e2e_magic.views.frames import displayed

_ABSENT = "-"
# Widths of text in a cell: text to be read whole, and everything else (names, lists of packages).
_LONGEST = 1000
_LONGEST_IN_PAGE = 120
_LONGEST_IN_TEXT = 80
# A cell of a page that is no longer than this stays on one line; a longer one has room for a few words.
_ONE_LINE = 60
_OF_AN_ERROR = 60  # which stays on one line
# Where neither a terminal nor the user says how wide a text may be.
_WIDE = 160
_PANDAS_WIDTH = 80  # its own default, which nobody chose
_LEAST_COLUMNS = 3
_CELL = re.compile(r"<td>(.*?)</td>", re.DOTALL)
_SENTENCES = ("reason", "remedy", "description", "bottleneck", "finding", "next_step")
# `%e2e metrics` prints these in full above its table: many rows have the same.
_SUMMARISED = ("why", "what_to_do")


def compact(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of text for reading: all-missing columns left out, numbers to three digits.

    Whole numbers stay whole; times are to the second, in UTC; what is missing is ``-``.
    """
    return _spelled(frame, _filled(frame), _LONGEST_IN_PAGE)


def _filled(frame: pd.DataFrame) -> list[int]:
    """Return the positions of the columns that hold anything; all of them where there are no rows."""
    return [n for n in range(frame.shape[1]) if not len(frame) or bool(frame.iloc[:, n].notna().any())]


def _spelled(frame: pd.DataFrame, positions: list[int], longest: int) -> pd.DataFrame:
    names = [str(name) for name in frame.columns]
    cells = {
        n: [legible(text, _most(names[n], longest)) for text in _spell(frame.iloc[:, n])] for n in positions
    }
    table = pd.DataFrame(cells, index=frame.index, dtype=object)
    table.columns = frame.columns[positions]
    return table


def _most(name: str, longest: int) -> int:
    if name in _SENTENCES:
        return _LONGEST
    if name == "error":
        return _OF_AN_ERROR
    return min(longest, _LONGEST_IN_TEXT) if name in _SUMMARISED else longest


def _spell(column: pd.Series[Any]) -> list[str]:
    spell: Callable[[Any], str] = str
    if column.name == "bottleneck" and pd.api.types.is_bool_dtype(column.dtype):
        return ["yes" if value is True or value == True else "" for value in column]  # noqa: E712 - numpy's
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC")
        spell = _moment
    elif pd.api.types.is_float_dtype(column.dtype):
        spell = digits
    elif column.dtype == object:
        spell = _anything
    absent = column.isna().to_numpy(dtype=bool)
    return [_ABSENT if gone else spell(value) for value, gone in zip(column.array, absent, strict=True)]


def _moment(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}Z"


def _anything(value: Any) -> str:
    return digits(value) if isinstance(value, float) else str(value)


class TidyFrame(pd.DataFrame):
    """A DataFrame displayed in its compact form; it still holds every number in full.

    Only the display differs. Rows of trials show stage, parameters, target, wall time, CPU, peak and state
    first, and fold what measuring needs. It stays so in what is looked at: ``[[..]]``, ``.head()``,
    ``.sort_values()`` and the like. Anything else derived from it (a copy, a sum, an unpickled one) is a
    plain DataFrame, so nothing of this class spreads into a user's data.
    """

    # Whether it is a part of another one, and whether the user chose its columns, so that none is folded;
    # whether all rows are shown.
    _part = False
    _chosen = False
    _every = False

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    @classmethod
    def of(cls, frame: pd.DataFrame, *, every: bool = False) -> TidyFrame:
        """Wrap a frame, its ``attrs`` included, without copying its data; `every` shows all rows."""
        wrapped = cls(frame, copy=False)
        wrapped.attrs = dict(frame.attrs)
        object.__setattr__(wrapped, "_every", every)
        return wrapped

    def __getitem__(self, key: Any) -> Any:
        return self._looked_at(super().__getitem__(key))

    def _looked_at(self, made: Any) -> Any:
        """Return a part of this frame in the same form."""
        if type(made) is not pd.DataFrame:
            return made
        part = TidyFrame.of(made, every=self._every)
        object.__setattr__(part, "_part", True)
        object.__setattr__(part, "_chosen", self._chosen or not made.columns.equals(self.columns))
        return part

    def __reduce__(self) -> Any:
        plain = pd.DataFrame(self)
        plain.attrs = dict(self.attrs)
        return pd.DataFrame, (), plain.__getstate__()

    def __repr__(self) -> str:
        shown, folded = self._arranged()
        rows, half = self._display(shown, _LONGEST_IN_TEXT)
        wide = _width()
        if not self._chosen and displayed.is_arranged(self):
            fitting = _fitting(rows, wide)
            shown, folded = shown[:fitting], [*shown[fitting:], *folded]
            rows = rows.iloc[:, :fitting]
        footer = self._footer(len(shown), len(folded))
        return footer if rows.empty else f"{rows.to_string(max_rows=half, line_width=wide)}\n\n{footer}"

    def _repr_html_(self) -> str | None:
        if not pd.get_option("display.notebook_repr_html"):
            return None
        shown, folded = self._arranged()
        more = ""
        if folded and len(self):
            more = (
                f'<details><summary style="cursor:pointer">{counted(len(folded), "more column")}</summary>'
                f"{self._table(folded)}</details>"
            )
        footer = html.escape(self._footer(len(shown), len(folded)))
        return (
            f'<div style="overflow-x:auto;max-width:100%">{self._table(shown)}</div>\n{more}<p>{footer}</p>'
        )

    def _table(self, positions: list[int]) -> str:
        rows, half = self._display(positions, _LONGEST_IN_PAGE)
        with pd.option_context("display.max_colwidth", None):  # a reason cut short is no reason
            table = rows.to_html(max_rows=half, border=0, notebook=True, show_dimensions=False)
        return _CELL.sub(_roomy, table)

    def _arranged(self) -> tuple[list[int], list[int]]:
        """Return the positions of the columns to show, and of those to fold."""
        filled = _filled(self)
        return (filled, []) if self._chosen else displayed.arranged(self, filled)

    def _footer(self, shown: int, folded: int) -> str:
        """Return the line below the table: its size, what ranks it, what isn't shown."""
        hidden = self.shape[1] - shown - folded
        rest = [f"{folded} folded"] if folded else []
        rest += [f"{hidden} more hold nothing"] if hidden else []
        more = f" ({', '.join(rest)}: see .columns)" if rest else ""
        by = [] if self._part else displayed.targets(self)
        order = "highest" if self.attrs.get("maximize") else "lowest"
        best = f"best first: {order} {by[0]}; " if by else ""
        return f"{best}{counted(len(self), 'row')} x {shown} columns{more}"

    def _display(self, positions: list[int], longest: int) -> tuple[pd.DataFrame, int | None]:
        """Return the rows to display as text, and the most rows to show."""
        most = None if self._every else pd.get_option("display.max_rows")
        half = None
        rows: pd.DataFrame = self
        if most and len(self) > most:
            # pandas draws the gap of a table that has a row more than it may show.
            half = max(2, pd.get_option("display.min_rows") or most)
            rows = pd.concat([self.iloc[: half // 2 + 1], self.iloc[len(self) - half // 2 :]])
        spelled = _spelled(rows, positions, longest)
        spelled.columns = pd.Index([legible(str(name), longest) for name in spelled.columns], dtype=object)
        return spelled, half


def _looking(name: str) -> Callable[..., Any]:
    """Return a method of pandas' frame whose result is displayed as the frame itself."""
    method = getattr(pd.DataFrame, name)

    @functools.wraps(method)
    def look(self: TidyFrame, *args: Any, **options: Any) -> Any:
        return self._looked_at(method(self, *args, **options))

    return look


for _name in (
    "head",
    "tail",
    "sort_values",
    "sort_index",
    "query",
    "nlargest",
    "nsmallest",
    "sample",
    "drop",
):
    setattr(TidyFrame, _name, _looking(_name))


def _width() -> int:
    """Return the characters of a line: as the user told pandas, else as the terminal is wide."""
    told = pd.get_option("display.width")
    if told and told != _PANDAS_WIDTH:
        return int(told)
    return shutil.get_terminal_size((_WIDE, 24)).columns


def _fitting(rows: pd.DataFrame, wide: int) -> int:
    """Return how many of the first columns fit a line; no fewer than `_LEAST_COLUMNS`."""
    used = max((len(str(label)) for label in rows.index), default=0)
    for n, name in enumerate(rows.columns):
        used += 2 + max(len(str(name)), *(len(text) for text in rows.iloc[:, n]), 0)
        if used > wide and n >= _LEAST_COLUMNS:
            return n
    return rows.shape[1]


def _roomy(cell: re.Match[str]) -> str:
    """Return a cell that a crowded table can't squeeze to a word or a syllable per line."""
    short = len(html.unescape(cell[1])) <= _ONE_LINE
    style = "white-space:nowrap" if short else "min-width:20em;overflow-wrap:anywhere"
    return f'<td style="{style}">{cell[1]}</td>'
