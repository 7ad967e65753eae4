"""How many threads Python code starts: those of C libraries never hold the interpreter lock.

`threading` starts each of its threads by one function of its own namespace, in whose place a counter stands
while code is measured. In another implementation of `threading` nothing is counted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

# Of Python 3.13 and newer, and of those before.
NAMES = ("_start_joinable_thread", "_start_new_thread")


class Threads:
    """The threads started between `start` and `stop`.

    Attributes
    ----------
    count : int or None
        None where they can't be counted.
    """

    def __init__(self) -> None:
        self.count: int | None = None

    def start(self) -> None:
        """Count from now on."""
        if _counter.add(self):
            self.count = 0

    def stop(self) -> None:
        """Count no longer."""
        _counter.remove(self)


class _Counter:
    """The counter of the process; it stands in `threading` while anybody listens."""

    def __init__(self) -> None:
        self._listeners: list[Threads] = []
        self._name = next((name for name in NAMES if hasattr(threading, name)), None)
        self._real: Callable[..., Any] | None = None
        self._standing_in = self._start
        self._stands = False

    def add(self, listener: Threads) -> bool:
        if self._name is None:
            return False
        if not self._stands:
            self._stands = True
            self._real = vars(threading)[self._name]
            vars(threading)[self._name] = self._standing_in
        self._listeners.append(listener)
        return True

    def remove(self, listener: Threads) -> None:
        with suppress(ValueError):
            self._listeners.remove(listener)
        # Another tool may have put its own in the place meanwhile, and that one calls this.
        if self._name and not self._listeners and vars(threading)[self._name] is self._standing_in:
            vars(threading)[self._name] = self._real
            self._stands = False

    def _start(self, *args: Any, **kwargs: Any) -> Any:
        for listener in self._listeners:
            if listener.count is not None:
                listener.count += 1
        return self._real(*args, **kwargs) if self._real is not None else None


_counter = _Counter()
