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
from typing import TYPE_CHECKING, Any

from e2e_magic.record import Events, Series, decode, encode

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
_WRITER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
NO_EVENTS = Events()


def escape(text: str) -> str:
    """Return a text that any database can hold."""
    return _UNSTORABLE.sub(lambda match: f"{_ESCAPE}{ord(match[0]):04x}", text)


def unescape(text: str) -> str:
    """Undo `escape`."""
    if _ESCAPE not in text:
        return text
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)


def key(text: str) -> str:
    """Return a short name of a text of any length, for indexes: SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def written(value: Any) -> str:
    """Return plain data as JSON text; NaN, infinities, tuples and numpy's scalars survive."""
    return escape(_WRITER.encode(encode(value)))


def read(text: str) -> Any:
    """Undo `written`."""
    value = json.loads(unescape(text))
    return decode(value) if _MARK in text else value


def read_all(texts: Sequence[str]) -> list[Any]:
    """Undo `written` for many texts: parsed at once, which takes half as long as one by one."""
    joined = ",".join(texts)
    if _ESCAPE in joined:
        return [read(text) for text in texts]
    values: list[Any] = json.loads(f"[{joined}]")
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
    return written([list(floats), list(whole)]), _bytes(numbers), written(rest)


class Layouts:
    """Undoes `pack_readings` for many trials."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[list[str], int]] = {}

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
        for text, rest in zip(measures, rests, strict=True):
            names, floating = self._layout(text)
            middle, end = start + floating, start + len(names)
            mine = values[start:middle]
            if middle < end:
                mine += map(int, values[middle:end])
            readings = dict(zip(names, mine, strict=True))
            if rest:
                readings.update(rest)
            trials.append(readings)
            start = end
        if start != len(values):
            raise _damaged(len(values), start)
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
            raw = b"".join([numbers[place] for place in places])
            if len(raw) != _SIZE * len(names) * len(places):
                raise _damaged(len(raw) // _SIZE, len(names) * len(places))
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
        layout = self._known.get(text)
        if layout is None:
            floats, whole = read(text)
            layout = self._known[text] = ([*floats, *whole], len(floats))
        return layout


def _damaged(numbers: int, names: int) -> ValueError:
    return ValueError(f"stored readings are damaged ({numbers} numbers for {names} names)")


def pack_series(series: Series) -> bytes:
    """Return a curve as bytes: all times, then all values, as compressed little-endian doubles."""
    return zlib.compress(_bytes(series.t_s) + _bytes(series.value), _FAST)


def unpack_series(data: bytes) -> Series:
    """Undo `pack_series`.

    Raises
    ------
    ValueError
        If the bytes are none of ours.
    """
    raw = _inflated(data)
    half = len(raw) // 2
    return Series(_doubles(raw[:half]), _doubles(raw[half:]))


def pack_events(events: Events) -> bytes | None:
    """Return a log as bytes: a head in JSON and compressed columns of doubles; None where there is none."""
    if not len(events) and not events.values and not events.dropped:
        return None
    head = json.dumps({"keys": list(events.values), "dropped": events.dropped}, ensure_ascii=False)
    words = head.encode("utf-8", "surrogatepass")
    columns = [events.t_s, events.epoch, *events.values.values()]
    return zlib.compress(struct.pack("<I", len(words)) + words + b"".join(map(_bytes, columns)), _FAST)


def unpack_events(data: bytes | None) -> Events:
    """Undo `pack_events`.

    Raises
    ------
    ValueError
        If the bytes are none of ours.
    """
    if data is None:
        return NO_EVENTS
    raw = _inflated(data)
    (size,) = struct.unpack_from("<I", raw)
    head = json.loads(raw[4 : 4 + size].decode("utf-8", "surrogatepass"))
    whole = _doubles(raw[4 + size :])
    rows = len(whole) // (len(head["keys"]) + 2)
    parts = [whole[n : n + rows] for n in range(0, rows * (len(head["keys"]) + 2), rows)] if rows else []
    t_s, epoch, *values = parts or [array("d") for _ in range(len(head["keys"]) + 2)]
    return Events(t_s, epoch, dict(zip(head["keys"], values, strict=True)), head["dropped"])


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompress(data)
    except zlib.error as error:
        raise ValueError(f"a stored curve is damaged ({error})") from None


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
