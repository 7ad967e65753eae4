"""The statements that `appending` needs, by SQLAlchemy, within a transaction of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from e2e_magic.storage import schema, sealing

_runs, _trials = schema.runs.c, schema.trials.c
# Statements are built once: SQLAlchemy takes longer to build one than SQLite to execute it.
_INSERTS = {name: table.insert() for name, table in schema.tables.tables.items()}
_STORED = sa.select(_trials.trial).where(
    _trials.run == sa.bindparam("in_run"),
    _trials.stage_key == sa.bindparam("of_stage"),
    _trials.trial.between(sa.bindparam("least"), sa.bindparam("most")),
)
_NEWEST = {
    column.name: sa.select(_runs.number)
    .where(column == sa.bindparam("value"))
    .order_by(_runs.started_at.desc(), _runs.number.desc())
    .limit(1)
    for column in (_runs.key, _runs.id)
}


class Inserts:
    """The `Statements` of a connection's transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def insert(self, table: str, new: Sequence[Mapping[str, Any]]) -> list[int]:
        """Insert rows and return their numbers, in the same order; none for a table without numbers."""
        insert = _INSERTS[table]
        number = schema.tables.tables[table].c.get("number")
        if number is None:
            self._connection.execute(insert, list(new))
            return []
        if len(new) > 1 and self._connection.dialect.insert_executemany_returning_sort_by_parameter_order:
            returning = insert.returning(number, sort_by_parameter_order=True)
            return list(self._connection.execute(returning, list(new)).scalars())
        results = [self._connection.execute(insert, dict(row)) for row in new]
        return [next(iter(result.inserted_primary_key or ())) for result in results]

    def seal(self, numbers: Sequence[int]) -> None:
        """Write the blocks that these new trials fill, where this is SQLite."""
        if self._connection.dialect.name == "sqlite":
            sealing.seal_full(self._connection.exec_driver_sql, numbers)

    def insert_absent(self, table: str, row: Mapping[str, Any]) -> None:
        """Insert a row unless there is one of its key; two writers may do so at the same time."""
        dialect, into = self._connection.dialect.name, schema.tables.tables[table]
        if dialect in ("sqlite", "postgresql"):
            self._connection.execute(_absent(dialect, into), dict(row))
            return
        if self._connection.execute(sa.select(into.c.key).where(into.c.key == row["key"])).first() is None:
            try:
                with self._connection.begin_nested():
                    self._connection.execute(into.insert().values(**row))
            except IntegrityError:
                return  # another writer was faster: the row is there

    def run_number(self, column: Literal["key", "id"], value: str) -> int | None:
        """Return the number of the newest run that has this value."""
        number: int | None = self._connection.execute(_NEWEST[column], {"value": value}).scalar()
        return number

    def update_run(self, number: int, changes: Mapping[str, Any]) -> None:
        """Change columns of the run of this number."""
        self._connection.execute(schema.runs.update().where(_runs.number == number).values(**changes))

    def update_trial(self, run: int, stage_key: str, trial: int, changes: Mapping[str, Any]) -> None:
        """Change columns of a trial, by the number of its run."""
        mine = (_trials.run == run, _trials.stage_key == stage_key, _trials.trial == trial)
        self._connection.execute(schema.trials.update().where(*mine).values(**changes))

    def stored_trials(self, run: int, stage_key: str, least: int, most: int) -> set[int]:
        """Return which trials of a run's stage are there, from `least` to `most`."""
        between = {"in_run": run, "of_stage": stage_key, "least": least, "most": most}
        return set(self._connection.execute(_STORED, between).scalars())


@cache
def _absent(dialect: str, table: sa.Table) -> sa.Insert:
    """Return the statement that inserts a row unless there is one of its key."""
    insert: sa.Insert = import_module(f"sqlalchemy.dialects.{dialect}").insert(table).on_conflict_do_nothing()
    return insert
