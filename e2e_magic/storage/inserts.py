"""Rows written into the tables, within a transaction of the store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from e2e_magic.record import Record
from e2e_magic.storage import packing, rows, schema

# Statements that are made once: SQLAlchemy takes longer to make one than SQLite to obey it.
_INSERT_TRIAL = schema.trials.insert()
_INSERT_CURVES = schema.curves.insert()
_THERE = sa.select(schema.trials.c.trial).where(
    schema.trials.c.run == sa.bindparam("in_run"),
    schema.trials.c.stage_key == sa.bindparam("of_stage"),
    schema.trials.c.trial.between(sa.bindparam("least"), sa.bindparam("most")),
)


@cache
def _absent(dialect: str, table: sa.Table) -> sa.Insert:
    """Return the statement that inserts a row unless there is one of its key."""
    insert: sa.Insert = import_module(f"sqlalchemy.dialects.{dialect}").insert(table).on_conflict_do_nothing()
    return insert


def _insert_absent(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> None:
    """Insert a row unless there is one of its key; two writers may do so at the same time."""
    if connection.dialect.name in ("sqlite", "postgresql"):
        connection.execute(_absent(connection.dialect.name, table), dict(values))
        return
    if connection.execute(sa.select(table.c.key).where(table.c.key == values["key"])).first() is None:
        try:
            with connection.begin_nested():
                connection.execute(table.insert().values(**values))
        except IntegrityError:
            return  # another writer was faster: the row is there


def put_run(
    connection: sa.Connection, row: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> int:
    """Write a run (see `rows.run_row`) or what has changed of it, and return its number.

    What is as it was `before`, when this process wrote it last, is left alone: another may have given
    the run a new name since.
    """
    runs = schema.runs
    mine = runs.c.key == row["key"]
    number = connection.execute(sa.select(runs.c.number).where(mine)).scalar()
    if number is None:
        _insert_absent(connection, runs, row)
        return int(connection.execute(sa.select(runs.c.number).where(mine)).scalar_one())
    changed = {name: value for name, value in row.items() if before is None or value != before.get(name)}
    if changed:
        connection.execute(runs.update().where(mine).values(changed))
    return int(number)


def put_trials(connection: sa.Connection, records: Sequence[Record], runs: Sequence[int]) -> int:
    """Write trials of the runs of these numbers, but those that are there, and return how many were new."""
    new: dict[tuple[int, str, int], tuple[Record, dict[str, Any]]] = {}
    for record, run in zip(records, runs, strict=True):
        row = rows.trial_row(record, run)
        new.setdefault((run, row["stage_key"], record.trial), (record, row))
    for trial in _stored(connection, new):
        del new[trial]
    if not new:
        return 0
    for source in {record.source for record, _ in new.values() if record.source is not None}:
        key, text = packing.key(source), packing.escape(source)
        _insert_absent(connection, schema.sources, {"key": key, "text": text})
    numbers = _insert_trials(connection, [row for _, row in new.values()])
    curves = [
        curve
        for (record, _), number in zip(new.values(), numbers, strict=True)
        for curve in rows.curve_rows(record, number)
    ]
    if curves:
        connection.execute(_INSERT_CURVES, curves)
    return len(new)


def _stored(
    connection: sa.Connection, wanted: Collection[tuple[int, str, int]]
) -> list[tuple[int, str, int]]:
    """Return those trials (run, stage, number) that are in the tables."""
    stored = []
    for run, stage in {(run, stage) for run, stage, _ in wanted}:
        numbers = [trial for r, s, trial in wanted if (r, s) == (run, stage)]
        between = {"in_run": run, "of_stage": stage, "least": min(numbers), "most": max(numbers)}
        there = set(connection.execute(_THERE, between).scalars())
        stored += [(run, stage, trial) for trial in numbers if trial in there]
    return stored


def _insert_trials(connection: sa.Connection, new: Sequence[Mapping[str, Any]]) -> list[int]:
    """Insert rows and return their numbers, in the same order."""
    if len(new) > 1 and connection.dialect.insert_executemany_returning_sort_by_parameter_order:
        returning = _INSERT_TRIAL.returning(schema.trials.c.number, sort_by_parameter_order=True)
        return list(connection.execute(returning, list(new)).scalars())
    results = [connection.execute(_INSERT_TRIAL, dict(row)) for row in new]
    return [next(iter(result.inserted_primary_key or ())) for result in results]
