"""Latency of single calls (``--latency``): percentiles, each only from as many calls as it needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from e2e_magic.derived.percentiles import needed, order_interval, percentile
from e2e_magic.record import Metric, Reason, Record
from e2e_magic.text import digits

PERCENTILES = (50, 90, 95, 99)
# Queries that MLPerf's rules asked for before early stopping (Reddi et al., ISCA 2020, table 4).
FULL_COUNTS = {90: 24_576, 99: 270_336}
METRICS = (
    Metric("latency_calls", "", "rates", None, "single calls timed by --latency"),
    *(
        Metric(f"latency_p{q}_s", "s", "rates", "lower", f"{q} % of the single calls took no longer")
        for q in PERCENTILES
    ),
    *(
        Metric(f"latency_p{q}_{end}_s", "s", "rates", "lower", f"{end} end of the 95 % interval of the p{q}")
        for q in PERCENTILES
        for end in ("low", "high")
    ),
    Metric("latency_mean_s", "s", "rates", "lower", "mean of the single calls"),
    Metric("latency_throughput_per_s", "calls/s", "rates", "higher", "single calls, one after another"),
    Metric("latency_energy_per_call_j", "J", "energy", "lower", "energy of the machine / single calls"),
)


def latency(record: Record) -> tuple[dict[str, float | int], dict[str, Reason]]:
    """Return the numbers of a trial's single calls by column, and the reason for each that it lacks.

    Of more calls than are kept, those of evenly spaced rank are (``measuring.latency.KEPT``); the
    percentiles of all calls are among them.
    """
    timed: Mapping[str, Any] | None = record.reported.get("latency")
    if not timed:
        return {}, {}
    calls, elapsed_s = int(timed["calls"]), float(timed["elapsed_s"])
    percentiles, missing = calls_percentiles(timed["laps_s"], calls, elapsed_s, "--latency-duration")
    values: dict[str, float | int] = {
        "latency_calls": calls,
        **{f"latency_{name}": value for name, value in percentiles.items()},
        **{f"latency_{name}": value for name, value in intervals(timed["laps_s"], calls).items()},
        "latency_mean_s": float(timed["mean_s"]),
    }
    if elapsed_s > 0:
        values["latency_throughput_per_s"] = calls / elapsed_s
    if "energy_j" in timed:
        values["latency_energy_per_call_j"] = float(timed["energy_j"]) / calls
    return values, {f"latency_{name}": Reason("", reason) for name, reason in missing.items()}


def calls_percentiles(
    seconds: Sequence[float], calls: int, elapsed_s: float, option: str
) -> tuple[dict[str, float], dict[str, str]]:
    """Return ``p50_s`` to ``p99_s``, and the reason for each for which there were too few calls.

    Parameters
    ----------
    seconds : sequence of float
        Latencies of all calls, or of calls of evenly spaced rank.
    calls : int
        How many were timed.
    elapsed_s : float
        How long they took together: says how much longer would be enough.
    option : str
        The name of the duration, for the reason.

    Notes
    -----
    Percentiles are numpy's default, linear interpolation.
    """
    values: dict[str, float] = {}
    missing: dict[str, str] = {}
    for q in PERCENTILES:
        if calls >= needed(q):
            values[f"p{q}_s"] = percentile(seconds, q)
        else:
            longer_s = 1.1 * elapsed_s * needed(q) / calls
            missing[f"p{q}_s"] = (
                f"p{q} needs at least {needed(q)} calls, got {calls}: "
                f"raise {option} to about {digits(float(f'{longer_s:.2g}'))} s"
            )
    return values, missing


def intervals(
    seconds: Sequence[float], calls: int, independent: Callable[[int], int] | None = None
) -> dict[str, float]:
    """Return ``p50_low_s`` to ``p99_high_s``: between them the true percentile lies, with 95 % probability.

    Parameters
    ----------
    seconds : sequence of float
        Latencies, ascending: of all calls, or of calls of evenly spaced rank.
    calls : int
        How many were timed. A percentile with fewer calls than it needs has no interval.
    independent : callable, optional
        Returns, for a percentile, how many independent calls tell as much (`percentiles.independent`). When
        left out the calls are taken as independent: of those that were slow together the interval is too
        narrow.
    """
    ends: dict[str, float] = {}
    step = (calls - 1) / max(len(seconds) - 1, 1)
    for q in PERCENTILES:
        if calls >= needed(q):
            as_many = calls if independent is None else independent(q)
            low, high = order_interval(as_many, q)
            scale = calls / as_many
            ends[f"p{q}_low_s"] = seconds[math.floor(max(math.floor(low * scale) - 1, 0) / step)]
            if high is not None:
                ends[f"p{q}_high_s"] = seconds[math.ceil(min(math.ceil(high * scale) - 1, calls - 1) / step)]
    return ends


def counts_met(calls: int) -> str:
    """Return which of the counts that MLPerf asks for so many calls meet."""
    met = ", ".join(
        f"p{q} {'full' if calls >= full else 'early stopping' if calls >= needed(q) else 'neither'}"
        for q, full in FULL_COUNTS.items()
    )
    early = " and ".join(str(needed(q)) for q in FULL_COUNTS)
    full = " and ".join(f"{count:,}" for count in FULL_COUNTS.values())
    return f"MLPerf's counts that {calls:,} calls meet: {met} (early stopping: {early}; full: {full})"


def early_stopping(calls: int) -> str:
    """Return in a few words for which percentiles so many calls meet MLPerf's early stopping."""
    met = [f"p{q}" for q in FULL_COUNTS if calls >= needed(q)]
    return f"MLPerf's early stopping met for {' and '.join(met)}" if met else "too few for MLPerf's p90"
