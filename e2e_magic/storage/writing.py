"""What is written into the tables, within a transaction of the store's."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from e2e_magic.record import Record, Run
from e2e_magic.storage import packing, rows, schema


def _insert_absent(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> None:
    """Insert a row unless there is one of its key; two writers may do so at the same time."""
    if connection.dialect.name in ("sqlite", "postgresql"):
        dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
        connection.execute(dialect.insert(table).values(**values).on_conflict_do_nothing())
        return
    if connection.execute(sa.select(table.c.key).where(table.c.key == values["key"])).first() is None:
        try:
            with connection.begin_nested():
                connection.execute(table.insert().values(**values))
        except IntegrityError:
            return  # another writer was faster: the row is there


def put_run(connection: sa.Connection, run: Run) -> int:
    """Write a run or what has changed of it, and return its number."""
    runs, row = schema.runs, rows.run_row(run)
    mine = runs.c.key == row["key"]
    changing = ("name", "description", "environment", "settings")
    query = sa.select(runs.c.number, *(runs.c[name] for name in changing)).where(mine)
    found = connection.execute(query).first()
    if found is None:
        _insert_absent(connection, runs, row)
        return int(connection.execute(sa.select(runs.c.number).where(mine)).scalar_one())
    if tuple(found[1:]) != tuple(row[name] for name in changing):
        connection.execute(runs.update().where(mine).values({name: row[name] for name in changing}))
    return int(found.number)


def put_trial(connection: sa.Connection, record: Record, run: int) -> bool:
    """Write a trial of the run of this number unless it is there, and tell whether it was new."""
    trials, row = schema.trials, rows.trial_row(record, run)
    there = sa.select(trials.c.number).where(
        trials.c.run == run, trials.c.stage_key == row["stage_key"], trials.c.trial == record.trial
    )
    if connection.execute(there).first() is not None:
        return False
    if record.source is not None:
        text = packing.escape(record.source)
        _insert_absent(connection, schema.sources, {"key": row["source"], "text": text})
    number = next(iter(connection.execute(trials.insert().values(**row)).inserted_primary_key or ()))
    if curves := rows.curve_rows(record, number):
        connection.execute(schema.curves.insert(), curves)
    return True
