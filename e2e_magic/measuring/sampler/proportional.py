"""Proportional set size of the measured process and its descendants: shared memory counts once.

The kernel walks all pages for it (2.7 ms for 130 MiB of small pages), so a look is rare: it may take 1 % of
the time for the first of a recording and while there are children or memory grows, 0.1 % else. It runs
beside the sampling, in a thread.
"""

from __future__ import annotations

import _thread
import os
import time

from .descendants import Descendants, read_once
from .files import Reader, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# A look may be repeated after this many times its cost.
SHARE = 100
SHARE_STILL = 1000
# Never sooner than this after the last look, or after the start: a short cell is not kept waiting.
SOON_NS = 50_000_000
# Memory has grown if the process has this much more than at the last look.
_GROWN = 1.02
# The last look keeps the measured process waiting: up to this share of the time that was measured.
_LAST = 50


class Look:
    """The latest look at one process with its descendants, for all recordings of it.

    Attributes
    ----------
    mib : float
    number : int
        The number of looks that have a result.
    problem : OSError or None
        The reason why there will be no further look.
    """

    def __init__(self, pid: int, tree: Descendants) -> None:
        self._pid = pid
        self._tree = tree
        self._busy = _thread.allocate_lock()
        self._began_ns = 0
        self._checked_ns = 0
        self._cost_ns = 0
        self._pages = 1
        self.mib = 0.0
        self.number = 0
        self.problem: OSError | None = None

    def begin_if_due(self, now_ns: int, *, first: bool) -> None:
        """Start a look in its own thread, if due and none is running; `first` is a recording's first one."""
        if now_ns - self._checked_ns < SOON_NS:
            return
        self._checked_ns = now_ns
        sizes = self._sizes()
        pages = sum(sizes.values())
        share = SHARE if first or len(sizes) > 1 or pages > _GROWN * self._pages else SHARE_STILL
        # Memory that shrank costs less; memory that grew may cost more once, which is made up for after that.
        due = now_ns >= self._began_ns + share * self._cost_ns * min(1.0, pages / self._pages)
        if due and self._busy.acquire(blocking=False):
            self._began_ns = now_ns
            _thread.start_new_thread(self._look, (sizes,))

    def end(self, now_ns: int, elapsed_ns: int, *, first: bool) -> None:
        """Wait for the thread that looks, or look a last time, where that is worth its cost."""
        if elapsed_ns < SOON_NS or not self._busy.acquire(timeout=min(0.02, elapsed_ns / 1e9 / _LAST)):
            return
        sizes = self._sizes()
        pages = sum(sizes.values())
        changed = first or len(sizes) > 1 or pages > _GROWN * self._pages
        if not changed or elapsed_ns < _LAST * self._cost_ns * pages / self._pages:
            self._busy.release()
            return
        self._began_ns = now_ns
        self._look(sizes)

    def _sizes(self) -> dict[int, int]:
        """Return the resident pages of each process, by process id."""
        data = {self._pid: read_once(f"/proc/{self._pid}/statm")}
        for pid, parent in self._tree.parents().items():
            data[pid] = read_once(f"/proc/{pid}/statm")
            # Started with vfork, it still lives in its parent's memory (see `TreeRss`).
            if data[pid] == data.get(parent):
                data[pid] = b""
        return {pid: int(statm.split(None, 2)[1]) for pid, statm in data.items() if statm}

    def _look(self, sizes: Mapping[int, int]) -> None:
        """Add up all processes, and release the lock that `begin_if_due` and `end` take."""
        try:
            used_ns = time.thread_time_ns()
            self.mib = sum(map(_pss_mib, sizes))
            self.number += 1
            self._pages = max(1, sum(sizes.values()))
            self._cost_ns = time.thread_time_ns() - used_ns
        except OSError as error:
            self.problem = error
        finally:
            self._busy.release()


class TreePss(Reader):
    """Proportional set size of the process and its descendants, MiB; a value for each look."""

    def __init__(self, spec: Spec) -> None:
        if spec.pid not in _looks:
            _looks[spec.pid] = Look(spec.pid, spec.tree or Descendants(spec.pid))
        self._look = _looks[spec.pid]
        self._began_ns = time.perf_counter_ns()
        self._number = self._look.number
        self._first = True

    def read(self, now_ns: int, *, last: bool = False) -> float | None:
        if last:
            self._look.end(now_ns, now_ns - self._began_ns, first=self._first)
        elif now_ns - self._began_ns >= SOON_NS:
            self._look.begin_if_due(now_ns, first=self._first)
        if self._look.problem is not None:
            raise self._look.problem
        if self._look.number == self._number:
            return None
        self._number = self._look.number
        self._first = False
        return self._look.mib


# By process: recordings beside each other and after each other share the looks, and their cost.
_looks: dict[int, Look] = {}


def _pss_mib(pid: int) -> float:
    """Return the proportional set size, MiB; 0 where the process is gone."""
    try:
        descriptor = os.open(f"/proc/{pid}/smaps_rollup", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        if not os.path.exists("/proc/self/smaps_rollup"):  # noqa: PTH110 - pathlib is 2 MiB
            raise  # before Linux 4.14
        return 0.0
    try:
        data = os.read(descriptor, 4096)
    except ProcessLookupError:
        return 0.0
    finally:
        os.close(descriptor)
    start = data.find(b"\nPss:")
    return int(data[start + 5 : data.index(b"kB", start)]) / 1024 if start >= 0 else 0.0
