"""The living descendants of the measured process, read from ``/proc`` at a bounded cost."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# What is paced may take 1 % of the time: a look that took 0.6 ms (64 threads) isn't repeated for 60 ms.
SHARE = 100
# A child that lives shorter than this may be missed; its CPU time still comes in when it is waited for.
RESCAN_NS = 50_000_000
_NEARLY_A_PAGE = 3500


class Pace:
    """Pacing of a costly look: when it may be repeated, from the CPU time that the last one cost.

    Parameters
    ----------
    least_ns : int
        The least time from the start of one look to the next, ns.
    clock, used : callable
        Nanoseconds, never backwards: as time passes, and of CPU time (on a busy machine a look may wait for
        long, and that is no cost).
    """

    __slots__ = ("_clock", "_least_ns", "_next_ns", "_since_ns", "_used", "_used_ns")

    def __init__(
        self,
        least_ns: int = 0,
        clock: Callable[[], int] = time.perf_counter_ns,
        used: Callable[[], int] = time.process_time_ns,
    ) -> None:
        self._clock = clock
        self._used = used
        self._least_ns = least_ns
        self._next_ns = 0
        self._since_ns = 0
        self._used_ns = 0

    def due(self) -> bool:
        """Return whether a look is due; if so, it begins now and ends with `done`."""
        self._since_ns = self._clock()
        if self._since_ns < self._next_ns:
            return False
        self._used_ns = self._used()
        return True

    def done(self) -> None:
        """End the look that `due` began."""
        cost_ns = self._used() - self._used_ns
        self._next_ns = self._since_ns + max(self._least_ns, SHARE * cost_ns)


class Descendants:
    """Process ids of children, their children and so on, as of the last look.

    Parameters
    ----------
    pid : int
        The measured process.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._pace = Pace(RESCAN_NS)
        self._parents: dict[int, int] = {}
        # Without CONFIG_PROC_CHILDREN the parents of all processes are read.
        self._lists = os.path.exists(f"/proc/{pid}/task/{pid}/children")  # noqa: PTH110 - pathlib is 2 MiB

    def parents(self) -> dict[int, int]:
        """Return each living descendant's process id with its parent's; looks again when due."""
        if self._pace.due():
            self._parents = self._walk(children if self._lists else _children_of_all())
            self._parents.pop(os.getpid(), None)
            self._pace.done()
        return self._parents

    def _walk(self, children_of: Callable[[int], list[int]]) -> dict[int, int]:
        parents: dict[int, int] = {}
        waiting = [self._pid]
        while waiting:
            parent = waiting.pop()
            for child in children_of(parent):
                if child not in parents and child != self._pid:
                    parents[child] = parent
                    waiting.append(child)
        return parents


def _children_of_all() -> Callable[[int], list[int]]:
    """Read the parents of all processes, and return a function that gives the children of one."""
    children_of: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib is 2 MiB
        if name.isdigit() and (data := read_once(f"/proc/{name}/stat")):
            parent = int(data[data.rindex(b")") + 2 :].split(None, 2)[1])
            children_of.setdefault(parent, []).append(int(name))
    return lambda pid: children_of.get(pid, [])


def children(pid: int | str, read: Callable[[str], bytes] | None = None) -> list[int]:
    """Return the living children that any thread of a process started; empty where it is gone.

    Parameters
    ----------
    pid : int or str
        The process id, or ``self``.
    read : callable, optional
        Reads a file of ``/proc``; `read_file` where it is left out.
    """
    folder = f"/proc/{pid}/task"
    pids: list[int] = []
    try:
        threads = os.listdir(folder)  # noqa: PTH208 - pathlib is 2 MiB
    except OSError:  # it ended
        return pids
    for thread in threads:  # a child is listed under the thread that started it
        try:
            pids.extend(map(int, (read or read_file)(f"{folder}/{thread}/children").split()))
        except OSError:
            continue  # this thread ended meanwhile; its children went to another one of the list
    return pids


def read_file(path: str) -> bytes:
    """Read a whole file of ``/proc``; these have no size, and lists come in pieces of a page."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        data = piece = os.read(descriptor, 65536)
        # A piece ends where the next entry of a list would pass its page; what is shorter is all.
        while len(piece) > _NEARLY_A_PAGE:
            piece = os.read(descriptor, 65536)
            data += piece
    finally:
        os.close(descriptor)
    return data


def read_once(path: str) -> bytes:
    """Read a file of ``/proc``; empty where it is gone meanwhile."""
    try:
        return read_file(path)
    except OSError:
        return b""


def started_at(pid: int) -> str:
    """Return the start of a process in clock ticks since boot; empty where it is gone or a zombie."""
    data = read_once(f"/proc/{pid}/stat")
    fields = data[data.rfind(b")") + 2 :].split(None, 20) if data else []
    return "" if len(fields) < 20 or fields[0] in (b"Z", b"X") else fields[19].decode()
