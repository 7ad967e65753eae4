"""The store itself: append, read, rename, delete. Nothing here knows sessions, frames or notebooks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeVar

import sqlalchemy as sa

from e2e_magic.derived import CURVES
from e2e_magic.record import Record, Run, State
from e2e_magic.storage import decoding, inserts, packing, queries, rows, schema
from e2e_magic.storage.address import check_file, engine_of, exists, for_reading, readable, url_of
from e2e_magic.storage.errors import StoreError, explained, newer_version
from e2e_magic.storage.selection import HERE, Selection

if TYPE_CHECKING:
    from e2e_magic.derived.blocks import Block

Some = TypeVar("Some")
# Connections that a fork brought along. SQLite forbids a child to use or to close its parent's: they must
# outlive the stores that had them, so they are the process's.
_INHERITED: list[sa.Engine] = []


class _StoredRun(NamedTuple):
    """A run's number, and the run with its row as this process wrote it last, if it did."""

    number: int
    run: Run | None = None
    row: Mapping[str, Any] | None = None


_NEVER = _StoredRun(0)


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
        self.address = readable(self.url)
        if not create and not exists(self.url):
            raise StoreError(f"there is no store {self.address}; check the path")
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._runs: dict[str, _StoredRun] = {}  # by id
        check_file(self.url)
        self._to = self.url
        self._engine = engine_of(self.url)
        try:
            self._prepare()
        except StoreError:
            self._engine.dispose()
            unwritable = for_reading(self.url)
            if unwritable is None:
                raise
            self._to, self._engine = unwritable, engine_of(unwritable)
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
            return self._counted()
        except StoreError as error:
            return str(error)

    def described(self) -> str:
        """Say that trials are kept here and how many there are, or why that can't be read."""
        try:
            return f"trials are kept in {self._counted()}"
        except StoreError as error:
            return str(error)

    def _counted(self) -> str:
        runs, trials = len(self.names()), sum(sum(states.values()) for states in self.counts().values())
        return f"{self.address}: {runs:,} run{'s' * (runs != 1)}, {trials:,} trial{'s' * (trials != 1)}"

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        self._own()
        with self._lock:
            self._engine.dispose()

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
        trials = [records] if isinstance(records, Record) else list(records)
        runs = list(runs)
        try:
            return self._append(trials, runs)
        except StoreError as error:
            if not isinstance(error.__cause__, sa.exc.IntegrityError) or not self._runs:
                raise
            self._runs = {}  # somebody has deleted a run that was stored: it is made anew
            return self._append(trials, runs)

    def _append(self, records: Sequence[Record], runs: Sequence[Run]) -> int:
        stored = dict(self._runs)
        with self._connected("written") as connection:
            for run in runs:
                before = stored.get(run.id, _NEVER)
                if run is not before.run:
                    row = rows.run_row(run)
                    stored[run.id] = _StoredRun(inserts.put_run(connection, row, before.row), run, row)
            for record in records:
                if record.run not in stored:
                    number = queries.number_of(connection, record.run)
                    if number is None:
                        nameless = rows.run_row(Run(record.run, record.run, record.started_at))
                        number = inserts.put_run(connection, nameless)
                    stored[record.run] = _StoredRun(number)
            numbers = [stored[record.run].number for record in records]
            new = inserts.put_trials(connection, records, numbers)
        self._runs = stored  # not before: a row that was rolled back has no number
        return new

    def runs(self) -> list[Run]:
        """Return all runs in the order of their start."""
        query = sa.select(schema.runs).order_by(schema.runs.c.started_at, schema.runs.c.number)
        with self._connected("read") as connection:
            stored = connection.execute(query).all()
        return [decoding.run_of(row) for row in stored]

    def names(self) -> dict[str, str]:
        """Return the runs' names by id, in the order of their start."""
        runs = schema.runs.c
        with self._connected("read") as connection:
            stored = connection.execute(sa.select(runs.id, runs.name).order_by(runs.started_at)).all()
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
        query = sa.select(schema.trials.c.stage).distinct()
        if run is not None:
            query = query.where(queries.of_run(run))
        with self._connected("read") as connection:
            return sorted(packing.unescape(stage) for stage in connection.execute(query).scalars())

    def records(self, selection: Selection = HERE, *, series: bool | Collection[str] = True) -> list[Record]:
        """Return trials in the order in which they were written; parameters as of `iterate`."""
        return list(self.iterate(selection, series=series))

    def iterate(
        self, selection: Selection = HERE, *, series: bool | Collection[str] = True
    ) -> Iterator[Record]:
        """Yield trials in the order in which they were written, read some at a time.

        Each time is a transaction of its own.

        Parameters
        ----------
        selection : Selection
            A run's name stands for all runs of that name, unless it is the id of one.
        series : bool or collection of str
            Whether the sampled curves are read, or the names of those that are. Without them it is
            several times as fast.
        """
        return chain.from_iterable(self._chunks(queries.trials(selection), series, decoding.Decoder.records))

    def finished(self, stage: str, source: str) -> Iterator[Record]:
        """Yield the complete trials of a stage with this code, without their curves."""
        trials = schema.trials.c
        query = queries.trials(Selection(stage=stage)).where(
            trials.state == "complete", trials.source == packing.key(source)
        )
        return chain.from_iterable(self._chunks(query, False, decoding.Decoder.records))

    def blocks(self, selection: Selection = HERE) -> Iterator[Block]:
        """Yield what `iterate` does as columns, without reasons, code and most curves; far faster."""
        return self._chunks(queries.trials(selection, decoding.MEASURED), CURVES, decoding.Decoder.block)

    def _chunks(
        self,
        query: sa.Select[Any],
        series: bool | Collection[str],
        decode: Callable[[decoding.Decoder, Sequence[Any], Any], Some],
    ) -> Iterator[Some]:
        """Yield what some thousand rows at a time are decoded to."""
        names = None if series is True else set(series or ())
        decoder = decoding.Decoder()
        last = 0
        while True:
            with self._connected("read") as connection:
                chunk = query.where(schema.trials.c.number > last).limit(queries.CHUNK)
                # Plain tuples of the driver's: of these columns SQLAlchemy would convert none.
                trials: Sequence[Any] = connection.execute(chunk).cursor.fetchall()
                if not trials:
                    return
                last = trials[-1][0]
                decoder.runs.update(queries.ids(connection, {row[1] for row in trials} - decoder.runs.keys()))
                keys = {row[13] for row in trials} - {None} - decoder.sources.keys()
                decoder.sources.update(queries.sources(connection, keys))
                curves = None
                if names is None or names:
                    texts = {text: set(packing.read(text)) for text in {row[16] for row in trials}}
                    having = {
                        text for text, there in texts.items() if (there if names is None else there & names)
                    }
                    numbers = [row[0] for row in trials if row[16] in having]
                    curves = queries.curves(connection, numbers, names)
            with decoding.collector_at_rest():
                decoded = decode(decoder, trials, curves)
            yield decoded
            if len(trials) < queries.CHUNK:
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
        self._runs.pop(run, None)
        return gone

    def _existing(self, connection: sa.Connection, run: str) -> int:
        number = queries.number_of(connection, run)
        if number is None:
            raise StoreError(f"the store {self.address} has no run {run!r}; %e2e runs --all lists them by id")
        return number

    def _prepare(self) -> None:
        """Make the tables or bring them up to date; a file that is so already is not written to."""
        try:
            with self._connected("opened", writes=False) as connection:
                stored = schema.stored_version(connection)
            if stored != rows.VERSION:
                with self._connected("opened", writes=True) as connection:
                    schema.prepare(connection)
        except schema.NewerVersion as newer:
            raise newer_version(self.address, newer, rows.VERSION) from None

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
                raise explained(self.address, doing, error) from error
            except ValueError as error:
                if doing == "written":  # a record that can be no row, and no fault of the store's
                    raise
                raise explained(self.address, doing, error) from error

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
    base: type[Exception] = engine.dialect.loaded_dbapi.Error
    return base
