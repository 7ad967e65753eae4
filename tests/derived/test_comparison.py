"""The ratio of two medians, its interval, its test and its words."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from e2e_magic.derived import two_samples
from e2e_magic.derived.comparison import VERDICTS, amount, compared
from e2e_magic.derived.many_comparisons import guarded

TIED = st.lists(st.integers(0, 9), min_size=4, max_size=30)
SAMPLES = st.lists(st.floats(1e-3, 1e3), min_size=4, max_size=25)
ANY = st.lists(st.floats(), max_size=8)
COMPARISONS = 2000


def _log_normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return np.exp(0.05 * rng.standard_normal(shape))


def _above_a_floor(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Draw as timings are: a least time, and now and then a long delay; the median is 1."""
    return (1 + 0.1 * rng.exponential(size=shape)) / (1 + 0.1 * math.log(2))


def _far_out(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return np.exp(0.05 * rng.standard_t(3, size=shape))


KINDS = {"log-normal": _log_normal, "above a floor": _above_a_floor, "far out": _far_out}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("n", "m"), [(4, 4), (5, 5), (6, 6), (5, 10), (9, 9), (10, 10), (20, 20), (120, 35), (150, 130)]
)
def test_intervals_cover_the_true_ratio_as_often_as_they_say(kind: str, n: int, m: int) -> None:
    """Of 2,000 simulated comparisons 93 to 97 % hold the true ratio, whatever that is."""
    rng = np.random.default_rng([n, m])
    draw: Callable[..., np.ndarray] = KINDS[kind]
    truth = np.exp(rng.uniform(-1, 1, COMPARISONS))
    first = np.sort(draw(rng, (COMPARISONS, n)), axis=1)
    second = np.sort(truth[:, None] * draw(rng, (COMPARISONS, m)), axis=1)
    hits = 0
    for one, other, ratio in zip(first, second, truth, strict=True):
        low, high = two_samples.interval(one, other, ratio=True)
        hits += low <= ratio <= high

    assert 0.93 <= hits / COMPARISONS <= 0.97


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "m"), [(4, 4), (5, 5), (5, 10), (20, 20), (40, 35)])
def test_no_difference_is_claimed_where_there_is_none(kind: str, n: int, m: int) -> None:
    """Of 2,000 pairs from one distribution at most 6 % are called different; with 3 values none is."""
    rng = np.random.default_rng([n, m, 7])
    draw: Callable[..., np.ndarray] = KINDS[kind]
    first, second = draw(rng, (COMPARISONS, n)), draw(rng, (COMPARISONS, m))
    verdicts = [compared(a, b).verdict for a, b in zip(first, second, strict=True)]

    assert sum(verdict != "no difference seen" for verdict in verdicts) <= 0.06 * COMPARISONS
    assert {compared(a[:3], b[:3]).verdict for a, b in zip(first, second, strict=True)} == {"too few repeats"}


def test_a_clear_difference_is_seen() -> None:
    """Of 500 pairs with twice the time, five repeats and a spread of 5 %, none is missed."""
    rng = np.random.default_rng(3)
    first, second = _log_normal(rng, (500, 5)), 2 * _log_normal(rng, (500, 5))
    verdicts = {compared(a, b, "wall_time_s").verdict for a, b in zip(first, second, strict=True)}

    assert verdicts == {"slower"}


@given(SAMPLES, SAMPLES)
def test_the_exact_test_is_scipys_where_nothing_is_tied(first: list[float], second: list[float]) -> None:
    """Up to 60 values, all different: scipy's exact Mann-Whitney."""
    assume(len({*first, *second}) == len(first) + len(second))
    found = compared(first, second)

    assert found.test == "exact Mann-Whitney"
    assert found.p_value == pytest.approx(stats.mannwhitneyu(first, second, method="exact").pvalue)


@given(
    st.lists(st.integers(1, 4), min_size=4, max_size=5), st.lists(st.integers(1, 4), min_size=4, max_size=5)
)
def test_the_exact_test_counts_ties_as_a_permutation_does(first: list[int], second: list[int]) -> None:
    """With ties, where scipy's exact form is wrong: all ways to share the values, counted by scipy."""

    def rank_sum(one: np.ndarray, other: np.ndarray) -> float:
        return float(stats.rankdata(np.concatenate([one, other]))[: len(one)].sum())

    exact = stats.permutation_test(
        (first, second), rank_sum, permutation_type="independent", n_resamples=np.inf, vectorized=False
    )

    assert compared(first, second).p_value == pytest.approx(exact.pvalue)


def test_many_values_take_the_normal_approximation() -> None:
    """Above 60 values, and it says so."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(10, 1, 80), rng.normal(11, 1, 90)
    found = compared(first, second, "wall_time_s")

    assert found.test == "Mann-Whitney (normal approximation)"
    assert found.p_value == pytest.approx(stats.mannwhitneyu(first, second).pvalue)
    assert found.verdict == "slower"


@given(SAMPLES, SAMPLES, st.floats(0.01, 100))
def test_the_ratio_knows_no_unit(first: list[float], second: list[float], factor: float) -> None:
    """Seconds or milliseconds: ratio, interval and verdict are the same; the interval holds the ratio."""
    one = compared(first, second, "wall_time_s")
    other = compared([factor * v for v in first], [factor * v for v in second], "wall_time_s")

    assert one.ratio == pytest.approx(np.median(second) / np.median(first))
    assert one.ratio_low <= one.ratio * (1 + 1e-9)
    assert one.ratio_high >= one.ratio * (1 - 1e-9)
    assert (one.ratio, one.ratio_low, one.ratio_high) == pytest.approx(
        (other.ratio, other.ratio_low, other.ratio_high)
    )
    assert one == compared(first, second, "wall_time_s")


@given(ANY, ANY)
def test_any_values_give_a_verdict(first: list[float], second: list[float]) -> None:
    """Whatever came: one of the six words; a number that is missing has a reason or too few repeats."""
    found = compared(first, second, "loss")

    assert found.verdict in VERDICTS
    assert (found.verdict == "too few repeats") == (min(found.n, found.n_baseline) < 4)
    assert (found.repeats_needed == 4) == (found.verdict == "too few repeats")
    assert math.isfinite(found.ratio) or found.reason
    assert math.isfinite(found.p_value) == (found.verdict != "too few repeats")


@given(SAMPLES)
def test_a_sample_never_differs_from_itself(values: list[float]) -> None:
    """The same values on both sides: a ratio of 1 and no difference."""
    found = compared(values, values)

    assert found.ratio == 1.0
    assert found.verdict == "no difference seen"


@pytest.mark.parametrize(
    ("metric", "larger", "smaller"),
    [
        ("wall_time_s", "slower", "faster"),
        ("cpu_time_s", "slower", "faster"),
        ("latency_s", "slower", "faster"),
        ("throughput_per_s", "faster", "slower"),
        ("peak_rss_mib", "more", "less"),
        ("accuracy", "more", "less"),
        ("package_energy_j", "more", "less"),
    ],
)
def test_the_words(metric: str, larger: str, smaller: str) -> None:
    """Times and rates are faster or slower, all else is less or more."""
    low, high = [1.0, 1.1, 1.2, 1.3], [2.0, 2.1, 2.2, 2.3]

    assert compared(low, high, metric).verdict == larger
    assert compared(high, low, metric).verdict == smaller


@pytest.mark.parametrize(("n", "m"), [(10, 10), (30, 8), (8, 30), (6, 6)])
def test_spread_alone_is_no_difference(n: int, m: int) -> None:
    """Equal medians, five times the spread: of 500 pairs at most 8 % are called different."""
    rng = np.random.default_rng([n, m, 5])
    first, second = np.exp(0.02 * rng.standard_normal((500, n))), np.exp(0.1 * rng.standard_normal((500, m)))
    verdicts = [compared(a, b).verdict for a, b in zip(first, second, strict=True)]

    assert sum(verdict != "no difference seen" for verdict in verdicts) <= 0.08 * 500


def test_constant_samples() -> None:
    """Without any spread: the same value is no difference, another one is."""
    assert compared([5.0] * 5, [5.0] * 5).verdict == "no difference seen"
    other = compared([5.0] * 5, [6.0] * 5, "peak_rss_mib")
    assert (other.verdict, other.ratio, other.ratio_low, other.ratio_high) == ("more", 1.2, 1.2, 1.2)
    assert compared([5.0] * 50, [5.0] * 50).p_value == 1.0


@pytest.mark.parametrize(
    ("first", "second", "verdict", "reason"),
    [
        ([0.0, 1, 2, 3], [5.0, 6, 7, 8], "more", "a ratio needs values above 0, the least is 0"),
        ([-4.0, -3, -2, -1], [1.0, 2, 3, 4], "more", "a ratio needs values above 0, the least is -4"),
        ([], [1.0, 2, 3, 4], "too few repeats", "no value on the baseline"),
        ([1.0], [], "too few repeats", "no value on the other side"),
        ([], [], "too few repeats", "no value on either side"),
        ([1.0, 2, 3, 4, math.nan], [1.0, 2, 3, 4], "no difference seen",
         "1 value missing or not finite left out"),
        ([1.0, math.inf, math.nan], [1.0], "too few repeats", "2 values missing or not finite left out"),
    ],
)  # fmt: skip
def test_what_has_no_ratio_says_why(
    first: list[float], second: list[float], verdict: str, reason: str
) -> None:
    """Zeros and negative numbers have no ratio but still a verdict; what is missing doesn't count."""
    found = compared(first, second, "loss")

    assert (found.verdict, found.reason) == (verdict, reason)
    assert math.isnan(found.ratio) == (first in ([], [1.0]) or min(first) <= 0)


@given(TIED, TIED)
def test_the_opposite_comparison_has_the_opposite_interval(one: list[int], other: list[int]) -> None:
    """To the last bit, so that no verdict hangs on which side is called the baseline."""
    assume(sorted(one) != sorted(other))
    first, second = (np.sort(np.asarray(each, dtype=float)) for each in (one, other))
    low, high = two_samples.interval(first, second, ratio=False)

    assert two_samples.interval(second, first, ratio=False) == (-high, -low)


def test_five_hundred_comparisons_take_little_time() -> None:
    """The ranks of the resamples are drawn once per size, not once per comparison."""
    two_samples._middle.cache_clear()
    rng = np.random.default_rng(1)
    for a, b in zip(_log_normal(rng, (500, 6)), _log_normal(rng, (500, 6)), strict=True):
        compared(a, b)

    assert two_samples._middle.cache_info().misses == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "m"), [(4, 4), (5, 10), (10, 10), (30, 20)])
def test_the_interval_is_that_of_scipys_bootstrap(kind: str, n: int, m: int) -> None:
    """Each end cuts off the same share of the ratios that resampling with scipy gives."""
    rng = np.random.default_rng(n + m)
    first, second = (np.sort(KINDS[kind](rng, (1, size))[0]) for size in (n, m))

    def ratio(other: np.ndarray, baseline: np.ndarray, axis: int) -> np.ndarray:
        return np.median(other, axis=axis) / np.median(baseline, axis=axis)

    drawn = stats.bootstrap(
        (second, first), ratio, n_resamples=10_000, method="percentile", random_state=0
    ).bootstrap_distribution
    low, high = two_samples.interval(first, second, ratio=True)
    tail = two_samples.tail(n, m)

    # Medians of few values take few values: an end may lie on one of them.
    assert np.mean(drawn < low) - 0.01 <= tail <= np.mean(drawn <= low) + 0.01
    assert np.mean(drawn > high) - 0.01 <= tail <= np.mean(drawn >= high) + 0.01


def _answers(slower: float, repeats: int, share: float = 0.1) -> dict[str, float]:
    """Return how often, of 400 comparisons of times with a spread of 5 %, a guard gives each answer."""
    rng = np.random.default_rng([repeats, int(1000 * slower)])
    counts = {"pass": 0, "fail": 0, "can't tell": 0}
    for _ in range(400):
        first, second = _log_normal(rng, (2, repeats))
        found = compared(first, (1 + slower) * second, "wall_time_s")
        row = SimpleNamespace(better="lower", verdict=found.verdict, n=found.n, n_baseline=found.n_baseline)
        counts[guarded(row, found.change_low, found.change_high, share).answer] += 1
    return {answer: count / 400 for answer, count in counts.items()}


POWER = {(0.0, 5): 0.77, (0.0, 10): 0.97, (0.0, 20): 1.0, (0.25, 5): 0.91, (0.25, 10): 0.99, (0.25, 20): 1.0}


@pytest.mark.parametrize(("slower", "repeats"), POWER)
def test_how_often_a_guard_knows_is_what_its_docstring_says(slower: float, repeats: int) -> None:
    """Passes without a difference, fails on 25 % over a bound of 10 %: and never the other way round."""
    right, wrong = ("pass", "fail") if slower < 0.1 else ("fail", "pass")
    answers = _answers(slower, repeats)

    assert answers[right] == pytest.approx(POWER[slower, repeats], abs=0.03)
    assert answers[wrong] == 0


@pytest.mark.parametrize("repeats", [5, 10, 20])
def test_on_its_bound_a_guard_cannot_tell(repeats: int) -> None:
    """Of what is as much slower as is allowed, few pass and few fail."""
    answers = _answers(0.1, repeats)

    assert max(answers["pass"], answers["fail"]) <= 0.06


@pytest.mark.parametrize(
    ("verdict", "ratio", "said"),
    [
        ("slower", 1.8, "1.8x slower"),
        ("faster", 0.5, "2x faster"),
        ("slower", 1.004, "0.4 % slower"),
        ("faster", 0.9996, "0.04 % faster"),
        ("more", 1.29, "29 % more"),
        ("no difference seen", 1.0, "no difference seen"),
    ],
)
def test_a_difference_is_never_told_as_none(verdict: str, ratio: float, said: str) -> None:
    """A time that is nearly the same is told in percent: once as slow is no difference."""
    assert amount(verdict, ratio)[0] == said
