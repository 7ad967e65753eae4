"""Evidence of what a process waited for, read in the sampler process while the code runs.

Nothing is read in the first milliseconds, so that short code is not held up at its end by it, and looks take
1 % of a core at most.
"""

from __future__ import annotations

import os

from .control_groups import MemoryGroups, ProcessorGroups, machine_memory
from .descendants import Pace, read_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

KIND = "evidence"
# The first look comes so late that code of a few milliseconds never waits for it.
FIRST_NS = 5_000_000
# Between two looks. What a thread does between the last look at it and its own end is lost.
LEAST_NS = 100_000_000


class Evidence:
    """The evidence of one recording.

    Parameters
    ----------
    pid : int
        The measured process.
    now_ns : int
        The start of the recording.

    Attributes
    ----------
    next_ns : int
        The instant of the next look.
    numbers : dict of str to float
        By name, empty until `end`, and for code that was too short. ``looked_s``: from the first look to the
        last. ``ran_s``, ``ready_s``: of all threads, on a core and waiting for one. ``threads``: most at
        once. ``threads_running``: how many shared the work between two looks, the mean: as many as it would
        be if each had done the same (2 for two alike, 1.1 for one that did 95 % of it; the inverse of
        Simpson's index). ``disk_share``: of the looks, at how many the main thread slept as for a disk.
        ``io_stall_s``: machine-wide. ``swapped_mib``: at the end. ``cpu_limit``: cores. ``throttled_s``,
        ``memory_limit_mib``: of the control group.
    """

    def __init__(self, pid: int, now_ns: int) -> None:
        self.next_ns = now_ns + FIRST_NS
        self.numbers: dict[str, float] = {}
        self._folder = f"/proc/{pid}"
        self._pid = pid
        self._pace = Pace()
        self._first_ns = self._last_ns = 0
        self._threads: dict[str, tuple[int, int]] = {}
        self._groups: ProcessorGroups | None = None
        self._io_stall_s: float | None = None
        self._throttled_s: float | None = None
        self._looks = self._on_disk = self._most = 0
        self._ran_ns = self._ready_ns = 0
        self._sharing_ns = 0.0

    def look(self, now_ns: int) -> None:
        """Look at the process's threads."""
        self.next_ns = now_ns + LEAST_NS
        if not self._pace.due():
            return
        if not self._first_ns:
            self._first_ns = now_ns
            self._groups = ProcessorGroups.of(self._pid)
            self._io_stall_s = io_stall_s()
            self._throttled_s = self._groups.throttled_s()
        self._look_at_threads(now_ns)
        self._pace.done()

    def end(self, now_ns: int) -> None:
        """Look for the last time, and put the numbers together."""
        if self._groups is None or now_ns - self._first_ns < LEAST_NS:
            return
        self._look_at_threads(now_ns)
        looked_ns = self._last_ns - self._first_ns
        if not self._looks:  # the process is gone
            return
        numbers: dict[str, float | None] = {
            "looked_s": looked_ns / 1e9,
            "ran_s": self._ran_ns / 1e9,
            "ready_s": self._ready_ns / 1e9,
            "threads": self._most,
            "threads_running": self._sharing_ns / self._ran_ns if self._ran_ns else 0.0,
            "disk_share": self._on_disk / self._looks,
            "io_stall_s": _increase(self._io_stall_s, io_stall_s()),
            "throttled_s": _increase(self._throttled_s, self._groups.throttled_s()),
            "cpu_limit": self._groups.limit(),
            "memory_limit_mib": memory_limit_mib(self._pid),
            "swapped_mib": swapped_mib(self._folder),
        }
        self.numbers = {name: number for name, number in numbers.items() if number is not None}

    def _look_at_threads(self, now_ns: int) -> None:
        try:
            names = os.listdir(f"{self._folder}/task")  # noqa: PTH208 - pathlib is 2 MiB
        except OSError:  # the process ended
            return
        times: dict[str, tuple[int, int]] = {}
        for name in names:
            fields = read_once(f"{self._folder}/task/{name}/schedstat").split()
            if len(fields) > 1:
                times[name] = int(fields[0]), int(fields[1])
        if self._last_ns:
            self._count(times)
        self._threads, self._last_ns = times, now_ns
        self._most = max(self._most, len(times))

    def _count(self, times: Mapping[str, tuple[int, int]]) -> None:
        """Add what threads did since the last look, and where the main thread is now."""
        self._looks += 1
        ran_ns: list[int] = []
        for name, (ran, ready) in times.items():
            ran_before, ready_before = self._threads.get(name, (0, 0))
            if ran < ran_before:  # another thread under an ended one's number
                ran_before = ready_before = 0
            ran_ns.append(ran - ran_before)
            self._ready_ns += ready - ready_before
        if whole_ns := sum(ran_ns):
            self._ran_ns += whole_ns
            self._sharing_ns += whole_ns * (whole_ns**2 / sum(each**2 for each in ran_ns))
        stat = read_once(f"{self._folder}/stat")
        self._on_disk += stat[stat.rfind(b")") + 2 :].startswith(b"D")


def io_stall_s(path: str = "/proc/pressure/io") -> float | None:
    """Return the seconds so far in which a task of the machine stood still for a disk; None if unknown."""
    total = read_once(path).partition(b"\n")[0].rpartition(b"total=")[2]
    return int(total) / 1e6 if total.isdigit() else None


def swapped_mib(folder: str) -> float | None:
    """Return how much of a process's memory is swapped out, MiB."""
    line = read_once(f"{folder}/status").partition(b"VmSwap:")[2].split(None, 1)
    return int(line[0]) / 1024 if line else None


def memory_limit_mib(pid: int) -> float | None:
    """Return how much memory a process may use, MiB: the least of its control groups' and the machine's."""
    limits = [limit[0] / 2**20 for limit in (MemoryGroups.of(pid).limit(), machine_memory()) if limit]
    return min(limits, default=None)


def _increase(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(end - start, 0.0)
