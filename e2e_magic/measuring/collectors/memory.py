"""Memory of the process: at both edges, at its peak, and with its children.

The peak is the kernel's own high-water mark (``VmHWM``), reset at the start of the trial by writing 5
to ``/proc/self/clear_refs`` (Linux 4.0 and newer, no root needed). There is one mark for the process, so
a trial inside another one, or beside it in a thread, would wipe the outer one's peak: every collector
that is open therefore receives the mark before it is reset, and so does whoever reads it in parts.

``VmRSS`` and ``VmHWM`` come from the kernel's counters. Before Linux 6.17 these leave out up to 64 pages
a thread (before 6.2) or a small batch a CPU (after), less than 0.5 MiB on a laptop. ``smaps_rollup`` is
exact, but walks all pages (160 µs for 10 MiB, many ms for a GiB) and has no peak, so it isn't used:
start, end and peak must come from one source, or a peak could lie below its end.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from bisect import bisect_right
from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Self

from e2e_magic.measuring.collectors import proc
from e2e_magic.measuring.collectors.base import Probe, Unavailable
from e2e_magic.measuring.collectors.of_process import OfProcess
from e2e_magic.record import Code, Metric, Reason, Series, Value

_EXACT = "/proc/self/status VmRSS and VmHWM, the peak exact (set back through clear_refs); children sampled"
_SAMPLED = "{where}; the peak is sampled, as this system doesn't let it be set back{why}; children sampled"
_NO_PSS = Reason(Code.NO_SAMPLE, "this system does not tell what processes share (Linux does from 4.14 on)")
_NO_LOOK = Reason(
    Code.NO_SAMPLE, "no look fell into the code: it costs milliseconds, so there is none in the first 50 ms"
)
# More resident memory than this times that at the looks means that they have missed the peak.
_OVERLOOKED = 1.25
_OVERLOOKED_PEAK = Reason(Code.NO_SAMPLE, "the few looks that 1 % of the time allows fell beside the peak")


class Level(NamedTuple):
    """Resident memory now and its lifetime peak or the peak since the mark was reset, in MiB."""

    rss_mib: float
    mark_mib: float


class Memory(OfProcess):
    """Resident memory at the start, at the end and at the peak, and the curves in between.

    Parameters
    ----------
    folder : str
        The process's own folder under ``/proc``.
    """

    name: ClassVar[str] = "memory"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("rss_start_mib", "MiB", "memory", None, "resident memory of the process as the code started"),
        Metric("rss_end_mib", "MiB", "memory", None, "resident memory of the process as the code ended"),
        Metric("peak_rss_mib", "MiB", "memory", "lower", "highest resident memory of the process"),
        Metric(
            "peak_tree_rss_mib",
            "MiB",
            "memory",
            "lower",
            "highest resident memory with all children, sampled; what they share counts in each",
        ),
        Metric(
            "peak_tree_pss_mib",
            "MiB",
            "memory",
            "lower",
            "highest memory with all children, sampled seldom; what they share counts once (PSS)",
        ),
        Metric("rss_mib", "MiB", "memory", None, "resident memory of the process over time", curve=True),
        Metric("tree_rss_mib", "MiB", "memory", None, "resident memory with children over time", curve=True),
        Metric("tree_pss_mib", "MiB", "memory", None, "the same, shared pages counted once", curve=True),
    )

    in_a_child = "whose memory isn't the parent's"

    def __init__(self, folder: str = proc.SELF) -> None:
        super().__init__()
        self.folder = folder
        self._exact = False
        if not proc.LINUX:
            proc.psutil()
            self.source = _SAMPLED.format(where="psutil memory_info", why="")
        elif proc.allowed(f"{folder}/clear_refs", os.W_OK):
            self._exact = True
            self.source = _EXACT
        elif proc.allowed(f"{folder}/status", os.R_OK):
            self._sampled("")
        else:
            raise Unavailable(f"{folder}/status can't be read", "mount /proc in this container")
        self._start = Level(0.0, 0.0)
        self._end: Level | None = None
        self._peak = 0.0
        self._tree = 0.0
        self._peak_overlooked = False

    def probes(self) -> tuple[Probe, ...]:
        own = (Probe("rss_mib", "rss"), Probe("tree_rss_mib", "tree_rss"))
        return (*own, Probe("tree_pss_mib", "tree_pss")) if self._has_pss() else own

    def __enter__(self) -> Self:
        super().__enter__()
        self._tree = _children_mib()
        if self._exact:
            try:
                self._start = _open.enter(self)
            except OSError as error:  # a hardened container may refuse what the file's mode allows
                self._exact = False
                self._sampled(f" ({error.strerror})")
        if not self._exact:
            self._start = _level(self.folder)
        self._peak = self._start.rss_mib
        self._tree += self._peak
        return self

    def __exit__(self, *error: object) -> None:
        if self.is_forked():
            return
        end = _open.leave(self) if self._exact else _level(self.folder)
        self.note(end.rss_mib)
        # Where the mark can't be reset it is of a lifetime: it gives the peak only if it rose.
        if self._exact or end.mark_mib > self._start.mark_mib:
            self.note(end.mark_mib)
        self._tree = max(self._tree, end.rss_mib + _children_mib(), self._peak)
        self._end = end

    def note(self, mark_mib: float) -> None:
        """Include a high-water mark that another trial is about to reset, MiB."""
        self._peak = max(self._peak, mark_mib)

    def readings(self) -> Mapping[str, Value]:
        if self._end is None:
            return {}
        return {
            "rss_start_mib": self._start.rss_mib,
            "rss_end_mib": self._end.rss_mib,
            "peak_rss_mib": self._peak,
        }

    def missing(self) -> Mapping[str, Reason]:
        if self._end is not None:  # counts only where `sampled` has no reason of its own
            none = "children's memory is known from samples only, and there are none"
            pss = (_OVERLOOKED_PEAK if self._peak_overlooked else _NO_LOOK) if self._has_pss() else _NO_PSS
            return {"peak_tree_rss_mib": Reason("", none), "peak_tree_pss_mib": pss}
        return super().missing()

    def absent(self) -> Mapping[str, Reason]:
        return {} if self._has_pss() else {"peak_tree_pss_mib": _NO_PSS, "tree_pss_mib": _NO_PSS}

    def sampled(
        self,
        series: Mapping[str, Series],
        totals: Mapping[str, float],  # noqa: ARG002 - the protocol's
    ) -> Mapping[str, Value]:
        if self._end is None:
            return {}
        own = max(series["rss_mib"].value, default=0.0) if "rss_mib" in series else 0.0
        tree = max(series["tree_rss_mib"].value, default=0.0) if "tree_rss_mib" in series else 0.0
        # An exact peak stays: a sample may have been taken a moment outside of the code.
        peak = self._peak if self._exact else max(self._peak, own)
        values: dict[str, Value] = {"peak_rss_mib": peak}
        if "tree_rss_mib" in series:  # from the two edges alone a child's peak would be guessed
            values["peak_tree_rss_mib"] = max(self._tree, tree, peak)
        looks = series.get("tree_pss_mib")
        if looks and not self._overlooked(looks, series.get("tree_rss_mib")):
            values["peak_tree_pss_mib"] = max(looks.value)
        return values

    def _overlooked(self, looks: Series, tree: Series | None) -> bool:
        """Return whether memory was much higher between the few looks than at any of them."""
        if not tree:
            return False
        places = [bisect_right(tree.t_s, t_s) for t_s in looks.t_s]
        seen = max(max(tree.value[max(0, n - 2) : n], default=0.0) for n in places)
        self._peak_overlooked = max(tree.value) > _OVERLOOKED * seen
        return self._peak_overlooked

    def _has_pss(self) -> bool:
        return proc.LINUX and proc.allowed(f"{self.folder}/smaps_rollup", os.R_OK)

    def _sampled(self, why: str) -> None:
        self.source = _SAMPLED.format(where="/proc/self/status VmRSS", why=why)


class _Open:
    """Who waits for the process's one high-water mark: collectors between their edges, and `PeakParts`."""

    def __init__(self) -> None:
        self._pid = 0

    def enter(self, collector: Memory) -> Level:
        folder = collector.folder
        self._begin()
        with self._lock:
            # Where nobody needs the mark, the number alone costs a third.
            others = bool(self._collectors)
            before = self._hand_on(folder) if others else Level(proc.resident_mib(folder), 0.0)
            # A peak that another thread reaches between the reading and the reset is lost: some µs.
            _reset(folder)
            self._collectors.add(collector)
        return before

    def leave(self, collector: Memory) -> Level:
        with self._lock:
            self._collectors.discard(collector)
            return _level(collector.folder)

    def join(self, parts: PeakParts) -> float:
        """Let somebody take part; return resident memory, MiB."""
        self._begin()
        with self._lock:
            self._collectors.add(parts)
            return proc.resident_mib(parts.folder)

    def part(self, parts: PeakParts) -> Level | None:
        """Hand the mark to all and set it back; None while another thread does."""
        if self._pid != os.getpid() or not self._lock.acquire(blocking=False):
            return None
        try:
            level = self._hand_on(parts.folder)
            _reset(parts.folder)
        finally:
            self._lock.release()
        return level

    def quit(self, parts: PeakParts) -> None:
        """Undo `join`."""
        with self._lock:
            self._collectors.discard(parts)

    def _begin(self) -> None:
        if self._pid != os.getpid():
            # After a fork the collectors are the parent's, and a thread that isn't here may hold the lock.
            self._pid = os.getpid()
            self._lock = threading.Lock()
            # Weak: an interrupt between the edges may leave one that nobody closes.
            self._collectors: weakref.WeakSet[Memory | PeakParts] = weakref.WeakSet()

    def _hand_on(self, folder: str) -> Level:
        level = _level(folder)
        for other in self._collectors:
            other.note(level.mark_mib)
        return level


class PeakParts:
    """The high-water mark in parts, as by lines: read and set back again and again; no peak is lost by it.

    Parameters
    ----------
    folder : str
        The process's own folder under ``/proc``.

    Raises
    ------
    Unavailable
        If the mark can't be set back.
    """

    def __init__(self, folder: str = proc.SELF) -> None:
        self.folder = folder
        self._noted = 0.0
        if not (proc.LINUX and proc.allowed(f"{folder}/clear_refs", os.W_OK)):
            raise Unavailable("this system doesn't let the peak be set back (Linux does, in most containers)")

    def open(self) -> float:
        """Begin; return resident memory, MiB."""
        return _open.join(self)

    def next(self) -> Level | None:
        """Return resident memory and the highest since the last call; None where it can't be told now."""
        level = _open.part(self)
        if level is None:
            return None
        level, self._noted = level._replace(mark_mib=self._noted), 0.0
        return level

    def close(self) -> None:
        """Take part no more."""
        _open.quit(self)

    def note(self, mark_mib: float) -> None:
        """Include a mark that is about to be set back, MiB."""
        self._noted = max(self._noted, mark_mib)


# Of the process: its high-water mark is one, whichever session measures.
_open = _Open()


def _reset(folder: str) -> None:
    descriptor = os.open(f"{folder}/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
    try:
        proc.tally.written_bytes += os.write(descriptor, b"5")
    finally:
        os.close(descriptor)


def _level(folder: str) -> Level:
    if proc.LINUX:
        status = proc.read(f"{folder}/status")
        return Level(_kib(status, b"\nVmRSS:") / 1024, _kib(status, b"\nVmHWM:") / 1024)
    info = proc.psutil().Process().memory_info()
    mark = getattr(info, "peak_wset", 0)  # Windows
    if not mark:
        import resource

        mark = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Level(info.rss / 2**20, mark / 2**20)


def _kib(status: bytes, key: bytes) -> int:
    start = status.index(key) + len(key)
    return int(status[start : status.index(b"kB", start)])


def _children_mib() -> float:
    total = 0.0
    for pid in proc.descendants():
        total += _child_mib(pid) if proc.LINUX else _psutil_mib(pid)
    return total


def _child_mib(pid: int) -> float:
    try:
        return proc.resident_mib(f"/proc/{pid}")
    except OSError:
        return 0.0  # it ended meanwhile


def _psutil_mib(pid: int) -> float:
    psutil = proc.psutil()
    try:
        return float(psutil.Process(pid).memory_info().rss / 2**20)
    except psutil.Error:
        return 0.0
