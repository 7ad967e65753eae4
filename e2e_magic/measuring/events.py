"""Numbers that measured code reports while it runs: ``log(loss=.., accuracy=..)`` and counted entries.

A trial opens an `EventLog`; ``log`` writes to the log of the trial that is running, stamped on that
trial's clock. With no trial running it does nothing at all, so it can stay in the code.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from contextvars import ContextVar
from math import nan
from threading import Lock
from typing import Any

from e2e_magic.measuring import clocks
from e2e_magic.measuring.reported.arrays import describe, single
from e2e_magic.measuring.reported.precision import decimal
from e2e_magic.record import Events

# A row costs 8 bytes for its time, its epoch and each key: with two keys at most 34 MB a trial.
# Beyond that every other row is dropped, and again each time the log is full.
MAX_ROWS = 2**20


_PLAIN, _TEXT = frozenset((float, int)), frozenset((str, bytes))


def number(value: object) -> float:
    """Return a single value of any library as a float.

    Raises
    ------
    TypeError, ValueError
        If `value` is not a single number.
    """
    kind = type(value)
    if kind is float or kind is int:
        return float(value)  # type: ignore[arg-type]
    masked = sys.modules.get("numpy.ma")
    if masked is None or not isinstance(value, masked.MaskedArray):
        take = getattr(value, "item", None)
        if take is not None:  # numpy's, torch's and JAX's, which are logged most
            value = take()
            if type(value) in _PLAIN:
                return float(value)  # type: ignore[arg-type]
    if type(value) in _TEXT:  # float("3") would guess
        raise TypeError("text is no number")
    return single(value)


class EventLog:
    """The open log of one trial; thread-safe.

    Parameters
    ----------
    clock : callable
        Nanoseconds on a monotonic clock.
    """

    def __init__(self, clock: Callable[[], int] = clocks.perf_counter_ns) -> None:
        self.problems: dict[str, str] = {}
        self.entries = 0
        # ns: in the loader's next(), and in the steps of the loops over it.
        self.loading_ns = 0
        self.stepping_ns = 0
        self._clock = clock
        self._origin = clock()
        self._lock = Lock()
        self._t_s = array("d")
        self._epoch = array("d")
        self._values: dict[str, array[float]] = {}
        self._calls = 0
        self._stride = 1
        self._previous: EventLog | None = None
        # Takes each row as it comes; what it raises ends the code that logged.
        self.on_row: Callable[[dict[str, float]], None] | None = None

    def open(self) -> None:
        """Receive the rows of ``log`` until `close`."""
        self._previous = _current.get()
        _current.set(self)
        _open.append(self)

    def start(self, at_ns: int | None = None) -> None:
        """Count the seconds from now, or from an instant of the clock: the measured code begins."""
        self._origin = self._clock() if at_ns is None else at_ns

    def close(self) -> Events:
        """Stop and return the events. Calls of threads that go on are lost."""
        if self in _open:
            _open.remove(self)
        if _current.get() is self:
            previous = self._previous
            _current.set(previous if previous in _open else None)
        with self._lock:
            events = self._events()
            if events.dropped:
                self.problems["log"] = (
                    f"log: of {self._calls:,} calls {events.dropped:,} were dropped evenly, as a trial keeps "
                    f"{MAX_ROWS:,} at most: best values and times to accuracy are those of the rest; "
                    "log once per epoch, not per batch"
                )
            return events

    def loop(self) -> dict[str, float]:
        """Return the seconds that ``track`` timed: of the loader, and of the whole loop; empty without it."""
        if not self.loading_ns:
            return {}
        return {"loading_s": self.loading_ns / 1e9, "loop_s": (self.loading_ns + self.stepping_ns) / 1e9}

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return len(self._t_s)

    def peek(self) -> Events:
        """Return a copy of the events logged so far."""
        with self._lock:
            events = self._events()
            return Events(
                events.t_s[:], events.epoch[:], {k: v[:] for k, v in events.values.items()}, events.dropped
            )

    def _events(self) -> Events:
        return Events(self._t_s, self._epoch, self._values, self._calls - len(self._t_s))

    def add(self, values: dict[str, Any], *, stamped: bool = True) -> None:
        """Append a row at the present time, or at NaN where the time is unknown."""
        t_s = (self._clock() - self._origin) * 1e-9 if stamped else nan
        row: dict[str, float] = {}
        for key, value in values.items():
            try:
                row[key] = number(value)
                if type(value) not in _PLAIN and "accuracy" in key:  # of which a target may be met
                    row[key] = decimal(row[key], value)
            except Exception as error:  # noqa: BLE001 - another library's scalar may fail in any way
                if key not in self.problems:
                    self.problems[key] = (
                        f"log({key}=..): expected one number, got {_came(value, error)}; "
                        f"pass a single value, such as float({key}) or {key}.mean()"
                    )
        if values and not row:
            return
        with self._lock:
            self._calls += 1
            epoch = row.pop("epoch", float(self._calls))
            if self._calls % self._stride:
                return
            count = len(self._t_s)
            for key in row:  # in the order of their first coming, which the frame's columns have
                if key not in self._values:
                    self._values[key] = array("d", [nan]) * count
            self._t_s.append(t_s)
            self._epoch.append(epoch)
            for key, column in self._values.items():
                column.append(row.get(key, nan))
            if count + 1 >= MAX_ROWS:
                self._thin()
        if stamped and self.on_row is not None:
            self.on_row(row)

    def _thin(self) -> None:
        self._stride *= 2
        self._t_s = self._t_s[1::2]
        self._epoch = self._epoch[1::2]
        self._values = {key: column[1::2] for key, column in self._values.items()}


def _came(value: object, error: Exception) -> str:
    """Return a description of the value and of its error; neither may raise into the user's training."""
    try:
        return f"{describe(value)} ({error})"
    except Exception:  # noqa: BLE001 - an object that can't say what it is, or an error that can't
        return f"a {type(value).__name__} ({type(error).__name__})"


# The context finds the right trial among concurrent tasks; threads that a framework starts have a
# fresh context and fall back to the trial that was opened last.
_current: ContextVar[EventLog | None] = ContextVar("e2e_magic_events", default=None)
_open: list[EventLog] = []


def active() -> EventLog | None:
    """Return the log of the trial that is running here, or None."""
    if not _open:
        return None
    log = _current.get()
    return log if log is not None and log in _open else _open[-1]


def log(**values: Any) -> None:
    """Report numbers from inside measured code: one call is one row, by custom one epoch.

    Parameters
    ----------
    **values : number or 0-d array or tensor
        Any keys. ``epoch`` is counted from 1 when left out; ``loss``, ``accuracy``, ``val_loss`` and
        ``val_accuracy`` give the quality metrics. Scalars of numpy, torch, TensorFlow and JAX are
        taken as they are. What is no single number is left out, with one warning after the trial.

    Notes
    -----
    Outside a measurement it does nothing. It may be called from any thread. A trial keeps at most
    1,048,576 rows (8 bytes for the time, the epoch and each key); a longer log is thinned evenly.

    Examples
    --------
    >>> import e2e_magic as e2e
    >>> e2e.log(epoch=3, loss=0.21, accuracy=0.93)
    """
    if _open:
        target = active()
        if target is not None:
            target.add(values)


# TensorFlow rewrites what a tf.function calls, `float(..)` into a symbolic cast; this says not to.
log.autograph_info__ = {}  # type: ignore[attr-defined]


def log_past(**values: Any) -> None:
    """Report an epoch that ended at an unknown time: as `log`, with NaN as its time."""
    if _open:
        target = active()
        if target is not None:
            target.add(values, stamped=False)


def count(entries: int) -> None:
    """Add to the entries that the running trial has handled (``track`` calls it)."""
    if _open:
        target = active()
        if target is not None:
            target.entries += entries


def loop_time(loading_ns: int, stepping_ns: int) -> None:
    """Add to the time of the running trial's loops: in the loader, and between two batches of it."""
    if _open:
        target = active()
        if target is not None:
            target.loading_ns += loading_ns
            target.stepping_ns += stepping_ns
