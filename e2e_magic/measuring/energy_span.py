"""The energy of a span of code that is not a trial (timed calls), by the collectors that measure cells."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from e2e_magic.measuring.collectors.base import Unavailable, registered
from e2e_magic.measuring.instruments import Instruments
from e2e_magic.record import NO_ENERGY

COLLECTORS = ("energy", "gpu")
# The whole platform is read only where there is no package: nothing is counted twice.
_RAPL = ("package_energy_j", "dram_energy_j", "psys_energy_j")
_PARTS = (*_RAPL, "gpu_energy_j")


class EnergySpan:
    """Energy between two edges, as a single-use context manager; it never raises a collector's failure.

    Attributes
    ----------
    parts : dict of str to float
        What was measured, J, by metric: ``package_energy_j dram_energy_j psys_energy_j gpu_energy_j``.
    why : str
        Where there is none: the reason.
    """

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self.why = ""
        classes = registered()
        self._instruments = Instruments(
            {name: classes.get(name) or Unavailable(f"{name} is not installed") for name in COLLECTORS}
        )

    def __enter__(self) -> Self:
        self._instruments.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._instruments.stop(kind, error, trace)
        readings, missing = self._instruments.read(), self._instruments.missing
        self.parts = {part: float(readings[part]) for part in _PARTS if part in readings}
        if not self.parts:
            reasons = (missing.get(name) for name in ("energy", *_RAPL, "gpu", "gpu_energy_j"))
            self.why = next((reason.text for reason in reasons if reason), NO_ENERGY.text)
        if error is None:
            self._instruments.raise_held()

    @property
    def total_j(self) -> float | None:
        """All that was measured, J; None where nothing was."""
        return sum(self.parts.values()) if self.parts else None
