"""Numbers that follow from two readings: shares, rates, differences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from e2e_magic.derived import energy
from e2e_magic.measuring.inner_loop import SHORT_S
from e2e_magic.record import Code, Metric, Reason

TOO_SHORT = Reason(
    Code.TOO_SHORT,
    "the code took less than 1 ms, and CPU time is read some microseconds outside of the wall time's edges",
    "--number auto measures many executions at once",
)
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


# The readings that rates are made of.
READINGS = (*energy.READINGS, "rss_start_mib", "rss_end_mib", "number")


def rates(read: Mapping[str, Any], entries: Any = None) -> dict[str, Any]:
    """Return the rates of one trial; one whose inputs were not measured is left out.

    Parameters
    ----------
    read : mapping
        The numbers of `READINGS`, floats. Or arrays of them, a place for each of many trials: their wall
        times must all be above 0 then.
    entries : number, optional
        Those handled; or an array, without a 0.

    Notes
    -----
    ``latency_s`` is wall time / entries and ``throughput_per_s`` its inverse: the mean over the
    whole trial, not a percentile of single calls (``e2e.latency`` times those).
    """
    numbers: dict[str, Any] = {}
    joules = energy.total(energy.measured(read))
    wall = read.get("wall_time_s")
    timed = wall is not None and _each(wall > 0)
    if timed:
        if "cpu_time_s" in read:
            long = wall * read.get("number", 1.0) >= SHORT_S
            if not isinstance(long, bool):
                numbers["cpu_percent"] = 100.0 * read["cpu_time_s"] / wall
                numbers["cpu_percent"][~long] = math.nan
            elif long:
                numbers["cpu_percent"] = 100.0 * read["cpu_time_s"] / wall
        if joules is not None:
            numbers["mean_power_w"] = joules / wall
    if "rss_end_mib" in read and "rss_start_mib" in read:
        numbers["rss_delta_mib"] = read["rss_end_mib"] - read["rss_start_mib"]
    if entries is not None and _each(entries != 0):
        numbers["entries"] = entries
        if timed:
            numbers["latency_s"] = wall / entries
            numbers["throughput_per_s"] = entries / wall
        if joules is not None:
            numbers["energy_per_entry_j"] = joules / entries
    return numbers


def _each(truth: Any) -> bool:
    """Return whether a condition holds: of a number, or of every number in an array."""
    return truth if isinstance(truth, bool) else bool(truth.all())
