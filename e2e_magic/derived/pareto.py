"""The Pareto front of two metrics: the points that nothing beats."""

from __future__ import annotations

import math
from collections.abc import Sequence

from e2e_magic.record import Better


def unbeaten(
    x: Sequence[float], y: Sequence[float], better_x: Better = "lower", better_y: Better = "higher"
) -> list[bool]:
    """Tell for each point whether no other is at least as good in both and better in one.

    Parameters
    ----------
    x, y : sequence of float
        As long as each other; a point that is not finite in both is never unbeaten and beats none.
    better_x, better_y : {"lower", "higher"}
        Which direction is an improvement.

    Notes
    -----
    The Pareto front (Pareto, Manuale di economia politica, 1906); by sorting, as Kung, Luccio and
    Preparata, On finding the maxima of a set of vectors, 1975. Equal points are unbeaten together.
    """
    if len(x) != len(y):
        raise ValueError(f"unbeaten: expected as many x as y, got {len(x)} and {len(y)}")
    across = [value if better_x == "lower" else -value for value in x]
    up = [value if better_y == "lower" else -value for value in y]
    places = [n for n in range(len(x)) if math.isfinite(across[n]) and math.isfinite(up[n])]
    places.sort(key=lambda n: (across[n], up[n]))
    front = [False] * len(x)
    best, best_at = math.inf, math.nan
    for n in places:
        if up[n] < best:
            best, best_at = up[n], across[n]
            front[n] = True
        elif up[n] == best and across[n] == best_at:
            front[n] = True
    return front
