"""Rows of the tables as records and runs again; many at once where that is faster."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from e2e_magic.record import Environment, Reason, Record, Run, Series
from e2e_magic.storage import packing, schema

if TYPE_CHECKING:
    from e2e_magic.derived.blocks import Block

# The order in which `records` takes a row apart.
_trials = schema.trials.c
COLUMNS: tuple[sa.ColumnElement[Any], ...] = (
    _trials.number,
    _trials.run,
    _trials.stage,
    _trials.trial,
    _trials.repeat,
    _trials.state,
    _trials.started_at,
    _trials.error,
    _trials.sweep,
    _trials.params,
    _trials.readings,
    _trials.reported,
    _trials.missing,
    _trials.source,
    _trials.host,
    # As the driver gives it: SQLAlchemy's own conversion costs as much as the rest of the row.
    sa.cast(_trials.concurrent, sa.Integer),
    _trials.curves,
    _trials.events,
    _trials.measures,
    _trials.numbers,
)
# The same without what no column of a frame is made of: less to read, and the texts are long.
MEASURED = tuple(
    {"missing": sa.literal_column("'{}'"), "source": sa.null()}.get(getattr(column, "name", ""), column)
    for column in COLUMNS
)
_ENVIRONMENT = tuple(field.name for field in fields(Environment))
Curves = Mapping[int, Mapping[str, Series]]


def run_of(row: Any) -> Run:
    """Undo `rows.run_row`."""
    place = packing.read(row.environment)
    return Run(
        packing.unescape(row.id),
        packing.unescape(row.name),
        datetime.fromisoformat(row.started_at),
        packing.unescape(row.description),
        # A newer package may know more of a place than this one.
        Environment(**{name: place[name] for name in _ENVIRONMENT if name in place}),
        packing.read(row.settings),
    )


class Decoder:
    """Makes records of rows. Texts that repeat (stages, reasons, sources) are decoded once and shared.

    Attributes
    ----------
    runs : dict of int to str
        The runs' ids by number; to be filled before their rows are decoded.
    sources : dict of str to str
        The code by key; likewise.
    """

    def __init__(self) -> None:
        self.runs: dict[int, str] = {}
        self.sources: dict[str, str] = {}
        self._texts: dict[str | None, str | None] = {None: None}
        self._parsed: dict[str, Any] = {}
        self._layouts = packing.Layouts()

    def records(self, rows: Sequence[Any], curves: Curves | None = None) -> list[Record]:
        """Return the records of these rows, which have the order of `COLUMNS`."""
        if not rows:
            return []
        cells = list(zip(*rows, strict=True))
        plain = self._plain(cells)
        series: Iterable[Mapping[str, Series]] = (
            [_NO_SERIES] * len(rows) if curves is None else [curves.get(n, _NO_SERIES) for n in cells[0]]
        )
        return list(
            map(
                Record,
                *(plain[name] for name in _FIRST),
                packing.read_all(cells[9]),
                self._layouts.readings(cells[18], cells[19], self._shared(cells[10])),
                series,
                [packing.unpack_events(log) for log in cells[17]],
                self._shared(cells[11]),
                _reasons(self._shared(cells[12])),
                [None if source is None else self.sources[source] for source in cells[13]],
                plain["host"],
                plain["concurrent"],
            )
        )

    def block(self, rows: Sequence[Any], curves: Curves) -> Block:
        """Return the block of these rows, which have the order of `COLUMNS`; there is at least one."""
        from e2e_magic.derived.blocks import Block

        cells = list(zip(*rows, strict=True))
        return Block(
            self._plain(cells),
            packing.read_all(cells[9]),
            self._shared(cells[11]),
            self._layouts.groups(cells[18], cells[19], self._shared(cells[10])),
            [log is not None or number in curves for log, number in zip(cells[17], cells[0], strict=True)],
            lambda places: self.records([rows[place] for place in places], curves),
        )

    def _plain(self, cells: Sequence[Sequence[Any]]) -> dict[str, Sequence[Any]]:
        """Return the columns that are plain values, by the names of a record's attributes."""
        return {
            "run": list(map(self.runs.__getitem__, cells[1])),
            "stage": self._same(cells[2]),
            "trial": cells[3],
            "repeat": cells[4],
            "state": cells[5],
            "started_at": list(map(datetime.fromisoformat, cells[6])),
            "error": self._same(cells[7]),
            "sweep": self._same(cells[8]),
            "host": self._same(cells[14]),
            "concurrent": list(map(bool, cells[15])),
        }

    def _same(self, texts: Sequence[str | None]) -> list[str | None]:
        """Unescape texts, of which some are None; equal ones become one object."""
        decoded = self._texts
        for text in set(texts):
            if text is not None and text not in decoded:
                decoded[text] = packing.unescape(text)
        return list(map(decoded.__getitem__, texts))

    def _shared(self, texts: Sequence[str]) -> list[Any]:
        """Read JSON texts of which most are equal."""
        parsed = self._parsed
        fresh = [text for text in set(texts[:_FEW]) if text not in parsed]
        if len(fresh) > len(texts[:_FEW]) // 2:  # they hardly repeat: don't look for it
            return packing.read_all(texts)
        fresh = [text for text in set(texts) if text not in parsed]
        parsed.update(zip(fresh, packing.read_all(fresh), strict=True))
        return [parsed[text] for text in texts]


def _reasons(plain: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Reason]]:
    """Return the reasons of each trial; those of one text, which come as one object, stay one."""
    reasons: dict[int, Mapping[str, Reason]] = {}
    for each in plain:
        if id(each) not in reasons:
            reasons[id(each)] = {name: Reason.of(reason) for name, reason in each.items()}
    return [reasons[id(each)] for each in plain]


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Keep Python's garbage collector from walking a million new objects again and again: they all stay."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


# The order in which `Record` takes them.
_FIRST = ("run", "stage", "trial", "repeat", "state", "started_at", "error", "sweep")
_NO_SERIES: Mapping[str, Series] = {}
# So many texts show whether the others repeat.
_FEW = 100
