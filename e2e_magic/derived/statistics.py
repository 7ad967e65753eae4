"""Median and spread of values."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from e2e_magic.derived.percentiles import order_interval
from e2e_magic.text import percent

# `stable` warns above this share of the median (contract, section 6).
SPREAD_LIMIT = 0.10
# What "±" stands for, wherever it is shown.
HALF_WIDTH = "±: half the width of the 95 % interval of the median"
# Standard deviations, by the number of values.
_FEW = {2: 9.0, 3: 2.55, 4: 1.64, 5: 1.35}


def median(values: Sequence[float]) -> float:
    """Return the median of the finite values; NaN where there is none."""
    finite = [value for value in values if math.isfinite(value)]
    return statistics.median(finite) if finite else math.nan


def mad(values: Sequence[float]) -> float:
    """Return the median absolute deviation from the median, in the values' unit (not scaled)."""
    middle = median(values)
    return median([abs(value - middle) for value in values])


def half_width(values: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of the median of the finite values; NaN of fewer than two.

    Notes
    -----
    The interval of order statistics (David and Nagaraja, Order Statistics, 2003, section 7.1), which holds
    whatever the distribution is. Fewer than six values have none: of two to five it is a multiple of their
    standard deviation, simulated so that the interval covers the median of normal values in 95 % (and
    that of log-normal and of shifted exponential ones in 93 to 95 %).
    """
    finite = sorted(value for value in values if math.isfinite(value))
    if len(finite) < 2:
        return math.nan
    if len(finite) in _FEW:
        return _FEW[len(finite)] * statistics.stdev(finite)
    low, high = order_interval(len(finite), 50)
    return (finite[(high or len(finite)) - 1] - finite[low - 1]) / 2


def spread(values: Sequence[float]) -> float:
    """Return the median absolute deviation as a share of the median; NaN where that is 0."""
    middle = median(values)
    return mad(values) / abs(middle) if middle else math.nan


def stable(values: Sequence[float]) -> str | None:
    """Return a warning that repeats spread too widely, with what to do; None where they don't."""
    share = spread(values)
    if not share > SPREAD_LIMIT:
        return None
    return (
        f"spread is {percent(share)} of the median over {len(values)} repeats: "
        "raise --repeat, add --warmup, or close other programs"
    )
