"""Two sorted samples: the interval of the ratio of their medians, and the exact test of their ranks."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT_UP_TO = 60  # values on both sides together
EXACT_TEST = "exact Mann-Whitney"
LARGE_TEST = "Mann-Whitney (normal approximation)"
_RESAMPLES = 4000
_LEVEL = 0.05


def tail(n_baseline: int, n: int) -> float:
    """Return the share that is cut off at each end of the bootstrap distribution.

    2.5 % in theory. Simulated over log-normal, shifted exponential, Student (3 degrees of freedom) and
    two-humped samples, that covers 96 to 97.5 % from 5 values on and 93 % with 4; these cover 94 to 97 %.
    """
    least = min(n_baseline, n)
    if least > 100:
        return 0.03
    return {4: 0.015, 5: 0.04}.get(least, 0.035)


def interval(
    baseline: NDArray[Any], other: NDArray[Any], *, ratio: bool, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of the ratio (or difference) of the medians of two sorted samples.

    `scipy.stats.bootstrap` gives the same interval within the error of resampling (a test compares them), in
    5 ms for 4 values on each side, 22 ms for 10 and 47 ms for 30; this takes 0.2, 0.1 and 0.6 ms, and a
    comparison of several runs has hundreds. Importing `scipy.stats` takes 3.5 s besides. All that on a
    loaded machine.
    """
    import numpy as np

    # A sample is resampled alike on either side, so that the opposite comparison has the opposite interval.
    swapped = int((len(other), other.tolist()) < (len(baseline), baseline.tolist()))
    first = _medians(baseline, seed + swapped)
    second = _medians(other, seed + 1 - swapped)
    cut = int(_RESAMPLES * tail(len(baseline), len(other)))
    bounds = (cut, _RESAMPLES - 1 - cut)
    with np.errstate(over="ignore", invalid="ignore"):  # at the ends of what floats can hold
        apart = np.partition(second / first if ratio else second - first, bounds)
    return float(apart[bounds[0]]), float(apart[bounds[1]])


def _medians(ordered: NDArray[Any], seed: int) -> NDArray[Any]:
    """Return the medians of resamples with replacement of a sorted sample."""
    left, right = _middle(len(ordered), seed)
    medians: NDArray[Any] = 0.5 * ordered[left] + 0.5 * ordered[right]
    return medians


@lru_cache(maxsize=256)
def _middle(n: int, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Draw the ranks of the two middle values of resamples of `n`, without drawing the resamples.

    A resample is n uniform draws of a rank; the k-th smallest of n uniform numbers is a beta variate
    (David and Nagaraja, Order Statistics, 2003, section 2.3), and its neighbour follows from it.
    """
    import numpy as np

    rng = np.random.default_rng((seed, n))
    if n % 2:
        places = rng.beta((n + 1) // 2, (n + 1) // 2, _RESAMPLES)
        ranks = np.minimum((n * places).astype(np.int64), n - 1)
        return ranks, ranks
    half = n // 2
    upper = rng.beta(half + 1, half, _RESAMPLES)
    lower = upper * rng.random(_RESAMPLES) ** (1.0 / half)
    return (
        np.minimum((n * lower).astype(np.int64), n - 1),
        np.minimum((n * upper).astype(np.int64), n - 1),
    )


def rank_test(baseline: NDArray[Any], other: NDArray[Any]) -> tuple[float, str]:
    """Return the two-sided p-value of the rank sum, and which test gave it.

    The exact p-value of `scipy.stats.mannwhitneyu` takes no account of ties, which counts and peaks of
    memory have: of 1 1 2 2 3 against 2 3 3 4 4 it is 0.056 where all orders give 0.079. Without ties both
    are equal (a test compares them); scipy's takes 1.8 ms for 4 values on each side and 3.4 ms for 30, this
    0.2 and 2.4 ms. `scipy.stats.permutation_test`, which is exact with ties too, takes 26 ms for 4 values on
    each side, and 3.4 s for 10, of which it only draws 9,999 orders; this 0.3 ms.
    """
    import numpy as np

    if len(baseline) + len(other) > EXACT_UP_TO:
        from scipy.stats import mannwhitneyu

        if baseline[0] == baseline[-1] == other[0] == other[-1]:
            return 1.0, LARGE_TEST  # all alike: the approximation would divide by a variance of 0
        return float(mannwhitneyu(other, baseline, method="asymptotic").pvalue), LARGE_TEST
    both = np.concatenate([baseline, other])
    values, place, counts = np.unique(both, return_inverse=True, return_counts=True)
    if len(values) == 1:
        return 1.0, EXACT_TEST
    # Twice the mean rank of each group of ties, a whole number.
    twice = (2 * np.cumsum(counts) - counts + 1)[place]
    observed = int(twice[len(baseline) :].sum())
    ways = _sums(tuple(sorted(int(rank) for rank in twice)), len(other))
    total = ways.sum()
    below, above = ways[: observed + 1].sum() / total, ways[observed:].sum() / total
    return float(min(1.0, 2.0 * min(below, above))), EXACT_TEST


def by_spread_alone(baseline: NDArray[Any], other: NDArray[Any]) -> bool:
    """Return whether the rank test's verdict rests on equal spread.

    It does where `scipy.stats.brunnermunzel` sees no difference.
    """
    if baseline[-1] < other[0] or other[-1] < baseline[0]:
        return False  # apart from end to end
    from scipy.stats import brunnermunzel

    return bool(brunnermunzel(baseline, other).pvalue >= _LEVEL)


@lru_cache(maxsize=64)
def _sums(ranks: tuple[int, ...], size: int) -> NDArray[Any]:
    """Count the subsets of `size` ranks by their sum: the shift algorithm of Streitberg and Roehmel."""
    import numpy as np

    ways = np.zeros((size + 1, sum(ranks) + 1))
    ways[0, 0] = 1.0
    for rank in ranks:
        # From copies of the old row: each rank is taken at most once.
        ways[1:, rank:] += ways[:-1, : ways.shape[1] - rank].copy()
    counted: NDArray[Any] = ways[size]
    return counted
