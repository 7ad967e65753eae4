"""Writes finished trials to the store; while that can't be done, they wait in memory."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from e2e_magic.measuring.records import Records
from e2e_magic.measuring.trial import warn_user
from e2e_magic.record import Record, Run
from e2e_magic.storage.appending import Appending
from e2e_magic.storage.errors import StoreError
from e2e_magic.storage.local_file import LocalFile, path_of
from e2e_magic.storage.outbox import Outbox, spool_of, takes, without_password
from e2e_magic.storage.place import NONE, Place
from e2e_magic.storage.vanishing import OpenFile, keep_open

if TYPE_CHECKING:
    from e2e_magic.storage.database import Store

# After an attempt that took long (a server that doesn't answer, a lock), this many times as long passes
# before the next one, so that a trial isn't followed by a wait each time.
_REST = 10.0
_QUICK_S = 0.5
# At the end what is on its way to a server that answers is waited for so long (s): a script's next
# step may read it. Jupyter kills a kernel that takes 5 s, which does no harm.
_LAST_S = 30.0
# Trials in one transaction, where more than one waits.
_AT_ONCE = 200


class Writer:
    """Writes each trial to the store when it is finished; opens the store for the first one.

    Parameters
    ----------
    run_of : callable
        Returns a run as it is now, by its id.

    Attributes
    ----------
    place : Place
        Where trials are kept.
    """

    def __init__(
        self, run_of: Callable[[str], Run | None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._run_of = run_of
        self._clock = clock
        self.place = Place()
        self._store: Store | None = None
        self._there = OpenFile(None)  # what `_store` has open
        self._file: LocalFile | Outbox | None = None
        self.held = False  # what is kept waits for more: see `together`
        self._warned = False
        self._moved = False  # whether the user was warned that trials are kept in another folder
        self._not_before = 0.0
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self.unsaved = Records()
        self._changed: list[Record] = []  # written, with other readings since

    @property
    def address(self) -> str:
        """Where trials are kept, without a password; ``:memory:`` for nowhere."""
        if opened := self._store or self._file:
            return opened.address
        if not self.on:
            return NONE
        if takes(self.place.address):
            return without_password(self.place.address)
        from e2e_magic.storage.address import readable, url_of

        return readable(url_of(self.place.address))

    @property
    def on(self) -> bool:
        """Whether there is a store."""
        return self.place.address != NONE

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
                self._store = self._opened(self.place.address)
                self.place.asked = self._store.url.render_as_string(hide_password=False)
            return self._store

    def set_address(self, address: str) -> None:
        """Keep trials there from now on, with those that are in memory only; ``:memory:`` is nowhere.

        Raises
        ------
        StoreError
            If it can't be opened or written to: the store is the one that it was then.
        """
        with self._lock:
            self.flush()
            waiting = list(self.unsaved)
            fresh, asked = self._asked_for(address)
            if fresh is not None:
                try:
                    self._write(fresh, warn_user)
                except BaseException:
                    self.unsaved = Records(waiting)
                    fresh.close()
                    raise
            self._close_files()
            if isinstance(fresh, Outbox):
                self._file = fresh
            else:
                self._store = fresh
            self.place.ask_for(asked)
            self._warned = False
            self._not_before = 0.0

    def _asked_for(self, address: str) -> tuple[Store | Outbox | None, str]:
        """Return an address's store, opened, and the address with its path made absolute."""
        if address.strip() == NONE:
            return None, NONE
        if not takes(address):
            store = self._opened(address)
            return store, store.url.render_as_string(hide_password=False)
        outbox = Outbox(address)
        try:
            outbox.check()
        except BaseException:
            outbox.close(0.0)
            raise
        self._close_at_exit()
        return outbox, address.strip()

    def open(self) -> None:
        """Open what takes the trials, as the next `keep` does: its cost is measured before a row is built."""
        if os.getpid() != self._pid:
            return
        with self._lock, suppress(Exception):  # the write meets it again and warns of it
            if self.on and self._clock() >= self._not_before:
                self._sink()

    def keep(
        self, records: Iterable[Record], warn: Callable[[str], None] | None = None, *, changes: bool = False
    ) -> None:
        """Write finished trials; those that can't be written wait for the next. Never raises an error.

        A forked child writes nothing: its trials have its parent's numbers. `changes` announces `change`.
        """
        if os.getpid() != self._pid:
            return
        with self._lock:
            self.unsaved += records
            if self.on and not self.held and self._clock() >= self._not_before:
                self.flush(warn, changes=changes)

    def change(self, record: Record, before: Record) -> None:
        """Replace the readings of a trial that was kept; it is written with the next one's row."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self.unsaved.exchange(before, record):
                return
            self._changed.append(record)
            if isinstance(self._file, Outbox):  # which sends it then
                self.flush()

    def flush(self, warn: Callable[[str], None] | None = None, *, changes: bool = False) -> bool:
        """Write what waits, and return whether all of it is written; warn of the first failure."""
        if not (self.unsaved or self._changed) or not self.on or os.getpid() != self._pid:
            return not self.unsaved
        warn = warn or warn_user
        began = self._clock()
        with self._lock:
            try:
                sink = self._sink()
                began = self._clock()  # what was imported is no slowness of the store's
                self._write(sink, warn, wake=not changes)
            except Exception as error:  # noqa: BLE001 - a driver may fail in any way; the user's cell goes on
                took = self._clock() - began
                self._not_before = self._clock() + (_REST * took if took > _QUICK_S else 0.0)
                if not self._warned:
                    self._warned = True
                    why = error if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
                    warn(f"{why}. Meanwhile trials are kept in memory; they are written as soon as it works")
                return False
            if self.place.why and not self._moved:
                self._moved = True
                why, where = self.place.why, self.address
                warn(f"{why}: trials are kept in {where}; %e2e store PATH keeps them elsewhere")
            self._not_before = 0.0  # it works again: the next trial is written at once
            if isinstance(sink, Outbox) and (late := sink.late()):
                if not self._warned:
                    self._warned = True
                    meanwhile = f"trials are kept in {sink.path}; they are sent as soon as it works"
                    warn(f"{late}. Meanwhile {meanwhile}")
            else:
                self._warned = False
        return True

    def _sink(self) -> Appending | Outbox:
        """Return what takes the trials; for a file and for a server, SQLAlchemy stays out of this process."""
        if self._file is None:
            address = self.place.address
            if (path := path_of(address)) is not None:
                self._file = LocalFile(path)
            elif takes(address):
                self._file = Outbox(address)
            self._close_at_exit()
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
        if self.on and os.getpid() == self._pid:
            import_module("e2e_magic.storage.killed").take_up(
                self.place.destination, lambda: spool_of(self._sink())
            )
        if self._store is not None and self._there.gone():
            keep_open(self._store)
            self._store = None
        file_gone = isinstance(self._file, LocalFile) and self._file.gone
        if self._store is None and (self._file is None or file_gone) and self.on:
            from e2e_magic.storage.address import exists, url_of

            if not self.unsaved and not exists(url_of(self.place.address)):
                return None
        if self._clock() >= self._not_before:  # else a reader would wait for a lock again, and again
            self.flush()
        if isinstance(self._file, Outbox) and os.getpid() == self._pid:
            self._file.flush()
        return self.store

    def described(self) -> str:
        """Return a sentence: where trials are kept and how many there are; nothing is created for it.

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
        because = f" ({self.place.why})" if self.place.why else ""
        if store is None:
            return f"trials are kept in {self.address}, which is made with the first one{because}"
        waiting = f"; {len(self.unsaved):,} in memory could not be written yet" if self.unsaved else ""
        if isinstance(self._file, Outbox) and (there := self._file.waiting()):
            waiting += f"; {there:,} in {self._file.path} could not be sent yet"
        return f"{store.described()}{waiting}{because}"

    def drop(self, run: str) -> None:
        """Forget what waits of a run (its id)."""
        with self._lock:
            self.unsaved.drop(lambda record: record.run == run)
            self._changed[:] = [record for record in self._changed if record.run != run]
            if isinstance(self._file, Outbox):
                self._file.drop_run(run)

    def close(self) -> None:
        """Write what waits and close the store; it is opened again when it is needed."""
        with self._lock:
            self.flush()
            self._close_files()
        atexit.unregister(self._at_exit)

    def _close_files(self) -> None:
        if self._store is not None:
            keep_open(self._store) if self._there.gone() else self._store.close()
        if isinstance(self._file, Outbox):
            if rest := self._file.close(_LAST_S):
                warn_user(rest)
        elif self._file is not None:
            self._file.close()
        self._store = self._file = None

    def _opened(self, address: str) -> Store:
        from e2e_magic.storage.database import Store

        opened = Store(address)
        self._there = OpenFile(path_of(address))
        self._close_at_exit()
        return opened

    def _close_at_exit(self) -> None:
        atexit.unregister(self._at_exit)
        atexit.register(self._at_exit)

    def _write(self, store: Appending | Outbox, warn: Callable[[str], None], *, wake: bool = True) -> None:
        """Write what waits, in order; each is taken off the list when it is in the store."""
        waiting = list(self.unsaved)
        try:
            while waiting or self._changed:
                batch = waiting[:_AT_ONCE]
                try:
                    self._append(store, batch, wake=wake)
                except StoreError:
                    raise
                except Exception:  # noqa: BLE001 - any value may be in a record: one must not hold up the others
                    for record in batch:
                        self._write_alone(store, record, warn)
                del waiting[: len(batch)]
        finally:
            self.unsaved = Records(waiting)

    def _write_alone(self, store: Appending | Outbox, record: Record, warn: Callable[[str], None]) -> None:
        try:
            self._append(store, [record])
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - the user is warned, and the others are written
            warn(
                f"{record.stage}: trial {record.trial} can't be written to the store "
                f"({type(error).__name__}: {error}) and is kept in memory only"
            )

    def _append(self, store: Appending | Outbox, records: Sequence[Record], *, wake: bool = True) -> None:
        changed, self._changed = self._changed, []
        runs = [run for key in {r.run: 0 for r in records} if (run := self._run_of(key))]
        more = {"wake": wake} if isinstance(store, Outbox) else {}
        store.append(records, runs, changed, **more)

    def _at_exit(self) -> None:
        if os.getpid() == self._pid:  # a forked child leaves its parent's trials to its parent
            self.close()
