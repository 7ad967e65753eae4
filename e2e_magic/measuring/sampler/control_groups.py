"""Control groups of Linux, version 1 and 2: what limits a process's memory and cores, and what was killed.

Both sides import this file: the kernel for ``--memory-limit 90%``, the sampler process to say what held a
process back and why it ended. The files are those of the kernel's documentation, ``admin-guide/cgroup-v2``
(``memory.max``, ``memory.events``, ``cpu.max``, ``cpu.stat``) and ``admin-guide/cgroup-v1``
(``memory.limit_in_bytes``, ``memory.oom_control``, ``cpu.cfs_quota_us``).
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar, Self

# Version 1 writes "no limit" as the largest number of whole pages: far above any machine's memory.
_NO_LIMIT = 2**60
_MOST = 65536


class _Groups:
    """The control groups of one process, its own first, then those that hold it: their limits hold for it.

    Parameters
    ----------
    pid : int or str
        ``self`` is this process.
    root : str
        What stands before ``/proc`` and the mount points: a test's own tree.

    Attributes
    ----------
    folders : list of str
        Of the groups that can be seen from here; empty where there are none.
    version : int
        1 or 2; 0 where there are none.
    """

    controller: ClassVar[str]
    _known: ClassVar[dict[tuple[str, int, str], _Groups]] = {}

    def __init__(self, pid: int | str = "self", root: str = "") -> None:
        self._root = root
        self.folders: list[str] = []
        self.version = 0
        paths = _paths(_read(f"{root}/proc/{pid}/cgroup"), self.controller)
        for point, within, version in _mounts(_read(f"{root}/proc/{pid}/mountinfo"), self.controller):
            path = paths.get(version)
            # In a container the mount may show a part of the tree only, under a path that isn't in it.
            if path is not None and (version == 1 or self.version == 0):
                self.folders = list(_upwards(root + point, _relative(path, within)))
                self.version = version
            if self.version == 1:  # a controller is in one hierarchy: where version 1 has it, it is there
                break

    @classmethod
    def of(cls, pid: int) -> Self:
        """Return the groups of a process; where they are mounted is looked up anew only if it was moved."""
        key = cls.controller, pid, _read(f"/proc/{pid}/cgroup")
        found = cls._known.get(key)
        if not isinstance(found, cls):
            cls._known[key] = found = cls(pid)
        return found


class MemoryGroups(_Groups):
    """What limits a process's memory, and how many of its group were killed for it; else as `_Groups`."""

    controller = "memory"

    def limit(self) -> tuple[int, str] | None:
        """Return the lowest limit of these groups in bytes, and its file; None where there is none."""
        name = "memory.max" if self.version == 2 else "memory.limit_in_bytes"
        limits = []
        for folder in self.folders:
            text = _read(f"{folder}/{name}").strip()
            if text.isdigit() and int(text) < _NO_LIMIT:
                limits.append((int(text), f"{folder}/{name}".removeprefix(self._root)))
        return min(limits, default=None, key=lambda limit: limit[0])

    def killed(self) -> int | None:
        """Return how many processes of the own group the system has killed for memory; None if unknown."""
        if not self.folders:
            return None
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return _number(_read(f"{self.folders[0]}/{name}"), "oom_kill")


class ProcessorGroups(_Groups):
    """How many cores a process may use, and how long it stood still for that; else as `_Groups`."""

    controller = "cpu"

    def limit(self) -> float | None:
        """Return how many cores it may use on average; None without a limit."""
        return min(self._limits().values(), default=None)

    def throttled_s(self) -> float | None:
        """Return the seconds in which tasks stood still as the limit was used up; None if not limited."""
        name, per_second = ("throttled_usec", 1e6) if self.version == 2 else ("throttled_time", 1e9)
        waits = [_number(_read(f"{folder}/cpu.stat"), name) for folder in self._limits()]
        return max((wait / per_second for wait in waits if wait is not None), default=None)

    def _limits(self) -> dict[str, float]:
        """Return the limits of these groups in cores, by folder."""
        limits = {}
        for folder in self.folders:
            if self.version == 2:
                words = _read(f"{folder}/cpu.max").split()
            else:
                words = [_read(f"{folder}/cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
            if len(words) == 2 and all(map(str.isdigit, words)) and int(words[1]):
                limits[folder] = int(words[0]) / int(words[1])
        return limits


def killed_on_machine() -> int | None:
    """Return how many processes of the whole machine were killed for memory since it started, if it tells."""
    return _number(_read("/proc/vmstat"), "oom_kill")


def machine_memory() -> tuple[int, str] | None:
    """Return the machine's memory in bytes, and the file that says so."""
    kib = _number(_read("/proc/meminfo"), "MemTotal:")
    return None if kib is None else (kib * 1024, "/proc/meminfo")


def _paths(text: str, controller: str) -> dict[int, str]:
    """Return the path of a process's group by version, of ``/proc/PID/cgroup``."""
    paths = {}
    for line in text.splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            paths[2] = path
        elif controller in controllers.split(","):
            paths[1] = path
    return paths


def _mounts(text: str, controller: str) -> Iterator[tuple[str, str, int]]:
    """Yield mount point, the path that is mounted there, and version, of ``/proc/PID/mountinfo``."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, about = before.split(), after.split()
        if len(fields) > 4 and about[:1] == ["cgroup2"]:
            yield fields[4], fields[3], 2
        elif len(fields) > 4 and about[:1] == ["cgroup"] and controller in about[-1].split(","):
            yield fields[4], fields[3], 1


def _relative(path: str, within: str) -> str:
    """Return a group's path below the one that is mounted; the mount's own where it lies elsewhere."""
    if within == "/":
        return path
    return path[len(within) :] if path == within or path.startswith(within + "/") else ""


def _upwards(mount: str, path: str) -> Iterator[str]:
    """Yield the folders from a group's to its mount's; a group that can't be seen is left out."""
    while True:
        folder = mount + path.rstrip("/")
        if os.path.isdir(folder):  # noqa: PTH112 - pathlib is 2 MiB in the sampler process
            yield folder
        if path in ("", "/"):
            return
        path = path.rsplit("/", 1)[0]


def _number(text: str, name: str) -> int | None:
    """Return the number that stands after a name; None where it is missing."""
    words = text.split()
    return int(words[words.index(name) + 1]) if name in words[:-1] else None


def _read(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return ""
    try:
        parts = []
        while part := os.read(descriptor, _MOST):  # `mountinfo` comes in pieces of any size
            parts.append(part)
        return b"".join(parts).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
