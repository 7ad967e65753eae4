"""The tables, their version, and how those of an older version become today's.

A version is a whole number in a table of one row. A change of the tables raises `rows.VERSION` by one and
adds a step to `rows.MIGRATIONS`, so that a file of any older version is opened, in one transaction.
`local_file` makes the same tables in a SQLite file without SQLAlchemy.
"""

from __future__ import annotations

import sqlite3

import sqlalchemy as sa

from e2e_magic.storage import rows, sealing

# PostgreSQL: two kernels that make the tables at the same time wait for each other by this number.
_LOCK = 0xE2E_E2E

# MySQL's plain TEXT and BLOB end at 64 KiB; of this length they are its LONGTEXT and LONGBLOB.
_LONGEST = 2**32 - 1
Long = sa.Text().with_variant(sa.Text(_LONGEST), "mysql", "mariadb")
Bytes = sa.LargeBinary().with_variant(sa.LargeBinary(_LONGEST), "mysql", "mariadb")
Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Key = sa.String(64)
# ISO 8601 in UTC with microseconds: sorts as text, and any SQL shell can read it.
Time = sa.String(32)

tables = sa.MetaData()

version = sa.Table("e2e_version", tables, sa.Column("version", sa.Integer, nullable=False))

runs = sa.Table(
    "e2e_runs",
    tables,
    sa.Column("number", Number, primary_key=True, autoincrement=True),
    # Of id and start: two short ids that are equal by chance are two runs.
    sa.Column("key", Key, nullable=False, unique=True),
    sa.Column("id", Long, nullable=False),
    sa.Column("name", Long, nullable=False),
    sa.Column("started_at", Time, nullable=False),
    sa.Column("description", Long, nullable=False),
    sa.Column("environment", Long, nullable=False),
    sa.Column("settings", Long, nullable=False),
)

# The code of a cell is the same for all of its trials.
sources = sa.Table(
    "e2e_sources", tables, sa.Column("key", Key, primary_key=True), sa.Column("text", Long, nullable=False)
)

trials = sa.Table(
    "e2e_trials",
    tables,
    sa.Column("number", Number, primary_key=True, autoincrement=True),
    sa.Column("run", Number, sa.ForeignKey("e2e_runs.number"), nullable=False),
    sa.Column("stage_key", Key, nullable=False),
    sa.Column("stage", Long, nullable=False),
    sa.Column("trial", sa.BigInteger, nullable=False),
    sa.Column("repeat", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("started_at", Time, nullable=False),
    sa.Column("error", Long),
    sa.Column("sweep", Long),
    sa.Column("params", Long, nullable=False),
    # What was read: the names of numbers and, in their order, packed doubles; all else as JSON.
    sa.Column("measures", Long, nullable=False),
    sa.Column("numbers", Bytes, nullable=False),
    sa.Column("readings", Long, nullable=False),
    sa.Column("reported", Long, nullable=False),
    sa.Column("missing", Long, nullable=False),
    sa.Column("source", Key, sa.ForeignKey("e2e_sources.key")),
    sa.Column("host", Long, nullable=False),
    sa.Column("concurrent", sa.Boolean, nullable=False),
    sa.Column("curves", Long, nullable=False),  # the names of its curves, so that none are looked for
    sa.Column("events", Bytes),  # empty where there is a log; itself in rows of the first version
    sa.Column("derived", Long),  # what follows from the log and the curves: see `digest`
    sa.UniqueConstraint("run", "stage_key", "trial", name="e2e_one_trial"),
    # Counting trials by run and state, and finding those since a time, reads these alone.
    sa.Index("e2e_trials_by_state", "run", "state"),
    sa.Index("e2e_trials_by_time", "started_at"),
)

# Sampled curves: a row per curve, apart from the trials, which are read without them.
curves = sa.Table(
    "e2e_curves",
    tables,
    sa.Column("trial", Number, sa.ForeignKey("e2e_trials.number"), primary_key=True, autoincrement=False),
    sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("metric", Long, nullable=False),
    sa.Column("data", Bytes, nullable=False),
)


class NewerVersion(Exception):  # noqa: N818 - nothing is wrong with the file
    """The file was written by a newer package; its text is that version."""


def stored_version(connection: sa.Connection) -> int | None:
    """Return the version of the tables, None where there are none."""
    if not sa.inspect(connection).has_table(version.name):
        return None
    stored = connection.execute(sa.select(sa.func.max(version.c.version))).scalar()
    if not (stored is None or (isinstance(stored, int) and stored > 0)):
        raise sqlite3.DatabaseError("not ours: version")
    return stored


def prepare(connection: sa.Connection) -> None:
    """Make the tables, or bring those of an older version up to date, within the caller's transaction.

    Raises
    ------
    NewerVersion
        If they are of a newer version: nothing is changed then.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    stored = stored_version(connection)
    sqlite = connection.dialect.name == "sqlite"
    if stored is None:
        tables.create_all(connection)
        for statement in sealing.TABLES if sqlite else ():
            connection.exec_driver_sql(statement)
        connection.execute(version.insert().values(version=rows.VERSION))
        return
    if stored > rows.VERSION:
        raise NewerVersion(str(stored))
    for step in range(stored, rows.VERSION):
        for statement in rows.MIGRATIONS.get(step, ()):
            text = Long.compile(connection.dialect)
            connection.execute(sa.text(statement.format(text=text)))
        for statement in rows.SQLITE_MIGRATIONS.get(step, ()) if sqlite else ():
            connection.exec_driver_sql(statement)
    if stored < rows.VERSION:
        connection.execute(version.update().values(version=rows.VERSION))
