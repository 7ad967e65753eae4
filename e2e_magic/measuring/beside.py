"""Detection of concurrent trials: in threads, or in tasks of one event loop.

A trial nested in another one is not concurrent with it: it was begun in the same thread or task, or in a task
that this one created, so that its context holds the outer trial.
"""

from __future__ import annotations

import os
import threading
from contextvars import ContextVar
from weakref import WeakSet, ref


class Stay:
    """One trial between its start and its end.

    Attributes
    ----------
    concurrent : bool
        Whether another trial has run at the same time so far.
    """

    def __init__(self) -> None:
        self.concurrent = False
        self._outer = tuple(one for one in map(_called, _within.get()) if one is not None)

    def begin(self) -> None:
        """Mark the trial as running, concurrently with all running trials that it is not nested in."""
        with _lock:
            beside = [one for one in _running if one not in self._outer]
            for one in beside:
                one.concurrent = True
            self.concurrent = bool(beside)
            _running.add(self)
        _within.set(tuple(map(ref, (*self._outer, self))))

    def end(self) -> None:
        """Mark the trial as no longer running."""
        with _lock:
            _running.discard(self)
        # Not a token's reset: it may end in another context, as a generator's trial does.
        _within.set(tuple(one for one in _within.get() if one() is not self))


def _called(weak: ref[Stay]) -> Stay | None:
    return weak()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - a thread that isn't in the child may have held it
    _lock = threading.Lock()
    _running.clear()


# Of the process, as its CPU time and memory are. Weak: an interrupt may leave one that nobody ends.
_running: WeakSet[Stay] = WeakSet()
_lock = threading.Lock()
_within: ContextVar[tuple[ref[Stay], ...]] = ContextVar("e2e_magic_within", default=())

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
