"""The energy that goes on while calls are timed, from the same collectors that measure cells."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from e2e_magic.measuring.collectors.base import Collector, Unavailable, registered

_COLLECTORS = ("energy", "gpu")
# The whole platform is read only where there is no package: nothing is counted twice.
_PARTS = ("package_energy_j", "dram_energy_j", "psys_energy_j", "gpu_energy_j")


class Joules:
    """Energy between two edges, as a context manager used once. It never raises.

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
        self._open: list[Collector] = []
        self._reasons: dict[str, str] = {}

    def __enter__(self) -> Self:
        classes = registered()
        for name in _COLLECTORS:
            found = classes.get(name, Unavailable(f"the collector {name} is not installed"))
            if isinstance(found, Unavailable):
                self._reasons[name] = found.reason.text  # its remedy is an option of cells
                continue
            try:
                collector = found()
                collector.probes()  # the protocol: asked once, before the first edge
                collector.__enter__()
                self._open.append(collector)
            except Exception as error:  # a collector that fails costs its own numbers only
                self._reasons[name] = _said(error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for collector in reversed(self._open):
            try:
                collector.__exit__(kind, error, trace)
                read = collector.readings()
                self.parts.update((part, float(read[part])) for part in _PARTS if part in read)
                missing = collector.missing()
                reasons = [missing[part] for part in _PARTS if part in missing]
                if reasons:
                    self._reasons[collector.name] = str(reasons[0])
            except Exception as broken:  # see above
                self._reasons[collector.name] = _said(broken)
        if not self.parts:
            self.why = self._reasons.get("energy") or self._reasons.get("gpu") or "no energy was measured"

    @property
    def total_j(self) -> float | None:
        """All that was measured, J; None where nothing was."""
        return sum(self.parts.values()) if self.parts else None


def _said(error: Exception) -> str:
    return error.reason.text if isinstance(error, Unavailable) else f"{type(error).__name__}: {error}"
