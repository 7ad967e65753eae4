from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from e2e_magic.api.latency.scenarios import arrivals
from e2e_magic.derived import percentiles
from e2e_magic.derived.latency import intervals
from e2e_magic.derived.percentiles import independent

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("q", "least"), [(50, 11), (90, 64), (95, 130), (99, 662), (99.9, 6636), (5, 130), (75, 24)]
)
def test_how_many_values_a_percentile_needs(q: float, least: int) -> None:
    """LoadGen's early stopping: one fewer is refused with the number needed, with as many it is numpy's."""
    values = np.arange(least, dtype=float)

    assert percentiles.needed(q) == least
    assert percentiles.percentile(values.tolist(), q) == pytest.approx(np.percentile(values, q))
    with pytest.raises(ValueError, match=r"^p") as caught:
        percentiles.percentile(values[1:].tolist(), q)
    assert str(caught.value) == f"p{q:g} needs at least {least} values, got {least - 1}: measure longer"


@given(st.lists(st.floats(0, 1e6), min_size=50, max_size=60).map(lambda values: values * 14))
def test_percentiles_rise(values: list[float]) -> None:
    """A higher percentile is never lower."""
    found = [percentiles.percentile(values, q) for q in (50, 90, 95, 99)]

    assert found == sorted(found)


@pytest.mark.parametrize("q", [0, 100, -1, math.nan])
def test_a_percentile_that_is_none(q: float) -> None:
    """The error says what is allowed."""
    with pytest.raises(ValueError, match=r"^q: ") as caught:
        percentiles.needed(q)

    assert str(caught.value) == f"q: expected a percentile above 0 and below 100, got {q!r}"


@given(st.integers(1, 3000), st.floats(1e-4, 0.9999), st.data())
def test_the_binomial_distribution_is_scipys(n: int, p: float, data: st.DataObject) -> None:
    """To the precision of a float."""
    most = data.draw(st.integers(0, n))

    assert percentiles.binomial_cdf(most, n, p) == pytest.approx(float(binom.cdf(most, n, p)), abs=1e-9)


@pytest.mark.parametrize(("n", "q"), [(64, 50), (64, 90), (662, 99), (5000, 99), (1_000_000, 99)])
def test_order_statistics_enclose_a_percentile(n: int, q: float) -> None:
    """With a probability of 95 %, and with no rank to spare on either side."""
    low, high = percentiles.order_interval(n, q)
    share = q / 100

    assert high is not None
    assert binom.cdf(low - 1, n, share) <= 0.025 < binom.cdf(low, n, share)
    assert binom.cdf(high - 1, n, share) >= 0.975 > binom.cdf(high - 2, n, share)


def test_too_few_values_have_no_upper_end() -> None:
    """The largest of 100 is below the true p99 in 37 of 100 samples."""
    assert percentiles.order_interval(100, 99) == (97, None)


def test_intervals_of_a_long_tail_hold() -> None:
    """Of 1,000 samples of 700 exponential times, the true p99 lies in the interval of about 950."""
    draws = np.sort(np.random.default_rng(0).exponential(size=(1000, 700)), axis=1)
    low, high = percentiles.order_interval(700, 99)
    assert high is not None
    held = (draws[:, low - 1] <= -math.log(0.01)) & (-math.log(0.01) <= draws[:, high - 1])

    assert 0.94 <= held.mean() <= 0.98


def test_a_share_is_below_a_bound_by_early_stopping() -> None:
    """LoadGen's table: none of 459, one of 662, two of 838 over the bound pass for a p99."""
    least = [next(n for n in range(1, 2000) if percentiles.stays_below(over, n, 0.01)) for over in (0, 1, 2)]

    assert least == [459, 662, 838]


@pytest.mark.parametrize("rate", [100.0, 150.0])
def test_the_interval_of_calls_that_queue_holds_the_true_percentile(rate: float) -> None:
    """Of 120 runs of an M/D/1 queue of 4 ms calls, nine in ten, where taken as independent 7 in 10 do."""

    def laps(duration_s: float, seed: int) -> np.ndarray:
        due = np.frombuffer(arrivals(rate, duration_s, seed), dtype=np.int64) * 1e-9
        place = np.arange(len(due))  # done = max over those before of due + all calls since (Lindley, 1952)
        return (np.maximum.accumulate(due - 0.004 * place) + 0.004 * (place + 1) - due)[due >= 0]

    truth = np.percentile(np.concatenate([laps(2000.0, seed) for seed in range(5)]), 99)
    hits = {True: 0, False: 0}
    for seed in range(120):
        in_order = laps(20.0, 1000 + seed)
        ordered = np.sort(in_order).tolist()
        for apart in hits:
            ends = intervals(ordered, len(ordered), None if apart else partial(independent, in_order))
            hits[apart] += ends["p99_low_s"] <= truth <= ends.get("p99_high_s", np.inf)

    assert hits[True] / 120 < 0.8
    assert hits[False] / 120 >= 0.88


def test_independent_values_count_in_full() -> None:
    """Of values that came in no order about all count; of four times the same value one."""
    drawn = np.random.default_rng(0).exponential(size=20_000)

    assert independent(drawn, 90) > 17_000
    assert independent(np.repeat(drawn, 4), 90) == pytest.approx(20_000, rel=0.15)
