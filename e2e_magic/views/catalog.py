"""What this machine can measure, from what source, and what it can't and why: for ``%e2e metrics``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2e_magic import derived
from e2e_magic.derived import energy
from e2e_magic.measuring.collectors.base import Collector, Unavailable, registered
from e2e_magic.record import Reason
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
        source, why, absent = _looked_at(cls)
        for metric in getattr(cls, "metrics", ()):
            gone = why or absent.get(metric.name)
            told = ("", gone.text, gone.remedy) if gone else (source, "", "")
            entries.append(CatalogEntry(metric, name, gone is None, *told))
    measured = {entry.metric.name for entry in entries if entry.available}
    held_up = energy.unavailable(derived.METRICS, measured, settings)
    for m in derived.METRICS:
        reason = held_up.get(m.name)
        told = ("", reason.text, reason.remedy) if reason else ("computed on read", "", "")
        entries.append(CatalogEntry(m, "derived", reason is None, *told))
    # What can't be measured comes first: a long table is cut in its middle, and the reason matters.
    return sorted(entries, key=lambda entry: entry.available)


def _looked_at(
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
    except Exception as error:  # another package's collector may fail in any way
        why = Reason("", f"it fails ({type(error).__name__}: {error})", "leave it out with --metrics")
        return "", why, {}
    return collector.source, None, absent
