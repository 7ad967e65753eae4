"""The process that takes trials from an outbox's file to the database, until its kernel has ended.

It runs no code of the user's. While it can't send it tries again and again; what it can't send within ten
minutes after its kernel has ended stays in the file, for the next kernel that writes to the same database.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from e2e_magic.storage import spool
from e2e_magic.storage.database import Store
from e2e_magic.storage.errors import StoreError

# Trials in one transaction.
_AT_ONCE = 200
# Between two attempts, from one to the other, doubled each time (s).
_SHORTEST_S, _LONGEST_S = 0.5, 30.0
# How long it goes on after the kernel's end (s).
_LAST_S = 600.0
# A measured cell goes first, where both want the same core.
_NICE = 10


class Sender:
    """Sends what waits in a file, and in the files that ended kernels have left for the same database.

    Parameters
    ----------
    path : Path
        The kernel's file.
    address : str
        The database.
    channel : socket
        To the kernel: a line is a wake-up, its end that of the outbox.
    kernel : int
        The kernel's process.
    """

    def __init__(self, path: Path, address: str, channel: socket.socket, kernel: int) -> None:
        self._path = path
        self._address = address
        self._channel = channel
        self._kernel = kernel
        self._store: Store | None = None
        self._awake = threading.Event()
        self._ended = threading.Event()
        self._refused: dict[Path, list[int]] = {}

    def run(self) -> None:
        """Send until the kernel has ended and nothing is left, or the time for that is over."""
        threading.Thread(target=self._listen, daemon=True).start()
        rest_s = _SHORTEST_S
        while True:
            ended = self._ended.is_set()  # asked before: what came until then is sent
            self._awake.clear()
            try:
                self._send_all()
            except (StoreError, OSError) as error:
                self._report(str(error))
                if ended and not self._waiting():
                    spool.delete(self._path)
                    return
                self._awake.wait(rest_s)
                rest_s = min(2 * rest_s, _LONGEST_S)
                continue
            rest_s = _SHORTEST_S
            if ended:
                return
            self._awake.wait()

    def _send_all(self) -> None:
        if self._store is None:
            self._store = Store(self._address)
        for path in [*spool.left_over(self._path), self._path]:
            with _held(path) as mine:
                if mine:
                    problem = self._send(path)
                    self._report(problem)
                    if not problem and (path != self._path or self._ended.is_set()):
                        spool.delete(path)

    def _send(self, path: Path) -> str:
        """Send what waits in a file; return why some of it is refused."""
        assert self._store is not None  # noqa: S101 - it is opened before
        file, problem, refused = spool.Spool(path), "", self._refused.setdefault(path, [])
        try:
            while waiting := file.oldest(_AT_ONCE, refused):
                try:
                    self._store.append_rows([one.trial for one in waiting], [one.run for one in waiting])
                except StoreError as error:
                    # A value that this database has no room for, whenever it is tried.
                    if not isinstance(error.__cause__, sa.exc.DataError):
                        raise
                    for one in waiting:
                        problem = self._send_alone(one, refused) or problem
                file.remove([one.number for one in waiting if one.number not in refused])
        finally:
            file.close()
        return problem

    def _send_alone(self, one: spool.Waiting, refused: list[int]) -> str:
        assert self._store is not None  # noqa: S101 - as above
        try:
            self._store.append_rows([one.trial], [one.run])
        except StoreError as error:
            if not isinstance(error.__cause__, sa.exc.DataError):
                raise
            refused.append(one.number)
            return str(error)
        return ""

    def _waiting(self) -> int:
        file = spool.Spool(self._path)
        try:
            return file.count()
        finally:
            file.close()

    def _report(self, problem: str) -> None:
        line = json.dumps({"problem": problem}).encode() + b"\n"
        with contextlib.suppress(OSError):  # the kernel has ended, or reads nothing while its cell runs
            self._channel.send(line, socket.MSG_DONTWAIT)

    def _listen(self) -> None:
        """Wake the sending until the kernel has ended; then end the process `_LAST_S` later."""
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        gone = None
        with contextlib.suppress(AttributeError, OSError):  # a forked child may hold the other end open
            gone = os.pidfd_open(self._kernel)
            poll.register(gone, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poll.poll()]
            try:
                more = gone not in ready and self._channel.recv(65536)
            except OSError:
                more = b""
            if not more:
                break
            self._awake.set()
        self._ended.set()
        self._awake.set()
        time.sleep(_LAST_S)
        os._exit(1)  # the database has not answered: what waits stays in its file


@contextlib.contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Hold the lock of an existing file, if nobody else does, and yield whether it is held.

    It has a file of its own, as SQLite's locks on a file end when anybody here closes it.
    """
    if not path.exists():
        yield False
        return
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield path.exists()


def main(order: Mapping[str, Any], channel: socket.socket) -> None:
    """Run the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    Sender(Path(order["spool"]), order["address"], channel, order["kernel"]).run()
