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


@given(st.lists(st.floats(1e-9, 1e3), min_size=100, max_size=300))
def test_percentiles_are_numpys(laps_s: list[float]) -> None:
    """With enough calls for each there is a number for each, and no reason."""
    found = _derived(laps_s)

    for q in (50, 90, 95, 99):
        assert found.values[f"latency_p{q}_s"] == pytest.approx(float(np.percentile(laps_s, q)))
    assert not found.missing
    assert found.values["latency_throughput_per_s"] == pytest.approx(len(laps_s) / sum(laps_s))


def test_too_few_calls_say_how_long_would_do() -> None:
    """Never a percentile from too few calls: what it needs, what came, what to do."""
    found = _derived([0.05] * 40)

    assert found.values["latency_p95_s"] == 0.05
    assert "latency_p99_s" not in found.values
    assert sentences(found.missing) == {
        "latency_p99_s": "p99 needs at least 100 calls, got 40: raise --latency-duration to about 5.5 s"
    }


def test_energy_is_shared_among_the_calls() -> None:
    """Only where it was measured."""
    assert _derived([0.1] * 20, energy_j=4.0).values["latency_energy_per_call_j"] == 0.2
    assert "latency_energy_per_call_j" not in _derived([0.1] * 20).values
