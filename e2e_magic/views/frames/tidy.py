"""A frame short enough to read: no empty columns, three significant digits."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pandas as pd

from e2e_magic.text import digits, legible

_ABSENT = "-"
# Of text in a cell: what is to be read whole, and everything else (names, lists of packages).
_LONGEST = 1000
_LONGEST_IN_PAGE = 120
_LONGEST_IN_TEXT = 80
# A cell of a page that is no longer than this stays on one line; a longer one has room for a few words.
_ONE_LINE = 40
_CELL = re.compile(r"<td>(.*?)</td>", re.DOTALL)
_SENTENCES = ("reason", "remedy", "error", "description", "bottleneck")
# `%e2e metrics` says these whole above its table: many rows have the same.
_SAID_ABOVE = ("why", "what_to_do")


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
    made = pd.DataFrame(cells, index=frame.index, dtype=object)
    made.columns = frame.columns[positions]
    return made


def _most(name: str, longest: int) -> int:
    if name in _SENTENCES:
        return _LONGEST
    return min(longest, _LONGEST_IN_TEXT) if name in _SAID_ABOVE else longest


def _spell(column: pd.Series[Any]) -> list[str]:
    spell: Callable[[Any], str] = str
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
    """A DataFrame that shows itself in its compact form; every number is still in it.

    Only the display differs. What is made from it (a copy, a selection, a pickle read back) is a
    plain DataFrame, so nothing of this class spreads into a user's data.
    """

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    @classmethod
    def of(cls, frame: pd.DataFrame) -> TidyFrame:
        """Wrap a frame, its ``attrs`` included, without copying its data."""
        made = cls(frame, copy=False)
        made.attrs = dict(frame.attrs)
        return made

    def __reduce__(self) -> Any:
        plain = pd.DataFrame(self)
        plain.attrs = dict(self.attrs)
        return pd.DataFrame, (), plain.__getstate__()

    def __repr__(self) -> str:
        shown, half, footer = self._shown(_LONGEST_IN_TEXT)
        if shown.empty:
            return footer
        return f"{shown.to_string(max_rows=half, line_width=pd.get_option('display.width'))}\n\n{footer}"

    def _repr_html_(self) -> str | None:
        if not pd.get_option("display.notebook_repr_html"):
            return None
        shown, half, footer = self._shown(_LONGEST_IN_PAGE)
        with pd.option_context("display.max_colwidth", None):  # a reason cut short is no reason
            table = shown.to_html(max_rows=half, border=0, notebook=True, show_dimensions=False)
        return f"{_CELL.sub(_roomy, table)}\n<p>{html.escape(footer)}</p>"

    def _shown(self, longest: int) -> tuple[pd.DataFrame, int | None, str]:
        """Return the rows to show, spelled, how many of them at most, and the line below the table."""
        positions = _filled(self)
        most = pd.get_option("display.max_rows")
        half = None
        rows: pd.DataFrame = self
        if most and len(self) > most:
            # pandas draws the gap of a table that has a row more than it may show.
            half = max(2, pd.get_option("display.min_rows") or most)
            rows = pd.concat([self.iloc[: half // 2 + 1], self.iloc[len(self) - half // 2 :]])
        hidden = self.shape[1] - len(positions)
        empty = f" ({hidden} more hold nothing: see .columns)" if hidden else ""
        footer = f"{len(self):,} row{'' if len(self) == 1 else 's'} x {len(positions)} columns{empty}"
        shown = _spelled(rows, positions, longest)
        shown.columns = pd.Index([legible(str(name), longest) for name in shown.columns], dtype=object)
        return shown, half, footer


def _roomy(cell: re.Match[str]) -> str:
    """Return a cell that a crowded table can't squeeze to a word, or a syllable, per line."""
    short = len(html.unescape(cell[1])) <= _ONE_LINE
    style = "white-space:nowrap" if short else "min-width:20em;overflow-wrap:anywhere"
    return f'<td style="{style}">{cell[1]}</td>'
