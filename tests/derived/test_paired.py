"""Two sides in the same blocks: how often the verdict errs; estimate, interval and test are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from e2e_magic.derived.comparison import OPEN, compared
from e2e_magic.derived.paired import EXACT_TEST, LARGE_TEST, paired
from e2e_magic.sweeping.order import blocks

PAIRS = 300
# Log of the machine's slowness over the trials of a comparison, from 0 to 1.
DRIFTS: dict[str, Callable[[Any], Any]] = {
    "none": np.zeros_like,
    "linear": lambda t: 0.3 * t,
    "step": lambda t: np.where(t > 0.5, math.log(1.5), 0.0),
    "wave": lambda t: 0.1 * np.sin(40 * t),
}


def measured(drift: str, n: int, ratio: float, *, seed: int, tails: int = 0) -> tuple[Any, Any, Any]:
    """Return times of two functions in `n` balanced blocks, and of the same trials in their order."""
    rng = np.random.default_rng((seed, n))
    noise = rng.standard_t(tails, 2 * n) if tails else rng.normal(size=2 * n)
    times = np.exp(0.05 * noise + DRIFTS[drift](np.linspace(0, 1, 2 * n)))
    side = np.array([place for block in blocks(2, n, seed) for place in block])
    return times[side == 0], times[side == 1] * ratio, times


def claimed(n: int, drift: str, ratio: float = 1.0, tails: int = 0) -> tuple[float, float]:
    """Return in which share of comparisons a difference is claimed, and the true ratio is covered."""
    rows = [
        paired(*measured(drift, n, ratio, seed=seed, tails=tails)[:2], "wall_time_s") for seed in range(PAIRS)
    ]
    return (
        sum(row.verdict not in OPEN for row in rows) / PAIRS,
        sum(row.ratio_low <= ratio <= row.ratio_high for row in rows) / PAIRS,
    )


@pytest.mark.parametrize("n", [4, 6, 10, 20])
@pytest.mark.parametrize("drift", DRIFTS)
def test_no_difference_is_claimed_in_blocks_whatever_drifts(n: int, drift: str) -> None:
    """At most 5 % and the error of simulating: 300 comparisons have 8 % once in a hundred."""
    false, covered = claimed(n, drift, tails=2 if n == 10 else 0)

    assert false <= 0.08
    assert covered >= 0.90


@pytest.mark.parametrize("drift", ["linear", "step"])
def test_the_same_times_one_after_the_other_are_called_different(drift: str) -> None:
    """What blocks are for: a drift looks like a difference then."""
    times = [measured(drift, 10, 1.0, seed=seed)[2] for seed in range(50)]

    assert sum(compared(each[:10], each[10:], "wall_time_s").verdict not in OPEN for each in times) > 45


@pytest.mark.parametrize("drift", ["none", "linear", "step"])
def test_a_difference_is_seen_beside_any_drift(drift: str) -> None:
    """5 % with a spread of 5 %: mostly from 20 blocks; 20 % always."""
    seen, covered = claimed(20, drift, 1.05)

    assert seen >= 0.75
    assert covered >= 0.90
    assert claimed(20, drift, 1.2)[0] == 1.0


def test_few_blocks_see_what_is_apart() -> None:
    """The signed rank of 4 blocks can't be significant; their values are."""
    row = paired([1.0, 1.1, 1.2, 1.05], [2.0, 2.1, 2.2, 2.05], "wall_time_s")

    assert (row.verdict, row.n, row.n_baseline) == ("slower", 4, 4)
    assert paired([1.0, 1.1, 1.2], [2.0, 2.1, 2.2], "wall_time_s").verdict == "too few repeats"


def test_the_estimate_is_that_of_hodges_and_lehmann() -> None:
    """The median of the means of all pairs, here of the logarithms of the blocks' ratios."""
    rng = np.random.default_rng(3)
    base, other = np.exp(rng.normal(size=(2, 13)))
    moved = np.log(other / base)
    walsh = sorted((moved[i] + moved[j]) / 2 for i in range(13) for j in range(i, 13))
    row = paired(base, other)

    assert row.ratio == pytest.approx(math.exp(float(np.median(walsh))))
    # R: wilcox.test(x, conf.int=TRUE) takes the 18th and the 74th of the 91, qsignrank(0.025, 13) = 18.
    assert row.ratio_low == pytest.approx(math.exp(walsh[17]))
    assert row.ratio_high == pytest.approx(math.exp(walsh[-18]))


@given(st.lists(st.floats(0.1, 10), min_size=6, max_size=25, unique=True), st.randoms())
def test_the_exact_test_is_scipys_where_nothing_is_tied(values: list[float], random: Any) -> None:
    """Its signed rank of the logarithms of the ratios."""
    base = [random.uniform(1, 2) for _ in values]
    row = paired(base, values)

    assert row.test == EXACT_TEST
    moved = np.log(np.array(values)) - np.log(np.array(base))
    if len(set(abs(moved))) == len(moved) and moved.all():
        assert row.p_value == pytest.approx(wilcoxon(moved, method="exact").pvalue)


@given(st.lists(st.integers(-3, 3), min_size=6, max_size=9))
def test_ties_and_zeros_are_counted_out(steps: list[int]) -> None:
    """As many choices of signs as are at least as extreme, of all of them."""
    sizes = sorted(map(abs, steps))
    rank = {size: np.mean([n + 1 for n, one in enumerate(sizes) if one == size]) for size in sizes}
    signed = [rank[abs(step)] for step in steps if step]
    sums = [
        sum(r for r, up in zip(signed, ups, strict=True) if up) for ups in product((0, 1), repeat=len(signed))
    ]
    observed = sum(rank[step] for step in steps if step > 0)
    less, more = (
        np.mean([test(each) for each in sums]) for test in (lambda s: s <= observed, lambda s: s >= observed)
    )
    row = paired([2.0**n for n in range(len(steps))], [2.0 ** (n + step) for n, step in enumerate(steps)])

    assert row.p_value == pytest.approx(min(1.0, 2 * min(less, more)))


def test_many_blocks_take_the_normal_approximation_and_stay_quick() -> None:
    """20,000 blocks are taken together by neighbours."""
    rng = np.random.default_rng(0)
    row = paired(np.exp(rng.normal(size=20_000)), 1.1 * np.exp(rng.normal(size=20_000)), "cpu_time_s")

    assert (row.test, row.verdict, row.n) == (LARGE_TEST, "slower", 20_000)
    assert row.ratio_low < 1.1 < row.ratio_high


def test_a_block_without_both_values_is_left_out() -> None:
    """And it is said."""
    row = paired([1.0, math.nan, *[1.0] * 6], [2.0, 3.0, *[2.0] * 5, math.nan], "wall_time_s")

    assert (row.n, row.ratio, row.verdict) == (6, 2.0, "slower")
    assert row.reason == "2 blocks without a value on both sides left out"


def test_a_side_that_diverged_is_worse() -> None:
    """An infinite loss is beyond all others, and two of them are alike."""
    row = paired([1.0] * 8, [math.inf] * 8, "loss")
    alike = paired([math.inf] * 8, [math.inf] * 8, "loss")

    assert row.verdict == "more"
    assert math.isnan(row.ratio)
    assert alike.verdict == "no difference seen"


_values = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(_values, _values), max_size=12))
@example([(0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, 2.0), (1.0, 2.0)])
def test_any_values_give_a_verdict_and_its_opposite(pairs: list[tuple[float, float]]) -> None:
    """Whichever side is the baseline, and whatever floats are measured."""
    one, other = [a for a, _ in pairs], [b for _, b in pairs]
    opposite = {"more": "less", "less": "more"}
    row, back = paired(one, other, "loss"), paired(other, one, "loss")

    assert back.verdict == opposite.get(row.verdict, row.verdict)
    assert not row.ratio <= 0
