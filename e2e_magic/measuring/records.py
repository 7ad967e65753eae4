"""The records of a process, in order: the newest as they are, older ones packed, hundreds in one piece."""

from __future__ import annotations

import copyreg
import pickle
import threading
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Self, overload

from e2e_magic.measuring.identity import Identity
from e2e_magic.record import Events, Record, Series

# Records of one pack; so many at least, and twice as many at most, are kept as they are.
PACK = 500
_PLAIN = (int, float, str, bool, type(None))
_FAST = 1  # zlib's quickest level
# Frozen classes with slots would pickle themselves field by field, in Python.
_FIELDS = {cls: attrgetter(*cls.__match_args__) for cls in (Record, Events, Series, Identity)}


def _as_call(one: Any) -> tuple[type, tuple[Any, ...]]:
    return type(one), _FIELDS[type(one)](one)


for _cls in _FIELDS:
    copyreg.pickle(_cls, _as_call)


class Records(Sequence[Record]):
    """Records in order; threads may add to them while others read.

    A record of a trial of nothing takes 6 KiB as an object and a quarter of one in a pack, from which it is
    taken anew whenever it is asked for. One that can't be packed stays as it is.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._packs: list[_Pack] = []
        self._packed = 0  # how many they hold
        self._newest: list[Record] = []
        self._lock = threading.RLock()
        self.extend(records)

    def __len__(self) -> int:
        with self._lock:
            return self._packed + len(self._newest)

    def __iter__(self) -> Iterator[Record]:
        with self._lock:
            packs, newest = list(self._packs), list(self._newest)
        for pack in packs:
            yield from pack.records()
        yield from newest

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        with self._lock:
            places = range(len(self))[index]
            some = [places] if isinstance(places, int) else places
            if all(place >= self._packed for place in some):
                found = [self._newest[place - self._packed] for place in some]
                return found[0] if isinstance(places, int) else found
        return list(self)[index]

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment] # they grow

    def __iadd__(self, records: Iterable[Record]) -> Self:
        self.extend(records)
        return self

    def append(self, record: Record) -> None:
        """Add a record."""
        with self._lock:
            self._newest.append(record)
            if len(self._newest) >= 2 * PACK:
                self._packs.append(_Pack(self._newest[:PACK]))
                self._packed += PACK
                del self._newest[:PACK]

    def extend(self, records: Iterable[Record]) -> None:
        """Add records."""
        for record in records:
            self.append(record)

    def exchange(self, before: Record, after: Record) -> bool:
        """Put one record in another's place, which was added a moment ago; return whether it is here."""
        with self._lock:
            places = (n for n in reversed(range(len(self._newest))) if self._newest[n] is before)
            if (place := next(places, None)) is not None:
                self._newest[place] = after
            return place is not None

    def drop(self, which: Callable[[Record], bool]) -> None:
        """Remove records."""
        with self._lock:
            kept = [record for record in self if not which(record)]
            self._packs, self._newest, self._packed = [], [], 0
            self.extend(kept)


class _Pack:
    """Records as compressed bytes, column by column; what they share is there once.

    Parameters that are more than numbers and texts are kept as they are.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self._size = len(records)
        self._records: Sequence[Record] = ()
        self._data = b""
        self._params = {
            place: record.params
            for place, record in enumerate(records)
            if not all(type(value) in _PLAIN for value in record.params.values())
        }
        try:
            self._data = zlib.compress(pickle.dumps(self._columns(records), protocol=5), _FAST)
        except Exception:  # noqa: BLE001 - whatever a value of another package's collector raises
            self._records = records

    def _columns(self, records: Sequence[Record]) -> dict[str, Any]:
        columns: dict[str, Any] = dict(
            zip(_NAMES, zip(*map(_FIELDS[Record], records), strict=True), strict=True)
        )
        columns["params"] = [None if n in self._params else record.params for n, record in enumerate(records)]
        columns["events"] = [record.events if len(record.events) else None for record in records]
        shapes: dict[Any, int] = {}
        columns["readings"] = [
            (shapes.setdefault(tuple(record.readings), len(shapes)), tuple(record.readings.values()))
            for record in records
        ]
        reasons: dict[Any, int] = {}
        columns["missing"] = [
            reasons.setdefault(tuple(record.missing.items()), len(reasons)) for record in records
        ]
        curves: dict[Any, int] = {}
        columns["series"] = [
            (
                curves.setdefault(
                    tuple((name, len(one)) for name, one in record.series.items()), len(curves)
                ),
                b"".join([one.t_s.tobytes() + one.value.tobytes() for one in record.series.values()]),
            )
            for record in records
        ]
        return {**columns, "shapes": list(shapes), "reasons": list(reasons), "curves": list(curves)}

    def records(self) -> Sequence[Record]:
        """Return the records."""
        if not self._data:
            return self._records
        columns = pickle.loads(zlib.decompress(self._data))  # noqa: S301 - packed by this process
        shapes, curves = columns.pop("shapes"), columns.pop("curves")
        reasons = [dict(items) for items in columns.pop("reasons")]
        for place, params in self._params.items():
            columns["params"][place] = params
        columns["events"] = [_NO_EVENTS if events is None else events for events in columns["events"]]
        columns["readings"] = [
            dict(zip(shapes[shape], values, strict=True)) for shape, values in columns["readings"]
        ]
        columns["missing"] = [reasons[place] for place in columns["missing"]]
        columns["series"] = [_Curves(curves[place], data) for place, data in columns["series"]]
        return list(map(Record, *columns.values()))


class _Curves(Mapping[str, Series]):
    """Curves by name, unpacked when they are asked for: a table of trials asks for none."""

    def __init__(self, lengths: Sequence[tuple[str, int]], data: bytes) -> None:
        self._lengths = lengths
        self._data = data

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._lengths)

    def __getitem__(self, name: str) -> Series:
        start = 0
        for each, length in self._lengths:
            size = 8 * length
            if each == name:
                times, values = array("d"), array("d")
                times.frombytes(self._data[start : start + size])
                values.frombytes(self._data[start + size : start + 2 * size])
                return Series(times, values)
            start += 2 * size
        raise KeyError(name)


_NAMES = Record.__match_args__
_NO_EVENTS = Events()
