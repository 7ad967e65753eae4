"""The living descendants of the measured process, found through ``/proc`` at a bounded cost."""

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


class Pace:
    """Says when a costly look may be repeated, from the CPU time that the last one cost.

    Parameters
    ----------
    least_ns : int
        Never sooner than this after the last one began.
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
        """Say whether it is time; if so, the look begins now and ends with `done`."""
        self._since_ns = self._clock()
        if self._since_ns < self._next_ns:
            return False
        self._used_ns = self._used()
        return True

    def done(self) -> None:
        """End what `due` began."""
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
        # Without CONFIG_PROC_CHILDREN all processes are asked for their parents.
        self._lists = os.path.exists(f"/proc/{pid}/task/{pid}/children")  # noqa: PTH110 - pathlib is 2 MiB

    def parents(self) -> dict[int, int]:
        """Return each living descendant's process id with its parent's; looks again when it may."""
        if self._pace.due():
            self._parents = self._from_lists() if self._lists else self._from_all()
            self._parents.pop(os.getpid(), None)
            self._pace.done()
        return self._parents

    def _from_lists(self) -> dict[int, int]:
        found: dict[int, int] = {}
        waiting = [self._pid]
        while waiting:
            parent = waiting.pop()
            for child in children(parent):
                if child not in found and child != self._pid:
                    found[child] = parent
                    waiting.append(child)
        return found

    def _from_all(self) -> dict[int, int]:
        children_of: dict[int, list[int]] = {}
        for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib is 2 MiB
            if name.isdigit():
                data = read_once(f"/proc/{name}/stat")
                if data:
                    parent = int(data[data.rindex(b")") + 2 :].split(None, 2)[1])
                    children_of.setdefault(parent, []).append(int(name))
        found: dict[int, int] = {}
        waiting = [self._pid]
        while waiting:
            parent = waiting.pop()
            for child in children_of.get(parent, ()):
                if child not in found:
                    found[child] = parent
                    waiting.append(child)
        return found


def children(pid: int) -> list[int]:
    """Return the living children that any thread of `pid` started; none where it is gone."""
    folder = f"/proc/{pid}/task"
    try:
        threads = os.listdir(folder)  # noqa: PTH208 - pathlib is 2 MiB
    except OSError:  # it ended
        return []
    found: list[int] = []
    for thread in threads:
        data = read_once(f"{folder}/{thread}/children")
        if data:
            found.extend(map(int, data.split()))
    return found


def read_once(path: str) -> bytes:
    """Read a small file; nothing where it is gone meanwhile."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return b""
    try:
        data = piece = os.read(descriptor, 65536)
        while piece and len(piece) >= 4096:  # a page came: there may be more
            piece = os.read(descriptor, 65536)
            data += piece
    except OSError:
        return b""
    finally:
        os.close(descriptor)
    return data


def started_at(pid: int) -> str:
    """Return the start of a process in clock ticks since boot; empty where it is gone or a zombie."""
    data = read_once(f"/proc/{pid}/stat")
    fields = data[data.rfind(b")") + 2 :].split(None, 20) if data else []
    return "" if len(fields) < 20 or fields[0] in (b"Z", b"X") else fields[19].decode()
