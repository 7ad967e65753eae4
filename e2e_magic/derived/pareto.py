"""The Pareto front of two or more metrics: the points that nothing beats."""

from __future__ import annotations

import math
from collections.abc import Sequence

from e2e_magic.record import Better


def unbeaten(columns: Sequence[Sequence[float]], better: Sequence[Better]) -> list[bool]:
    """Return for each point whether no other is at least as good in all metrics and better in one.

    Parameters
    ----------
    columns : sequence of sequence of float
        A metric each, as long as each other; a point that is not finite in all is never unbeaten and
        beats none.
    better : sequence of {"lower", "higher"}
        Which direction of each metric is an improvement.

    Notes
    -----
    The Pareto front (Pareto, Manuale di economia politica, 1906). In the order of their first metric, then
    the second and so on, a point can only be beaten by one before it (Kung, Luccio and Preparata, On finding
    the maxima of a set of vectors, 1975), and by one of the front if by any. Equal points are unbeaten
    together.
    """
    import numpy as np

    if len({len(column) for column in columns}) > 1:
        lengths = ", ".join(str(len(column)) for column in columns)
        raise ValueError(f"unbeaten: expected metrics of one length, got {lengths}")
    signs = [1.0 if direction == "lower" else -1.0 for direction in better]
    costs = np.array([np.asarray(c, dtype=float) * s for c, s in zip(columns, signs, strict=True)]).T
    marks = [False] * len(costs)
    front = np.empty((0, len(signs)))
    finite = [n for n in np.lexsort(costs.T[::-1]).tolist() if all(map(math.isfinite, costs[n]))]
    for n in finite:
        point = costs[n]
        beaten = (front <= point).all(axis=1) & (front < point).any(axis=1)
        if not beaten.any():
            marks[n] = True
            front = np.vstack([front, point])
    return marks
