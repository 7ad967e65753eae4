"""What Linux tells about processes under ``/proc``, read so that it disturbs nothing; elsewhere psutil.

Each file is opened, read and closed at the edge of a trial. Keeping the files open would save about
3 µs a read, but the code that is measured would then see our descriptors: it may close them, hand
them to its children, or fork and read its parent's numbers through them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from e2e_magic.measuring.collectors.base import Unavailable
from e2e_magic.measuring.sampler.descendants import children, read_file

LINUX = sys.platform.startswith("linux")
SELF = "/proc/self"


@dataclass(slots=True)
class Tally:
    """Bytes that collectors moved for themselves: the kernel counts them too, and `Io` takes them off."""

    read_bytes: int = 0
    written_bytes: int = 0


tally = Tally()


def read(path: str) -> bytes:
    """Read a whole file of ``/proc`` and count its bytes as ours."""
    data = read_file(path)
    tally.read_bytes += len(data)
    return data


class Process(NamedTuple):
    """A living descendant, with the CPU seconds of itself and of those children that it waited for."""

    pid: int
    started: int
    user_s: float
    system_s: float


def has_children() -> bool:
    """Say in 1 µs whether this process has any child, dead ones that nobody waited for included."""
    if not hasattr(os, "waitid"):  # Windows, and macOS before Python 3.13
        return True
    try:
        # WNOWAIT leaves a child that ended to the user's own wait.
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def descendants(earlier: Iterable[Process] = ()) -> dict[int, Process]:
    """Find the living children, their children and so on, by process id.

    Parameters
    ----------
    earlier : iterable of Process
        Descendants found before. One that still lives counts although its parent ended and it has
        another parent now.

    Notes
    -----
    Costs 1 µs where there are no children; else about 6 µs a thread and 10 µs a process, with psutil a
    millisecond and more.
    """
    processes: dict[int, Process] = {}
    if not LINUX:
        return _from_psutil() if has_children() else processes
    waiting = children("self", read) if has_children() else []
    while waiting:
        pid = waiting.pop()
        if pid not in processes and (process := _process(pid)) is not None:
            processes[pid] = process
            waiting.extend(children(pid, read))
    for before in earlier:
        if before.pid not in processes:
            process = _process(before.pid)
            # The start time tells it from another process that was given the same number.
            if process is not None and process.started == before.started:
                processes[before.pid] = process
    return processes


_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def _process(pid: int) -> Process | None:
    try:
        stat = read(f"/proc/{pid}/stat")
    except OSError:
        return None  # it ended meanwhile
    # The name in parentheses may hold anything, so the fields are counted from its end.
    fields = stat[stat.rindex(b")") + 2 :].split()
    user, system, user_ended, system_ended = map(int, fields[11:15])
    return Process(pid, int(fields[19]), (user + user_ended) / _TICKS, (system + system_ended) / _TICKS)


def psutil() -> Any:
    """Import psutil, for systems without ``/proc``."""
    try:
        import psutil as module
    except ImportError as error:
        raise Unavailable("psutil is not installed", "pip install psutil") from error
    return module


def _from_psutil() -> dict[int, Process]:
    module = psutil()
    processes: dict[int, Process] = {}
    for child in module.Process().children(recursive=True):
        try:
            times = child.cpu_times()
            started = int(child.create_time() * 1e3)
        except module.Error:
            continue  # it ended meanwhile, or belongs to another user
        user = times.user + getattr(times, "children_user", 0.0)
        system = times.system + getattr(times, "children_system", 0.0)
        processes[child.pid] = Process(child.pid, started, user, system)
    return processes
