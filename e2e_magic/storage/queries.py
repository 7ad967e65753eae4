"""Queries of the tables: statements, and the look-ups within a transaction of the store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from e2e_magic.record import Lines, Record, Series
from e2e_magic.storage import checking, decoding, digest, packing, rows, schema
from e2e_magic.storage.selection import HERE, Selection

# Rows that are read and decoded at once.
CHUNK = 2_000
# Values in one IN (..): SQLite limits them.
_LISTED = 500


def of_run(run: str) -> sa.ColumnElement[bool]:
    """Return the condition for trials of the run of this id, or where there is none of all of this name."""
    same, text = schema.runs.alias().c, packing.escape(run)
    has_id = sa.select(same.number).where(same.id == text).exists()
    runs = schema.runs.c
    meant = sa.or_(runs.id == text, sa.and_(runs.name == text, ~has_id))
    return schema.trials.c.run.in_(sa.select(runs.number).where(meant))


def trials(
    selection: Selection = HERE,
    columns: Sequence[sa.ColumnElement[Any]] = decoding.COLUMNS,
    only: Collection[str] | None = None,
) -> sa.Select[Any]:
    """Return the query for trials, in the order of their numbers; `only` has the ids of their runs."""
    trials = schema.trials.c
    query = sa.select(*columns).order_by(trials.number)
    if selection.run is not None:
        query = query.where(of_run(selection.run))
    if only is not None:
        ids, runs = sorted(map(packing.escape, only)), schema.runs.c
        query = query.where(trials.run.in_(sa.select(runs.number).where(runs.id.in_(ids))))
    if selection.stage is not None:
        query = query.where(trials.stage_key == packing.key(selection.stage))
    if selection.since is not None:
        query = query.where(trials.started_at >= rows.stamp(selection.since))
    return query


def ids(connection: sa.Connection, numbers: Collection[int] | None = None) -> dict[int, str]:
    """Return the runs' ids by number, of all or of these."""
    runs = schema.runs.c
    query = sa.select(runs.number, runs.id)
    queries = (
        [query]
        if numbers is None
        else [query.where(runs.number.in_(some)) for some in _slices(sorted(numbers))]
    )
    return {
        number: packing.unescape(key)
        for each in queries
        for number, key in connection.execute(each)
        if isinstance(key, str)
    }


def sources(connection: sa.Connection, keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each key with its code."""
    table = schema.sources.c
    for some in _slices(sorted(keys)):
        query = sa.select(table.key, table.text).where(table.key.in_(some))
        for key, text in connection.execute(query):
            if isinstance(text, str):  # else its trials are bad rows
                yield key, packing.unescape(text)


def chunk(query: sa.Select[Any], after: int, upto: int | None, connection: sa.Connection) -> Sequence[Any]:
    """Return a query's next trials, after one of this number up to one of that.

    Raises
    ------
    ValueError
        If the trials have no numbers: the table is none of ours.
    """
    number = schema.trials.c.number
    some = query.where(number > after).limit(CHUNK)
    if upto is not None:
        some = some.where(number <= upto)
    # Plain tuples of the driver's: of these columns SQLAlchemy would convert none.
    trials: Sequence[Any] = connection.execute(some).cursor.fetchall()
    if trials and type(trials[-1][0]) is not int:
        raise ValueError("its trials have no numbers")
    return trials


def belongings(
    connection: sa.Connection,
    trials: Sequence[Any],
    names: Collection[str] | None,
    decoder: decoding.Decoder,
    *,
    settled: bool = False,
) -> decoding.Belongings:
    """Return what belongs to trials, which have the order of `decoding.COLUMNS`.

    Parameters
    ----------
    connection : Connection
    trials : sequence
    names : collection of str or None
        The curves that are read; None for all.
    decoder : Decoder
        Receives the runs and the code of the trials.
    settled : bool
        Whether a trial whose derived values are stored is returned without curves and log.
    """
    runs = {row[1] for row in trials if type(row[1]) is int}
    decoder.runs.update(ids(connection, runs - decoder.runs.keys()))
    keys = {row[13] for row in trials if isinstance(row[13], str)}
    decoder.sources.update(sources(connection, keys - decoder.sources.keys()))
    settled_numbers: dict[int, Mapping[str, Any]] = {}
    if settled:
        digests = ((row[0], digest.read(row[20])) for row in trials if isinstance(row[20], str))
        settled_numbers = {number: numbers for number, numbers in digests if numbers is not None}
    of_these = [row for row in trials if row[0] not in settled_numbers] if settled_numbers else trials
    wanted = names is None or rows.LINES_NAME in names
    return decoding.Belongings(
        {} if names is not None and not names else _curves_of(connection, of_these, names, decoder.damaged),
        logs(connection, of_these),
        settled_numbers,
        lines(connection, [row[0] for row in trials], decoder.damaged) if wanted else {},
    )


def last(selection: Selection, connection: sa.Connection) -> list[Record]:
    """Return the trial that started last, after those that may be its earlier repeats."""
    table = schema.trials.c
    columns = (table.run, table.stage_key, table.trial, table.repeat)
    newest = trials(selection, columns).order_by(None).order_by(table.started_at.desc()).limit(1)
    run, stage_key, trial, repeat = connection.execute(newest).first() or (None, "", 0, 0)
    mine = table.trial.between(trial - repeat + 1, trial)
    query = trials().where(table.run == run, table.stage_key == stage_key, mine)
    found = connection.execute(query).cursor.fetchall()
    decoder = decoding.Decoder()
    return decoder.records(found, belongings(connection, found, None, decoder))


def first_since(moment: datetime, connection: sa.Connection) -> int | None:
    """Return the lowest number of the trials that started then or later; None where there is none."""
    trials = schema.trials.c
    # Of the bare number SQLite would take the first row that fits: it would read the rows, not the index.
    query = sa.select(sa.func.min(trials.number + 0)).where(trials.started_at >= rows.stamp(moment))
    found = connection.execute(query).scalar()
    return found if type(found) is int else None


def sealed(connection: sa.Connection) -> list[int]:
    """Return the places of the blocks that there are, in order; none in a database that has no such table."""
    if connection.dialect.name != "sqlite" or not sa.inspect(connection).has_table("e2e_blocks"):
        return []
    found = connection.exec_driver_sql("SELECT place FROM e2e_blocks ORDER BY place").scalars()
    return [place for place in found if type(place) is int]


def block(connection: sa.Connection, place: int) -> object:
    """Return the bytes of the block of this place, or what stands there instead; None if there is none."""
    return connection.exec_driver_sql("SELECT data FROM e2e_blocks WHERE place = ?", (place,)).scalar()


def logs(connection: sa.Connection, trials: Sequence[Any]) -> dict[int, bytes]:
    """Return the packed logs of trials: they lie among the curves; of the first version, in their rows."""
    apart, within = schema.curves.c, schema.trials.c
    packed: dict[int, bytes] = {}
    for some in _slices([row[0] for row in trials if row[17] == 0]):
        query = sa.select(apart.trial, apart.data).where(apart.trial.in_(some), apart.place == rows.LOG)
        packed.update(connection.execute(query).all())
    for some in _slices([row[0] for row in trials if row[17]]):
        query = sa.select(within.number, within.events).where(within.number.in_(some))
        packed.update(connection.execute(query).all())
    return packed


def lines(connection: sa.Connection, numbers: Sequence[int], damaged: list[str]) -> dict[int, Lines]:
    """Return what the lines of the trials of these numbers cost, of those that have some.

    What can't be read is left out and noted in `damaged`.
    """
    table = schema.curves.c
    by_trial: dict[int, Lines] = {}
    for some in _slices(numbers):
        query = sa.select(table.trial, table.data).where(table.trial.in_(some), table.place == rows.LINES)
        for trial, data in connection.execute(query):
            try:
                by_trial[trial] = packing.unpack_lines(data)
            except checking.DAMAGE as error:
                damaged.append(f"the lines of the trial in row {trial}: {decoding.reason_of(error)}")
    return by_trial


def _curves_of(
    connection: sa.Connection, trials: Sequence[Any], names: Collection[str] | None, damaged: list[str]
) -> dict[int, dict[str, Series]]:
    """Return the curves of trials whose rows name any of these."""
    having = set()
    for text in {row[16] for row in trials}:
        try:
            there = set(checking.names(packing.read(text)))
        except checking.DAMAGE as error:
            damaged.append(f"the names of a trial's curves: {decoding.reason_of(error)}")
        else:
            if there if names is None else there & set(names):
                having.add(text)
    return curves(connection, [row[0] for row in trials if row[16] in having], names, damaged)


def curves(
    connection: sa.Connection,
    numbers: Sequence[int],
    names: Collection[str] | None,
    damaged: list[str],
) -> dict[int, dict[str, Series]]:
    """Return the curves of the trials of these numbers, all or those of these names.

    What can't be read is left out and noted in `damaged`.
    """
    table = schema.curves.c
    by_trial: dict[int, dict[str, Series]] = {}
    for some in _slices(numbers):
        query = sa.select(table.trial, table.metric, table.data)
        query = query.where(table.trial.in_(some), table.place >= 0)
        if names is not None:
            query = query.where(table.metric.in_([packing.escape(name) for name in sorted(names)]))
        for trial, metric, data in connection.execute(query.order_by(table.trial, table.place)):
            try:
                curve = packing.unpack_series(data)
                by_trial.setdefault(trial, {})[packing.unescape(checking.text("metric", metric))] = curve
            except checking.DAMAGE as error:
                damaged.append(f"a curve of the trial in row {trial}: {decoding.reason_of(error)}")
    return by_trial


def _slices(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[n : n + _LISTED] for n in range(0, len(values), _LISTED))
