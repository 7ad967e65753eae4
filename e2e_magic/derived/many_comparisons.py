"""Many comparisons at once: which differences are claimed, which of them matter, what a guard lets pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from e2e_magic.derived.comparison import LEVEL, OPEN, REPEATS_NEEDED, Compared
from e2e_magic.derived.declarations import better_of, unit_of

# The smallest difference that matters: of shares such as accuracy in points, of all else as a share of the
# baseline.
LEAST_POINTS = 0.001
LEAST_SHARE = 0.01
_COUNTS = frozenset(("tp", "tn"))
# The most repeats that a guard asks for: nobody makes more.
_MOST_REPEATS = 10_000

Answer = Literal["pass", "fail", "can't tell"]


def is_share(metric: str) -> bool:
    """Return whether a metric is a share of what was right, such as accuracy: it is compared in points."""
    return metric not in _COUNTS and better_of(metric) == "higher" and not unit_of(metric)


def matters(row: Compared, metric: str, least: float | None = None) -> bool:
    """Return whether a difference of medians is large enough to matter.

    Parameters
    ----------
    row : Compared
    metric : str
    least : float, optional
        The smallest share of the baseline's median that matters. When left out: 0.1 points of accuracy and
        other shares, 1 % of all else.
    """
    change = abs(row.median - row.median_baseline)
    if math.isfinite(row.ratio):  # of blocks it is not the ratio of these medians, which a drift moves
        change = abs(row.ratio - 1) * abs(row.median_baseline)
    if least is None and is_share(metric):
        percent = max(abs(row.median), abs(row.median_baseline)) > 1
        return not change < LEAST_POINTS * (100 if percent else 1) * (1 - 1e-9)
    return not change < (LEAST_SHARE if least is None else least) * abs(row.median_baseline) * (1 - 1e-9)


def settled(
    rows: Sequence[Compared],
    metrics: Sequence[str],
    restates: Sequence[int | None],
    least: float | None = None,
) -> tuple[list[Compared], list[float]]:
    """Return the verdicts of comparisons reported together, corrected for their number.

    Parameters
    ----------
    rows : sequence of Compared
    metrics : sequence of str
        The metric of each.
    restates : sequence of int or None
        The row that each row restates, as throughput restates wall time: it is not tested twice.
    least : float, optional
        As in `matters`.

    Returns
    -------
    list of Compared, list of float
        The rows with their verdicts, and their p-values adjusted for their number (NaN where there is none).

    Notes
    -----
    The false discovery rate (Benjamini and Hochberg, Controlling the false discovery rate, 1995, by
    `scipy.stats.false_discovery_control`): of the differences that are claimed, 1 in 20 on average is none;
    where there is none at all, 1 in 20 comparisons claims any.
    """
    tested = [n for n, row in enumerate(rows) if restates[n] is None and math.isfinite(row.p_value)]
    adjusted = [row.p_value for row in rows]
    if len(tested) > 1 and any(rows[n].verdict not in OPEN for n in range(len(rows))):
        from scipy.stats import false_discovery_control

        for n, p_value in zip(
            tested, false_discovery_control([rows[n].p_value for n in tested]), strict=True
        ):
            adjusted[n] = float(p_value)
    for n, first in enumerate(restates):
        if first is not None and math.isfinite(rows[n].p_value):
            adjusted[n] = adjusted[first]
    judged = []
    for row, metric, p_value in zip(rows, metrics, adjusted, strict=True):
        if row.verdict in OPEN:
            judged.append(row)
        elif not p_value < LEVEL:
            reason = (
                f"one of {len(tested)} comparisons looks like this by chance (p = {row.p_value:.2g} alone, "
                f"{p_value:.2g} among them); more repeats tell"
            )
            reasons = "; ".join(filter(None, (row.reason, reason)))
            judged.append(replace(row, verdict="no difference seen", reason=reasons))
        elif not matters(row, metric, least):
            judged.append(replace(row, verdict="no difference that matters"))
        else:
            judged.append(row)
    return judged, adjusted


@dataclass(frozen=True, slots=True)
class Guarded:
    """A guard's answer to one comparison.

    Attributes
    ----------
    answer : {"pass", "fail", "can't tell"}
    low, high : float
        The interval of the share by which the run is worse than the baseline; NaN with too few repeats.
    repeats_needed : int or None
        On each side, where it can't tell and more repeats would.
    """

    answer: Answer
    low: float
    high: float
    repeats_needed: int | None = None


def guarded(row: Any, change_low: float, change_high: float, share: float) -> Guarded:
    """Return whether a run is worse than its baseline by more than a share.

    It passes only where the whole 95 % interval is below the bound, and fails only where all of it is above
    and the comparison sees a difference.

    Parameters
    ----------
    row : row of a comparison's frame
    change_low, change_high : float
        As in `Compared`.
    share : float
        The bound.

    Notes
    -----
    Of 400 simulated comparisons each, spread of 5 % (log-normal), a bound of 10 %, repeats of 5, 10 and 20 on
    each side: without a difference 77, 97 and 100 % pass and none fails; 10 % slower, on the bound, at most
    4 % pass and 6 % fail; 25 % slower 91, 99 and 100 % fail and none passes. The rest stays undecided.
    The number of repeats that is needed takes the interval to narrow with the root of their number.
    """
    low, high = (change_low, change_high) if row.better == "lower" else (-change_high, -change_low)
    if row.verdict == "too few repeats" or math.isnan(low) or math.isnan(high):
        return Guarded("can't tell", math.nan, math.nan, REPEATS_NEEDED)
    if row.verdict == "can't tell":
        return Guarded("can't tell", low, high)
    if low > share and row.verdict != "no difference seen":
        return Guarded("fail", low, high)
    if high <= share:
        return Guarded("pass", low, high)
    middle = (low + high) / 2
    least = min(row.n, row.n_baseline)
    from_bound = abs(middle - share)
    if not math.isfinite(from_bound) or from_bound == 0:
        return Guarded("can't tell", low, high)
    needed = math.ceil(least * ((high - low) / 2 / from_bound) ** 2)
    return Guarded("can't tell", low, high, max(needed, least + 1) if needed <= _MOST_REPEATS else None)
