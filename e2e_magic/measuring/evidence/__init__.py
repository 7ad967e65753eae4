"""Evidence of why code took its time, for the rules of `derived.findings`; no metric, and in no frame.

Input: nothing but the moments of entering and leaving. Output: plain numbers by name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from e2e_magic.measuring.collectors import proc
from e2e_magic.measuring.collectors.base import Collector, Probe
from e2e_magic.measuring.evidence.collections import Collections
from e2e_magic.measuring.evidence.imports import Imports
from e2e_magic.measuring.evidence.threads import Threads

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

# Its key in `Record.reported`.
KEY = "evidence"
# Nothing is kept of shorter code (s): shares of so little are chance, and a store of many trials stays small.
LEAST_S = 0.1
PROBE = Probe(KEY, "evidence")


class Evidence(Collector):
    """What is read in the measured process itself: context switches, page faults, imports, collections.

    It is no collector of the registry: it has no metrics, can't be chosen, and each trial has one. Its two
    edges take 4 µs together.
    """

    name: ClassVar[str] = KEY

    def __init__(self) -> None:
        self._imports = Imports()
        self._collections = Collections()
        self._threads = Threads()
        self._start: tuple[int, int, int] | None = None
        self._end: tuple[int, int, int] | None = None

    def probes(self) -> tuple[Probe, ...]:
        return (PROBE,) if proc.LINUX else ()

    def __enter__(self) -> Self:
        self._imports.start()
        self._collections.start()
        self._threads.start()
        self._start = _usage()
        return self

    def __exit__(self, *error: object) -> None:
        self._end = _usage()
        self._threads.stop()
        self._collections.stop()
        self._imports.stop()

    def kept(self, wall_s: float, seen: Mapping[str, float], loop: Mapping[str, float]) -> dict[str, Any]:
        """Return all evidence as plain data; empty for code that was too short.

        Parameters
        ----------
        wall_s : float
            The whole measured time.
        seen : mapping
            What the sampler process saw.
        loop : mapping
            What ``track`` timed.
        """
        if wall_s < LEAST_S:
            return {}
        facts: dict[str, Any] = {"cores": cores(), **seen, **loop}
        if self._start is not None and self._end is not None:
            names = "voluntary_switches", "involuntary_switches", "major_faults"
            facts |= {
                name: after - before
                for name, before, after in zip(names, self._start, self._end, strict=True)
            }
        if self._threads.count is not None:
            facts["started_threads"] = self._threads.count
        if self._collections.count:
            facts |= {"gc_s": self._collections.ns / 1e9, "collections": self._collections.count}
        if imports := self._imports.seconds():
            facts["imports"] = imports
        if pools := _pools(facts):
            facts["pools"] = pools
        return {name: round(fact, 6) if isinstance(fact, float) else fact for name, fact in facts.items()}


def cores() -> int:
    """Return how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _usage() -> tuple[int, int, int] | None:
    """Return how often this process's threads gave their core up and lost it, and its faults on disk."""
    if resource is None:
        return None
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_nvcsw, used.ru_nivcsw, used.ru_majflt


def _pools(facts: Mapping[str, Any]) -> dict[str, int]:
    """Return the thread pools of numerical libraries, by name, where more threads ran than there are cores.

    It takes milliseconds, and is asked only then, and only where the user's libraries loaded `threadpoolctl`.
    """
    threadpoolctl = sys.modules.get("threadpoolctl")
    wanted = facts.get("ran_s", 0.0) + facts.get("ready_s", 0.0)
    if threadpoolctl is None or wanted <= facts.get("looked_s", 0.0) * facts["cores"]:
        return {}
    try:
        return {
            str(pool["internal_api"]): int(pool["num_threads"]) for pool in threadpoolctl.threadpool_info()
        }
    except Exception:  # noqa: BLE001 - another package's function; the rule speaks without it
        return {}
