"""A confusion matrix as a picture: rows are true classes, columns predicted ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

from e2e_magic.text import digits, distinct, percent
from e2e_magic.views.pictures import svg
from e2e_magic.views.pictures.svg import Picture

# Classes up to which each cell bears its numbers.
ANNOTATED = 12
# More classes are charts' work: here the cells would be dots.
MOST = 60
_CELL_PX = 44
_SIDE_PX = 300
_ROOMY_PX = 38
_LONGEST_NAME = 14
_TITLE = "confusion matrix: rows true, columns predicted"
# The ground is the matrix's own, as a page's may be white or black: numbers stand on a tint that is known.
_GROUND, _DARK, _LIGHT = "#FFFFFF", "#000000", "#FFFFFF"
# Of the largest count: from here on white on the tint has more contrast than black, 4.5 : 1 and more.
_DEEP = 0.9


def confusion(counts: Sequence[Sequence[float]], classes: Sequence[object] = ()) -> Picture | None:
    """Return the picture of a square matrix of counts; None where it is empty or has over `MOST` classes.

    Parameters
    ----------
    counts : sequence of rows
        Rows true, columns predicted; NaN where a count is missing.
    classes : sequence, optional
        Their labels; 0 to n - 1 when left out.
    """
    n = len(counts)
    if not 0 < n <= MOST:
        return None
    labels = [str(label) for label in (classes if len(classes) == n else range(n))]
    names = distinct(labels, _LONGEST_NAME)
    cell = _CELL_PX if n <= ANNOTATED and n * _CELL_PX <= 2 * _SIDE_PX else _SIDE_PX / n
    cell = min(cell, 400 / n) if n <= ANNOTATED else cell
    named = n <= ANNOTATED
    longest = max(map(svg.text_px, names)) if named else 0
    left = 18 + longest + 4
    top = 20.0
    slanted = named and longest > cell - 4
    foot = (longest * 0.75 + 14 if slanted else 16 if named else 4) + 18
    side = n * cell
    largest = max((c for row in counts for c in row if math.isfinite(c)), default=0) or 1
    body = [svg.text(0, 12, _TITLE), svg.rectangle(left, top, side, side, fill=_GROUND)]
    for i, row in enumerate(counts):
        body += _row(row, left, top + i * cell, cell, largest, named=named)
        if named:
            body.append(svg.text(left - 5, top + (i + 0.5) * cell + 4, names[i], anchor="end"))
    body.append(
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{side:.1f}" height="{side:.1f}" fill="none" '
        f'stroke="{svg.INK}" stroke-opacity=".7"/>'
    )
    if named:
        body += [
            _below(name, left + (j + 0.5) * cell, top + side + 13, slanted=slanted)
            for j, name in enumerate(names)
        ]
    body.append(svg.text(left + side / 2, top + side + foot - 5, "predicted", anchor="middle"))
    middle = top + side / 2
    body.append(
        f'<g transform="rotate(-90 10 {middle:.1f})">{svg.text(10, middle, "true", anchor="middle")}</g>'
    )
    width = max(left + side + 12, 18 + svg.text_px(_TITLE))
    return Picture(math.ceil(width), math.ceil(top + side + foot), "".join(body), described(counts, labels))


def _row(
    row: Sequence[float], left: float, top: float, cell: float, largest: float, *, named: bool
) -> list[str]:
    total = sum(count for count in row if math.isfinite(count))
    drawn: list[str] = []
    for j, count in enumerate(row):
        x = left + j * cell
        share = count / largest if math.isfinite(count) else 0.0
        if share > 0:
            # From near the ground's own colour: 1 of 100 must look like next to nothing.
            drawn.append(svg.rectangle(x, top, cell, cell, fill=svg.BLUE, opacity=min(0.02 + share, 1.0)))
        if named:
            ink = _LIGHT if share > _DEEP else _DARK
            drawn += _numbers(count, total, x + cell / 2, top + cell / 2, cell, ink)
    return drawn


def _numbers(count: float, total: float, x: float, y: float, cell: float, ink: str) -> list[str]:
    """Write a count and, where there is room, its share of the row."""
    written = digits(count) if math.isfinite(count) else "?"
    if not (cell >= _ROOMY_PX and total > 0 and count > 0):
        return [svg.text(x, y + 4, written, anchor="middle", fill=ink)]
    share = svg.text(x, y + 12, percent(count / total), anchor="middle", size=9.5, fill=ink)
    return [svg.text(x, y - 1, written, anchor="middle", fill=ink), share]


def _below(name: str, x: float, y: float, *, slanted: bool) -> str:
    if not slanted:
        return svg.text(x, y, name, anchor="middle")
    return f'<g transform="rotate(-40 {x:.1f} {y:.1f})">{svg.text(x + 4, y, name, anchor="end")}</g>'


def described(counts: Sequence[Sequence[float]], classes: Sequence[str]) -> str:
    """Return a sentence: how many were right, and which class was most often taken for which."""
    cells = [
        (count, i, j) for i, row in enumerate(counts) for j, count in enumerate(row) if math.isfinite(count)
    ]
    total = sum(count for count, _, _ in cells)
    right = sum(count for count, i, j in cells if i == j)
    words = f"confusion matrix of {len(counts)} classes: {digits(right)} of {digits(total)} are right"
    wrong = [cell for cell in cells if cell[1] != cell[2] and cell[0] > 0]
    if wrong:
        count, i, j = max(wrong, key=lambda cell: cell[0])
        words += f"; most often wrong: {classes[i]} taken for {classes[j]}, {digits(count)} times"
    return words
