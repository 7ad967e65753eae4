"""Copies of finished rows, some thousand in one piece: what reads all trials waits for no curve.

In a SQLite file a trial's row lies among the curves that were written with it, so that reading every row
reads pages from all of the file. Each time `BLOCK` rows are full their columns are written once more, as
one compressed value. A block is a copy and never the truth: triggers delete it as soon as a row of its
numbers is inserted, changed or deleted, whoever does that, and what has no block is read row by row.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any

from e2e_magic.storage import packing

Execute = Callable[[str, tuple[Any, ...]], Any]
# Rows of one block: those of the numbers from `place * BLOCK + 1` to `(place + 1) * BLOCK`.
BLOCK = 2_000
# Bytes of one block's columns; one of larger rows would be a wait for the cell that fills it.
_MOST = 16 * 2**20
_TRIGGER = "CREATE TRIGGER e2e_unseal_{0} AFTER {0} ON e2e_trials BEGIN {1} END"
_DELETE = "DELETE FROM e2e_blocks WHERE place = ({}.number - 1) / {};"
TRIGGERS = tuple(
    _TRIGGER.format(event, " ".join(_DELETE.format(side, BLOCK) for side in sides))
    for event, sides in (("INSERT", ["NEW"]), ("UPDATE", ["OLD", "NEW"]), ("DELETE", ["OLD"]))
)
TABLES = (
    "CREATE TABLE e2e_blocks (place INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (place))",
    *TRIGGERS,
)
# The order of `decoding.COLUMNS`.
_COLUMNS = (
    "number", "run", "stage", "trial", "repeat", "state", "started_at", "error", "sweep", "params",
    "readings", "reported", "missing", "source", "host", "concurrent", "curves", "length(events)", "measures",
    "numbers", "derived",
)  # fmt: skip
_BYTES = _COLUMNS.index("numbers")
_NUMBERS = ("number", "run", "trial", "repeat", "concurrent", "length(events)", "numbers")
_TEXTS = frozenset(n for n, name in enumerate(_COLUMNS) if name not in _NUMBERS)
_SELECT = (
    f"SELECT {', '.join(_COLUMNS)} FROM e2e_trials "  # noqa: S608 - our own columns
    "WHERE number > ? AND number <= ? ORDER BY number"
)
_SIZE = 4  # of the number of bytes that the head has
_FAST = 1  # zlib's quickest level
_WHOLE, _TEXT = {int, type(None)}, {str, type(None)}
# Between texts, none of which has it: see `packing.escape`.
_BETWEEN = "\0"


def place_of(number: int) -> int:
    """Return the place of the block to which the row of this number belongs."""
    return (number - 1) // BLOCK


def seal_full(execute: Execute, numbers: Iterable[int]) -> None:
    """Write the blocks of which one of these new rows is the last."""
    for number in numbers:
        if number % BLOCK == 0:
            seal(execute, place_of(number))


def seal(execute: Execute, place: int) -> None:
    """Write the block of this place from its rows; rows that are too large, or none of ours, get none."""
    rows, size = [], 0
    for row in execute(_SELECT, (place * BLOCK, (place + 1) * BLOCK)):
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if size > _MOST:
            return
        rows.append(tuple(row))
    data = packed(rows)
    if data is not None:
        execute("INSERT OR REPLACE INTO e2e_blocks (place, data) VALUES (?, ?)", (place, data))


def packed(rows: Sequence[Sequence[Any]]) -> bytes | None:
    """Return rows as bytes, column by column; None where a value is of a type that no column of ours has."""
    heads: list[Any] = []
    bodies: list[bytes] = []
    for place, cells in enumerate(zip(*rows, strict=True)):
        kinds = set(map(type, cells))
        if place == _BYTES and kinds == {bytes}:
            heads.append(list(map(len, cells)))
            bodies += cells
        elif place not in _TEXTS and kinds <= _WHOLE:
            heads.append(cells)
        elif place in _TEXTS and kinds <= _TEXT:
            # Most texts repeat; those of parameters and losses don't.
            each = {
                text: n for n, text in enumerate(dict.fromkeys(text for text in cells if text is not None))
            }
            if any(_BETWEEN in text for text in each):
                return None
            whole = len(each) == len(cells)
            try:
                bodies.append(_BETWEEN.join(each).encode())
            except UnicodeEncodeError:
                return None
            heads.append([len(bodies[-1]), None if whole else [-1 if c is None else each[c] for c in cells]])
        else:
            return None
    if not heads:
        return None
    head = json.dumps(heads, separators=(",", ":")).encode()
    return zlib.compress(b"".join((len(head).to_bytes(_SIZE, "little"), head, *bodies)), _FAST)


def rows_in(data: object, place: int) -> list[tuple[Any, ...]]:
    """Undo `packed` for the block of this place.

    Raises
    ------
    ValueError
        And others of `checking.DAMAGE`, if the bytes are none of ours. Of the values only the number is
        checked here.
    """
    if not isinstance(data, bytes):
        raise TypeError("a block is no bytes")
    raw = packing.inflated(data, 2 * _MOST)
    start = _SIZE + int.from_bytes(raw[:_SIZE], "little")
    heads = json.loads(raw[_SIZE:start])
    if len(heads) != len(_COLUMNS) or len(heads[0]) > BLOCK:
        raise ValueError("a block has other columns than a trial")
    columns: list[list[Any]] = []
    for n, head in enumerate(heads):
        if n == _BYTES:
            ends = list(accumulate(head, initial=start))
            columns.append([raw[begin:end] for begin, end in pairwise(ends)])
            start = ends[-1]
        elif n in _TEXTS:
            length, places = head
            if raw.count(0, start, start + length) >= BLOCK:
                raise ValueError("a block has more texts than rows")
            each: list[Any] = raw[start : start + length].decode().split(_BETWEEN)
            start += length
            each.append(None)  # the one at -1
            columns.append(each[:-1] if places is None else list(map(each.__getitem__, places)))
        else:
            columns.append(head)
    if not all(place * BLOCK < number <= (place + 1) * BLOCK for number in columns[0]):
        raise ValueError("a block has rows of another")
    return list(zip(*columns, strict=True))
