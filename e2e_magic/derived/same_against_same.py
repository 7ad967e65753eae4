"""The same code against itself: how often nothing looks like a difference, and the least that can be seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from e2e_magic.derived.comparison import OPEN, Compared, compared, unless_waiting
from e2e_magic.derived.many_comparisons import LEAST_SHARE, matters
from e2e_magic.derived.paired import paired

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPEATS = 10
# In so many of ten comparisons the smallest difference is seen.
POWER = 0.8
# Of fewer pairs no share is worth saying.
PAIRS_NEEDED = 5


@dataclass(frozen=True, slots=True)
class SameAgainstSame:
    """One metric of the same code compared with itself, pair after pair.

    Attributes
    ----------
    pairs : int
        Comparisons of `REPEATS` against `REPEATS` trials.
    in_turn, in_blocks : int
        How many were called different: one side measured after the other, and in balanced blocks.
    smallest : float
        The smallest difference, as a share, that `POWER` of the comparisons in blocks would have claimed; at
        least the one that matters. NaN from fewer than `PAIRS_NEEDED` pairs, or where no value is above 0.
    """

    pairs: int
    in_turn: int
    in_blocks: int
    smallest: float


def judged(
    values: Sequence[float], sides: Sequence[int], metric: str, waited: Sequence[float] = ()
) -> SameAgainstSame:
    """Compare trials of the same code with each other, twenty by twenty, in both ways.

    Parameters
    ----------
    values : sequence of float
        Of the trials, in the order in which they ran.
    sides : sequence of int
        For the trials of a pair (twice `REPEATS`) which side each is of, 0 or 1, in balanced blocks; several
        pairs behind each other.
    metric : str
    waited : sequence of float, optional
        Each trial's share of wall time that its threads waited for a core.

    Notes
    -----
    The same trials serve both ways: one after the other takes the first ten for one side. A difference is
    called one as `compare` would: significant, as large as matters, and, one after the other, with little
    waiting. A confidence interval of a ratio that is multiplied moves with it, so that the difference from
    which on a comparison in blocks claims one is where its interval's near end leaves 1.
    """
    import numpy as np

    numbers, shares = np.asarray(values, dtype=float), np.asarray(waited or np.full(len(values), np.nan))
    size = 2 * REPEATS
    pairs = len(numbers) // size
    in_turn = in_blocks = 0
    needed: list[float] = []
    for pair in range(pairs):
        place = slice(pair * size, (pair + 1) * size)
        some, share = numbers[place], shares[place]
        side = np.asarray(sides[place])
        row = compared(some[:REPEATS].tolist(), some[REPEATS:].tolist(), metric)
        waits = (("one", share[:REPEATS].tolist()), ("other", share[REPEATS:].tolist()))
        row = unless_waiting(row, metric, waits)
        in_turn += _claimed(row, metric)
        row = paired(some[side == 0], some[side == 1], metric)
        in_blocks += _claimed(row, metric)
        if math.isfinite(row.ratio_low) and row.ratio_low > 0:
            needed += [1 / row.ratio_low - 1, row.ratio_high - 1]
    smallest = math.nan
    if pairs >= PAIRS_NEEDED and needed:
        smallest = max(LEAST_SHARE, float(np.quantile(needed, POWER)))
    return SameAgainstSame(pairs, in_turn, in_blocks, smallest)


def _claimed(row: Compared, metric: str) -> bool:
    return row.verdict not in OPEN and matters(row, metric)


def drift_of(values: NDArray[Any] | Sequence[float]) -> float:
    """Return by which share the last quarter of trials takes longer than the first; NaN from fewer than 8."""
    import numpy as np

    numbers = np.asarray(values, dtype=float)
    quarter = len(numbers) // 4
    if quarter < 2:
        return math.nan
    return float(np.median(numbers[-quarter:]) / np.median(numbers[:quarter]) - 1)


def share_interval(count: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, 1927), by scipy."""
    if not of:
        return math.nan, math.nan
    from scipy.stats import binomtest

    interval = binomtest(count, of).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
