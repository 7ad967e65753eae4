"""Memory by line: the process's high-water mark, read and set back when a line ends.

That is done at most once a millisecond, for it takes 15 µs, and 150 where the code has used the caches. A
shorter line's memory counts in the line with which its millisecond ends, but for a few that follow a long
one. So a line of a millisecond and more has a peak of its own, in the first 30 to 300 looks; from then on all
looks together may take 0.4 % of the time, and lines that are long enough for that have one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from math import nan

from e2e_magic.measuring import clocks
from e2e_magic.measuring.collectors.memory import PeakParts

APART_NS = 1_000_000
# Looks at short lines: one per so many milliseconds of long ones, and so many in a row.
_SAVING, _MOST_SAVED = 10, 4
# The share of the time that looks may take, and what they may take at once (ns).
_SHARE, _AT_ONCE_NS = 250, 5_000_000
_NEVER = 1 << 62
# Where a report or a look stood still for longer (ns) another thread or program had the core: as it may be in
# any line, that time is the line's.
HELD_NS = 100_000


class Looks:
    """The memory of each line.

    Parameters
    ----------
    slots : int
        How many lines there are.
    clock : callable
        Nanoseconds.

    Attributes
    ----------
    peak, kept : list of float
        By slot, the highest resident memory and its growth, MiB; NaN where it was not read.
    took_ns : int
        The time that reading took, without what it stood still.
    held_ns : int
        For how long the last look stood still, where that is much.
    problem : str
        Why reading stopped; empty where it did not.

    Raises
    ------
    Unavailable
        If this system lets nobody set the mark back.
    """

    def __init__(self, slots: int, clock: Callable[[], int] = clocks.perf_counter_ns) -> None:
        self._clock = clock
        self._parts = PeakParts()
        self.peak = [nan] * slots
        self.kept = [nan] * slots
        self.problem = ""
        self.took_ns = self.held_ns = 0
        self._pid = os.getpid()
        self._rss = self._parts.open()
        self._at = self._clock()
        self._saved_ns = 0
        self._left_ns = _AT_ONCE_NS

    def begin(self) -> int:
        """Begin with the code, and return when to look next (ns)."""
        self._at = self._clock()
        return self._at + APART_NS

    def look(self, slot: int, callers: Sequence[int], fresh: list[int]) -> int:
        """Read what was reached since the last look, and return when to look next (ns).

        Parameters
        ----------
        slot : int
            The line that has just run.
        callers : sequence of int
            The lines that called it.
        fresh : list of int
            Lines that ran for the first time since the last look; emptied. What was resident before them is
            the least that their peak can be.
        """
        self.held_ns = 0
        if os.getpid() != self._pid or self.problem:  # a forked child has its parent's numbers
            return _NEVER
        now, busy = self._clock(), clocks.thread_time_ns()
        waited = now - self._at
        if waited >= APART_NS:
            self._saved_ns = min(self._saved_ns + waited // _SAVING, _MOST_SAVED * APART_NS)
        else:
            self._saved_ns -= APART_NS
        self._at = now
        try:
            level = self._parts.next()
        except OSError as error:
            self.problem = f"memory by line could not be read ({error.strerror})"
            return _NEVER
        if level is not None:
            peak, kept = self.peak, self.kept
            for each in {slot, *callers}:
                if not peak[each] >= level.mark_mib:  # NaN too
                    peak[each] = level.mark_mib
            for each in fresh:
                if peak[each] != peak[each]:
                    peak[each] = self._rss
            fresh.clear()
            grown = level.rss_mib - self._rss
            kept[slot] = grown if kept[slot] != kept[slot] else kept[slot] + grown
            self._rss = level.rss_mib
        # By CPU time: while another program has the core, a look costs nothing.
        took_ns = clocks.thread_time_ns() - busy
        whole_ns = self._clock() - now
        self.held_ns = held if (held := whole_ns - took_ns) > HELD_NS else 0
        self.took_ns += whole_ns - self.held_ns
        self._left_ns = min(self._left_ns + waited // _SHARE, _AT_ONCE_NS) - took_ns
        if self._left_ns < 0:
            return now + max(APART_NS, -self._left_ns * _SHARE)
        rich = self._saved_ns >= APART_NS and 2 * self._left_ns > _AT_ONCE_NS
        return 0 if rich else now + APART_NS

    def close(self) -> None:
        """Take no more part in the mark."""
        self._parts.close()
