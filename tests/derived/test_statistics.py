from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.derived import statistics

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


@given(VALUES)
def test_median_and_mad_are_numpys(values: list[float]) -> None:
    """The middle, and the middle distance from it."""
    middle = np.median(values)

    assert statistics.median(values) == pytest.approx(middle)
    assert statistics.mad(values) == pytest.approx(np.median(np.abs(values - middle)), abs=1e-9)


def test_what_was_not_measured_does_not_count() -> None:
    """NaN is left out; of nothing there is no median and no spread."""
    assert statistics.median([math.nan, 3.0, math.inf]) == 3.0
    assert math.isnan(statistics.median([]))
    assert math.isnan(statistics.spread([0.0, 0.0]))


def test_a_wide_spread_is_said_with_what_to_do() -> None:
    """Above 10 % of the median, and not at it."""
    assert statistics.stable([1.0, 1.5, 2.0, 1.0, 1.2]) == (
        "spread is 17 % of the median over 5 repeats: raise --repeat, add --warmup, or close other programs"
    )
    assert statistics.stable([9.0, 10.0, 11.0]) is None
    assert statistics.stable([]) is None


@pytest.mark.parametrize("kind", ["normal", "log-normal", "above a floor"])
@pytest.mark.parametrize("repeats", [2, 3, 5, 6, 10, 21])
def test_the_interval_of_the_median_covers_it(repeats: int, kind: str) -> None:
    """Median ± half width, of a symmetric interval, holds the true median in about 95 % of 2,000 samples."""
    rng = np.random.default_rng(repeats)
    draw, truth = {
        "normal": (lambda size: 10 + rng.standard_normal(size), 10.0),
        "log-normal": (lambda size: np.exp(0.05 * rng.standard_normal(size)), 1.0),
        "above a floor": (lambda size: 1 + 0.1 * rng.exponential(size=size), 1 + 0.1 * math.log(2)),
    }[kind]
    samples = draw((2000, repeats)).tolist()
    hits = sum(abs(statistics.median(one) - truth) <= statistics.half_width(one) for one in samples)

    assert 0.92 <= hits / 2000 <= 0.985
    assert math.isnan(statistics.half_width([1.0]))
