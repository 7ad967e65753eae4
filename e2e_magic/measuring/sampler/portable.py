"""Readers for systems without ``/proc``: through psutil, with the same kinds and the same meanings."""

from __future__ import annotations

import os

from .descendants import RESCAN_NS, Pace
from .files import Reader, Spec
from .rates import Rate
from .readers import READERS as OF_LINUX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    import psutil

# psutil's CPU times move in steps of 10 ms (16 ms on Windows): there is a value for each half of this.
_CPU_NS = 200_000_000


class Process(Reader):
    """The base of readers of a process: psutil's errors become `OSError`."""

    def __init__(self, spec: Spec) -> None:
        try:
            import psutil
        except ImportError as error:
            raise OSError(f"psutil can't be imported by the sampler process: {error}") from error
        self._gone: type[Exception] = psutil.Error
        try:
            self._process = psutil.Process(spec.pid)
        except psutil.Error as error:
            raise OSError(str(error)) from error
        # Looking for children costs more than a millisecond here.
        self._pace = Pace(RESCAN_NS)
        self._children: list[psutil.Process] = []

    def read(self, now_ns: int, *, last: bool = False) -> float | None:
        try:
            return self._value(now_ns, last=last)
        except self._gone as error:
            raise OSError(str(error)) from error

    def _value(self, now_ns: int, *, last: bool) -> float | None:
        raise NotImplementedError

    def _descendants(self) -> list[psutil.Process]:
        if self._pace.due():
            # On Windows the sampler is a child of the process that it measures.
            descendants = self._process.children(recursive=True)
            self._children = [child for child in descendants if child.pid != os.getpid()]
            self._pace.done()
        return self._children


class Rss(Process):
    """Resident memory of the process, MiB."""

    def _value(self, now_ns: int, *, last: bool) -> float | None:  # noqa: ARG002 - the readers' signature
        return float(self._process.memory_info().rss) / 2**20


class TreeRss(Process):
    """Resident memory of the process and its descendants, MiB."""

    def _value(self, now_ns: int, *, last: bool) -> float | None:  # noqa: ARG002 - the readers' signature
        own = self._process.memory_info()
        size = own.rss
        for child in self._descendants():
            try:
                its = child.memory_info()
            except self._gone:  # it ended since the last look
                continue
            # Just started with vfork, it still lives in its parent's memory.
            if (its.rss, its.vms) != (own.rss, own.vms):
                size += its.rss
        return float(size) / 2**20


class Cpu(Process):
    """CPU use of the process, its living descendants and its ended children, percent of one core."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._rate = Rate(max(spec.interval_ns, _CPU_NS), ceiling=float(os.cpu_count() or 1))
        self._most: float | None = None

    def _value(self, now_ns: int, *, last: bool) -> float | None:
        times = self._process.cpu_times()
        # The ended children's are 0 on Windows, which doesn't keep them.
        used = times.user + times.system + times.children_user + times.children_system
        for child in self._descendants():
            try:
                own = child.cpu_times()
            except self._gone:
                continue
            used += own.user + own.system
        if self._most is not None:
            self._rate.grow(max(0.0, used - self._most))
        # A child that ended and isn't waited for yet makes the sum fall, and rise again when it is.
        self._most = used if self._most is None else max(self._most, used)
        share = self._rate.at(now_ns, last=last)
        return None if share is None else 100 * share


class Io(Process):
    """MiB that the process read or wrote since the start."""

    def __init__(self, spec: Spec, field: str) -> None:
        super().__init__(spec)
        self._field = field
        if not hasattr(self._process, "io_counters"):
            raise OSError("this system counts no bytes per process (macOS doesn't)")
        try:
            self._start = self._bytes()
        except self._gone as error:
            raise OSError(str(error)) from error

    def _value(self, now_ns: int, *, last: bool) -> float | None:  # noqa: ARG002 - the readers' signature
        return (self._bytes() - self._start) / 2**20

    def _bytes(self) -> int:
        # Typed by system: macOS has no such method, and the constructor says so.
        counters = getattr(self._process, "io_counters")()  # noqa: B009
        # Linux has read calls beside disk reads: the other readers show the former.
        name = self._field.replace("_bytes", "_chars")
        return int(getattr(counters, name, None) or getattr(counters, self._field))


# Files, counters and GPUs are read as there.
READERS: dict[str, Callable[[Spec], Reader]] = {
    **OF_LINUX,
    "rss": Rss,
    "tree_rss": TreeRss,
    "cpu": Cpu,
    "io_read": lambda spec: Io(spec, "read_bytes"),
    "io_write": lambda spec: Io(spec, "write_bytes"),
}
