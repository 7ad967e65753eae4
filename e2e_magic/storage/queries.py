"""Queries of the tables: statements, and the look-ups within a transaction of the store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from e2e_magic.record import Series
from e2e_magic.storage import decoding, packing, rows, schema
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
    selection: Selection = HERE, columns: Sequence[sa.ColumnElement[Any]] = decoding.COLUMNS
) -> sa.Select[Any]:
    """Return the query for trials, in the order of their numbers."""
    trials = schema.trials.c
    query = sa.select(*columns).order_by(trials.number)
    if selection.run is not None:
        query = query.where(of_run(selection.run))
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
    return {n: packing.unescape(key) for each in queries for n, key in connection.execute(each)}


def number_of(connection: sa.Connection, run: str) -> int | None:
    """Return the number of the newest run of this id."""
    runs = schema.runs.c
    query = sa.select(runs.number).where(runs.id == packing.escape(run))
    return connection.execute(query.order_by(runs.started_at.desc(), runs.number.desc())).scalar()


def sources(connection: sa.Connection, keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each key with its code."""
    table = schema.sources.c
    for some in _slices(sorted(keys)):
        query = sa.select(table.key, table.text).where(table.key.in_(some))
        for key, text in connection.execute(query):
            yield key, packing.unescape(text)


def curves(
    connection: sa.Connection, numbers: Sequence[int], names: Collection[str] | None
) -> dict[int, dict[str, Series]]:
    """Return the curves of the trials of these numbers, all or those of these names."""
    table = schema.curves.c
    by_trial: dict[int, dict[str, Series]] = {}
    for some in _slices(numbers):
        query = sa.select(table.trial, table.metric, table.data).where(table.trial.in_(some))
        if names is not None:
            query = query.where(table.metric.in_([packing.escape(name) for name in sorted(names)]))
        for trial, metric, data in connection.execute(query.order_by(table.trial, table.place)):
            by_trial.setdefault(trial, {})[packing.unescape(metric)] = packing.unpack_series(data)
    return by_trial


def _slices(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[n : n + _LISTED] for n in range(0, len(values), _LISTED))
