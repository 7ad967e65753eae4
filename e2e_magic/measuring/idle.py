"""The power of the machine while nothing runs: the baseline of net energy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from e2e_magic.measuring import energy_span
from e2e_magic.measuring.collectors.base import Classes, Unavailable
from e2e_magic.measuring.collectors.wall_time import WallTime
from e2e_magic.measuring.instruments import Instruments
from e2e_magic.measuring.kinds import Real
from e2e_magic.record import NO_ENERGY
from e2e_magic.text import quantity

# NVML moves its energy counter every 20 to 100 ms and RAPL every millisecond: below this, what is read
# at the edges is as much their step as the machine's power.
SHORTEST_S = 0.5
_LENGTH = Real(
    wanted=f"seconds, at least {SHORTEST_S:g} for the counters to step several times, such as 10",
    allows=lambda length: SHORTEST_S <= length < math.inf,
)
# Above this share of all cores, or of the GPU, the machine is not idle (%).
IDLE_PERCENT = 10.0
_WORDS = {"package": "package", "psys": "platform", "dram": "DRAM", "gpu": "GPU"}
_wait = time.sleep


@dataclass(frozen=True, slots=True)
class IdlePower:
    """The power that the machine draws while nothing runs, and the source of the figure.

    Attributes
    ----------
    watts : dict of str to float
        Mean power by what was measured, W: ``package psys dram gpu``. Empty where nothing could be.
    seconds : float
        How long it was measured.
    source : str
        ``rapl``, ``nvml`` or both, joined by ``+``; empty where nothing was measured.
    missing : dict of str to str
        The reason for each that could not be measured.
    busy_percent : float or None
        Mean use of the cores meanwhile, 100 is all of them; None where it can't be determined.
    gpu_percent : float or None
        Mean use of the GPUs meanwhile, %.
    """

    watts: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    source: str = ""
    missing: Mapping[str, str] = field(default_factory=dict)
    busy_percent: float | None = None
    gpu_percent: float | None = None

    def plain(self) -> dict[str, Any]:
        """Return plain data for records: ``package_w`` .., ``seconds``, ``source``, ``busy_percent``."""
        return {
            **{f"{kind}_w": watts for kind, watts in self.watts.items()},
            "seconds": self.seconds,
            "source": self.source,
            "busy_percent": self.busy_percent,
        }

    @property
    def warning(self) -> str:
        """A warning that the machine was not idle; empty where it was."""
        busy = [
            f"{what} was {share:.0f} % busy"
            for what, share in (("the processor", self.busy_percent), ("the GPU", self.gpu_percent))
            if share is not None and share > IDLE_PERCENT
        ]
        if not busy or not self.watts:
            return ""
        return (
            f"{' and '.join(busy)} while the idle power was measured: net energy will come out too low. "
            "Close what runs and measure again"
        )

    def __str__(self) -> str:
        if not self.watts:
            why = "; ".join(f"{name}: {reason}" for name, reason in self.missing.items())
            return f"the idle power can't be measured here: {why}"
        parts = ", ".join(f"{_WORDS[kind]} {quantity(watts, 'W')}" for kind, watts in self.watts.items())
        return f"idle power over {quantity(self.seconds, 's')}: {parts} ({self.source})"

    def __repr__(self) -> str:
        return str(self)


def measure_idle(
    seconds: float,
    classes: Classes,
    *,
    wait: Callable[[float], object] | None = None,
    busy: Callable[[], Callable[[], float | None]] | None = None,
) -> IdlePower:
    """Measure the machine's power while this process waits.

    The collectors that measure cells read the same counters here. An interrupt propagates: no result is
    kept, and nothing stays open.

    Parameters
    ----------
    seconds : float
        How long, at least 0.5: counters have to step several times.
    classes : mapping of str to collector class or Unavailable
        ``collectors.base.registered()``.
    wait : callable, optional
        Waits so many seconds.
    busy : callable, optional
        Called at the start; the function that it returns is called at the end and gives the processor use, %.

    Returns
    -------
    IdlePower
        Without watts, and at once, where there is no counter.

    Raises
    ------
    PlanError
        For a value that is not a time, or is too short.
    """
    length = _LENGTH.check("baseline", seconds)
    around = Instruments(
        {
            "wall_time": WallTime,
            **{n: classes.get(n) or Unavailable(f"{n} is not installed") for n in energy_span.COLLECTORS},
        },
        interval=min(max(length / 20, 0.05), 1.0),
    )
    share = (busy or _processor)()
    around.start()
    try:
        if len(around.entered) > 1:
            (wait or _wait)(length)
    finally:
        around.stop()
    around.raise_held()
    read = around.read()
    wall_s = float(read["wall_time_s"])
    joules = {part: float(read[f"{part}_energy_j"]) for part in _WORDS if f"{part}_energy_j" in read}
    missing: dict[str, str] = {}
    for name, parts in (("energy", ("package", "psys", "dram")), ("gpu", ("gpu",))):
        if not any(part in joules for part in parts):
            names = (name, *(f"{part}_energy_j" for part in parts))
            reasons = (around.missing[each] for each in names if each in around.missing)
            missing[name] = next(reasons, NO_ENERGY).text
    if not joules:
        return IdlePower(missing=missing)
    gpu_percent = read.get("gpu_percent")
    return IdlePower(
        watts={part: energy / wall_s for part, energy in joules.items()},
        seconds=wall_s,
        source=str(read.get("energy_source", "")),
        missing=missing,
        busy_percent=share(),
        gpu_percent=None if gpu_percent is None else float(gpu_percent),
    )


def _processor() -> Callable[[], float | None]:
    """Return a function that gives the mean use of all cores of the machine from now on, %."""
    import psutil

    before = psutil.cpu_times()

    def share() -> float | None:
        passed = [now - then for now, then in zip(psutil.cpu_times(), before, strict=True)]
        named = dict(zip(before._fields, passed, strict=True))
        # Guests' time is in user time already; waiting for a disk is idling.
        total = sum(passed) - named.get("guest", 0.0) - named.get("guest_nice", 0.0)
        idle = named.get("idle", 0.0) + named.get("iowait", 0.0)
        return 100 * (1 - idle / total) if total > 0 else None

    return share
