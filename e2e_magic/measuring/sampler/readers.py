"""Readers of one metric each in the sampler process: a class per kind of probe.

A reader takes a `Spec` when a recording starts. ``read`` gives the value at an instant, None where there
is none yet; it raises `OSError` or `ValueError` where there will be no further value. ``total`` gives the
true increase since the start, for counters. Standard library only; another kind takes one more line in
`READERS`.
"""

from __future__ import annotations

import os
import sys

from .descendants import Descendants, Pace, read_once
from .files import File, KeptFile, Reader, Spec, counter
from .nvml import Nvml
from .proportional import TreePss
from .rates import Rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

if sys.platform == "win32":  # its readers are those of portable.py

    def clock_gettime_ns(_clock: int) -> int:
        """Raise an error: there is no such clock here."""
        raise OSError("this system has no clocks of processes")

else:
    from time import clock_gettime_ns

_PAGE_MIB = (os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096) / 2**20
_TICK_NS = 1_000_000_000 // (os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100)

# Another process's clock moves with the scheduler's tick (4 ms at 250 Hz): over 10 ms one busy core would
# show anything from 80 to 120 %. There is a value for each half of this at most.
_CPU_NS = 100_000_000


class Rss(Reader):
    """Resident memory of the process, MiB."""

    def __init__(self, spec: Spec) -> None:
        self._file = KeptFile.shared(f"/proc/{spec.pid}/statm")

    def read(self, now_ns: int, *, last: bool = False) -> float | None:  # noqa: ARG002 - the signature
        return _resident(self._file.at(now_ns))

    def close(self) -> None:
        self._file.close()


class TreeRss(Reader):
    """Resident memory of the process and its descendants, MiB; what they share counts in each."""

    def __init__(self, spec: Spec) -> None:
        self._pid = spec.pid
        self._file = KeptFile.shared(f"/proc/{spec.pid}/statm")
        self._tree = spec.tree or Descendants(spec.pid)
        self._pace = Pace()
        self._others = 0.0

    def read(self, now_ns: int, *, last: bool = False) -> float | None:
        own = self._file.at(now_ns)
        if last or self._pace.due():
            self._others = self._sum(own)
            if not last:
                self._pace.done()
        return _resident(own) + self._others

    def close(self) -> None:
        self._file.close()

    def _sum(self, own: bytes) -> float:
        sizes = {self._pid: own}
        others = 0.0
        for pid, parent in self._tree.parents().items():
            data = sizes[pid] = read_once(f"/proc/{pid}/statm")
            # The same in all fields: started with vfork and not yet another program, it still lives in its
            # parent's memory, which would count twice at each `subprocess.run` of a large kernel.
            if data and data != sizes.get(parent):
                others += _resident(data)
        return others


class _Child:
    """A descendant's CPU time as far as it is counted."""

    __slots__ = ("counted_ns", "parent", "used_ns")

    def __init__(self, used_ns: int, parent: int) -> None:
        self.used_ns = used_ns  # its own clock at the last look
        self.counted_ns = used_ns  # its own and what its ended children brought
        self.parent = parent


class Cpu(Reader):
    """CPU use of the process, its living descendants and its ended children, percent of one core.

    The clocks of living processes are exact to the scheduler's tick; ``/proc/PID/stat`` adds the children
    that ended, to 10 ms. What a descendant had used before its first look is not in the curve; of one
    that nobody saw alive, all comes when its parent waits for it.
    """

    def __init__(self, spec: Spec) -> None:
        self._pid = spec.pid
        self._clock = cpu_clock(spec.pid)
        self._stat = KeptFile(f"/proc/{spec.pid}/stat")
        self._tree = spec.tree or Descendants(spec.pid)
        self._pace = Pace()
        self._rate = Rate(max(spec.interval_ns, _CPU_NS), ceiling=float(os.cpu_count() or 1))
        self._own_ns = clock_gettime_ns(self._clock)
        self._ended_ns = self._ended()
        self._children: dict[int, _Child] = {}
        # Counted already, and about to come again with the waited-for children: at the next look
        # or the one after it, as the two are read one after the other.
        self._owed = [0, 0]
        self._look(first=True)

    def read(self, now_ns: int, *, last: bool = False) -> float | None:
        own_ns = clock_gettime_ns(self._clock)
        used_ns = own_ns - self._own_ns
        self._own_ns = own_ns
        if last or self._pace.due():
            used_ns += self._look()
            if not last:
                self._pace.done()
        self._rate.grow(used_ns / 1e9)
        share = self._rate.at(now_ns, last=last)
        return None if share is None else 100 * share

    def close(self) -> None:
        self._stat.close()

    def _look(self, *, first: bool = False) -> int:
        """Return the nanoseconds that children used since the last look, ended or alive."""
        ended_ns = self._ended()
        used_ns = 0
        parents = self._tree.parents()
        # Children before their parents, which take over what they brought.
        for pid in [pid for pid in reversed(self._children) if pid not in parents]:
            self._gone(pid)
        for pid, parent in list(parents.items()):
            try:
                clock_ns = clock_gettime_ns(cpu_clock(pid))
            except OSError:  # it was waited for since the list was read
                self._gone(pid)
                continue
            child = self._children.get(pid)
            if child is None or clock_ns < child.used_ns:  # new, or another one under an old number
                self._children[pid] = _Child(clock_ns, parent)
                continue
            used_ns += clock_ns - child.used_ns
            child.counted_ns += clock_ns - child.used_ns
            child.used_ns = clock_ns
        if not first:
            used_ns += self._news(ended_ns - self._ended_ns)
        self._ended_ns = ended_ns
        return used_ns

    def _gone(self, pid: int) -> None:
        child = self._children.pop(pid, None)
        if child is None:
            return
        parent = self._children.get(child.parent)
        if parent is not None:
            parent.counted_ns += child.counted_ns
        elif child.parent == self._pid:
            self._owed[1] += child.counted_ns

    def _news(self, waited_ns: int) -> int:
        """Return the CPU time of waited-for children that is not counted yet, ns."""
        counted_ns = min(waited_ns, self._owed[0] + self._owed[1])
        left_ns = max(0, self._owed[1] - max(0, counted_ns - self._owed[0]))
        self._owed = [left_ns, 0]
        return waited_ns - counted_ns

    def _ended(self) -> int:
        data = self._stat.data()
        # After the name, which may hold anything: state is field 3, cutime and cstime are 16 and 17.
        fields = data[data.rindex(b")") + 2 :].split(None, 15)
        return (int(fields[13]) + int(fields[14])) * _TICK_NS


class Io(Reader):
    """MiB passed through read or write calls since the start, page cache included, as the `io` collector."""

    def __init__(self, spec: Spec, line: int) -> None:
        self._file = KeptFile.shared(f"/proc/{spec.pid}/io")
        self._line = line
        self._start = self._bytes(self._file.data())

    def read(self, now_ns: int, *, last: bool = False) -> float | None:  # noqa: ARG002 - the signature
        return (self._bytes(self._file.at(now_ns)) - self._start) / 2**20

    def close(self) -> None:
        self._file.close()

    def _bytes(self, data: bytes) -> int:
        return int(data.split(None, 2 * self._line + 2)[2 * self._line + 1])


def cpu_clock(pid: int) -> int:
    """Return the CPU-time clock of a process, as the C library's ``clock_getcpuclockid`` forms it."""
    return ((~pid) << 3) | 2


def _resident(statm: bytes) -> float:
    return int(statm.split(None, 2)[1]) * _PAGE_MIB


# Reader factory by kind of probe. A factory may raise OSError or ValueError: the metric is lost then.
READERS: dict[str, Callable[[Spec], Reader]] = {
    "rss": Rss,
    "tree_rss": TreeRss,
    "tree_pss": TreePss,
    "cpu": Cpu,
    "io_read": lambda spec: Io(spec, 0),  # rchar is the first line
    "io_write": lambda spec: Io(spec, 1),
    "file": File,
    "counter": counter,
    "nvml": Nvml,
}
