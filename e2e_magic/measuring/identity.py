"""Whose trial it is: run, number, sweep, parameters, source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from e2e_magic.record import encode

if TYPE_CHECKING:
    from e2e_magic.measuring.black_box import BlackBox


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a trial: the fields of a record besides numbers."""

    run: str = ""
    trial: int = 1
    sweep: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    concurrent: bool = False
    # Plain data of the run for `Record.reported`: ``baseline_power``, ``carbon_g_per_kwh``.
    settings: Mapping[str, Any] = field(default_factory=dict)
    black_box: BlackBox | None = None

    def known(self) -> dict[str, Any]:
        """Return what a black box holds of it, as plain data."""
        return {
            "trial": self.trial,
            "sweep": self.sweep,
            "params": self.params and encode(self.params),
            "reported": self.settings and encode(self.settings),
            "source": self.source,
            "concurrent": self.concurrent,
        }
