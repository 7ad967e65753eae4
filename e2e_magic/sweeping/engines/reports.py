"""How what a trial logs reaches the sweep from another process of this machine, and the answer comes back."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from e2e_magic.sweeping.pruning import Report


@dataclass
class Line:
    """The trial's end: calls it with a row, and waits for the answer. Sent along with a ticket.

    A sweep that is gone prunes nothing: the trial goes on.
    """

    address: str
    key: bytes
    _connection: Any = field(default=None, repr=False)

    def __call__(self, turn: int, row: Mapping[str, float]) -> bool:
        try:
            if self._connection is None:
                self._connection = Client(self.address, authkey=self.key)
            self._connection.send_bytes(json.dumps([turn, dict(row)]).encode())
            answer: bytes = self._connection.recv_bytes()
        except (OSError, EOFError):
            return False
        return answer == b"1"

    def __getstate__(self) -> dict[str, Any]:
        return {"address": self.address, "key": self.key, "_connection": None}


class Exchange:
    """The sweep's end: answers each trial that calls, in a thread of its own.

    Parameters
    ----------
    report : callable
        Takes what a trial logged and returns whether it is to end.
    folder : Path
        Of this user alone: the place of the socket.
    """

    def __init__(self, report: Report, folder: Path) -> None:
        self._report = report
        self._key = os.urandom(32)
        # A path where the system has sockets there; else a place that Python chooses.
        address = str(folder / "reports") if os.name == "posix" else None
        self._listener = Listener(address, authkey=self._key)
        self._closing = False
        self._listening = threading.Thread(target=self._listen, name="e2e-reports", daemon=True)
        self._listening.start()

    def line(self) -> Line:
        """Return the other end, for a trial."""
        return Line(str(self._listener.address), self._key)

    def close(self) -> None:
        """Answer nobody any more."""
        self._closing = True
        with suppress(OSError, EOFError):
            Client(self._listener.address, authkey=self._key).close()  # which ends the waiting for one
        self._listening.join()
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                caller = self._listener.accept()
            except (OSError, EOFError):  # one that hung up, or was none of ours
                if self._closing:
                    return
                continue
            if self._closing:
                caller.close()
                return
            threading.Thread(target=self._answer, args=(caller,), name="e2e-report", daemon=True).start()

    def _answer(self, caller: Connection) -> None:
        with caller, suppress(OSError, EOFError):
            while True:
                turn, row = json.loads(caller.recv_bytes())
                caller.send_bytes(b"1" if self._report(turn, row) else b"0")
