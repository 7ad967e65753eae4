"""Energy of the processor and its memory, from RAPL's counters: of the whole machine, never estimated."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import ClassVar, Self

from e2e_magic.measuring import clocks
from e2e_magic.measuring.collectors import powercap, pyrapl
from e2e_magic.measuring.collectors.base import Collector, Probe, Unavailable
from e2e_magic.measuring.collectors.powercap import Zone
from e2e_magic.record import NO_ENERGY, Code, Metric, Reason, Series, Value
from e2e_magic.text import quantity

# How often the processor moves a counter.
STEP_S = 0.001
# More than any socket draws: a trial in which a counter may have gone round more than once at this
# power needs the sampler's count of how often it did, and one that shows more has no true number.
MOST_W = 1000.0
# A counter may be read some time after it stepped: this much longer than the code took, s.
_SLACK_S = 1.0
# Two clocks read one after the other differ by less than this, s.
_NAP_S = 0.05

_NOT_THERE = {
    "package": Reason("", "this machine has no counter for a whole processor package"),
    "dram": Reason(
        Code.NO_DRAM_COUNTER,
        "this machine has no counter for memory: processors for desktops and laptops seldom have one",
    ),
    "psys": Reason(
        Code.PACKAGE_COUNTED,
        "the counter of the whole platform is read only where there is none for the package",
    ),
}


class Energy(Collector):
    """Joules that the machine's processors and memory used between the two edges.

    The counters are the machine's: they include other programs. They are read at both edges, where they
    are exact to about a millisecond; the sampler sees how often they start again at 0.
    The powercap tree lists them; `source` checks whether pyRAPL finds the same ones.

    Parameters
    ----------
    root : str, optional
        The powercap tree; the class's `root` where it is left out.
    clock : callable
        Returns seconds.

    Raises
    ------
    Unavailable
        Where there are no counters, or none of a whole package, or this user may not read that one.
    """

    name: ClassVar[str] = "energy"
    root: ClassVar[str] = powercap.ROOT
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("package_energy_j", "J", "energy", "lower", "energy of all processor packages, RAPL"),
        Metric("dram_energy_j", "J", "energy", "lower", "energy of the memory, RAPL"),
        Metric("psys_energy_j", "J", "energy", "lower", "energy of the whole platform, if that is all"),
        Metric("energy_source", "", "energy", None, "where the joules come from"),
        Metric("package_power_w", "W", "energy", "lower", "power of all processor packages", curve=True),
        Metric("dram_power_w", "W", "energy", "lower", "power of the memory", curve=True),
        Metric("psys_power_w", "W", "energy", "lower", "power of the whole platform", curve=True),
    )

    def __init__(self, root: str | None = None, clock: Callable[[], float] = clocks.monotonic) -> None:
        root = self.root if root is None else root
        zones = powercap.zones_of(root)
        if not zones:
            raise powercap.absence(root)
        kinds = ("package", "dram") if powercap.counted(zones, "package") else ("psys",)
        chosen = {kind: group for kind in kinds if (group := powercap.counted(zones, kind))}
        if not chosen:
            raise powercap.unsupported(zones, root)
        self._closed = _closed(chosen, root)
        if kinds[0] in self._closed:
            raise powercap.permission([zone for group in self._closed.values() for zone in group])
        self._counters = {
            kind: Counters(kind, group, clock) for kind, group in chosen.items() if kind not in self._closed
        }
        self._root = root
        self._missing: dict[str, Reason] = {}
        self._joules({})

    @property
    def source(self) -> str:  # type: ignore[override]
        """The source of the numbers. Runs pyRAPL to see whether it finds them too, so no trial reads this."""
        how = "; ".join(f"{kind}: {counters.source}" for kind, counters in self._counters.items())
        return f"RAPL in {self._root} ({how})"

    def probes(self) -> tuple[Probe, ...]:
        return tuple(
            Probe(
                f"{kind}_power_w",
                "counter",
                path=counters.sampled[0].file,
                scale=1e-6,
                wrap=counters.wrap_uj,
                args=tuple(zone.file for zone in counters.sampled[1:]),
                step_s=STEP_S,
            )
            for kind, counters in self._counters.items()
        )

    def __enter__(self) -> Self:
        for counters in self._counters.values():
            counters.start()
        return self

    def __exit__(self, *error: object) -> None:
        for counters in self._counters.values():
            counters.stop()

    def readings(self) -> Mapping[str, Value]:
        return self._joules({})

    def sampled(  # the curves are for charts: energy comes from the counters
        self,
        series: Mapping[str, Series],  # noqa: ARG002
        totals: Mapping[str, float],
    ) -> Mapping[str, Value]:
        return self._joules(totals)

    def missing(self) -> Mapping[str, Reason]:
        absent = {name: reason.brief for name, reason in self.absent().items() if name.endswith("_energy_j")}
        return absent | self._missing

    def absent(self) -> Mapping[str, Reason]:
        reasons = {kind: reason for kind, reason in _NOT_THERE.items() if kind not in self._counters}
        reasons |= {kind: powercap.permission(group).reason for kind, group in self._closed.items()}
        return {
            f"{kind}_{what}": reason for kind, reason in reasons.items() for what in ("energy_j", "power_w")
        }

    def _joules(self, totals: Mapping[str, float]) -> dict[str, Value]:
        values: dict[str, Value] = {}
        self._missing = {}
        for kind, counters in self._counters.items():
            try:
                values[f"{kind}_energy_j"] = counters.joules(totals.get(f"{kind}_power_w"))
            except LookupError as why:
                self._missing[f"{kind}_energy_j"] = Reason("", str(why))
        if values:
            values["energy_source"] = "rapl"
        else:
            self._missing["energy_source"] = NO_ENERGY
        return values


class Counters:
    """The counters of one kind, one or more for each socket, whose increases are added.

    Parameters
    ----------
    kind : {"package", "dram", "psys"}
    zones : sequence of Zone
    clock, asleep : callable
        Return seconds: of a clock, and how long the machine has slept since it was started.
    """

    def __init__(
        self,
        kind: str,
        zones: Sequence[Zone],
        clock: Callable[[], float] = clocks.monotonic,
        asleep: Callable[[], float] | None = None,
    ) -> None:
        self.zones = tuple(zones)
        self._clock = clock
        self._asleep = asleep or _asleep_s
        self._kind = kind
        self._start: list[tuple[int, int]] | None = None
        self._end: list[tuple[int, int]] | None = None
        self._began = self._ended = 0.0
        self._slept = 0.0
        self._problem = "the code did not reach its end"
        # Only zones of one socket can show the same counter, and a look costs a tenth of a millisecond.
        mirrors = self._mirrors(self._read()) if self._several_of_one() else set[int]()
        self.sampled = tuple(zone for n, zone in enumerate(self.zones) if n not in mirrors)
        ranges = {zone.wrap_uj for zone in self.sampled}
        # The sampler adds them up; of different ranges, its sum does not show which started again.
        self.wrap_uj = ranges.pop() if len(ranges) == 1 else 0

    @property
    def source(self) -> str:
        """Whether pyRAPL finds these counters too, in words; runs pyRAPL for it."""
        refusal = pyrapl.refusal(self._kind, self.zones)
        return f"read directly, for pyRAPL can't: {refusal}" if refusal else "pyRAPL"

    def start(self) -> None:
        """Read the counters at the first edge."""
        try:
            self._start = self._read()
        except (OSError, ValueError) as error:
            self._problem = _lost(error)
        self._slept = self._asleep()
        self._began = self._clock()

    def stop(self) -> None:
        """Read the counters at the second edge."""
        self._ended = self._clock()
        self._slept = self._asleep() - self._slept
        if self._start is None:
            return
        try:
            self._end = self._read()
        except (OSError, ValueError) as error:
            self._problem = _lost(error)

    def joules(self, total: float | None = None) -> float:
        """Return the energy between the edges, J.

        A counter that is lower at the end has started again at 0; the sampler's total shows whether it
        did so more than once.

        Parameters
        ----------
        total : float, optional
            The increase that the sampler added up from start to end, J.

        Raises
        ------
        LookupError
            Where it can't be determined; the text gives the reason.
        """
        if self._start is None or self._end is None:
            raise LookupError(self._problem)
        if self._slept > _NAP_S:
            raise LookupError("the machine slept meanwhile, and its counters may have started anew")
        mirrors = self._mirrors(self._start) & self._mirrors(self._end)
        counted = [n for n in range(len(self.zones)) if n not in mirrors]
        energy_uj = 0
        for n in counted:
            increase, wrap = self._end[n][0] - self._start[n][1], self.zones[n].wrap_uj
            if increase < 0 and not wrap:
                raise LookupError(f"{self.zones[n].file} ran backwards, and its range is not known")
            started_again = increase < 0
            increase += wrap if started_again else 0
            self._possible(increase, 1, self.zones[n].file, started_again=started_again)
            energy_uj += increase
        if {self.zones[n] for n in counted} != set(self.sampled):
            total = None  # the sampler added up other counters
        energy_uj += self._further(energy_uj, total, [self.zones[n].wrap_uj for n in counted])
        self._possible(energy_uj, len(counted), self.zones[counted[0]].file, started_again=True)
        if energy_uj == 0:
            raise LookupError(
                "the counter did not move: it steps about every millisecond, and what some virtual machines "
                "show never does"
            )
        return energy_uj * 1e-6

    def _possible(self, energy_uj: float, sockets: int, file: str, *, started_again: bool) -> None:
        """Raise `LookupError` for more energy than that many sockets can take between the edges."""
        took_s = self._ended - self._began
        if energy_uj * 1e-6 <= MOST_W * sockets * (took_s + _SLACK_S):
            return
        what = "started anew at 0 meanwhile" if started_again else "jumped"
        raise LookupError(
            f"{file} {what}: {quantity(energy_uj * 1e-6, 'J')} in {quantity(took_s, 's')} would be more than "
            f"any processor takes"
        )

    def _further(self, energy_uj: int, total: float | None, wraps: Sequence[int]) -> int:
        """Return the energy of the counter wraps that the edges alone don't show, microjoule."""
        wrap = min(wraps)
        if not wrap:
            return 0
        alike = max(wraps) == wrap
        if total is not None and alike:
            return max(0, round((total * 1e6 - energy_uj) / wrap)) * wrap
        if (self._ended - self._began) * MOST_W * 1e6 > wrap:
            if not alike:
                raise LookupError("a counter may have started again more than once, and their ranges differ")
            raise LookupError(
                "the counter may have started again more than once, and the sampler was not there to count it"
            )
        return 0

    def _read(self) -> list[tuple[int, int]]:
        """Read every counter forth and back (see `powercap.nested`), in µJ; once where there is no need."""
        forth = [zone.read() for zone in self.zones]
        if not self._several_of_one():
            return [(value, value) for value in forth]
        back = [zone.read() for zone in reversed(self.zones)]
        return list(zip(forth, reversed(back), strict=True))

    def _several_of_one(self) -> bool:
        """Return whether any socket has more than one zone here."""
        return len({zone.package for zone in self.zones}) < len(self.zones)

    def _mirrors(self, reads: Sequence[tuple[int, int]]) -> set[int]:
        """Return the positions of counters that only mirror an earlier one of the same socket."""
        mirrors: set[int] = set()
        if not self._several_of_one():
            return mirrors
        numbered = enumerate(self.zones)
        for _, group in groupby(numbered, key=lambda item: item[1].package):
            places = [n for n, _ in group]
            mirrors |= {places[j] for _, j in powercap.nested([reads[n] for n in places])}
        return mirrors


def _closed(chosen: Mapping[str, Sequence[Zone]], root: str) -> dict[str, list[Zone]]:
    """Return the counters that this user may not read, by kind; raise `Unavailable` for any other failure."""
    closed: dict[str, list[Zone]] = {}
    for kind, zones in chosen.items():
        for zone in zones:
            try:
                zone.read()
            except PermissionError:
                closed.setdefault(kind, []).append(zone)
            except (OSError, ValueError) as error:
                powercap.forget(root)
                raise Unavailable(
                    f"RAPL was there, but {_lost(error)}",
                    "ask for an estimate: --estimate-power IDLE_W,FULL_W",
                    code=Code.NO_ENERGY_COUNTER,
                    lasting=False,
                ) from error
    return closed


def _lost(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename} can't be read: {error.strerror}"
    return f"a counter could not be read ({error})"


def _asleep_s() -> float:
    """Return the time that the machine has slept since it was started, s; 0 where it is unavailable."""
    if sys.platform != "linux":
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
