"""The store itself: append, read, rename, delete. Nothing here knows sessions, frames or notebooks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import sqlalchemy as sa

from e2e_magic.derived import CURVES
from e2e_magic.record import Record, Run, State
from e2e_magic.storage import inserts, packing, queries, rows, schema
from e2e_magic.storage.address import check_file, engine_of, exists, for_reading, shown, url_of
from e2e_magic.storage.errors import StoreError, sentence
from e2e_magic.storage.selection import HERE, Selection

if TYPE_CHECKING:
    from e2e_magic.derived.blocks import Block

Some = TypeVar("Some")
# Connections that a fork brought along. SQLite forbids a child to use or to close its parent's.
_INHERITED: list[sa.Engine] = []


class Store:
    """Runs and trials in a database.

    Parameters
    ----------
    url : str
        A path (SQLite), or any URL of SQLAlchemy: ``team.db``, ``postgresql+psycopg://user@host/name``.
        ``:memory:`` keeps all in this process's memory.
    create : bool
        Whether a SQLite file that isn't there is made.

    Raises
    ------
    StoreError
        If it can't be opened: one sentence with what, why and what to do. A file is never overwritten.

    Notes
    -----
    It has one connection, which threads share in turn; after a fork the child opens its own. It is a
    context manager, which closes itself.
    """

    def __init__(self, url: str, *, create: bool = True) -> None:
        self.url = url_of(str(url))
        self.address = shown(self.url)
        if not create and not exists(self.url):
            raise StoreError(f"there is no store {self.address}; check the path")
        self._pid = os.getpid()
        self._lock = threading.RLock()
        # By run id: its number, and the run as this process wrote it last.
        self._numbers: dict[str, int] = {}
        self._written: dict[str, tuple[Run, dict[str, Any]]] = {}
        check_file(self.url)
        self._to = self.url
        self._engine = engine_of(self.url)
        try:
            self._prepare()
        except StoreError:
            self._engine.dispose()
            readable = for_reading(self.url)
            if readable is None:
                raise
            self._to, self._engine = readable, engine_of(readable)
            self._prepare()
        except BaseException:
            self._engine.dispose()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        try:
            counted = self.counts()
            runs, trials = len(self.names()), sum(sum(states.values()) for states in counted.values())
        except StoreError as error:
            return str(error)
        return f"{self.address}: {runs:,} run{'s' * (runs != 1)}, {trials:,} trial{'s' * (trials != 1)}"

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        self._own()
        with self._lock:
            self._engine.dispose()

    def add_run(self, run: Run) -> None:
        """Write a run, or what has changed of it: name, description, environment, settings."""
        with self._connected("written") as connection:
            self._numbers[run.id] = inserts.put_run(connection, rows.run_row(run))
        self._written.pop(run.id, None)

    def append(self, records: Record | Iterable[Record], runs: Iterable[Run] = ()) -> int:
        """Write finished trials in one transaction, with their runs where those are given.

        Parameters
        ----------
        records : Record or iterable of Record
        runs : iterable of Run
            Runs of these records as they are now. Without it, the newest stored run of a record's run id
            is meant; where there is none, one is made that has nothing but its id and time.

        Returns
        -------
        int
            How many were new. A trial (run, stage, number) that is there already stays as it is.
        """
        found = [records] if isinstance(records, Record) else list(records)
        known = list(runs)
        try:
            return self._append(found, known)
        except StoreError as error:
            if not isinstance(error.__cause__, sa.exc.IntegrityError) or not self._numbers:
                raise
            # Somebody has deleted a run that was known here: it is made anew.
            self._numbers, self._written = {}, {}
            return self._append(found, known)

    def _append(self, records: Sequence[Record], runs: Sequence[Run]) -> int:
        numbers, written = dict(self._numbers), dict(self._written)
        with self._connected("written") as connection:
            for run in runs:
                last, before = written.get(run.id, (None, None))
                if run is not last:
                    row = rows.run_row(run)
                    numbers[run.id] = inserts.put_run(connection, row, before)
                    written[run.id] = (run, row)
            placed = [self._number(connection, record, numbers) for record in records]
            added = inserts.put_trials(connection, records, placed)
        # Not before: a row that was rolled back has no number.
        self._numbers, self._written = numbers, written
        return added

    def runs(self) -> list[Run]:
        """Return all runs in the order of their start."""
        found = schema.runs
        with self._connected("read") as connection:
            stored = connection.execute(sa.select(found).order_by(found.c.started_at, found.c.number)).all()
        return [rows.run_of(row) for row in stored]

    def names(self) -> dict[str, str]:
        """Return the runs' names by id, in the order of their start."""
        found = schema.runs.c
        with self._connected("read") as connection:
            stored = connection.execute(sa.select(found.id, found.name).order_by(found.started_at)).all()
        return {packing.unescape(key): packing.unescape(name) for key, name in stored}

    def counts(self, since: datetime | None = None) -> dict[str, dict[State, int]]:
        """Return how many trials each run (its id) has, by state."""
        trials = schema.trials.c
        query = sa.select(trials.run, trials.state, sa.func.count()).group_by(trials.run, trials.state)
        if since is not None:
            query = query.where(trials.started_at >= rows.stamp(since))
        counted: dict[str, dict[State, int]] = {}
        with self._connected("read") as connection:
            ids = queries.ids(connection)
            for run, state, count in connection.execute(query):
                by_state = counted.setdefault(ids[run], {})
                by_state[state] = by_state.get(state, 0) + count
        return counted

    def stages(self, run: str | None = None) -> list[str]:
        """Return the stages of all trials, or of those of a run (id or name), sorted."""
        with self._connected("read") as connection:
            query = queries.stages(connection, run)
            return sorted(packing.unescape(stage) for stage in connection.execute(query).scalars())

    def records(
        self,
        selection: Selection = HERE,
        *,
        states: Collection[State] | None = None,
        source: str | None = None,
        series: bool | Collection[str] = True,
    ) -> list[Record]:
        """Return trials in the order in which they were written; parameters as of `iterate`."""
        return list(self.iterate(selection, states=states, source=source, series=series))

    def iterate(
        self,
        selection: Selection = HERE,
        *,
        states: Collection[State] | None = None,
        source: str | None = None,
        series: bool | Collection[str] = True,
    ) -> Iterator[Record]:
        """Yield trials in the order in which they were written, read some at a time.

        Each time is a transaction of its own.

        Parameters
        ----------
        selection : Selection
            A run's name stands for all runs of that name, unless it is the id of one.
        states : collection of str, optional
            Only those in one of these states.
        source : str, optional
            Only those of this code.
        series : bool or collection of str
            Whether the sampled curves are read, or the names of those that are. Without them it is
            several times as fast.
        """
        query = queries.Query(selection, states, source)
        return chain.from_iterable(self._chunks(query, series, rows.Decoder.records))

    def blocks(self, selection: Selection = HERE) -> Iterator[Block]:
        """Yield what `iterate` does as columns, without reasons, code and most curves; far faster."""
        return self._chunks(queries.Query(selection), CURVES, rows.Decoder.block, rows.MEASURED)

    def _chunks(
        self,
        wanted: queries.Query,
        series: bool | Collection[str],
        made: Callable[[rows.Decoder, Sequence[Any], Any], Some],
        columns: Sequence[sa.ColumnElement[Any]] = rows.COLUMNS,
    ) -> Iterator[Some]:
        """Yield what is made of some thousand rows at a time."""
        names = None if series is True else set(series or ())
        concerns = rows.has_any(names)
        decoder = rows.Decoder()
        last = 0
        while True:
            with self._connected("read") as connection:
                query = (
                    queries.trials(connection, wanted, columns)
                    .where(schema.trials.c.number > last)
                    .limit(queries.CHUNK)
                )
                # Plain tuples of the driver's: of these columns SQLAlchemy would convert none.
                found: Sequence[Any] = connection.execute(query).cursor.fetchall()
                if not found:
                    return
                last = found[-1][0]
                decoder.runs.update(queries.ids(connection, {row[1] for row in found} - decoder.runs.keys()))
                keys = {row[13] for row in found} - {None} - decoder.sources.keys()
                decoder.sources.update(queries.sources(connection, keys))
                curves = None
                if names is None or names:
                    have = set(filter(concerns, {row[16] for row in found}))
                    curves = queries.curves(connection, [row[0] for row in found if row[16] in have], names)
            with rows.collector_at_rest():
                decoded = made(decoder, found, curves)
            yield decoded
            if len(found) < queries.CHUNK:
                return

    def rename_run(self, run: str, name: str) -> None:
        """Give the run of this id another name."""
        with self._connected("written") as connection:
            number = self._existing(connection, run)
            query = schema.runs.update().where(schema.runs.c.number == number)
            connection.execute(query.values(name=packing.escape(name)))

    def delete_run(self, run: str) -> int:
        """Delete the run of this id with all that belongs to it, and return how many trials that were."""
        trials, sources = schema.trials, schema.sources
        with self._connected("written") as connection:
            number = self._existing(connection, run)
            mine = sa.select(trials.c.number).where(trials.c.run == number)
            connection.execute(schema.curves.delete().where(schema.curves.c.trial.in_(mine)))
            gone = connection.execute(trials.delete().where(trials.c.run == number)).rowcount
            connection.execute(schema.runs.delete().where(schema.runs.c.number == number))
            used = sa.select(trials.c.source).where(trials.c.source.is_not(None))
            connection.execute(sources.delete().where(sources.c.key.not_in(used)))
        self._numbers.pop(run, None)
        self._written.pop(run, None)
        return gone

    def _existing(self, connection: sa.Connection, run: str) -> int:
        found = queries.number_of(connection, run)
        if found is None:
            raise StoreError(f"the store {self.address} has no run {run!r}; %e2e runs --all lists them by id")
        return found

    def _number(self, connection: sa.Connection, record: Record, numbers: dict[str, int]) -> int:
        """Return the number of a record's run; one that isn't there is made."""
        known = numbers.get(record.run)
        if known is None:
            known = queries.number_of(connection, record.run)
        if known is None:
            known = inserts.put_run(connection, rows.run_row(Run(record.run, record.run, record.started_at)))
        numbers[record.run] = known
        return known

    def _prepare(self) -> None:
        """Make the tables or bring them up to date; a file that is so already is not written to."""
        try:
            with self._connected("opened", writes=False) as connection:
                found = schema.found_version(connection)
            if found != schema.VERSION:
                with self._connected("opened", writes=True) as connection:
                    schema.prepare(connection)
        except schema.NewerVersion as newer:
            raise StoreError(
                f"the store {self.address} has version {newer}, but this e2e_magic reads up to "
                f"{schema.VERSION}; it was left as it is: update e2e_magic, or name another file with "
                "%e2e store PATH"
            ) from None

    @contextmanager
    def _connected(
        self, doing: Literal["opened", "read", "written"], writes: bool | None = None
    ) -> Iterator[sa.Connection]:
        """Give a connection within a transaction of its own; what fails is a `StoreError`."""
        self._own()
        with self._lock:
            try:
                with self._engine.connect() as connection:
                    wanted = doing == "written" if writes is None else writes
                    with connection.execution_options(e2e_writes=wanted).begin():
                        yield connection
            except (sa.exc.SQLAlchemyError, _dbapi_error(self._engine)) as error:
                raise StoreError(sentence(self.address, doing, error)) from error
            except ValueError as error:
                if doing == "written":  # a record that can be no row, and no fault of the store's
                    raise
                raise StoreError(sentence(self.address, doing, error)) from error

    def _own(self) -> None:
        """Open a connection of one's own after a fork, and leave the parent's alone."""
        if os.getpid() == self._pid:
            return
        self._pid = os.getpid()
        self._lock = threading.RLock()  # another thread of the parent may have held the old one
        _INHERITED.append(self._engine)
        self._engine = engine_of(self._to)


def _dbapi_error(engine: sa.Engine) -> type[Exception]:
    """Return the base of the driver's own errors, which what is done at connecting raises unwrapped."""
    found: type[Exception] = engine.dialect.loaded_dbapi.Error
    return found
