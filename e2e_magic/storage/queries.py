"""What is read from the tables, within a transaction of the store's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from e2e_magic.record import Series, State
from e2e_magic.storage import packing, rows, schema
from e2e_magic.storage.selection import HERE, Selection

# Rows that are read and decoded at once.
CHUNK = 2_000
# Values in one IN (..): SQLite limits them.
_LISTED = 500


@dataclass(frozen=True, slots=True)
class Query:
    """Which trials are read: see ``Store.iterate``."""

    selection: Selection = HERE
    states: Collection[State] | None = None
    source: str | None = None


def ids(connection: sa.Connection, numbers: Collection[int] | None = None) -> dict[int, str]:
    """Return the runs' ids by number, of all or of these."""
    runs = schema.runs.c
    query = sa.select(runs.number, runs.id)
    if numbers is None:
        stored = list(connection.execute(query))
    else:
        slices = _slices(sorted(numbers))
        stored = [row for some in slices for row in connection.execute(query.where(runs.number.in_(some)))]
    return {number: packing.unescape(key) for number, key in stored}


def number_of(connection: sa.Connection, run: str) -> int | None:
    """Return the number of the newest run of this id."""
    runs = schema.runs.c
    query = sa.select(runs.number).where(runs.id == packing.escape(run))
    return connection.execute(query.order_by(runs.started_at.desc(), runs.number.desc())).scalar()


def _numbers(connection: sa.Connection, run: str) -> Sequence[int]:
    """Return the numbers of the runs of this id, or of all of this name where there is no such id."""
    runs, named = schema.runs.c, packing.escape(run)
    numbers = connection.execute(sa.select(runs.number).where(runs.id == named)).scalars().all()
    return numbers or connection.execute(sa.select(runs.number).where(runs.name == named)).scalars().all()


def stages(connection: sa.Connection, run: str | None) -> sa.Select[Any]:
    """Return the query for the stages, of one run where it is given."""
    query = sa.select(schema.trials.c.stage).distinct()
    return query if run is None else query.where(schema.trials.c.run.in_(_numbers(connection, run)))


def trials(
    connection: sa.Connection, wanted: Query, columns: Sequence[sa.ColumnElement[Any]] = rows.COLUMNS
) -> sa.Select[Any]:
    """Return the query for trials, in the order of their numbers."""
    trials = schema.trials.c
    query = sa.select(*columns).order_by(trials.number)
    selection = wanted.selection
    if selection.run is not None:
        query = query.where(trials.run.in_(_numbers(connection, selection.run)))
    if selection.stage is not None:
        query = query.where(trials.stage_key == packing.key(selection.stage))
    if selection.since is not None:
        query = query.where(trials.started_at >= rows.stamp(selection.since))
    if wanted.states is not None:
        query = query.where(trials.state.in_(list(wanted.states)))
    if wanted.source is not None:
        query = query.where(trials.source == packing.key(wanted.source))
    return query


def sources(connection: sa.Connection, keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each key with its code."""
    table = schema.sources.c
    for some in _slices(sorted(keys)):
        query = sa.select(table.key, table.text).where(table.key.in_(some))
        for key, text in connection.execute(query):
            yield key, packing.unescape(text)


def curves(
    connection: sa.Connection, numbers: Sequence[int], wanted: Collection[str] | None
) -> dict[int, dict[str, Series]]:
    """Return the curves of the trials of these numbers, those of these names where they are given."""
    table = schema.curves.c
    found: dict[int, dict[str, Series]] = {}
    for some in _slices(numbers):
        query = sa.select(table.trial, table.metric, table.data).where(table.trial.in_(some))
        if wanted is not None:
            query = query.where(table.metric.in_([packing.escape(name) for name in sorted(wanted)]))
        for trial, metric, data in connection.execute(query.order_by(table.trial, table.place)):
            found.setdefault(trial, {})[packing.unescape(metric)] = packing.unpack_series(data)
    return found


def _slices(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[n : n + _LISTED] for n in range(0, len(values), _LISTED))
