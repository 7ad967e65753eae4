"""Numbers that follow from two readings: shares, rates, differences."""

from __future__ import annotations

from e2e_magic.derived.energy import measured
from e2e_magic.record import Metric, Record

METRICS = (
    Metric("cpu_percent", "%", "cpu", None, "CPU time / wall time; 100 is one core"),
    Metric("rss_delta_mib", "MiB", "memory", "lower", "resident memory at the end minus at the start"),
    Metric("mean_power_w", "W", "energy", "lower", "measured energy (energy_source) / wall time"),
    Metric("entries", "", "rates", None, "entries handled"),
    Metric("latency_s", "s", "rates", "lower", "wall time / entries"),
    Metric("throughput_per_s", "entries/s", "rates", "higher", "entries / wall time"),
    Metric("energy_per_entry_j", "J", "energy", "lower", "measured energy (energy_source) / entries"),
    Metric("energy_per_epoch_j", "J", "energy", "lower", "measured energy (energy_source) / epochs"),
)


def rates(record: Record) -> dict[str, float | int]:
    """Return the rates of one trial; one whose inputs were not measured is not there.

    Notes
    -----
    ``latency_s`` is wall time / entries and ``throughput_per_s`` its inverse: the mean over the
    whole trial, not a percentile of single calls (``e2e.latency`` times those).
    """
    read = record.readings
    found: dict[str, float | int] = {}
    joules = measured(record)
    energy = sum(joules.values()) if joules else None
    wall = float(read.get("wall_time_s", 0.0))
    if wall > 0:
        if "cpu_time_s" in read:
            found["cpu_percent"] = 100.0 * float(read["cpu_time_s"]) / wall
        if energy is not None:
            found["mean_power_w"] = energy / wall
    if "rss_end_mib" in read and "rss_start_mib" in read:
        found["rss_delta_mib"] = float(read["rss_end_mib"]) - float(read["rss_start_mib"])
    entries = record.reported.get("entries")
    if entries:
        found["entries"] = entries
        if wall > 0:
            found["latency_s"] = wall / entries
            found["throughput_per_s"] = entries / wall
        if energy is not None:
            found["energy_per_entry_j"] = energy / entries
    return found
