"""What a trial may take, in time and memory, and what is said of one that takes more."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e_magic.measuring.checks import PlanError
from e2e_magic.measuring.ending import OverLimit
from e2e_magic.measuring.kinds import Kind

_MIB = 2**20
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_BYTES = {f"{prefix}{i}b": base**power for i, base in (("i", 1024), ("", 1000))
          for power, prefix in enumerate("kmgt", 1)}  # fmt: skip
_PART = re.compile(r"\s*([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*([a-z]*)\s*$", re.IGNORECASE)
_WANTED = "expected seconds, a size or both, such as 60s, 8GiB or 60s,8GiB"
_STATM = "/proc/{pid}/statm"
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@dataclass(frozen=True, slots=True)
class Limit:
    """What one execution of a trial's code may take.

    Attributes
    ----------
    seconds : float or None
        By the clock.
    mib : float or None
        Resident memory of the process that runs it, in MiB.
    """

    seconds: float | None = None
    mib: float | None = None

    def __str__(self) -> str:
        parts = []
        if self.seconds is not None:
            parts.append(f"{self.seconds:g}s")
        if self.mib is not None:
            parts.append(f"{self.mib:g}MiB")
        return ",".join(parts)

    def exceeded(self, seconds: float, mib: float | None) -> OverLimit | None:
        """Return what ends a trial that has used so much; None while it may go on."""
        if self.seconds is not None and seconds >= self.seconds:
            return OverLimit(f"it took {seconds:.3g} s, and the limit is {self.seconds:g} s")
        if self.mib is not None and mib is not None and mib > self.mib:
            return OverLimit(f"it held {mib:.0f} MiB of memory, and the limit is {self.mib:g} MiB")
        return None


class LimitKind(Kind):
    """Seconds, a size, or both: ``60s,8GiB``; in Python also a number of seconds, or a pair."""

    def check(self, name: str, value: Any) -> Limit | None:
        if value is None or isinstance(value, Limit):
            return value
        found: dict[str, float] = {}
        for part in _parts(value):
            read = _quantity(part)
            if read is None or read[0] in found:
                raise PlanError(f"{name}: {_WANTED}, got {value!r}")
            found[read[0]] = read[1]
        if not found:
            raise PlanError(f"{name}: {_WANTED}, got {value!r}")
        limit = Limit(**found)
        if limit.mib is not None and resident_mib() is None:
            raise PlanError(f"{name}: only Linux tells how much memory a trial holds; give seconds alone")
        return limit


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, str):
        return [part for part in value.split(",") if part.strip()]
    return value if isinstance(value, tuple | list) else (value,)


def _quantity(part: Any) -> tuple[str, float] | None:
    """Return the field of `Limit` and the value of one part; None where it is neither time nor size."""
    if isinstance(part, bool):
        return None
    match = _PART.match(str(part))
    if match is None:
        return None
    number, unit = float(match[1]), match[2].lower()
    if not 0 < number < math.inf:
        return None
    if unit in _SECONDS:
        return "seconds", number * _SECONDS[unit]
    if unit in _BYTES:
        return "mib", number * _BYTES[unit] / _MIB
    return None


def resident_mib(pid: int | str = "self") -> float | None:
    """Return the resident memory of a process in MiB; None where it is gone, or nothing tells."""
    try:
        return int(Path(_STATM.format(pid=pid)).read_bytes().split()[1]) * _PAGE / _MIB
    except (OSError, IndexError, ValueError):
        return None
