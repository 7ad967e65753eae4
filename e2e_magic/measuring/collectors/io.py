"""Bytes that the process and its children read and wrote."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Self

from e2e_magic.measuring.collectors import proc
from e2e_magic.measuring.collectors.base import Probe, Unavailable
from e2e_magic.measuring.collectors.of_process import OfProcess
from e2e_magic.record import Metric, Value

_MIB = 2**20


class _Moved(NamedTuple):
    """Bytes so far, without those that collectors moved for themselves, and the children that are alive."""

    read: int
    written: int
    living: tuple[proc.Process, ...]


class Io(OfProcess):
    """MiB passed through read and write calls, by the process and its children, ended or alive.

    Linux counts in two places. ``read_bytes`` and ``write_bytes`` count what reached the disk: reading
    a file again gives 0, as it comes from the page cache, and a write counts when a page is first
    dirtied. ``rchar`` and ``wchar`` count what the code asked for, wherever it came from; they are used,
    as they repeat from trial to trial. Pipes and terminals are in them; memory-mapped files and what
    goes over sockets with send and recv are not.

    Parameters
    ----------
    folder : str
        The process's own folder under ``/proc``.
    """

    name: ClassVar[str] = "io"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("read_mib", "MiB", "io", "lower", "bytes of read calls, page cache and pipes included"),
        Metric("write_mib", "MiB", "io", "lower", "bytes of write calls, page cache and pipes included"),
        Metric("read_mib_now", "MiB", "io", None, "read since the start, over time", curve=True),
        Metric("write_mib_now", "MiB", "io", None, "written since the start, over time", curve=True),
    )

    in_a_child = "whose counts don't go on from the parent's"

    def __init__(self, folder: str = proc.SELF) -> None:
        super().__init__()
        self._folder = folder
        if proc.LINUX:
            self.source = "/proc/PID/io rchar and wchar: read and write calls, page cache included"
            if not proc.allowed(f"{folder}/io", os.R_OK):
                raise Unavailable(
                    f"{folder}/io can't be read",
                    "use a kernel with CONFIG_TASK_IO_ACCOUNTING and a container that shows it",
                )
        else:
            self.source = "psutil io_counters: read and write calls"
            if not hasattr(proc.psutil().Process, "io_counters"):
                raise Unavailable("this system counts no bytes per process (macOS doesn't)")
        self._start = _Moved(0, 0, ())
        self._end: _Moved | None = None

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("read_mib_now", "io_read"), Probe("write_mib_now", "io_write"))

    def __enter__(self) -> Self:
        super().__enter__()
        self._lineage = proc.Lineage.now()
        self._start = _moved(self._folder, ())
        return self

    def __exit__(self, *error: object) -> None:
        if self.is_forked():
            return
        self._end = _moved(self._folder, self._start.living, self._lineage)

    def readings(self) -> Mapping[str, Value]:
        if self._end is None:
            return {}
        start, end = self._start, self._end
        # What a child moved before the trial is in both sums and cancels out, also when it ended in
        # between. A child that nobody waits for (SIGCHLD ignored) takes its bytes with it: never < 0.
        return {
            "read_mib": max(0, end.read - start.read) / _MIB,
            "write_mib": max(0, end.written - start.written) / _MIB,
        }


def _moved(folder: str, earlier: tuple[proc.Process, ...], since: proc.Lineage | None = None) -> _Moved:
    read = written = 0
    descendants = proc.descendants(earlier)
    living = tuple(descendants.values())
    if since is not None:
        living += tuple(proc.orphans(since, descendants))
    for process in living:
        counts = _counts(f"/proc/{process.pid}") if proc.LINUX else _from_psutil(process.pid)
        if counts is not None:
            read += counts[0]
            written += counts[1]
    # The tally comes first: a read is counted when it is done, so the next one isn't in its own result.
    read -= proc.tally.read_bytes
    written -= proc.tally.written_bytes
    own = _counts(folder) if proc.LINUX else _from_psutil(os.getpid())
    if own is None:
        raise OSError(f"{folder}/io can't be read any more")
    return _Moved(read + own[0], written + own[1], living)


def _counts(folder: str) -> tuple[int, int] | None:
    try:
        fields = proc.read(f"{folder}/io").split()
    except OSError:
        return None  # it ended meanwhile, or it runs as another user
    return int(fields[1]), int(fields[3])


def _from_psutil(pid: int) -> tuple[int, int] | None:
    psutil = proc.psutil()
    try:
        counters = psutil.Process(pid).io_counters()
    except psutil.Error:
        return None
    return int(counters.read_bytes), int(counters.write_bytes)
