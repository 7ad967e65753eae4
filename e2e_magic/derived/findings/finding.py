"""What a rule says, and what it reads of a trial."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from e2e_magic.measuring.evidence import KEY
from e2e_magic.record import Record

# Shorter code (s) is too short to tell: processor times move in ticks of 10 ms, which are 5 % of it, and the
# sampler has looked at its threads twice.
LEAST_S = 0.2
# GPU use (%), below which a GPU mostly waits: the kernels of a small model leave gaps above it.
BUSY_GPU_PERCENT = 30.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that stands out.

    Attributes
    ----------
    rule : str
        Its name, one or two words.
    sentence : str
        What was seen, with the numbers that it rests on.
    next_step : str
        What to try.
    share : float
        The part of the wall time that is at stake at most, 0 to 1: findings are ranked by it.
    numbers : mapping of str to float
        What the rule compared, by name.
    """

    rule: str
    sentence: str
    next_step: str
    share: float
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trial:
    """The numbers of a trial as rules read them; NaN where one was not measured, so that no rule speaks.

    Attributes
    ----------
    wall_s, cpu_s : float
        Of all executions. CPU time includes children.
    waited_s : float
        In which threads stood ready and had no core.
    cores : float
        That it may use.
    ran : float
        Cores busy with the process's own threads, the mean.
    wanted : float
        Cores that its own threads ran on or were ready for, the mean.
    imports : mapping of str to float
        Seconds of first imports by package, longest first.
    evidence : mapping
        See `measuring.evidence`.
    """

    record: Record
    wall_s: float
    cpu_s: float
    waited_s: float
    cores: float
    ran: float
    wanted: float
    imports: Mapping[str, float]
    evidence: Mapping[str, Any]

    @classmethod
    def of(cls, record: Record) -> Self:
        """Read a record."""
        evidence = record.reported.get(KEY) or {}
        number = _number(record.readings, "number", 1.0)
        wall_s = _number(record.readings, "wall_time_s") * number
        looked_s = _number(evidence, "looked_s")
        ran, ready = (
            _number(evidence, name) / looked_s if looked_s > 0 else math.nan for name in ("ran_s", "ready_s")
        )
        waited_s = _number(record.readings, "waited_s") * number
        if math.isnan(waited_s):  # threads ended meanwhile; up to then the sampler saw them
            waited_s = ready * wall_s
        limit = min(_number(evidence, "cores"), _number(evidence, "cpu_limit", math.inf))
        return cls(
            record,
            wall_s,
            _number(record.readings, "cpu_time_s") * number,
            waited_s,
            limit,
            ran,
            ran + ready,
            dict(sorted((evidence.get("imports") or {}).items(), key=lambda item: -item[1])),
            evidence,
        )

    @property
    def import_s(self) -> float:
        """The seconds of all first imports."""
        return sum(self.imports.values())

    def fact(self, name: str) -> float:
        """Return a number of the evidence."""
        return _number(self.evidence, name)

    def reading(self, name: str) -> float:
        """Return a number that a collector read."""
        return _number(self.record.readings, name)


def _number(numbers: Mapping[str, Any], name: str, default: float = math.nan) -> float:
    """Return a number by name; NaN for what can't be one, as a store is data from anybody."""
    if name not in numbers:
        return default
    value = numbers[name]
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) and number >= 0 else math.nan
