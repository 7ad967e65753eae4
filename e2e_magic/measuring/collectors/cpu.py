"""CPU time of the process and of all its children, ended or alive."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Self

from e2e_magic.measuring.collectors import proc
from e2e_magic.measuring.collectors.base import Probe
from e2e_magic.measuring.collectors.of_process import OfProcess
from e2e_magic.measuring.collectors.waiting import NOT_COUNTED, Waited, waited_s
from e2e_magic.record import Metric, Reason, Value

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


_Own = tuple[float, float]


class _Used(NamedTuple):
    """CPU seconds so far."""

    user_s: float  # of this process
    system_s: float
    others_user_s: float  # of its children, ended or alive
    others_system_s: float
    living: tuple[proc.Process, ...]


class Cpu(OfProcess):
    """CPU seconds that the process and its children used between the two edges, and its wait for a core.

    The process itself and the children that ended are exact to a microsecond. Children that are still
    alive at an edge (the workers of a pool) are exact to a clock tick of 10 ms each.
    """

    name: ClassVar[str] = "cpu"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("cpu_time_s", "s", "cpu", "lower", "CPU time of the process and its children, user + system"),
        Metric("cpu_user_s", "s", "cpu", "lower", "CPU time in the program's own code, children included"),
        Metric("cpu_system_s", "s", "cpu", "lower", "CPU time in the system for it, children included"),
        Metric("waited_s", "s", "time", None, "time in which its threads stood ready and no core was free"),
        Metric("cpu_percent_now", "%", "cpu", None, "CPU use over time, 100 is one core", curve=True),
    )

    in_a_child = "whose times don't go on from the parent's"

    def __init__(self) -> None:
        super().__init__()
        if proc.LINUX:
            self.source = (
                "getrusage, /proc/PID/stat for children that are still alive, "
                "/proc/PID/task/*/schedstat for the wait"
            )
        elif resource is not None:
            self.source = "getrusage, and psutil for children that are still alive"
        else:
            self.source = "os.times, and psutil for children that are still alive"
        self._start = _Used(0.0, 0.0, 0.0, 0.0, ())
        self._end: _Used | None = None
        self._waits = Waited({}, {}), Waited({}, {})

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("cpu_percent_now", "cpu"),)

    def __enter__(self) -> Self:
        super().__enter__()
        waits = Waited.now()
        self._lineage = proc.Lineage.now()
        self._start = _used(())
        self._waits = waits, waits
        return self

    def __exit__(self, *error: object) -> None:
        own = _own()
        if self.is_forked():
            return
        self._end = _used(self._start.living, own=own, since=self._lineage)
        self._waits = self._waits[0], Waited.now()

    def readings(self) -> Mapping[str, Value]:
        if self._end is None:
            return {}
        start, end = self._start, self._end
        # What a child used before the trial is in both sums and cancels out, also when the child ended
        # in between. A child that nobody waits for (SIGCHLD ignored) takes its time with it: never < 0.
        user = end.user_s - start.user_s + max(0.0, end.others_user_s - start.others_user_s)
        system = end.system_s - start.system_s + max(0.0, end.others_system_s - start.others_system_s)
        values = {"cpu_time_s": user + system, "cpu_user_s": user, "cpu_system_s": system}
        waited = self._waited()
        return values if isinstance(waited, Reason) else {**values, "waited_s": waited}

    def missing(self) -> Mapping[str, Reason]:
        if self._end is None:
            return super().missing()
        waited = self._waited()
        return {"waited_s": waited} if isinstance(waited, Reason) else {}

    def absent(self) -> Mapping[str, Reason]:
        return {} if any(Waited.now().ran.values()) else {"waited_s": NOT_COUNTED}

    def _waited(self) -> float | Reason:
        start, end = self._start, self._end or self._start
        own_s = end.user_s + end.system_s - start.user_s - start.system_s
        return waited_s(*self._waits, own_s)


def _used(
    earlier: tuple[proc.Process, ...], *, own: _Own | None = None, since: proc.Lineage | None = None
) -> _Used:
    descendants = proc.descendants(earlier)
    living = tuple(descendants.values())
    if since is not None:
        living += tuple(proc.orphans(since, descendants))
    ended_user, ended_system = _ended()
    # At the start the process itself is read last, at the end first: finding the children is not its work.
    user, system = own if own is not None else _own()
    return _Used(
        user,
        system,
        ended_user + sum(process.user_s for process in living),
        ended_system + sum(process.system_s for process in living),
        living,
    )


def _own() -> _Own:
    """Return the CPU seconds of this process, in its own code and in the system for it."""
    if resource is None:
        return os.times()[:2]
    # Of Linux's two halves only the sum is exact: it is split by where clock ticks fell.
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime, own.ru_stime


def _ended() -> _Own:
    """Return the CPU seconds of the children that ended and were waited for, user and system."""
    if resource is None:
        return os.times()[2:4]
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime, ended.ru_stime
