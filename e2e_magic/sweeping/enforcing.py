"""Ends code that takes more than its limit: an error is raised in it, from a thread that watches it.

In the main thread a signal does it, which also ends a wait (``time.sleep``, a socket); code that awaits is
cancelled; in another thread the error comes with its next line of Python. A call into native code is ended
when it returns: an engine with processes ends the process (`engines.guard`).
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, Self

from e2e_magic.measuring.ending import OverLimit
from e2e_magic.sweeping.limits import Limit, resident_mib

# Code that goes on after the error, in an ``except:`` of its own, meets it again after so long.
AGAIN_S = 2.0
# How often it is looked at: memory grows by some 50 MiB in that time, at most.
MEMORY_EVERY_S = 0.02
_SLOWEST_S, _QUICKEST_S, _LOOKS = 0.25, 0.002, 50
# The system's own signal for "more than its limit"; hardly any code has a handler for it.
_SIGNAL = getattr(signal, "SIGXCPU", None)


class Enforcer:
    """Watches the executions of one turn: entered around them, `marked` and `armed` around each.

    Parameters
    ----------
    limit : Limit
    give_up : callable, optional
        Takes the error where the code goes on all the same: once, from the thread that watches.
    mark : callable, optional
        Takes the number of each execution as it begins, from 1, and 0 as it ends: for who watches from
        outside.
    """

    def __init__(
        self,
        limit: Limit,
        give_up: Callable[[OverLimit], None] | None = None,
        mark: Callable[[int], None] | None = None,
    ) -> None:
        self._limit = limit
        self._give_up = give_up
        self._mark = mark
        self._execution = 0
        self._thread_id = threading.get_ident()
        self._signals = threading.current_thread() is threading.main_thread() and _SIGNAL is not None
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._watching = threading.Thread(target=self._watch, name="e2e-limit", daemon=True)
        self._began: float | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False
        self._end: OverLimit | None = None

    def __enter__(self) -> Self:
        if self._signals:
            self._before = signal.signal(_SIGNAL, self._signalled)  # type: ignore[arg-type]
        self._watching.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._watching.join()
        if self._signals:
            signal.signal(_SIGNAL, self._before)  # type: ignore[arg-type]

    @contextmanager
    def marked(self) -> Iterator[None]:
        """Mark the begin and the end of one execution: around what is measured."""
        self._execution += 1
        if self._mark is not None:
            self._mark(self._execution)
        try:
            yield
        finally:
            if self._mark is not None:
                self._mark(0)

    def armed(self) -> _Armed:
        """Return the context of one execution, which ends with `OverLimit` where it takes too much."""
        return _Armed(self)

    def begin(self) -> None:
        """Count from now on."""
        try:
            self._task = asyncio.current_task()
        except RuntimeError:  # no loop runs here
            self._task = None
        with self._lock:
            self._end, self._cancelled = None, False
            self._began = time.monotonic()

    def over(self, kind: type[BaseException] | None, error: BaseException | None) -> None:
        """Count no more; raise the error where the code didn't let it pass."""
        self._began = None  # first of all: a signal that comes from here on is ignored
        with self._lock:
            end = self._end
        if end is None:
            return
        if not self._signals:
            _take_back()
        if isinstance(error, OverLimit):
            error.args = end.args
            return
        if self._cancelled and self._task is not None:
            self._task.uncancel()
        if kind is None or not issubclass(kind, KeyboardInterrupt | SystemExit):
            raise end from None  # the code went on after it, or made another error of it

    def _watch(self) -> None:
        limit = self._limit
        every = _SLOWEST_S if limit.seconds is None else limit.seconds / _LOOKS
        every = min(max(every, _QUICKEST_S), _SLOWEST_S if limit.mib is None else MEMORY_EVERY_S)
        wait = every
        while not self._stopped.wait(wait):
            wait = every
            began = self._began
            if began is None:
                continue
            mib = None if limit.mib is None else resident_mib()
            end = limit.exceeded(time.monotonic() - began, mib)
            if end is None:
                continue
            with self._lock:
                if self._began != began:
                    continue
                first, self._end = self._end is None, self._end or end
                self._raise_there()
            if not first and self._give_up is not None:
                self._give_up(self._end)
                self._give_up = None
            wait = AGAIN_S

    def _raise_there(self) -> None:
        if self._signals:
            signal.pthread_kill(self._thread_id, _SIGNAL)  # type: ignore[arg-type]
        elif self._task is not None:
            self._cancel()
        else:
            _raise_in(self._thread_id)

    def _signalled(self, _number: int, _frame: FrameType | None) -> None:
        __tracebackhide__ = True
        if self._began is None or self._end is None:
            return
        if self._task is not None and asyncio.current_task(self._task.get_loop()) is not self._task:
            self._cancel()
            return
        raise OverLimit(*self._end.args)

    def _cancel(self) -> None:
        task = self._task
        if task is not None:
            self._cancelled = True
            task.get_loop().call_soon_threadsafe(task.cancel)


class _Armed:
    """One execution."""

    def __init__(self, enforcer: Enforcer) -> None:
        self._enforcer = enforcer

    def __enter__(self) -> None:
        self._enforcer.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        self._enforcer.over(kind, error)


def _raise_in(thread: int) -> None:
    """Let the thread meet `OverLimit` with its next line."""
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(OverLimit))


def _take_back() -> None:
    """Meet an error here that is still on its way to this thread.

    It is not replaced by none: CPython 3.11 leaves its flag set then, and from then on who traces in this
    process (a debugger, coverage, ``--lines``) waits for ever at the next call.
    """
    with suppress(OverLimit):
        _raise_in(threading.get_ident())
        for _ in range(1000):  # it comes with the first turn
            pass
