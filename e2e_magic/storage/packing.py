"""What goes into a column: text that every database takes, JSON, and curves as compressed doubles."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import sys
import zlib
from array import array
from collections.abc import Sequence
from typing import Any

from e2e_magic.record import Events, Series, decode, encode

# PostgreSQL refuses NUL in a text, UTF-8 has no lone surrogates: both are written as a SUBSTITUTE
# character and four hexadecimal digits, and so is that character itself.
_ESCAPE = "\x1a"
_UNSTORABLE = re.compile("[\0\x1a\ud800-\udfff]")
_ESCAPED = re.compile("\x1a([0-9a-f]{4})")
# `record.encode` marks what JSON doesn't know with keys that start so.
_MARK = '"__'
_SIZE = 8
_FAST = 1  # zlib's quickest level: a trial must not wait for a few bytes
NO_EVENTS = Events()


def escape(text: str) -> str:
    """Return a text that any database can hold."""
    return _UNSTORABLE.sub(lambda found: f"{_ESCAPE}{ord(found[0]):04x}", text)


def unescape(text: str) -> str:
    """Undo `escape`."""
    if _ESCAPE not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def key(text: str) -> str:
    """Return a short name of a text of any length, for indexes: SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def written(value: Any) -> str:
    """Return plain data as JSON text; NaN, infinities, tuples and numpy's scalars survive."""
    return escape(json.dumps(encode(value), ensure_ascii=False, allow_nan=False, separators=(",", ":")))


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
