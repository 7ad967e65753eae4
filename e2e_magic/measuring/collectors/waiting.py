"""Time in which this process's threads stood ready to run and no core was free: Linux's ``schedstat``."""

from __future__ import annotations

import os
from typing import NamedTuple

from e2e_magic.measuring.collectors import proc
from e2e_magic.record import Code, Reason

# Threads that ended took more than this share of the process's CPU time: their waiting matters too.
_SHARE_ENDED = 0.05
# The CPU times that are compared for it are as old as the scheduler's last tick (s).
_TICKS_S = 0.02
NOT_COUNTED = Reason(Code.NO_WAITS, "this system does not count how long threads wait for a core")


# By folder, its links, which are two more than its threads, with the threads: at a trial's edges they seldom
# change, and to list them takes as long as to read the times of two.
_listed: dict[str, tuple[int, int, list[str]]] = {}


def _threads(folder: str) -> tuple[list[str], bool]:
    """Return the threads of a process, and whether they were listed just now."""
    links, pid = os.stat(folder).st_nlink, os.getpid()  # noqa: PTH116 - no pathlib at a trial's edges
    before = _listed.get(folder)
    if before is not None and before[:2] == (pid, links):
        return before[2], False
    names = os.listdir(folder)  # noqa: PTH208 - as above
    if links == len(names) + 2:  # else one began or ended between the two
        _listed[folder] = pid, links, names
    return names, True


class Waited(NamedTuple):
    """The time of the threads so far, by thread id: nanoseconds on a core and nanoseconds waiting for one."""

    ran: dict[str, int]
    waited: dict[str, int]

    @classmethod
    def now(cls, folder: str = proc.SELF) -> Waited:
        """Read the present times; empty where nothing is counted. Takes about 6 µs a thread."""
        ran: dict[str, int] = {}
        waited: dict[str, int] = {}
        if not proc.LINUX:
            return cls(ran, waited)
        try:
            threads, listed_now = _threads(f"{folder}/task")
        except OSError:
            return cls(ran, waited)
        for thread in threads:
            try:
                on_core, ready, _ = proc.read(f"{folder}/task/{thread}/schedstat").split()
            except (OSError, ValueError):
                if not listed_now:  # as many threads as before, but others
                    _listed.clear()
                    return cls.now(folder)
                continue  # it ended meanwhile, or the kernel was built without CONFIG_SCHED_INFO
            ran[thread], waited[thread] = int(on_core), int(ready)
        return cls(ran, waited)


def waited_s(start: Waited, end: Waited, used_s: float) -> float | Reason:
    """Return the seconds that threads waited for a core between two edges, added over threads, or a `Reason`.

    A thread that began in between counts from its beginning. The count of one that ended is
    lost; its processor time is not, as the process's own CPU time keeps it.

    Parameters
    ----------
    start, end : Waited
    used_s : float
        CPU time of the process between the same edges.
    """
    if not any(start.ran.values()) or not any(end.ran.values()):  # of the very thread that reads it
        return NOT_COUNTED
    ended_s = used_s - sum(_increase(start.ran, end.ran, thread) for thread in end.ran) / 1e9
    if ended_s > max(_TICKS_S, _SHARE_ENDED * used_s):
        return Reason(
            Code.NO_WAITS,
            f"threads that ended meanwhile took {100 * min(ended_s / used_s, 1):.0f} % of the CPU time, and "
            "how "
            "long they waited for a core is not kept",
        )
    return sum(_increase(start.waited, end.waited, thread) for thread in end.waited) / 1e9


def _increase(start: dict[str, int], end: dict[str, int], thread: str) -> int:
    """Return the increase of one thread, ns; its full count where another one had its id before."""
    before = start.get(thread, 0)
    return end[thread] - before if end[thread] >= before else end[thread]
