"""The middle of values, their spread, and percentiles from as many values as they need."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

# Said above this share of the median (contract, section 6).
SPREAD_LIMIT = 0.10


def median(values: Sequence[float]) -> float:
    """Return the median of the finite values; NaN where there is none."""
    finite = [value for value in values if math.isfinite(value)]
    return statistics.median(finite) if finite else math.nan


def mad(values: Sequence[float]) -> float:
    """Return the median absolute deviation from the median, in the values' unit (not scaled)."""
    middle = median(values)
    return median([abs(value - middle) for value in values])


def spread(values: Sequence[float]) -> float:
    """Return the median absolute deviation as a share of the median; NaN where that is 0."""
    middle = median(values)
    return mad(values) / abs(middle) if middle else math.nan


def needed(q: float) -> int:
    """Return how many values a percentile needs: at least one is expected beyond it.

    With fewer than 1 / (1 - q/100) values the percentile lies beside the largest one, whatever the
    tail is like (Hyndman and Fan, Sample Quantiles in Statistical Packages, 1996: its place is above
    rank n - 1): p99 needs 100, p90 needs 10, the median 2; low percentiles likewise.
    """
    if not 0 < q < 100:
        raise ValueError(f"q: expected a percentile above 0 and below 100, got {q!r}")
    return math.ceil(round(100.0 / min(q, 100.0 - q), 9))


def percentile(values: Sequence[float], q: float) -> float:
    """Return a percentile (linear interpolation, as numpy's).

    Raises
    ------
    ValueError
        With too few values: says how many are needed.
    """
    least = needed(q)
    if len(values) < least:
        raise ValueError(f"p{q:g} needs at least {least} values, got {len(values)}: measure longer")
    ordered = sorted(values)
    place = (len(ordered) - 1) * q / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


def stable(values: Sequence[float]) -> str | None:
    """Return a warning that repeats spread too widely, with what to do; None where they don't."""
    share = spread(values)
    if not share > SPREAD_LIMIT:
        return None
    return (
        f"spread is {100 * share:.0f} % of the median over {len(values)} repeats: "
        "raise --repeat, add --warmup, or close other programs"
    )
