"""What this machine can measure and from what source, and what it can't and why, for ``%e2e metrics``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2e_magic import derived
from e2e_magic.derived import energy
from e2e_magic.measuring.collectors.base import Collector, Unavailable, registered
from e2e_magic.record import Metric, Reason
from e2e_magic.views.frames import CatalogEntry


def catalog(settings: Mapping[str, Any]) -> list[CatalogEntry]:
    """List every metric with its source or the reason why it can't be measured here.

    Parameters
    ----------
    settings : mapping
        The current run's: its idle power, its grams of CO2 per kWh.
    """
    entries = []
    for name, cls in registered(again=True).items():
        source, unavailable, absent = _availability(cls)
        entries += [
            _entry(metric, name, source, unavailable or absent.get(metric.name))
            for metric in getattr(cls, "metrics", ())
        ]
    entries.append(_lines())
    measured = {entry.metric.name for entry in entries if entry.available}
    reasons = energy.unavailable(derived.METRICS, measured, settings)
    entries += [_entry(m, "derived", "computed on read", reasons.get(m.name)) for m in derived.METRICS]
    # What can't be measured comes first: a long table is cut in its middle, and the reason matters.
    return sorted(entries, key=lambda entry: entry.available)


def _lines() -> CatalogEntry:
    from e2e_magic.measuring.lines.watch import METRIC, source

    try:
        return _entry(METRIC, "--lines", source(), None)
    except Unavailable as unavailable:
        return _entry(METRIC, "--lines", "", unavailable.reason)


def _entry(metric: Metric, collector: str, source: str, reason: Reason | None) -> CatalogEntry:
    if reason is None:
        return CatalogEntry(metric, collector, True, source, "", "")
    return CatalogEntry(metric, collector, False, "", reason.text, reason.remedy)


def _availability(
    cls: type[Collector] | Unavailable,
) -> tuple[str, Reason | None, Mapping[str, Reason]]:
    """Return a collector's source, why it can't measure here, and why not some of its metrics."""
    if isinstance(cls, Unavailable):
        return "", cls.reason, {}
    try:
        collector = cls()
        absent: Mapping[str, Reason] = getattr(collector, "absent", dict)()
    except Unavailable as unavailable:
        return "", unavailable.reason, {}
    except Exception as error:  # noqa: BLE001 - another package's collector may fail in any way
        text = f"it fails ({type(error).__name__}: {error})"
        return "", Reason("", text, "leave it out with --metrics"), {}
    return collector.source, None, absent
