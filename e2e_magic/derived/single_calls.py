"""Latency of single calls (``--latency``): percentiles, each only from as many calls as it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2e_magic.derived.statistics import needed, percentile
from e2e_magic.record import Metric, Reason, Record
from e2e_magic.text import digits

PERCENTILES = (50, 90, 95, 99)
METRICS = (
    Metric("latency_calls", "", "rates", None, "single calls timed by --latency"),
    *(
        Metric(f"latency_p{q}_s", "s", "rates", "lower", f"{q} % of the single calls took no longer")
        for q in PERCENTILES
    ),
    Metric("latency_mean_s", "s", "rates", "lower", "mean of the single calls"),
    Metric("latency_throughput_per_s", "1/s", "rates", "higher", "single calls, one after another"),
    Metric("latency_energy_per_call_j", "J", "energy", "lower", "energy of the machine / single calls"),
)


def single_calls(record: Record) -> tuple[dict[str, float | int], dict[str, Reason]]:
    """Return the numbers of a trial's single calls and, for those that it lacks, why.

    Notes
    -----
    Percentiles are numpy's (linear interpolation). Of more calls than are kept, those of evenly spaced
    rank are (``calls.KEPT``), and these percentiles of all calls are among them.
    """
    raw: Mapping[str, Any] | None = record.reported.get("latency")
    if not raw:
        return {}, {}
    count, elapsed_s = int(raw["calls"]), float(raw["elapsed_s"])
    found: dict[str, float | int] = {"latency_calls": count}
    missing: dict[str, Reason] = {}
    for q in PERCENTILES:
        if count >= needed(q):
            found[f"latency_p{q}_s"] = percentile(raw["laps_s"], q)
        else:
            longer = 1.1 * elapsed_s * needed(q) / count
            missing[f"latency_p{q}_s"] = Reason(
                "",
                f"p{q} needs at least {needed(q)} calls, got {count}: "
                f"raise --latency-duration to about {digits(float(f'{longer:.2g}'))} s",
            )
    found["latency_mean_s"] = float(raw["mean_s"])
    if elapsed_s > 0:
        found["latency_throughput_per_s"] = count / elapsed_s
    if "energy_j" in raw:
        found["latency_energy_per_call_j"] = float(raw["energy_j"]) / count
    return found, missing
