"""The store itself: append, read, rename, delete. Nothing here knows sessions, frames or notebooks."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import sqlalchemy as sa

from e2e_magic.derived import CURVES
from e2e_magic.measuring.trial import warn_user
from e2e_magic.record import STATES, Record, Run, State
from e2e_magic.storage import checking, decoding, digest, inserts, packing, queries, rows, schema, sealing
from e2e_magic.storage.address import check_file, engine_of, exists, for_reading, readable, url_of
from e2e_magic.storage.appending import Appending
from e2e_magic.storage.errors import StoreError, explained, newer_version
from e2e_magic.storage.scanning import Scan
from e2e_magic.storage.selection import HERE, Selection

if TYPE_CHECKING:
    from e2e_magic.derived.blocks import Block

Some = TypeVar("Some")
# Connections that a fork brought along. SQLite forbids a child to use or to close its parent's: they must
# outlive the stores that had them, so they are the process's.
_INHERITED: list[sa.Engine] = []
# From so many trials on, what was derived from their logs and curves is kept: of fewer it takes no time.
_WORTH_KEEPING = 500
# A warning names so many rows.
_MOST_NAMED = 3


class Store(Appending):
    """Runs and trials in a database.

    Parameters
    ----------
    url : str
        A path (SQLite), or any URL of SQLAlchemy: ``team.db``, ``postgresql+psycopg://user@host/name``.
        ``:memory:`` keeps all in this process's memory.
    create : bool
        Whether a missing SQLite file is created.

    Raises
    ------
    StoreError
        If it can't be opened: one sentence with what, why and what to do. A file is never overwritten.

    Notes
    -----
    It has one connection, which threads share in turn; after a fork the child opens its own. It is a
    context manager, which closes itself.
    """

    conflict = sa.exc.IntegrityError

    def __init__(self, url: str, *, create: bool = True) -> None:
        super().__init__()
        self.url = url_of(str(url))
        self.address = readable(self.url)
        if not create and not exists(self.url):
            raise StoreError(f"there is no store {self.address}; check the path")
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._warned: set[str] = set()  # of rows that can't be read
        self._lenient = False  # whether text that is none comes as bytes
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
        """Return a sentence: trials are kept here and how many, or why that can't be read."""
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

    @contextmanager
    def _writing(self) -> Iterator[inserts.Inserts]:
        with self._connected("written") as connection:
            yield inserts.Inserts(connection)

    def runs(self) -> list[Run]:
        """Return all runs in the order of their start."""
        query = sa.select(schema.runs).order_by(schema.runs.c.started_at, schema.runs.c.number)
        stored = self._read(lambda connection: connection.execute(query).all())
        damaged: list[str] = []
        runs = [decoding.run_of(row, damaged.append) for row in stored]
        self._warn(damaged)
        return [run for run in runs if run is not None]

    def names(self) -> dict[str, str]:
        """Return the runs' names by id, in the order of their start."""
        runs = schema.runs.c
        query = sa.select(runs.id, runs.name).order_by(runs.started_at)
        stored = self._read(lambda connection: connection.execute(query).all())
        return {
            packing.unescape(key): packing.unescape(name if checking.is_text(name) else key)
            for key, name in stored
            if checking.is_text(key)
        }

    def counts(self, since: datetime | None = None) -> dict[str, dict[State, int]]:
        """Return how many trials each run (its id) has, by state."""
        trials = schema.trials.c
        query = sa.select(trials.run, trials.state, sa.func.count()).group_by(trials.run, trials.state)
        if since is not None:
            query = query.where(trials.started_at >= rows.stamp(since))
        counted: dict[str, dict[State, int]] = {}
        ids, counts = self._read(
            lambda connection: (queries.ids(connection), connection.execute(query).all())
        )
        for run, state, count in counts:
            if run in ids and state in STATES:  # else of rows that can't be read
                by_state = counted.setdefault(ids[run], {})
                by_state[state] = by_state.get(state, 0) + count
        return counted

    def stages(self, run: str | None = None) -> list[str]:
        """Return the stages of all trials, or of those of a run (id or name), sorted."""
        query = sa.select(schema.trials.c.stage).distinct()
        if run is not None:
            query = query.where(queries.of_run(run))
        stages = self._read(lambda connection: connection.execute(query).scalars().all())
        return sorted(packing.unescape(stage) for stage in stages if checking.is_text(stage))

    def records(self, selection: Selection = HERE, *, series: bool | Collection[str] = True) -> list[Record]:
        """Return trials in the order in which they were written; parameters as of `iterate`."""
        return list(self.iterate(selection, series=series))

    def iterate(
        self,
        selection: Selection = HERE,
        *,
        series: bool | Collection[str] = True,
        only: Collection[str] | None = None,
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
        only : collection of str, optional
            The ids of the runs whose trials are read.
        """
        scan = Scan(selection, only, curves=None if series is True else set(series or ()))
        return chain.from_iterable(self._chunks(scan, decoding.Decoder.records))

    def last(self, selection: Selection = HERE) -> list[Record]:
        """Return the trial that started last, after those of its run and stage that may be its repeats."""
        return self._read(lambda connection: queries.last(selection, connection))

    def finished(self, stage: str, source: str) -> Iterator[Record]:
        """Yield the complete trials of a stage with this code, without curves.

        Nor are their logs read: what is derived from them stands among the readings.
        """
        scan = Scan(Selection(stage=stage), complete_of=source, curves=(), settled=True)
        return chain.from_iterable(self._chunks(scan, decoding.Decoder.records))

    def blocks(self, selection: Selection = HERE) -> Iterator[Block]:
        """Yield what `iterate` does as columns, without reasons, code and most curves; far faster."""
        scan = Scan(selection, curves=set(CURVES), settled=True, columns=decoding.MEASURED)
        chunks = self._chunks(scan, decoding.Decoder.block)
        return (block for block in chunks if block is not None)

    def _chunks(
        self, scan: Scan, decode: Callable[[decoding.Decoder, Sequence[Any], decoding.Belongings], Some]
    ) -> Iterator[Some]:
        """Yield what some thousand rows at a time are decoded to."""
        decoder = decoding.Decoder()
        full: list[int] = []
        for trials, of in scan.chunks(self._read, decoder, full):
            with decoding.collector_at_rest():
                decoded = decode(decoder, trials, of)
            yield decoded
            if decoder.settled and (full or len(decoder.settled) >= _WORTH_KEEPING):
                self._settle(decoder.settled)
                decoder.settled.clear()
            self._seal(full)
        self._seal(full)
        self._warn(decoder.damaged)

    def _settle(self, numbers: Mapping[int, Mapping[str, Any]]) -> None:
        """Store the derived values of trials that an older package wrote, so that they are computed once."""
        table = schema.trials
        mine = table.c.number == sa.bindparam("of")
        rows = [{"of": number, "text": digest.text_of(values)} for number, values in numbers.items()]
        # A store that may only be read, or that somebody holds, is one that is computed again.
        with suppress(StoreError), self._connected("written") as connection:
            connection.execute(table.update().where(mine).values(derived=sa.bindparam("text")), rows)

    def _seal(self, places: list[int]) -> None:
        """Store the blocks of these places, which have none, and take them off the list."""
        while places:
            place = places.pop()
            with suppress(StoreError), self._connected("written") as connection:
                sealing.seal(connection.exec_driver_sql, place)

    def _warn(self, damaged: Iterable[str]) -> None:
        """Warn of rows that can't be read, of each once."""
        new = [one for one in dict.fromkeys(damaged) if one not in self._warned]
        self._warned.update(new)
        if new:
            more = f"; and {len(new) - _MOST_NAMED:,} more" if len(new) > _MOST_NAMED else ""
            has = f"has {len(new):,} damaged row{'s' * (len(new) != 1)}; what can't be read is left out"
            warn_user(f"the store {self.address} {has}: {'; '.join(new[:_MOST_NAMED])}{more}")

    def change_run(self, run: str, **texts: str) -> None:
        """Give the run of this id another `name` or `description`."""
        with self._connected("written") as connection:
            number = self._existing(connection, run)
            query = schema.runs.update().where(schema.runs.c.number == number)
            connection.execute(query.values({name: packing.escape(text) for name, text in texts.items()}))

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
        number = inserts.Inserts(connection).run_number("id", packing.escape(run))
        if number is None:
            raise StoreError(f"the store {self.address} has no run {run!r}; %e2e runs --all lists them by id")
        return number

    def _prepare(self) -> None:
        """Make the tables or bring them up to date; a file that is so already is not written to."""
        try:
            with self._connected("opened", writes=False) as connection:
                stored = schema.stored_version(connection)
            read_only = self._to is not self.url
            if stored != rows.VERSION and not (read_only and stored in rows.READ_AS_THEY_ARE):
                with self._connected("opened", writes=True) as connection:
                    schema.prepare(connection)
        except schema.NewerVersion as newer:
            raise newer_version(self.address, newer, rows.VERSION) from None

    def _read(self, read: Callable[[sa.Connection], Some]) -> Some:
        """Return what a function reads; invalid stored texts, which SQLite allows, come as bytes."""
        try:
            with self._connected("read") as connection:
                return read(connection)
        except StoreError as error:
            if self._lenient or not isinstance(
                getattr(error.__cause__, "orig", None), sqlite3.OperationalError
            ):
                raise
        self._lenient = True
        with self._connected("read") as connection:
            return read(connection)

    @contextmanager
    def _connected(
        self, doing: Literal["opened", "read", "written"], writes: bool | None = None
    ) -> Iterator[sa.Connection]:
        """Yield a connection within a transaction of its own; failures are raised as `StoreError`."""
        self._own()
        with self._lock:
            try:
                with self._engine.connect() as connection:
                    wanted = doing == "written" if writes is None else writes
                    if self._lenient:
                        driver: Any = connection.connection.driver_connection
                        driver.text_factory = _text_or_bytes
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


def _text_or_bytes(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
