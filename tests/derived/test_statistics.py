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


@pytest.mark.parametrize(
    ("q", "least"), [(50, 2), (90, 10), (95, 20), (99, 100), (99.9, 1000), (5, 20), (75, 4)]
)
def test_how_many_values_a_percentile_needs(q: float, least: int) -> None:
    """1 / (1 - q): with one fewer it is refused with the number needed, with as many it is numpy's."""
    values = np.arange(least, dtype=float)

    assert statistics.needed(q) == least
    assert statistics.percentile(values.tolist(), q) == pytest.approx(np.percentile(values, q))
    with pytest.raises(ValueError, match=r"^p") as caught:
        statistics.percentile(values[1:].tolist(), q)
    assert str(caught.value) == f"p{q:g} needs at least {least} values, got {least - 1}: measure longer"


@given(st.lists(st.floats(0, 1e6), min_size=100, max_size=120))
def test_percentiles_rise(values: list[float]) -> None:
    """A higher percentile is never lower."""
    found = [statistics.percentile(values, q) for q in (50, 90, 95, 99)]

    assert found == sorted(found)


@pytest.mark.parametrize("q", [0, 100, -1, math.nan])
def test_a_percentile_that_is_none(q: float) -> None:
    """The error says what is allowed."""
    with pytest.raises(ValueError, match=r"^q: ") as caught:
        statistics.needed(q)

    assert str(caught.value) == f"q: expected a percentile above 0 and below 100, got {q!r}"


def test_a_wide_spread_is_said_with_what_to_do() -> None:
    """Above 10 % of the median, and not at it."""
    assert statistics.stable([1.0, 1.5, 2.0, 1.0, 1.2]) == (
        "spread is 17 % of the median over 5 repeats: raise --repeat, add --warmup, or close other programs"
    )
    assert statistics.stable([9.0, 10.0, 11.0]) is None
    assert statistics.stable([]) is None
