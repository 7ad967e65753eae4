"""What goes into a column: text that every database takes, JSON, and curves as compressed doubles."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import sys
import zlib
from array import array
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from e2e_magic.record import Events, Lines, Reason, Series, decode, encode
from e2e_magic.storage import checking

if TYPE_CHECKING:
    from e2e_magic.derived.blocks import Group

# PostgreSQL refuses NUL in a text, UTF-8 has no lone surrogates: both are written as a SUBSTITUTE
# character and four hexadecimal digits, and so is that character itself.
_ESCAPE = "\x1a"
_UNSTORABLE = re.compile("[\0\x1a\ud800-\udfff]")
_ESCAPED = re.compile("\x1a([0-9a-f]{4})")
# `record.encode` marks what JSON doesn't know with keys that start so.
_MARK = '"__'
_SIZE = 8
# Whole numbers up to here are exact as doubles.
_EXACT = 2**53
_FAST = 1  # zlib's quickest level: a trial must not wait for a few bytes
# Up to here zlib takes longer to begin, 8 µs, than it saves.
_TINY = 256
_STORED = struct.Struct("<HBHH")
_WRITER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_HEAD = struct.Struct("<I")
_LINE_COLUMNS = ("place", "line", "hits", "wall_s", "peak_mib", "delta_mib")
NO_EVENTS = Events()


def escape(text: str) -> str:
    """Return a text that any database can hold."""
    return _UNSTORABLE.sub(lambda match: f"{_ESCAPE}{ord(match[0]):04x}", text)


def unescape(text: str) -> str:
    """Undo `escape`."""
    if _ESCAPE not in text:
        return text
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)


@lru_cache(maxsize=64)
def key(text: str) -> str:
    """Return a short name of a text of any length, for indexes: SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def written(value: Any) -> str:
    """Return plain data as JSON text; NaN, infinities, tuples and numpy's scalars survive."""
    if type(value) in (dict, list) and not value:  # as most of a trial's columns are
        return "{}" if type(value) is dict else "[]"
    return escape(_WRITER.encode(encode(value)))


@lru_cache(maxsize=64)
def reasons(missing: tuple[tuple[str, Reason], ...]) -> str:
    """Return the reasons of what is missing as `written`; they are those of the trial before, mostly."""
    return written({name: reason.plain() for name, reason in missing})


def read(text: str) -> Any:
    """Undo `written`."""
    value = json.loads(unescape(text))
    checking.depth(text, value)
    return decode(value) if _MARK in text else value


def read_all(texts: Sequence[str]) -> list[Any]:
    """Undo `written` for many texts: parsed at once, which takes half as long as one by one."""
    joined = ",".join(texts)
    if _ESCAPE in joined:
        return [read(text) for text in texts]
    values: list[Any] = json.loads(f"[{joined}]")
    if len(values) != len(texts):
        raise ValueError("one text holds several values")
    for text, value in zip(texts, values, strict=True):
        checking.depth(text, value)
    if _MARK not in joined:
        return values
    return [decode(value) if _MARK in text else value for text, value in zip(texts, values, strict=True)]


def pack_readings(readings: Mapping[str, Any]) -> tuple[str, bytes, str]:
    """Return readings as the names of their numbers, these as doubles, and the rest as JSON.

    The names are the same for most trials and are read once for all of them; doubles are read six times
    as fast as JSON, of which reading a hundred thousand trials would otherwise mostly consist.
    """
    # What numpy's scalars are to Python.
    plain = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in readings.items()}
    floats = {name: value for name, value in plain.items() if type(value) is float}
    whole = {name: value for name, value in plain.items() if type(value) is int and abs(value) <= _EXACT}
    rest = {name: value for name, value in plain.items() if name not in floats and name not in whole}
    numbers = array("d", [*floats.values(), *whole.values()])
    return _layout(tuple(floats), tuple(whole)), _bytes(numbers), written(rest)


@lru_cache(maxsize=64)
def _layout(floats: tuple[str, ...], whole: tuple[str, ...]) -> str:
    """Return the names of a trial's numbers as JSON; those of the trial before it, mostly."""
    return written([list(floats), list(whole)])


class Layouts:
    """Undoes `pack_readings` for many trials."""

    def __init__(self) -> None:
        self._layouts: dict[str, tuple[list[str], int]] = {}

    def readings(
        self, measures: Sequence[str], numbers: Sequence[bytes], rests: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Return the readings of these trials.

        Raises
        ------
        ValueError
            If there are not as many numbers as names.
        """
        values = _doubles(b"".join(numbers)).tolist()
        trials: list[dict[str, Any]] = []
        start = 0
        for text, packed, rest in zip(measures, numbers, rests, strict=True):
            names, floating = self._layout(text)
            middle, end = start + floating, start + len(names)
            if len(packed) != _SIZE * len(names):
                raise _damaged(len(packed) // _SIZE, len(names))
            mine = values[start:middle]
            if middle < end:
                mine += map(int, values[middle:end])
            readings = dict(zip(names, mine, strict=True))
            if rest:
                readings.update(rest)
            trials.append(readings)
            start = end
        return trials

    def groups(
        self, measures: Sequence[str], numbers: Sequence[bytes], rests: Sequence[Mapping[str, Any]]
    ) -> list[Group]:
        """Return what `readings` does as columns, those of alike trials together.

        Raises
        ------
        ValueError
            If there are not as many numbers as names.
        """
        import numpy as np

        from e2e_magic.derived.blocks import Group, column

        alike: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        for place, shape in enumerate(zip(measures, map(tuple, rests), strict=True)):
            alike.setdefault(shape, []).append(place)
        groups = []
        for (text, others), places in alike.items():
            names, floating = self._layout(text)
            for place in places:
                if len(numbers[place]) != _SIZE * len(names):
                    raise _damaged(len(numbers[place]) // _SIZE, len(names))
            raw = b"".join([numbers[place] for place in places])
            table = np.frombuffer(raw, dtype="<f8").reshape(len(places), len(names)).T
            readings: dict[str, Any] = dict(zip(names, np.ascontiguousarray(table, dtype=float), strict=True))
            for name in names[floating:]:
                readings[name] = column([int(value) for value in readings[name].tolist()])
            for name in others:
                readings[name] = column([rests[place][name] for place in places])
            groups.append(Group(np.array(places, dtype=np.intp), readings))
        return groups

    def _layout(self, text: str) -> tuple[list[str], int]:
        """Return the names of numbers, and how many of these are floats."""
        layout = self._layouts.get(text)
        if layout is None:
            floats, whole = map(checking.names, read(text))
            layout = self._layouts[text] = ([*floats, *whole], len(floats))
        return layout


def _damaged(numbers: int, names: int) -> ValueError:
    return ValueError(f"stored readings are damaged ({numbers} numbers for {names} names)")


def pack_series(series: Series) -> bytes:
    """Return a curve as bytes: all times, then all values, as compressed little-endian doubles."""
    return _compressed(_bytes(series.t_s) + _bytes(series.value))


def unpack_series(data: bytes) -> Series:
    """Undo `pack_series`.

    Raises
    ------
    ValueError
        If the bytes are none of ours.
    """
    raw = inflated(data)
    if len(raw) % (2 * _SIZE):
        raise ValueError("a stored curve is damaged (it has not as many times as values)")
    half = len(raw) // 2
    return Series(_doubles(raw[:half]), _doubles(raw[half:]))


def pack_events(events: Events) -> bytes | None:
    """Return a log as bytes: a head in JSON and compressed columns of doubles; None where there is none."""
    if not len(events) and not events.values and not events.dropped:
        return None
    head = json.dumps({"keys": list(events.values), "dropped": events.dropped}, ensure_ascii=False)
    words = head.encode("utf-8", "surrogatepass")
    columns = [events.t_s, events.epoch, *events.values.values()]
    return _compressed(_HEAD.pack(len(words)) + words + b"".join(map(_bytes, columns)))


def unpack_events(data: bytes | None) -> Events:
    """Undo `pack_events`.

    Raises
    ------
    ValueError
        If the bytes are none of ours.
    """
    if data is None:
        return NO_EVENTS
    raw = inflated(data)
    if len(raw) < _HEAD.size:
        raise ValueError("a stored log is damaged (it has no head)")
    (size,) = _HEAD.unpack_from(raw)
    head = json.loads(raw[_HEAD.size : _HEAD.size + size].decode("utf-8", "surrogatepass"))
    checking.mapping("the log's head", head)
    keys, dropped = checking.names(head.get("keys")), head.get("dropped")
    if type(dropped) is not int:
        raise ValueError("a stored log is damaged (it doesn't say how many calls it dropped)")
    whole = _doubles(raw[_HEAD.size + size :])
    rows, over = divmod(len(whole), len(keys) + 2)
    if over:
        raise ValueError(f"a stored log is damaged ({len(whole)} numbers in {len(keys) + 2} columns)")
    t_s, epoch, *values = (whole[n * rows : (n + 1) * rows] for n in range(len(keys) + 2))
    return Events(t_s, epoch, dict(zip(keys, values, strict=True)), dropped)


def pack_lines(lines: Lines) -> bytes:
    """Return what lines cost as bytes: a head in JSON with the code, and compressed columns of doubles."""
    head = {"listings": lines.listings, "counting_s": lines.counting_s, "notes": lines.notes}
    words = json.dumps(head).encode()
    columns = [getattr(lines, name) for name in _LINE_COLUMNS]
    return _compressed(_HEAD.pack(len(words)) + words + b"".join(map(_bytes, columns)))


def unpack_lines(data: bytes) -> Lines:
    """Undo `pack_lines`.

    Raises
    ------
    ValueError
        If the bytes are none of ours.
    """
    raw = inflated(data)
    if len(raw) < _HEAD.size:
        raise ValueError("stored lines are damaged (they have no head)")
    (size,) = _HEAD.unpack_from(raw)
    head = json.loads(raw[_HEAD.size : _HEAD.size + size].decode())
    listings = [checking.listing(each) for each in checking.mapping("the lines' head", head)["listings"]]
    whole = _doubles(raw[_HEAD.size + size :])
    rows, over = divmod(len(whole), len(_LINE_COLUMNS))
    columns = [whole[n * rows : (n + 1) * rows] for n in range(len(_LINE_COLUMNS))]
    if over or not all(0 <= place < len(listings) for place in columns[0]):
        raise ValueError(f"stored lines are damaged ({len(whole)} numbers, {len(listings)} listings)")
    if not all(1 <= number <= _EXACT for number in (*columns[1], *columns[2])):
        raise ValueError("stored lines are damaged (a line or its hits are no whole number)")
    notes = tuple(map(str, head["notes"]))
    place, line, hits, wall_s, peak_mib, delta_mib = columns
    return Lines(
        place, line, hits, wall_s, peak_mib, delta_mib, tuple(listings), float(head["counting_s"]), notes
    )


def inflated(data: bytes, most: int = checking.MOST_UNPACKED) -> bytes:
    """Return what was compressed; a small row may claim a size larger than any memory.

    Raises
    ------
    ValueError
        If it isn't, or is more than so many bytes.
    """
    inflating = zlib.decompressobj()
    try:
        raw = inflating.decompress(data, most)
    except zlib.error as error:
        raise ValueError(f"a stored curve is damaged ({error})") from None
    if not inflating.eof:
        why = "it is cut off" if len(raw) < most else f"it unpacks to more than {most:,} bytes"
        raise ValueError(f"a stored curve is damaged ({why})")
    return raw


def _compressed(raw: bytes) -> bytes:
    """Return bytes as a zlib stream; a short one is a stored block, see RFC 1950 and RFC 1951, 3.2.4."""
    if len(raw) > _TINY:
        return zlib.compress(raw, _FAST)
    return _STORED.pack(0x0178, 1, len(raw), len(raw) ^ 0xFFFF) + raw + zlib.adler32(raw).to_bytes(4, "big")


def _bytes(numbers: array[float]) -> bytes:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def _doubles(raw: bytes) -> array[float]:
    if len(raw) % _SIZE:
        raise ValueError(f"a stored curve is damaged ({len(raw)} bytes are no whole number of doubles)")
    numbers = array("d")
    numbers.frombytes(raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
