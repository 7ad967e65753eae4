"""Linux's figures on processes under ``/proc``, read without disturbing the code; elsewhere psutil.

Each file is opened, read and closed at the edge of a trial. Keeping the files open would save about
3 µs a read, but the code that is measured would then see our descriptors: it may close them, hand
them to its children, or fork and read its parent's numbers through them.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from e2e_magic.measuring.collectors.base import Unavailable
from e2e_magic.measuring.sampler.descendants import children, read_file

LINUX = sys.platform.startswith("linux")
SELF = "/proc/self"
_PAGE_MIB = (os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096) / 2**20


@dataclass(slots=True)
class Tally:
    """Bytes that collectors moved for themselves: the kernel counts them too, and `Io` takes them off."""

    read_bytes: int = 0
    written_bytes: int = 0


tally = Tally()


def read(path: str) -> bytes:
    """Read a whole file of ``/proc`` and add its bytes to the tally."""
    data = read_file(path)
    tally.read_bytes += len(data)
    return data


def resident_mib(folder: str = SELF) -> float:
    """Return the resident memory of a process by its folder, MiB."""
    return int(read(f"{folder}/statm").split(None, 2)[1]) * _PAGE_MIB


def resident_here_mib() -> float | None:
    """Return the resident memory of this process, MiB; None where no ``/proc`` tells it."""
    try:
        return resident_mib() if LINUX else None
    except OSError:
        return None


def allowed(path: str, mode: int) -> bool:
    """Return whether this process may open its own file in this way: asked once for each user that it is."""
    return _allowed(path, mode, os.geteuid() if hasattr(os, "geteuid") else 0)


@cache
def _allowed(path: str, mode: int, _user: int) -> bool:
    return os.access(path, mode)


class Process(NamedTuple):
    """A living descendant, with the CPU seconds of itself and of those children that it waited for."""

    pid: int
    started: int
    user_s: float
    system_s: float


def has_children() -> bool:
    """Return whether this process has any child, dead ones not waited for included; takes 1 µs."""
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
        Descendants of an earlier call. One that still lives counts although its parent ended and it has
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
            # The start time distinguishes it from another process that was given the same number.
            if process is not None and process.started == before.started:
                processes[before.pid] = process
    return processes


class Lineage(NamedTuple):
    """A state that shows, at the end of the code, whether children have left orphans."""

    began: int  # clock ticks since the machine was started
    ended: tuple[int, int]  # counts that grow with each child that ends and is waited for

    @classmethod
    def now(cls) -> Lineage:
        """Read the present state; takes 2 µs."""
        if not LINUX:
            return cls(0, (0, 0))
        import resource

        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = int(time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS)
        return cls(began, (ended.ru_minflt, ended.ru_nvcsw))


def orphans(since: Lineage, living: Collection[int]) -> list[Process]:
    """Find the processes that ended children have left running (``sh -c "job &"``), since the code began.

    An orphan is not a child of any living descendant, but still in this process's group; or it has left
    that too (setsid), as a daemon does, and was started with this process's environment. Its new parent is
    init, or the ancestor that adopts (a subreaper), which is not of this group: the children of another
    process of the group (``make -j``, ``a & b``, the workers of a test run) are that one's. All processes are
    read, 10 µs each, only where a child has ended.

    Parameters
    ----------
    since : Lineage
        The state at the start of the code.
    living : collection of int
        The living descendants.
    """
    if not LINUX or Lineage.now().ended == since.ended:
        return []
    group = os.getpgrp()
    parents: dict[int, int] = {}
    young: dict[int, Process] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - no pathlib at a trial's edges
        if not name.isdigit() or int(name) in living or int(name) == os.getpid():
            continue
        stat = _stat(int(name))
        if stat is None or stat.process.started < since.began:
            continue
        if stat.group == group or _is_from_here(int(name)):
            young[int(name)] = stat.process
            parents[int(name)] = stat.parent
    found = _adopting(group) if young else set()
    roots = set(found)
    while grown := {pid for pid, parent in parents.items() if parent in found and pid not in found}:
        found |= grown
    return [young[pid] for pid in found - roots]


def _is_from_here(pid: int) -> bool:
    """Return whether a process was started with this one's environment, and is no helper of measuring.

    What has changed here since this process began may be otherwise there, but what both have now is equal.
    """
    try:
        before, there = (_environment(read(f"/proc/{name}/environ")) for name in ("self", pid))
        command = read(f"/proc/{pid}/cmdline")
    except OSError:  # it ended meanwhile, or is another user's
        return False
    now = os.environb
    kept = {name for name, value in before.items() if now.get(name) == value} - _OF_SHELLS
    added = (now.keys() & there.keys()) - before.keys() - _OF_SHELLS
    mine = all(there.get(name) == before[name] for name in kept) and all(there[n] == now[n] for n in added)
    return bool(kept) and mine and b"e2e_magic" not in command


def _environment(block: bytes) -> dict[bytes, bytes]:
    pairs = (entry.partition(b"=") for entry in block.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}


def _adopting(group: int) -> set[int]:
    """Return the process ids that an orphan of this process may have as its parent."""
    adopting = {1}
    pid = os.getppid()
    while pid > 1 and (stat := _stat(pid)) is not None:
        if stat.group != group:
            adopting.add(pid)
        pid = stat.parent
    return adopting


# Variables that each shell sets anew.
_OF_SHELLS = frozenset({b"_", b"SHLVL", b"PWD", b"OLDPWD"})
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class _Stat(NamedTuple):
    process: Process
    parent: int
    group: int


def _process(pid: int) -> Process | None:
    """Return a process; None where it is gone."""
    stat = _stat(pid)
    return None if stat is None else stat.process


def _stat(pid: int) -> _Stat | None:
    """Read what ``/proc/PID/stat`` says of a process; None where it is gone."""
    try:
        stat = read(f"/proc/{pid}/stat")
    except OSError:
        return None  # it ended meanwhile
    # The name in parentheses may hold anything, so the fields are counted from its end.
    fields = stat[stat.rindex(b")") + 2 :].split()
    user, system, user_ended, system_ended = map(int, fields[11:15])
    used = (user + user_ended) / _TICKS, (system + system_ended) / _TICKS
    return _Stat(Process(pid, int(fields[19]), *used), int(fields[1]), int(fields[2]))


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
