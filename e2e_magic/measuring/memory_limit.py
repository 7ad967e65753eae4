"""A limit on the memory that measured code may ask for: it gets a ``MemoryError``, and the process lives.

It is the soft ``RLIMIT_DATA`` of setrlimit(2), since Linux 4.7 on all private memory that can be written, for
the time of the code. That counts what is asked for, touched or not. So what is set is what may still be asked
for: the limit less what is resident when the code begins. Memory shared between processes isn't counted.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from math import inf

from e2e_magic.measuring.checks import PlanError
from e2e_magic.measuring.sampler.control_groups import MemoryGroups, machine_memory
from e2e_magic.text import quantity

if sys.platform == "linux":
    import resource
else:
    resource = None

_WANTED = "a size such as 12GiB or 500MB, or a share of what this process may use such as 90%"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
# What an allocation says that failed and is no ``MemoryError``: torch's, C++'s, the system's ENOMEM.
_REFUSED = ("can't allocate memory", "Cannot allocate memory", "bad_alloc", "can't start new thread")


def checked(name: str, value: object) -> str:
    """Return a limit as it is kept: a share, or a size with its unit (a number is bytes).

    Raises
    ------
    PlanError
        If it is neither.
    """
    text = f"{value}B" if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str):
        text = text.strip()
        if text.endswith("%"):
            try:
                if 0 < float(text[:-1]) <= 100:
                    return text
            except ValueError:
                pass
        elif not text.isdigit() and (match := _SIZE.fullmatch(text)) and float(match[1]) > 0:
            return text
    raise PlanError(f"{name}: expected {_WANTED}, got {value!r}")


def allowed_mib(limit: str) -> float:
    """Return a checked limit in MiB; a share is of the least of what limits this process.

    Its control groups (both versions, nested), the machine's memory, ``RLIMIT_AS`` and ``RLIMIT_DATA``.
    A unit without ``i`` is decimal where it ends with ``B``: ``500MB``; ``12G`` is 12 GiB.
    """
    if limit.endswith("%"):
        return float(limit[:-1]) / 100 * min(_limits())
    match = _SIZE.fullmatch(limit)
    if match is None:
        raise ValueError(f"{limit!r} is no checked limit")
    decimal = limit[-1] in "bB" and not match[3]
    return float(float(match[1]) * (1000 if decimal else 1024) ** _POWERS[match[2].lower()] / 2**20)


def check(limit: str) -> None:
    """Raise `PlanError` where a limit can't be set here, or is passed already."""
    _check_system()
    resident, most = _of_process("VmRSS"), allowed_mib(limit)
    if resident >= most:
        raise PlanError(
            f"memory_limit: this process has {quantity(resident, 'MiB')} already, and {_named(limit)} was "
            "asked for; ask for more, or restart the kernel"
        )


def _check_system() -> None:
    if resource is None:
        raise PlanError(
            "memory_limit: this system can't limit what a process asks for (Linux can); leave it out"
        )


class MemoryLimit:
    """The limit of one trial, from `hold` to `lift`.

    Parameters
    ----------
    asked : str
        As `checked` returned it.
    """

    def __init__(self, asked: str) -> None:
        self._asked = asked
        self._resident = 0.0

    def hold(self) -> None:
        """Begin to limit; where it is passed already, by an earlier repeat, all that is asked for is refused.

        Raises
        ------
        PlanError
            If this system can't limit it.
        """
        _check_system()
        self._resident = _of_process("VmRSS")
        left = max(allowed_mib(self._asked) - self._resident, 0.0)
        _set(self, int((_of_process("VmData") + left) * 2**20))

    def lift(self) -> None:
        """End to limit: all is as before."""
        try:
            _set(self, None)
        except MemoryError:  # not even for this there was room
            _process.held.clear()
            if resource is not None:
                resource.setrlimit(resource.RLIMIT_DATA, _process.before)

    def about(self, error: BaseException) -> str:
        """Return what to add to the text of an error that the limit may have caused; else an empty text."""
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in _REFUSED):
            return ""
        began = quantity(self._resident, "MiB")
        return f"; --memory-limit {_named(self._asked)} was asked for, and it began with {began}"


def _named(limit: str) -> str:
    return f"{limit} ({quantity(allowed_mib(limit), 'MiB')})" if limit.endswith("%") else limit


def _limits() -> list[float]:
    """Return what limits this process, MiB."""
    found = [limit[0] / 2**20 for limit in (MemoryGroups().limit(), machine_memory()) if limit is not None]
    if resource is not None:
        softs = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
        found += [soft / 2**20 for soft in softs if soft != resource.RLIM_INFINITY]
    return found or [inf]


def _of_process(name: str) -> float:
    """Return a line of ``/proc/self/status``, MiB."""
    with open("/proc/self/status", "rb") as file:  # noqa: PTH123 - it is read per trial
        status = file.read()
    start = status.index(b"\n" + name.encode() + b":") + len(name) + 2
    return int(status[start : status.index(b"kB", start)]) / 1024


class _Process:
    """The limits that hold in this process: the lowest counts, and after the last all is as before."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.held: dict[MemoryLimit, int] = {}
        self.before = self.ours = (0, 0)


_process = _Process()


def _set(limit: MemoryLimit, most: int | None) -> None:
    global _process  # noqa: PLW0603 - a forked child begins anew: what its parent lifts stays its own
    if _process.pid != os.getpid():
        _process = _Process()
    if resource is None:
        return
    with _process.lock:
        held, now = _process.held, resource.getrlimit(resource.RLIMIT_DATA)
        if most is None and held.pop(limit, None) is None:
            return
        if held and now != _process.ours:
            # The code has set another one, which stays.
            _process.before = now
        elif not held and most is not None:
            _process.before = now
        if most is None and now != _process.ours:
            return
        if most is not None:
            held[limit] = most
        soft, hard = _process.before
        least = [each for each in (*held.values(), soft, hard) if each != resource.RLIM_INFINITY]
        _process.ours = (min(least), hard) if held else (soft, hard)
        resource.setrlimit(resource.RLIMIT_DATA, _process.ours)
