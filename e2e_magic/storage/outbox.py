"""Trials to a database that may be slow: the kernel's side, which waits for nobody.

In come finished trials and their runs, which are in a file on this machine when `append` returns. A process
of its own (`sending`) takes them from there to the database, in their order.

It is a process and not a thread, as the process that is measured has no thread of ours, and the database's
driver and SQLAlchemy stay out of its memory; the file keeps what waits when either of the two is killed.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from e2e_magic.measuring.sampler.launch import detached
from e2e_magic.record import Record, Run
from e2e_magic.storage import spool
from e2e_magic.storage.appending import Appending
from e2e_magic.storage.errors import StoreError
from e2e_magic.storage.local_file import PATIENCE_S, path_of

# The process's first lines: what it may import is what this one may, and no folder of the notebook's.
_PROGRAM = (
    "import json, socket, sys; channel = socket.socket(fileno=0); "
    "order = json.loads(channel.makefile().readline()); sys.path[:] = order['path']; "
    "from e2e_magic.storage.sending import main; main(order, channel)"
)
# A process that ended is started again, but not more often than this (s).
_REST_S = 10.0
# A database that reports nothing for so long, though trials wait for it, is silent (s). Starting the
# process and SQLAlchemy takes a few seconds of it on a machine that is busy.
_SILENT_S = 10.0
# How long a flush waits where trials wait for long already (s).
_GLANCE_S = 0.5
_PASSWORD = re.compile(r"(://[^:/@]*):[^@/]*@")


def takes(address: str) -> bool:
    """Return whether an address is a server's: SQLite is written to directly, in this process."""
    return (
        os.name != "nt"
        and "://" in address
        and path_of(address) is None
        and not address.strip().startswith(("sqlite:", "sqlite+", "file:"))
    )


def without_password(address: str) -> str:
    """Return an address as a person may see it."""
    return _PASSWORD.sub(r"\1:***@", address.strip())


class Outbox:
    """Takes finished trials for a database.

    Parameters
    ----------
    address : str
        An SQLAlchemy URL; it may have a password, which no file and no command line gets to see.

    Attributes
    ----------
    address : str
        The same without the password.
    problem : str
        What the process failed with last; empty where it works, or has not reported yet.

    Raises
    ------
    StoreError
        If there is no folder in which trials may wait.
    OSError
        If no process can be started.
    """

    def __init__(self, address: str) -> None:
        self._to = address.strip()
        self.address = without_password(address)
        path = spool.new_path(self.address)
        if path is None:
            raise StoreError(
                f"the store {self.address} can't be written: there is no folder in which trials may wait for "
                "it; set XDG_STATE_HOME to one that can be written"
            )
        self.path = path
        self._spool = spool.Spool(path)
        self.problem = ""
        self._opened = False
        self._channel: socket.socket | None = None
        self._heard = b""
        self._not_before = 0.0
        self._behind_since: float | None = None
        self._waited_for = 0
        try:
            self._start()
        except OSError:
            self._spool.close()
            spool.delete(path)
            raise

    def append(
        self,
        records: Iterable[Record],
        runs: Iterable[Run] = (),
        changed: Iterable[Record] = (),
        *,
        wake: bool = True,
    ) -> int:
        """Put trials into the file and wake the process, unless they change soon: as `Appending.append`.

        What has been sent isn't changed any more.
        """
        new = self._spool.append(records, runs, changed)
        if wake:
            self._wake()
        return new

    def waiting(self) -> int:
        """Return how many trials haven't arrived."""
        return self._spool.count()

    def late(self) -> str:
        """Return why trials wait, for as long as they do; empty where they don't, or not for long yet."""
        self._listen()
        waiting, now = self.waiting(), time.monotonic()
        if waiting < self._waited_for or not waiting:
            self._behind_since = None  # it goes on, however slowly
        self._waited_for = waiting
        if not waiting:
            return ""
        self._behind_since = self._behind_since or now
        if self.problem or now - self._behind_since < _SILENT_S:
            return self.problem
        return f"the store {self.address} doesn't answer; see whether its server runs and can be reached"

    def flush(self, patience_s: float = PATIENCE_S) -> bool:
        """Wait until everything has arrived, and return whether it has; a failure ends the waiting."""
        # Waiting long for what doesn't answer anyway would only be waiting twice.
        end = time.monotonic() + (_GLANCE_S if self.late() else patience_s)
        self.problem = ""
        self._wake()
        while self.waiting():
            self._listen(0.005)
            if self.late() or self._channel is None or time.monotonic() > end:
                return False
        return True

    def check(self) -> None:
        """Wait until the database is open.

        Raises
        ------
        StoreError
            If it can't be opened, or doesn't answer.
        """
        end = time.monotonic() + 4 * PATIENCE_S  # the driver's time-out, and the process's own start
        while not self._opened:
            self._listen(0.01)
            if self.problem:
                raise StoreError(self.problem)
            if self._channel is None or time.monotonic() > end:
                raise StoreError(
                    f"the store {self.address} doesn't answer; see whether its server runs and can be reached"
                )

    def drop_run(self, run: str) -> None:
        """Forget what waits of a run (its id)."""
        self._spool.drop_run(run)

    def close(self, patience_s: float = PATIENCE_S) -> str:
        """Wait for what is on its way, and return where the rest of it is; empty where there is none.

        The process goes on with the rest by itself for some minutes.
        """
        rest = 0 if self.flush(patience_s) else self.waiting()
        self._spool.close()
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        elif not rest:
            spool.delete(self.path)
        if not rest:
            return ""
        return (
            f"{rest:,} trial{'s' * (rest != 1)} not yet in the store {self.address}: a process goes on "
            f"sending for ten minutes; %e2e store {self.path} reads what is left"
        )

    def _start(self) -> None:
        self._not_before = time.monotonic() + _REST_S
        ours, theirs = socket.socketpair()
        try:
            detached([sys.executable, "-P", "-c", _PROGRAM, str(self.path)], theirs)
            order = {
                "path": [folder for folder in sys.path if Path(folder).is_absolute()],
                "address": self._to,
                "spool": str(self.path),
                "kernel": os.getpid(),
            }
            ours.sendall(f"{json.dumps(order)}\n".encode())
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._channel = ours

    def _wake(self) -> None:
        if self._channel is None and time.monotonic() >= self._not_before:
            with suppress(OSError):
                self._start()
        if self._channel is not None:
            self._channel.settimeout(0)
            try:
                self._channel.send(b"\n")
            except BlockingIOError:
                pass  # it has been woken often enough
            except OSError:
                self._lost()

    def _listen(self, patience_s: float = 0.0) -> None:
        """Take in what the process reports."""
        if self._channel is None:
            time.sleep(patience_s)
            return
        self._channel.settimeout(patience_s)
        try:
            while heard := self._channel.recv(65536):
                self._heard += heard
                self._channel.settimeout(0)
            self._lost()
        except (BlockingIOError, TimeoutError):
            pass
        except OSError:
            self._lost()
        *lines, self._heard = self._heard.split(b"\n")
        for line in lines:
            self.problem = json.loads(line)["problem"]
            self._opened = self._opened or not self.problem

    def _lost(self) -> None:
        """Forget a process that has ended; the next trial starts another."""
        if self._channel is not None:
            self._channel.close()
        self._channel, self._heard = None, b""


def spool_of(sink: Appending | Outbox) -> Appending:
    """Return what takes a row at once: of an outbox the file in which trials wait."""
    return sink._spool if isinstance(sink, Outbox) else sink
