"""Percentiles of single calls, each only from as many as it needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.derived import derive
from e2e_magic.derived.latency import counts_met, early_stopping, intervals
from e2e_magic.derived.percentiles import order_interval
from e2e_magic.record import Record, sentences

BARE = Record("r", "infer", 1, 1, "complete", datetime(2026, 8, 1, tzinfo=UTC))


def _derived(laps_s: list[float], **more: Any) -> Any:
    elapsed_s = sum(laps_s)
    raw = {
        "calls": len(laps_s),
        "elapsed_s": elapsed_s,
        "mean_s": elapsed_s / len(laps_s),
        "laps_s": sorted(laps_s),
    }
    return derive(replace(BARE, reported={"latency": raw | more}))


@given(st.lists(st.floats(1e-9, 1e3), min_size=50, max_size=60).map(lambda laps_s: laps_s * 14))
def test_percentiles_are_numpys(laps_s: list[float]) -> None:
    """With enough calls for each there is a number for each, and no reason."""
    found = _derived(laps_s)

    for q in (50, 90, 95, 99):
        assert found.values[f"latency_p{q}_s"] == pytest.approx(float(np.percentile(laps_s, q)))
    assert not found.missing
    assert found.values["latency_throughput_per_s"] == pytest.approx(len(laps_s) / sum(laps_s))


def test_too_few_calls_say_how_long_would_do() -> None:
    """Never a percentile from too few calls: what it needs, what came, what to do."""
    found = _derived([0.05] * 140)

    assert found.values["latency_p95_s"] == 0.05
    assert "latency_p99_s" not in found.values
    assert sentences(found.missing) == {
        "latency_p99_s": "p99 needs at least 662 calls, got 140: raise --latency-duration to about 36 s"
    }


def test_energy_is_shared_among_the_calls() -> None:
    """Only where it was measured."""
    assert _derived([0.1] * 20, energy_j=4.0).values["latency_energy_per_call_j"] == 0.2
    assert "latency_energy_per_call_j" not in _derived([0.1] * 20).values


def test_intervals_are_those_of_the_ranks() -> None:
    """Of calls of evenly spaced rank, the kept ones beside them: never narrower."""
    every = [n / 1000 for n in range(1, 10_001)]
    kept = [every[round(n * 9999 / 1000)] for n in range(1001)]
    low, high = order_interval(10_000, 99)
    exact, thin = intervals(every, 10_000), intervals(kept, 10_000)

    assert (exact["p99_low_s"], exact["p99_high_s"]) == (every[low - 1], every[(high or 0) - 1])
    assert thin["p99_low_s"] <= exact["p99_low_s"] < exact["p99_high_s"] <= thin["p99_high_s"]
    assert _derived(every).values["latency_p99_high_s"] == exact["p99_high_s"]
    assert set(intervals(every[:100], 100)) == {"p50_low_s", "p50_high_s", "p90_low_s", "p90_high_s"}


@pytest.mark.parametrize(
    ("calls", "met"),
    [
        (20, "p90 neither, p99 neither"),
        (64, "p90 early stopping, p99 neither"),
        (662, "p90 early stopping, p99 early stopping"),
        (24_576, "p90 full, p99 early stopping"),
        (270_336, "p90 full, p99 full"),
    ],
)
def test_which_of_mlperfs_counts_is_met(calls: int, met: str) -> None:
    """By early stopping, or in full."""
    assert counts_met(calls) == (
        f"MLPerf's counts that {calls:,} calls meet: {met} (early stopping: 64 and 662; full: 24,576 and "
        "270,336)"
    )
    assert early_stopping(calls) == (
        "too few for MLPerf's p90"
        if calls < 64
        else f"MLPerf's early stopping met for {'p90' if calls < 662 else 'p90 and p99'}"
    )
