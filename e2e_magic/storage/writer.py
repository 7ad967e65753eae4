"""Writes finished trials to the store; while that can't be done, they wait in memory."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from e2e_magic.measuring.trial import warn_user
from e2e_magic.record import Record, Run
from e2e_magic.storage.errors import StoreError
from e2e_magic.storage.local_file import LocalFile, OlderTables, path_of

if TYPE_CHECKING:
    from e2e_magic.storage.database import Store

ENVIRONMENT = "E2E_MAGIC_STORE"
DEFAULT = "e2ebench.db"
NONE = ":memory:"
# After an attempt that took long (a server that doesn't answer, a lock), this many times as long passes
# before the next one, so that a trial isn't followed by a wait each time.
_REST = 10.0
_QUICK_S = 0.5
# Trials in one transaction, where more than one waits.
_AT_ONCE = 200


class Writer:
    """Writes each trial to the store when it is finished; opens the store for the first one.

    Parameters
    ----------
    run_of : callable
        Gives a run as it is now, by its id.
    """

    def __init__(
        self, run_of: Callable[[str], Run | None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._run_of = run_of
        self._clock = clock
        self._asked: str | None = None
        self._store: Store | None = None
        self._file: LocalFile | None = None
        self._warned = False
        self._not_before = 0.0
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._folder = _here()
        self.unsaved: list[Record] = []

    def begin_in(self, folder: Path) -> None:
        """Keep the default file in this folder: a kernel's, which knows where its notebook is."""
        if folder.is_dir():
            self._folder = folder

    @property
    def address(self) -> str:
        """Where trials are kept, without a password; ``:memory:`` for nowhere."""
        if self._store is not None:
            return self._store.address
        if not self.on:
            return NONE
        from e2e_magic.storage.address import readable, url_of

        return readable(url_of(self._wanted()))

    @property
    def on(self) -> bool:
        """Whether there is a store."""
        return self._wanted() != NONE

    @property
    def store(self) -> Store | None:
        """The store, opened when it is first asked for; None for ``:memory:``.

        Raises
        ------
        StoreError
            If it can't be opened.
        """
        with self._lock:
            if self._store is None and self.on:
                self._store = self._opened(self._wanted())
                self._asked = self._store.url.render_as_string(hide_password=False)
            return self._store

    def set_address(self, address: str) -> None:
        """Keep trials there from now on, with those that are in memory only; ``:memory:`` is nowhere.

        Raises
        ------
        StoreError
            If it can't be opened or written to: the store is the one that it was then.
        """
        with self._lock:
            waiting = list(self.unsaved)
            fresh = None if address.strip() == NONE else self._opened(address)
            if fresh is not None:
                try:
                    self._write(fresh, warn_user)
                except BaseException:
                    self.unsaved[:] = waiting
                    fresh.close()
                    raise
            self._close_files()
            self._store = fresh
            # A relative path means the one that was there when it was given.
            self._asked = NONE if fresh is None else fresh.url.render_as_string(hide_password=False)
            self._warned = False
            self._not_before = 0.0

    def keep(self, records: Iterable[Record], warn: Callable[[str], None] | None = None) -> None:
        """Write finished trials; those that can't be written wait for the next. Never raises an error.

        A forked child writes nothing: its trials have its parent's numbers.
        """
        if os.getpid() != self._pid:
            return
        with self._lock:
            self.unsaved += records
            if self.on and self._clock() >= self._not_before:
                self.flush(warn)

    def flush(self, warn: Callable[[str], None] | None = None) -> bool:
        """Write what waits, and tell whether nothing does any more; the first failure is said."""
        if not self.unsaved or not self.on or os.getpid() != self._pid:
            return not self.unsaved
        say = warn or warn_user
        began = self._clock()
        with self._lock:
            try:
                sink = self._sink()
                began = self._clock()  # what was imported is no slowness of the store's
                self._write(sink, say)
            except Exception as error:  # noqa: BLE001 - a driver may fail in any way; the user's cell goes on
                took = self._clock() - began
                self._not_before = self._clock() + (_REST * took if took > _QUICK_S else 0.0)
                if not self._warned:
                    self._warned = True
                    why = error if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
                    say(f"{why}. Meanwhile trials are kept in memory; they are written as soon as it works")
                return False
            self._warned = False
            self._not_before = 0.0  # it works again: the next trial is written at once
        return True

    def _sink(self) -> Store | LocalFile:
        """Return what takes the trials; for a SQLite file, SQLAlchemy stays out of this process."""
        if self._file is None and (path := path_of(self._wanted())) is not None:
            with suppress(OlderTables):
                self._file = LocalFile(path)
                atexit.unregister(self._at_exit)
                atexit.register(self._at_exit)
        if self._file is not None:
            return self._file
        import_module("e2e_magic.storage.database")
        store = self.store
        assert store is not None  # noqa: S101 - there is one where trials are written
        return store

    def reading(self) -> Store | None:
        """Return the store to read from, with all in it that can be; None where there is none yet.

        Raises
        ------
        StoreError
            If it can't be opened.
        """
        if self._store is None and self._file is None and self.on:
            from e2e_magic.storage.address import exists, url_of

            if not self.unsaved and not exists(url_of(self._wanted())):
                return None
        if self._clock() >= self._not_before:  # else a reader would wait for a lock again, and again
            self.flush()
        return self.store

    def described(self) -> str:
        """Say where trials are kept and how many there are; nothing is made for it.

        Raises
        ------
        StoreError
            If the store can't be opened.
        """
        if not self.on:
            return "trials are kept in this kernel's memory only (:memory:); %e2e store PATH keeps them"
        if self._store is not None:
            self.flush()
        store = self.reading()
        if store is None:
            return f"trials are kept in {self.address}, which is made with the first one"
        waiting = f"; {len(self.unsaved):,} in memory could not be written yet" if self.unsaved else ""
        return f"{store.described()}{waiting}"

    def drop(self, run: str) -> None:
        """Forget what waits of a run (its id)."""
        with self._lock:
            self.unsaved[:] = [record for record in self.unsaved if record.run != run]

    def close(self) -> None:
        """Write what waits and close the store; it is opened again when it is needed."""
        atexit.unregister(self._at_exit)
        with self._lock:
            self.flush()
            self._close_files()
        atexit.unregister(self._at_exit)

    def _close_files(self) -> None:
        if self._store is not None:
            self._store.close()
        if self._file is not None:
            self._file.close()
        self._store = self._file = None

    def _wanted(self) -> str:
        if self._asked:
            return self._asked
        # A cell may change the directory: a relative path stays where the session began.
        return placed(self._folder, os.environ.get(ENVIRONMENT, "").strip() or DEFAULT)

    def _opened(self, address: str) -> Store:
        from e2e_magic.storage.database import Store

        opened = Store(address)
        atexit.unregister(self._at_exit)
        atexit.register(self._at_exit)
        return opened

    def _write(self, store: Store | LocalFile, say: Callable[[str], None]) -> None:
        """Write what waits, in order; each is taken off the list when it is in the store."""
        while self.unsaved:
            batch = self.unsaved[:_AT_ONCE]
            try:
                self._append(store, batch)
            except StoreError:
                raise
            except Exception:  # noqa: BLE001 - any value may be in a record: one alone must not hold up the others
                for record in batch:
                    self._write_alone(store, record, say)
            del self.unsaved[: len(batch)]

    def _write_alone(self, store: Store | LocalFile, record: Record, say: Callable[[str], None]) -> None:
        try:
            self._append(store, [record])
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - said, and the others are written
            say(
                f"{record.stage}: trial {record.trial} can't be written to the store "
                f"({type(error).__name__}: {error}) and is kept in memory only"
            )

    def _append(self, store: Store | LocalFile, records: Sequence[Record]) -> None:
        store.append(records, [run for key in {r.run: 0 for r in records} if (run := self._run_of(key))])

    def _at_exit(self) -> None:
        if os.getpid() == self._pid:  # a forked child leaves its parent's trials to its parent
            self.close()


def placed(folder: Path | None, address: str) -> str:
    """Return an address whose path, where it is a relative one, is taken from a folder."""
    scheme = "sqlite:///" if address.startswith("sqlite:///") else ""
    path = address.removeprefix(scheme)
    if folder is None or path in ("", NONE) or "://" in path or path.startswith("file:"):
        return address
    return f"{scheme}{folder / Path(path).expanduser()}"


def _here() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # the directory is gone
        return None
