"""The watch over the lines of one trial: from before its collectors start until after they have ended."""

from __future__ import annotations

import sys
import threading
from array import array
from collections.abc import Callable, Iterable
from contextlib import suppress
from math import inf, nan
from types import CodeType
from typing import Any

from e2e_magic.measuring import clocks
from e2e_magic.measuring.checks import PlanError
from e2e_magic.measuring.collectors.base import Unavailable
from e2e_magic.measuring.lines.cost import Cost, cost, mechanism, own_ns
from e2e_magic.measuring.lines.counting import Count, Reports, counting
from e2e_magic.measuring.lines.memory import Looks
from e2e_magic.measuring.lines.sources import Name, Table, Watched
from e2e_magic.record import Lines, Metric, Reason
from e2e_magic.text import counted, error_text

# Of the process: there is one trace, and one mark of memory.
_one_at_a_time = threading.Lock()


METRIC = Metric(
    "lines", "", "lines", None, "time, hits and peak memory of each line of a cell, with --lines", curve=True
)


def source() -> str:
    """Return where lines come from, for ``%e2e metrics``.

    Raises
    ------
    Unavailable
        If somebody else holds the trace.
    """
    _check_trace()
    old = "calls put into the cell's code, sys.settrace for functions"
    reports = "sys.monitoring" if sys.version_info >= (3, 12) else old
    try:
        Looks(0).close()
    except (Unavailable, OSError) as why:
        return f"{reports}; no memory by line: {why}"
    return f"{reports}; peaks from VmHWM, read and set back at most once a millisecond"


def _check_trace() -> None:
    if (trace := sys.gettrace()) is not None:
        name = getattr(trace, "__module__", None) or type(trace).__module__
        raise Unavailable(
            f"a debugger or coverage ({name}) holds the trace and is left alone", "stop it first"
        )


class Watch:
    """Counts the lines of a trial: `start`, `begin`, the code, `end`, `stop`, `lines`.

    Nothing that fails here reaches the code: `missing` says why there are no lines.

    Parameters
    ----------
    watched : Watched
    names : iterable of str or callable
        Functions from elsewhere.
    clock : callable
        Nanoseconds.

    Attributes
    ----------
    missing : Reason or None
        Why no line was counted.
    """

    def __init__(
        self,
        watched: Watched,
        names: Iterable[Name] = (),
        clock: Callable[[], int] = clocks.perf_counter_ns,
    ) -> None:
        self._clock = clock
        self._watched = watched
        self._names = tuple(names)
        self.missing: Reason | None = None
        self._notes: list[str] = []
        self._table: Table | None = None
        self._looks: Looks | None = None
        self._reports: Reports | None = None
        self._count = Count(1)
        self._reporting: Any = None
        self._cost: Cost | None = None
        self._mine = False

    def start(self) -> None:
        """Prepare all that takes time, and have the lines reported."""
        if not _one_at_a_time.acquire(blocking=False):
            self.missing = Reason("", "the lines of another trial are being counted, one at a time")
            return
        self._mine = True
        try:
            self._start()
        except Unavailable as why:
            self.missing = why.reason
        except PlanError as error:
            self.missing = Reason("", str(error))
        except Exception as error:  # noqa: BLE001 - it costs the lines, not the trial
            self.missing = Reason("", f"lines could not be counted ({error_text(error)})")
        if self._reporting is None:
            self._close()

    def _start(self) -> None:
        _check_trace()
        self._table = table = Table(self._watched, self._names)
        way = mechanism(table, self._watched.frame)
        self._cost = cost(way)  # once per process
        try:
            self._looks = Looks(len(table.lines), self._clock)
        except (Unavailable, OSError) as why:
            self._notes.append(f"memory by line: {why}")
        self._reports, self._count = counting(table, self._looks, self._clock)
        reporting = way(table, self._reports, self._watched.frame)
        reporting.start()
        self._reporting = reporting
        self._notes += filter(None, [getattr(reporting, "note", "")])

    def code(self, code: CodeType) -> CodeType:
        """Return what is to be run for code of the cell."""
        instead: CodeType = getattr(self._reporting, "instead", {}).get(id(code), code)
        return instead

    def begin(self) -> None:
        """Count from now on."""
        if self._reporting is not None and self._reports is not None:
            self._reports.begin(self._watched.frame is not None)

    def end(self) -> None:
        """Take the end of the code."""
        if self._reporting is not None and self._reports is not None:
            with suppress(Exception):  # at the user's code nothing of ours may fail
                self._reports.end()

    def stop(self) -> None:
        """Leave nothing behind."""
        if self._reporting is None:
            return
        reporting, self._reporting = self._reporting, None
        try:
            if problem := reporting.stop():
                self._notes.append(problem)
        finally:
            self._close()

    def _close(self) -> None:
        if self._looks is not None:
            self._looks.close()
            if self._looks.problem:
                self._notes.append(self._looks.problem)
        if self._mine:
            self._mine = False
            _one_at_a_time.release()

    def lines(self) -> Lines | None:
        """Return what was counted; None where nothing was."""
        table, count, usual = self._table, self._count, self._cost
        if self.missing is not None or table is None or usual is None:
            return None
        ran = [slot for slot, hits in enumerate(count.hits) if hits]
        if count.foreign:
            self._notes.append(
                f"lines that other threads ran are not counted ({counted(count.foreign, 'report')} left out)"
            )
        if not ran:
            return None
        # What passed before the first line, and in the head of a function, is of no line that ran.
        for slot, times in enumerate(count.hits):
            if not times:
                count.spent[ran[0]] += count.spent[slot]
                count.spent[slot] = 0
        every = own_ns(count, 0.0 if self._looks is None else self._looks.took_ns, usual)
        own = [every[slot] for slot in ran]
        hits = [min(count.hits[slot], _most(slot, table, count)) for slot in ran]
        peak, kept = ([nan], [nan]) if self._looks is None else (self._looks.peak, self._looks.kept)
        memory = self._looks is not None
        return Lines(
            place=array("d", [table.lines[slot][0] for slot in ran]),
            line=array("d", [table.lines[slot][1] for slot in ran]),
            hits=array("d", hits),
            wall_s=array("d", [nanoseconds * 1e-9 for nanoseconds in own]),
            peak_mib=array("d", [peak[slot] if memory else nan for slot in ran]),
            delta_mib=array("d", [kept[slot] if memory else nan for slot in ran]),
            listings=tuple(table.listings),
            counting_s=max(count.elapsed_ns - sum(own), 0.0) * 1e-9,
            notes=tuple(self._notes),
        )


def _most(slot: int, table: Table, count: Count) -> float:
    """Return how often a line can have run at most: a later one of a statement without a loop as that."""
    return count.hits[table.heads[slot]] if slot in table.once and table.heads[slot] > 0 else inf
