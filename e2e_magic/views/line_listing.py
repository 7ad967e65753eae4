"""Annotated source on a card: the hottest lines in place, all of it by a click, and the same as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import isnan

from e2e_magic.derived.line_shares import Line, listings
from e2e_magic.record import Record
from e2e_magic.text import legible, percent, quantity, signed
from e2e_magic.views import markup

_HEADS = ("share", "time", "hits", "mean", "peak", "kept")
# A smaller change is the allocator's, not the line's.
_LEAST_KEPT_MIB = 0.05
_ELLIPSIS = "⋯"
# Characters of source: on a card, whose table scrolls, and in a terminal.
_LONGEST_HTML, _LONGEST_TEXT = 160, 48
# More lines would make a card slow; the frame has them all.
_MOST = 3_000
_BAR = "rgba(240,140,40,.38)"  # seen on white and on black, and words over it keep their contrast
_SOURCE = (
    "padding:0 .7em 0 0;text-align:left;border:0;background:none;max-width:46ch;overflow:hidden;"
    "text-overflow:ellipsis;font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:12px;"
    "white-space:pre"
)


def html(record: Record, *, folded: bool = True) -> str:
    """Return the HTML block of a record's lines; nothing where none were counted."""
    found = [] if record.lines is None else listings(record.lines)
    if not found:
        return ""
    hottest = "".join(_rows(name, _in_place(rows), titled=len(found) > 1) for name, rows in found)
    whole = [(name, rows[:_MOST]) for name, rows in found]
    count = sum(len(rows) for _, rows in found)
    every = "".join(_rows(name, list(rows), titled=len(found) > 1) for name, rows in whole)
    if count <= len(_hot(found)):
        return _table("the lines", every)
    more = (
        f"all {count:,} lines"
        if count <= _MOST
        else f"{_MOST:,} of {count:,} lines, e2e.lines() has them all"
    )
    if not folded:
        return _table("the hottest lines", hottest)
    style = f"{markup.FAINT};font-size:.88em;margin-top:.35em"
    return (
        _table("the hottest lines", hottest)
        + f'<details class="e2e-lines" style="margin-top:.35em"><summary style="cursor:pointer;{style}">'
        f"{escape(more)}</summary>{_table('every line', every)}</details>"
    )


def text(record: Record) -> list[str]:
    """Return the hottest lines as plain text; nothing where none were counted."""
    found = [] if record.lines is None else listings(record.lines)
    if not found:
        return []
    table: list[tuple[str, ...]] = [(*_HEADS, "")]
    for name, rows in found:
        for row in _in_place(rows):
            if row is not None and row.hits:
                where = f"{name} {row.number}" if name else f"{row.number}"
                source = legible(row.source.rstrip().expandtabs(4), _LONGEST_TEXT)
                table.append((*_cells(row), f"{where}  {source}"))
    widths = [max(len(cells[n]) for cells in table) for n in range(len(_HEADS))]
    lines = []
    for *cells, source in table:
        padded = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
        lines.append("  " + "  ".join([*padded, source]).rstrip())
    return lines


def _hot(found: Iterable[tuple[str, Sequence[Line]]]) -> list[Line]:
    return [row for _, rows in found for row in rows if row.hot]


def _in_place(rows: Sequence[Line]) -> list[Line | None]:
    """Return the hottest lines in their order; None where others are left out between them."""
    shown: list[Line | None] = []
    before = rows[0].number - 1 if rows else 0
    for row in rows:
        if row.hot:
            if row.number != before + 1:
                shown.append(None)
            shown.append(row)
            before = row.number
    if shown and rows[-1].number != before:
        shown.append(None)
    return shown


def _cells(row: Line) -> tuple[str, ...]:
    if not row.hits:
        return ("",) * len(_HEADS)
    mean = quantity(row.wall_s / row.hits, "s") if row.hits > 1 else ""
    peak = "-" if isnan(row.peak_mib) else quantity(row.peak_mib, "MiB")
    kept = (
        "" if isnan(row.delta_mib) or abs(row.delta_mib) < _LEAST_KEPT_MIB else signed(row.delta_mib, "MiB")
    )
    return percent(row.share), quantity(row.wall_s, "s"), f"{row.hits:,}", mean, peak, kept


def _table(title: str, rows: str) -> str:
    heads = [_cell(text, faint=True) for text in _HEADS]
    return (
        f'<div style="overflow-x:auto;margin-top:.4em"><table class="e2e-line-table" title="{escape(title)}" '
        f'style="border-collapse:collapse;color:inherit;font-variant-numeric:tabular-nums"><thead><tr>'
        f"{_around(heads, '<th></th><th></th>')}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _around(cells: Sequence[str], source: str) -> str:
    """Return a row with the source behind what matters most, so that a narrow window shows it too."""
    share, time, hits, mean, peak, kept = cells
    return share + time + peak + source + hits + mean + kept


def _rows(name: str, rows: Sequence[Line | None], *, titled: bool) -> str:
    if not rows or not any(row is not None and row.hits for row in rows):
        return ""
    title = _wide(name or "the cell") if titled else ""
    return title + "".join(_wide(_ELLIPSIS) if row is None else _row(row) for row in rows)


def _wide(text: str) -> str:
    style = f"{_SOURCE};{markup.FAINT}"
    return (
        f'<tr style="background:none"><td colspan="4" style="border:0;background:none"></td>'
        f'<td colspan="4" style="{style}">{escape(text)}</td></tr>'
    )


def _row(row: Line) -> str:
    cells = _cells(row)
    bar = f"linear-gradient(to left,{_BAR} {100 * row.share:.0f}%,transparent 0)" if row.hits else "none"
    faint = "" if row.hits else f";{markup.FAINT}"
    source = legible(row.source.rstrip().expandtabs(4), _LONGEST_HTML) or " "
    number = _cell(f"{row.number}", faint=True)
    middle = f'{number}<td title="{escape(source.strip())}" style="{_SOURCE}{faint}">{escape(source)}</td>'
    numbers = [_cell(cells[0], background=bar), *(_cell(cell) for cell in cells[1:])]
    return f'<tr style="background:none">{_around(numbers, middle)}</tr>'


def _cell(text: str, *, faint: bool = False, background: str = "none") -> str:
    weight = f";{markup.FAINT};font-weight:400" if faint else ""
    return (
        f'<td style="padding:0 .7em 0 .3em;text-align:right;white-space:nowrap;border:0;font-size:12px;'
        f'background:{background}{weight}">{escape(text)}</td>'
    )
