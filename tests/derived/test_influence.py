"""How much of a metric's spread a parameter explains."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.derived.influence import explained

GROUPS = st.lists(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=5), min_size=2, max_size=5)


@given(GROUPS)
def test_the_share_is_eta_squared(groups: list[list[float]]) -> None:
    """Sums of squares between the levels over all of them, as an analysis of variance has them."""
    values = np.concatenate(groups)
    level = [n for n, some in enumerate(groups) for _ in some]
    found = explained(level, values.tolist())
    total = ((values - values.mean()) ** 2).sum()

    if values.max() == values.min():
        assert found.reason == "the metric is the same in all trials"
        return
    if total < 1e-12:  # rounding is all there is
        return
    between = sum(len(some) * (np.mean(some) - values.mean()) ** 2 for some in groups)
    assert found.share == pytest.approx(between / total, abs=1e-6)
    assert 0 <= found.low <= found.share <= found.high <= 1
    assert found.chance == (len(groups) - 1) / (len(values) - 1)
    assert found == explained(level, values.tolist())


@given(GROUPS, st.floats(0.1, 10), st.floats(-5, 5))
def test_units_and_names_do_not_matter(groups: list[list[float]], factor: float, shift: float) -> None:
    """Another unit of the metric and other names of the levels: the same share."""
    values = np.round(np.concatenate(groups), 3)
    level = [n for n, some in enumerate(groups) for _ in some]
    one = explained(level, values.tolist())
    other = explained([f"level {n}" for n in level], (factor * values + shift).tolist())

    assert one.share == pytest.approx(other.share, abs=1e-6, nan_ok=True)


def test_a_parameter_that_decides_and_one_that_does_nothing() -> None:
    """Near 1 with a narrow interval; near what chance gives, with an interval that holds it."""
    rng = np.random.default_rng(0)
    rate = np.tile([0.1, 0.01, 0.001], 20)
    other = np.repeat(["a", "b"], 30)
    loss = np.log10(rate) ** 2 + 0.05 * rng.standard_normal(60)
    strong, weak = explained(rate, loss), explained(other, loss)

    assert strong.share > 0.99
    assert strong.low > 0.98
    assert weak.share < 0.1
    assert weak.low <= weak.chance
    assert (strong.levels, weak.levels) == (3, 2)


def test_the_interval_covers_the_true_share_of_an_effect() -> None:
    """Of 300 simulated sweeps with 36 trials, nine in ten intervals hold the share that is true."""
    rng = np.random.default_rng(4)
    level = np.tile([0.0, 1.0, 2.0], 12)
    truth = np.var([0.0, 1.0, 2.0]) / (np.var([0.0, 1.0, 2.0]) + 1)
    hits = 0
    for n in range(300):
        found = explained(level, level + rng.standard_normal(36), seed=n)
        hits += found.low <= truth <= found.high

    assert 0.88 <= hits / 300 <= 0.98


def test_many_values_are_cut_into_bins_by_rank() -> None:
    """A random search tries each value once: five bins of equal count, whatever the scale."""
    rng = np.random.default_rng(2)
    rate = 10 ** rng.uniform(-4, 0, 50)
    loss = (np.log10(rate) + 2) ** 2
    found = explained(rate, loss)

    assert (found.binned, found.levels) == (True, 5)
    assert found.share > 0.8
    assert found.share == explained(np.log(rate), loss).share


@pytest.mark.parametrize(
    ("parameter", "metric", "reason"),
    [
        ([], [], "no trial has both"),
        ([1, 2], [math.nan, math.inf], "no trial has both"),
        ([None, math.nan], [1.0, 2.0], "no trial has both"),
        ([1, 1, 1, 1], [1, 2, 3, 4], "only one value was tried"),
        ([1, 1, 2], [1, 2, 3], "too few trials: 3, at least 4 are needed"),
        (["a", "b", "c", "d"], [1, 2, 3, 4], "most values were tried once: add repeats, or more trials"),
        ([1, 2, 3, 4], [1, 2, 3, 4], "most values were tried once: add repeats, or more trials"),
        ([1, 1, 2, 2], [5, 5, 5, 5], "the metric is the same in all trials"),
    ],
)
def test_what_cannot_be_told_has_a_reason(parameter: Any, metric: Any, reason: str) -> None:
    """No share, no interval, and why."""
    found = explained(parameter, metric)

    assert found.reason == reason
    assert math.isnan(found.share)


def test_lists_are_levels() -> None:
    """A parameter may be a list of layers or a dict."""
    found = explained([[8], [8], [8, 8], [8, 8]], [1.0, 1.1, 2.0, 2.1])

    assert found.levels == 2
    assert found.share > 0.9
