"""Compare two sides block by block: the ratio, its interval and the verdict, whatever drifts meanwhile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from e2e_magic.derived.comparison import LEVEL, REPEATS_NEEDED, Compared, Verdict, compared, direction
from e2e_magic.derived.declarations import better_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT_TEST = "exact Wilcoxon signed-rank of the blocks"
LARGE_TEST = "Wilcoxon signed-rank of the blocks (normal approximation)"
# Of 5 blocks even the most extreme of the 32 signs has p = 0.0625.
BLOCKS_NEEDED = 6
_EXACT_UP_TO = 60
# Their pairwise means are n (n + 1) / 2 numbers; of more blocks, neighbours are taken together.
_MOST_BLOCKS = 1000


def paired(
    baseline: Sequence[float],
    other: Sequence[float],
    metric: str = "",
    names: tuple[str, str] = ("the baseline", "the other side"),
) -> Compared:
    """Compare the values of one metric with those of the baseline, which were measured in the same blocks.

    Parameters
    ----------
    baseline, other : sequence of float
        A value per block, at the same place in both. A block with NaN on either side is left out; an infinite
        value is worse (or better) than any: a training that diverged.
    metric, names
        As of `comparison.compared`.

    Returns
    -------
    Compared
        ``n`` counts blocks. ``ratio`` is the Hodges-Lehmann estimate of the ratio of the medians: the median
        of the geometric means of all pairs of block ratios. It need not be ``median / median_baseline``,
        which a drift moves.

    Notes
    -----
    The estimate and its interval come from the logarithms of the block ratios, and the test is Wilcoxon's
    signed rank of the same (Hodges and Lehmann, Estimates of location based on rank tests, 1963; Hollander,
    Wolfe and Chicken, Nonparametric Statistical Methods, 2014, sections 3.1 to 3.3; zeros after Pratt, 1959).
    Whatever a block's two trials share, such as the clock rate of those seconds, divides out; which of them
    came first was drawn, so that without a difference both signs are equally likely: no assumption on the
    distribution. The test is exact up to 60 blocks, ties included. Where values aren't all above 0 their
    differences stand in for the ratios.

    Of 1,000 simulated comparisons without a difference (log-normal, 5 % spread; 6, 10 and 20 blocks) 2 to
    5 % are called different, beside a linear drift of 30 %, a step of 50 % or none, and 4 to 7 % beside a
    wave of 10 %; measured one after the other, with 6 or more repeats, 95 to 100 % beside the drift and the
    step. The interval covers the true ratio in 94 to 98 %. A difference of 5 % is seen in 17 to 19, 47 to
    48 and 81 to 82 %.

    The signed rank of 4 or 5 blocks can't reach p < 0.05. There the rank sum test of `compared` serves: of
    interleaved values a drift is on both sides, which makes it miss differences, not claim them.
    """
    import numpy as np

    both = [np.asarray([float(value) for value in values], dtype=float) for values in (baseline, other)]
    kept = ~(np.isnan(both[0]) | np.isnan(both[1]))
    lost = int(len(kept) - kept.sum())
    reasons = (
        [f"{lost} block{'s' if lost > 1 else ''} without a value on both sides left out"] if lost else []
    )
    first, second = both[0][kept], both[1][kept]
    n = len(first)
    if n < BLOCKS_NEEDED:
        return _unpaired(first, second, metric, names, reasons)
    medians = float(np.median(first)), float(np.median(second))
    positive = bool(min(first.min(), second.min()) > 0) and all(map(math.isfinite, medians))
    finite = np.concatenate([first[np.isfinite(first)], second[np.isfinite(second)]])
    with np.errstate(all="ignore"):
        if positive:
            moved = np.log(second) - np.log(first)
        else:
            far = 1e6 * float(np.abs(finite).max(initial=0.0)) + 1.0
            moved = np.clip(second, -far, far) - np.clip(first, -far, far)
            least = min(float(finite.min(initial=0.0)), 0.0)
            reasons.append(f"a ratio needs values above 0, the least is {least:g}")
        # Both beyond all values: no difference. One of them: beyond all differences.
        moved = np.clip(np.nan_to_num(moved, nan=0.0, posinf=700.0, neginf=-700.0), -1e300, 1e300)
        middle, low, high = _location(_merged(moved))
        p_value, test = _signed_rank(moved)
        ratio, ratio_low, ratio_high = (
            (math.exp(middle), math.exp(low), math.exp(high)) if positive else (math.nan,) * 3
        )
        base = abs(medians[0])
        change = (
            (ratio_low - 1.0, ratio_high - 1.0)
            if positive
            else (low / base, high / base)
            if base and math.isfinite(base)
            else (math.nan, math.nan)
        )
    verdict: Verdict = "no difference seen"
    if p_value < LEVEL and not low <= 0.0 <= high:
        verdict = direction(metric, larger=middle > 0)
    return Compared(
        n, n, medians[0], medians[1], ratio, ratio_low, ratio_high, p_value, test, verdict, None,
        "; ".join(reasons), *change,
    )  # fmt: skip


def _unpaired(
    first: NDArray[Any], second: NDArray[Any], metric: str, names: tuple[str, str], reasons: list[str]
) -> Compared:
    """Compare few blocks by their values alone."""
    from dataclasses import replace

    import numpy as np

    beyond = -math.inf if better_of(metric) == "higher" else math.inf
    worst = int((first == beyond).sum()), int((second == beyond).sum())
    row = compared(
        first[np.isfinite(first)].tolist(), second[np.isfinite(second)].tolist(), metric, names, worst=worst
    )
    needed = REPEATS_NEEDED if row.repeats_needed is not None else None
    return replace(row, repeats_needed=needed, reason="; ".join(filter(None, (*reasons, row.reason))))


def _merged(moved: NDArray[Any]) -> NDArray[Any]:
    """Return at most `_MOST_BLOCKS` numbers: the medians of neighbours where there are more."""
    import numpy as np

    if len(moved) <= _MOST_BLOCKS:
        return moved
    return np.array([np.median(part) for part in np.array_split(moved, _MOST_BLOCKS)])


def _location(moved: NDArray[Any]) -> tuple[float, float, float]:
    """Return the Hodges-Lehmann estimate of the middle of differences, and its 95 % interval."""
    import numpy as np

    n = len(moved)
    rows, columns = np.triu_indices(n)
    walsh = np.sort(0.5 * moved[rows] + 0.5 * moved[columns])
    cut = _cut(n)
    return float(np.median(walsh)), float(walsh[cut]), float(walsh[len(walsh) - 1 - cut])


@lru_cache(maxsize=128)
def _cut(n: int) -> int:
    """Return how many of the sorted pairwise means of `n` differences are beyond each end of the interval."""
    if n > _EXACT_UP_TO:
        mean, spread = n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        return math.floor(mean - 1.96 * spread) - 1
    import numpy as np

    below = np.cumsum(_ways(tuple(range(1, n + 1)))) / 2.0**n
    return int(np.searchsorted(below, LEVEL / 2, side="right")) - 1


def _signed_rank(moved: NDArray[Any]) -> tuple[float, str]:
    """Return the two-sided p-value of the signed ranks of differences, and which test gave it.

    `scipy.stats.wilcoxon` counts out no ties and no zeros, which counts and peaks of memory have; without
    them both are equal (a test compares them).
    """
    import numpy as np

    if not moved.any():
        return 1.0, EXACT_TEST
    if len(moved) > _EXACT_UP_TO:
        from scipy.stats import wilcoxon

        return float(wilcoxon(moved, zero_method="pratt", method="approx").pvalue), LARGE_TEST
    size = np.abs(moved)
    # Logarithms of equal ratios differ in their last bits.
    _, place, counts = np.unique(np.round(size / size.max(), 12), return_inverse=True, return_counts=True)
    twice = (2 * np.cumsum(counts) - counts + 1)[place]  # twice the mean rank of ties, a whole number
    observed = int(twice[moved > 0].sum())
    ways = _ways(tuple(sorted(int(rank) for rank in twice[moved != 0])))
    total = ways.sum()
    below, above = ways[: observed + 1].sum() / total, ways[observed:].sum() / total
    return float(min(1.0, 2.0 * min(below, above))), EXACT_TEST


@lru_cache(maxsize=256)
def _ways(ranks: tuple[int, ...]) -> NDArray[Any]:
    """Count the choices of signs by the sum of the ranks that are positive."""
    import numpy as np

    ways = np.zeros(sum(ranks) + 1)
    ways[0] = 1.0
    for rank in ranks:
        ways[rank:] += ways[: len(ways) - rank].copy()
    return ways
