"""Rows of the tables as records and runs again; many at once where that is faster."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from e2e_magic import derived
from e2e_magic.record import Environment, Events, Lines, Reason, Record, Run, Series
from e2e_magic.storage import checking, packing, schema

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
    # As the driver returns it: SQLAlchemy's own conversion costs as much as the rest of the row.
    sa.cast(_trials.concurrent, sa.Integer),
    _trials.curves,
    # Of a log only whether there is one: None for none, 0 for one among the curves.
    sa.func.length(_trials.events),
    _trials.measures,
    _trials.numbers,
    _trials.derived,
)
# The same without what no column of a frame needs: less to read, and the texts are long.
MEASURED = tuple(
    {"missing": sa.literal_column("'{}'"), "source": sa.null()}.get(getattr(column, "name", ""), column)
    for column in COLUMNS
)
_ENVIRONMENT = tuple(field.name for field in fields(Environment))


class Belongings(NamedTuple):
    """What trials have besides their rows, by the trials' numbers.

    Attributes
    ----------
    curves : mapping of int to mapping
        Curves by name; empty where none were asked for.
    logs : mapping of int to bytes
        Packed logs.
    settled : mapping of int to mapping
        The derived values of those for which they are stored; these are here without curves and logs.
    lines : mapping of int to Lines
        What their lines cost, where that was asked for.
    """

    curves: Mapping[int, Mapping[str, Series]]
    logs: Mapping[int, bytes]
    settled: Mapping[int, Mapping[str, Any]]
    lines: Mapping[int, Lines]


Check = Callable[[object], None]


def run_of(row: Any, damaged: Callable[[str], None]) -> Run | None:
    """Undo `rows.run_row`; `damaged` is called with each part that can't be read.

    A run whose name, place or settings can't be read is one without; None for one whose id or time can't.
    """

    def part(name: str, read: Callable[[Any], Any], instead: Any) -> Any:
        try:
            return read(getattr(row, name))
        except checking.DAMAGE as error:
            damaged(f"{name} of the run in row {row.number}: {reason_of(error)}")
            return instead

    key = part("id", lambda text: packing.unescape(checking.text("id", text)), None)
    started = part("started_at", _time, None)
    if key is None or started is None:
        return None
    return Run(
        key,
        part("name", lambda text: packing.unescape(checking.text("name", text)), key),
        started,
        part("description", lambda text: packing.unescape(checking.text("description", text)), ""),
        part("environment", _environment, Environment()),
        part("settings", lambda text: _checked(text, checking.settings), {}),
    )


def _environment(text: str) -> Environment:
    place = _checked(text, checking.environment)
    # A newer package may know more of a place than this one.
    return Environment(**{name: place[name] for name in _ENVIRONMENT if name in place})


def _checked(text: object, check: Callable[[object], None]) -> Any:
    value = packing.read(checking.text("it", text))
    check(value)
    return value


def _time(text: str) -> datetime:
    """Return a stored time, which is in UTC."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not UTC:
        raise ValueError(f"the time {text[:_LONGEST_NAME]!r} is not in UTC")
    return moment


def reason_of(error: BaseException) -> str:
    """Return in a few words why a row can't be read."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, KeyError):
        return f"what it refers to is not there ({error})"
    return " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__


class Decoder:
    """Makes records of rows. Texts that repeat (stages, reasons, sources) are decoded once and shared.

    Attributes
    ----------
    runs : dict of int to str
        The runs' ids by number; to be filled before their rows are decoded.
    sources : dict of str to str
        The code by key; likewise.
    damaged : list of str
        What could not be read, a row each: which, and why.
    settled : dict of int to mapping
        What was derived from logs and curves by `block`, by the trials' numbers.
    """

    def __init__(self) -> None:
        self.runs: dict[int, str] = {}
        self.sources: dict[str, str] = {}
        self.damaged: list[str] = []
        self.settled: dict[int, Mapping[str, Any]] = {}
        self._refused: dict[int, str] = {}
        self._texts: dict[str | None, str | None] = {None: None}
        self._parsed: dict[Check, dict[str, Any]] = {}
        self._layouts = packing.Layouts()

    def records(self, rows: Sequence[Any], of: Belongings) -> list[Record]:
        """Return the records of these rows, which have the order of `COLUMNS`; bad ones are left out."""
        try:
            return self._records(rows, of)
        except checking.DAMAGE:
            return self._records(self._sound(rows, of), of)

    def _sound(self, rows: Sequence[Any], of: Belongings) -> Sequence[Any]:
        """Return the rows that can be read and note the others; a half that has no bad one is read once."""
        try:
            self._records(rows, of)
        except checking.DAMAGE as error:
            if len(rows) == 1:
                self.damaged.append(_named(rows[0], reason_of(error)))
                return []
            middle = len(rows) // 2
            return [*self._sound(rows[:middle], of), *self._sound(rows[middle:], of)]
        return rows

    def _records(self, rows: Sequence[Any], of: Belongings) -> list[Record]:
        if not rows:
            return []
        cells = list(zip(*rows, strict=True))
        checking.columns(cells)
        plain = self._plain(cells)
        return list(
            map(
                Record,
                *(plain[name] for name in _FIRST),
                self._params(cells[9]),
                _with_derived(
                    self._layouts.readings(cells[18], cells[19], self._shared(cells[10], checking.readings)),
                    [of.settled.get(number) for number in cells[0]] if of.settled else (),
                ),
                [of.curves.get(number, _NO_SERIES) for number in cells[0]],
                self._logs(cells, of),
                self._shared(cells[11], checking.reported),
                _reasons(self._shared(cells[12], checking.missing)),
                [None if source is None else self.sources[source] for source in cells[13]],
                plain["host"],
                plain["concurrent"],
                map(of.lines.get, cells[0]),
            )
        )

    def block(self, rows: Sequence[Any], of: Belongings) -> Block | None:
        """Return the block of these rows, which have the order of `COLUMNS`, without bad ones; or None."""
        try:
            return self._block(rows, of)
        except checking.DAMAGE:
            sound = self._sound(rows, of)
            return self._block(sound, of) if sound else None

    def _block(self, rows: Sequence[Any], of: Belongings) -> Block:
        from e2e_magic.derived.blocks import Block

        cells = list(zip(*rows, strict=True))
        checking.columns(cells)
        looked_at = [row for row in rows if row[0] in of.logs or row[0] in of.curves]
        fresh = {
            row[0]: derived.as_columns(derived.derive(record))
            for row, record in zip(looked_at, self._records(looked_at, of), strict=True)
        }
        block = Block(
            self._plain(cells),
            self._params(cells[9]),
            self._shared(cells[11], checking.reported),
            self._layouts.groups(cells[18], cells[19], self._shared(cells[10], checking.readings)),
            [False] * len(rows),
            lambda places: self._records([rows[place] for place in places], of),
            {
                place: of.settled[number] if number in of.settled else fresh[number]
                for place, number in enumerate(cells[0])
                if number in of.settled or number in fresh
            },
        )
        self.settled.update(fresh)
        return block

    def _logs(self, cells: Sequence[Sequence[Any]], of: Belongings) -> list[Events]:
        """Return the logs of trials; that of a settled trial was not read."""
        for number, log in zip(cells[0], cells[17], strict=True):
            if log is not None and number not in of.logs and number not in of.settled:
                raise ValueError("its log is gone")
        return [self._log(number, of.logs.get(number)) for number in cells[0]]

    def _log(self, number: int, packed: bytes | None) -> Events:
        """Unpack a log; one that can't be is tried once, for it may be large."""
        if number in self._refused:
            raise ValueError(self._refused[number])
        try:
            return packing.unpack_events(packed)
        except checking.DAMAGE as error:
            self._refused[number] = reason_of(error)
            raise

    def _params(self, texts: Sequence[str]) -> list[Any]:
        params = packing.read_all(texts)
        for one in params:
            checking.params(one)
        return params

    def _plain(self, cells: Sequence[Sequence[Any]]) -> dict[str, Sequence[Any]]:
        """Return the columns that are plain values, by the names of a record's attributes."""
        return {
            "run": list(map(self.runs.__getitem__, cells[1])),
            "stage": self._same(cells[2]),
            "trial": cells[3],
            "repeat": cells[4],
            "state": cells[5],
            "started_at": list(map(_time, cells[6])),
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

    def _shared(self, texts: Sequence[str], check: Check) -> list[Any]:
        """Read JSON texts of which most are equal, and check each that is another."""
        parsed = self._parsed.setdefault(check, {})
        fresh = [text for text in set(texts[:_FEW]) if text not in parsed]
        repeat = len(fresh) <= len(texts[:_FEW]) // 2
        if repeat:  # else they hardly do: don't look for it
            fresh = [text for text in set(texts) if text not in parsed]
        values = packing.read_all(fresh if repeat else texts)
        for value in values:
            check(value)
        if not repeat:
            return values
        parsed.update(zip(fresh, values, strict=True))
        return [parsed[text] for text in texts]


def _with_derived(
    readings: list[dict[str, Any]], settled: Sequence[Mapping[str, Any] | None]
) -> list[dict[str, Any]]:
    """Put what was derived from trials that come without their logs among the readings, which win."""
    for read, derived_ in zip(readings, settled, strict=False):
        for name, value in (derived_ or {}).items():
            if value is not None:
                read.setdefault(name, value)
    return readings


def _named(row: Sequence[Any], why: str) -> str:
    """Return which row can't be read, and why."""
    stage, trial = (f"{row[place]}"[:_LONGEST_NAME] for place in (2, 3))
    return f"trial {trial} of stage {stage} (row {row[0]}): {why}"


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
# Of a name or a reason that a warning shows.
_LONGEST_NAME, _LONGEST_REASON = 40, 120
# So many texts show whether the others repeat.
_FEW = 100
