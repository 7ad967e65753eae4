"""Compare two samples: the ratio of their medians, its confidence interval, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from e2e_magic.derived.declarations import better_of
from e2e_magic.derived.two_samples import by_spread_alone, interval, rank_test
from e2e_magic.text import digits, legible

if TYPE_CHECKING:
    from numpy.typing import NDArray

Verdict = Literal[
    "faster",
    "slower",
    "less",
    "more",
    "no difference seen",
    "no difference that matters",
    "too few repeats",
    "can't tell",
]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
# Those that claim no difference.
OPEN: frozenset[Verdict] = frozenset(VERDICTS[4:])
# These follow from wall time, of which a trial may wait for a core up to this share without a remark.
OF_WALL_TIME = frozenset(("wall_time_s", "latency_s", "throughput_per_s", "time_to_accuracy_s"))
MOST_WAITED = 0.1
# A difference this many times as large as waiting can cause is claimed all the same.
_FAR = 3

LEVEL = 0.05
# With 3 against 3, the most extreme of the 20 orders has p = 0.1; with 4 against 4, one of 70, p = 0.029.
REPEATS_NEEDED = 4
_FAR_OUT = 1e6  # times the largest value: of what is beyond all values only the order counts


@dataclass(frozen=True, slots=True)
class Compared:
    """The comparison of two samples of one metric.

    Attributes
    ----------
    n_baseline, n : int
        Finite values on each side.
    median_baseline, median : float
        In the metric's unit; NaN where there is no value.
    ratio, ratio_low, ratio_high : float
        Median over the baseline's, with its 95 % interval; NaN where `reason` says why.
    p_value : float
        Two-sided, of `test`; NaN with too few repeats.
    test : str
        `two_samples.EXACT_TEST` or ``LARGE_TEST``; empty with too few repeats.
    verdict : str
        One of `VERDICTS`.
    repeats_needed : int or None
        On each side, where there are too few.
    reason : str
        Why a number is missing, in words; empty where none is.
    change_low, change_high : float
        The 95 % interval of the difference of the medians as a share of the baseline's; NaN with too few
        repeats.
    """

    n_baseline: int
    n: int
    median_baseline: float
    median: float
    ratio: float
    ratio_low: float
    ratio_high: float
    p_value: float
    test: str
    verdict: Verdict
    repeats_needed: int | None
    reason: str
    change_low: float = math.nan
    change_high: float = math.nan


def compared(
    baseline: Sequence[float],
    other: Sequence[float],
    metric: str = "",
    names: tuple[str, str] = ("the baseline", "the other side"),
    *,
    worst: tuple[int, int] = (0, 0),
) -> Compared:
    """Compare the values of one metric with those of the baseline.

    Parameters
    ----------
    baseline, other : sequence of float
        A value per complete trial. What is not finite is left out, and ``reason`` says so.
    metric : str
        Its name: of times and rates (``wall_time_s``, ``throughput_per_s``) the words are *faster* and
        *slower*, of all else *less* and *more*.
    names : tuple of str
        The two sides' own, for ``reason``.
    worst : tuple of int
        How many trials of each side, besides the values, are worse than any value: their training diverged,
        or they didn't reach the target. They are values as others, beyond all (censored ones); where half
        of a side are, its median is infinite.

    Notes
    -----
    A difference is claimed only where the test says p < 0.05 **and** the interval leaves out the ratio
    of 1, so that fewer than 1 in 20 pairs without a difference is called one. Where the sides overlap, the
    test of Brunner and Munzel (2000), which takes no equal spread for granted, has to agree: of pairs with
    equal medians and five times the spread on the side with fewer values, 6 % are called different instead
    of 9 % (8 against 30 values, 1,000 pairs).

    The interval is the percentile bootstrap of the ratio of medians (Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993, chapter 13; Wilcox, Comparing medians, Computational
    Statistics & Data Analysis 51, 2006). Of a median of few values it is a little too wide: its tails
    are calibrated by simulation (see `two_samples.tail`), after which it covers the true ratio in 94 to 97 %
    of comparisons with 4 to 50 values of the same kind of distribution on each side. Where a skewed
    distribution with a far larger spread stands against a narrow one it may cover less, down to 85 %.

    The test is Mann and Whitney's rank sum (1947). Up to 60 values its distribution is counted out over
    all ways to share the values, ties included (Streitberg and Roehmel, 1986); above that the normal
    approximation with corrections for ties and continuity serves.
    """
    import numpy as np

    sides = [np.asarray([float(value) for value in values], dtype=float) for values in (baseline, other)]
    beyond = -math.inf if better_of(metric) == "higher" else math.inf
    kept = [
        np.sort(np.concatenate([side[np.isfinite(side)], np.full(count, beyond)]))
        for side, count in zip(sides, worst, strict=True)
    ]
    (n_base, n), (median_base, median) = map(len, kept), map(_median, kept)
    lost = sum(map(len, sides)) + sum(worst) - n_base - n
    reasons = (
        [f"{lost} value{'s' if lost > 1 else ''} missing or not finite left out"]
        if lost and n and n_base
        else []
    )
    ratio = low = high = math.nan
    positive = all(len(side) and side[0] > 0 for side in kept)
    if not n or not n_base:
        where = "either side" if n == n_base else names[0] if n else names[1]
        reasons.append(f"no value on {where}")
    elif not positive:
        least = min(side[0] for side in kept)
        reasons.append(f"a ratio needs values above 0, the least is {least:g}")
    else:
        with np.errstate(all="ignore"):
            ratio = float(np.float64(median) / median_base)
        if not 0 < ratio < math.inf:
            positive, ratio = False, math.nan
            beyond_all = "half of a side is beyond all values: there is no ratio"
            far = "the values are too far apart for a ratio"
            reasons.append(far if math.isfinite(median + median_base) else beyond_all)
    if min(n_base, n) < REPEATS_NEEDED:
        return Compared(
            n_base, n, median_base, median, ratio, low, high, math.nan, "", "too few repeats",
            REPEATS_NEEDED, "; ".join(reasons),
        )  # fmt: skip
    p_value, test = rank_test(kept[0], kept[1])
    if positive and not any(worst):
        low, high = interval(kept[0], kept[1], ratio=True)
        apart = not low <= 1.0 <= high
        change = (low - 1.0, high - 1.0)
    else:
        ends = interval(*_bounded(kept), ratio=False)
        apart = not ends[0] <= 0.0 <= ends[1]
        change = (_share(ends[0], median_base), _share(ends[1], median_base))
    verdict: Verdict = "no difference seen"
    if p_value < LEVEL and apart and median != median_base:
        if by_spread_alone(kept[0], kept[1]):
            reasons.append("the spread differs, which the rank test alone takes for a difference")
        else:
            verdict = direction(metric, larger=median > median_base)
    return Compared(
        n_base, n, median_base, median, ratio, low, high, p_value, test, verdict, None, "; ".join(reasons),
        *change,
    )  # fmt: skip


def _bounded(sides: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return the sorted sides with infinite (censored) values replaced by finite ones beyond all others."""
    import numpy as np

    finite = np.concatenate([side[np.isfinite(side)] for side in sides])
    far = _FAR_OUT * float(np.abs(finite).max(initial=0.0)) + 1.0
    if not math.isfinite(far):
        return list(sides)
    return [np.clip(side, -far, far) for side in sides]


def _share(difference: float, baseline: float) -> float:
    """Return a difference as a share of the baseline; infinite where that is 0."""
    if baseline and math.isfinite(baseline):
        return difference / abs(baseline)
    return math.copysign(math.inf, difference) if difference else 0.0


def unless_waiting(row: Compared, metric: str, waited: Sequence[tuple[str, Sequence[float]]]) -> Compared:
    """Withdraw a verdict that depends on wall time where the threads waited too long for a core.

    Parameters
    ----------
    row : Compared
    metric : str
    waited : sequence of (str, sequence of float)
        Each side's name and, per trial, the share of its wall time that its threads waited; NaN where that is
        not known.
    """
    import numpy as np

    if metric not in OF_WALL_TIME or row.verdict == "too few repeats":
        return row
    shares = [(name, np.asarray(each, dtype=float)) for name, each in waited]
    middle = [
        (name, float(np.median(each[np.isfinite(each)]))) for name, each in shares if np.isfinite(each).any()
    ]
    disturbed = [(name, share) for name, share in middle if share > MOST_WAITED]
    if not disturbed:
        return row
    most = max(share for _, share in disturbed)
    apart = max(row.ratio, 1 / row.ratio) if row.ratio > 0 else 1.0
    if most < 1 and apart > _FAR / (1 - most):
        return row
    who = " and ".join(f"{legible(name)} waited {100 * share:.0f} %" for name, share in disturbed)
    reason = (
        f"{who} of its wall time for a free core; close what else runs, or use fewer threads, "
        "and measure again"
    )
    return replace(row, verdict="can't tell", reason="; ".join(filter(None, (row.reason, reason))))


def unless_unvaried(row: Compared, baseline: Sequence[float], other: Sequence[float]) -> Compared:
    """Withdraw a verdict on repeats that are equal on each side: those of one seed say nothing of chance."""
    if row.verdict == "too few repeats" or row.median == row.median_baseline:
        return row
    sides = [{float(value) for value in side if math.isfinite(value)} for side in (baseline, other)]
    if any(len(side) != 1 for side in sides):
        return row
    repeats = f"{row.n}" if row.n == row.n_baseline else f"{row.n} and {row.n_baseline}"
    values = f"{digits(row.median)} against {digits(row.median_baseline)}"
    reason = f"these {repeats} repeats show no spread ({values}); vary the seed"
    reasons = "; ".join(filter(None, (row.reason, reason)))
    return replace(row, verdict="can't tell", p_value=math.nan, reason=reasons)


def is_rate(metric: str) -> bool:
    """Return whether a metric is a rate, such as ``throughput_per_s``: more of it is faster."""
    return metric.endswith("_per_s")


def direction(metric: str, *, larger: bool) -> Verdict:
    """Return the word for a difference that is there."""
    if is_rate(metric):
        return "faster" if larger else "slower"
    if metric.endswith("_s"):
        return "slower" if larger else "faster"
    return "more" if larger else "less"


def amount(verdict: str, ratio: float, low: float = math.nan, high: float = math.nan) -> tuple[str, str]:
    """Return in words how large a difference is, and its interval: ``1.8x slower`` and ``1.7 to 1.9``.

    Amounts between half and double the baseline are given in percent (``29 % more``), and so are times
    that are nearly the same (``0.4 % slower``). Without a ratio the verdict stands alone.
    """
    if not math.isfinite(ratio) or verdict not in ("faster", "slower", "less", "more"):
        return verdict, ""
    ratio, low, high = float(ratio), float(low), float(high)  # numpy's would warn of an overflow
    down = ratio < 1
    alike = 0.995 < ratio < 1.005  # "1x slower" would be no difference
    if (verdict in ("faster", "slower") and not alike) or not 0.5 < ratio < 2:
        size, *ends = [(1 / value if value else math.inf) if down else value for value in (ratio, low, high)]
        words, unit = f"{digits(size)}x {verdict}", ""
    else:
        size, *ends = [100 * (1 - value if down else value - 1) for value in (ratio, low, high)]
        words, unit = f"{digits(size)} % {verdict}", " %"
    return words, "" if math.isnan(low) else f"{digits(min(ends))} to {digits(max(ends))}{unit}"


def _median(ordered: NDArray[Any]) -> float:
    if not len(ordered):
        return math.nan
    left, right = float(ordered[(len(ordered) - 1) // 2]), float(ordered[len(ordered) // 2])
    return 0.5 * left + 0.5 * right if left != right else left  # no sum that overflows
