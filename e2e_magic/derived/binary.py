"""Complete a partial table of two-class metrics: whatever follows from what is given.

Each number given is one linear equation in the four counts TP, FN, FP, TN: ``1_class = 5`` says
``TP + FN = 5``, and ``recall = 0.8`` says ``0.2 TP - 0.8 FN = 0``. What follows is what has one value
for all solutions, which also finds what no chain of single formulas does (the counts that follow from
accuracy, precision, recall and one class, say). The definitions are scikit-learn's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEYS = ("TP", "TN", "FP", "FN", "0_class", "1_class", "recall", "precision", "accuracy", "f1_score")
TOLERANCE = 0.005  # rates are handed back rounded to two places
_FEW = 100  # up to this, half a percent is less than half an item

# As weights of TP, FN, FP, TN. `0_class` and `1_class` are the true items of each class.
_COUNTS: dict[str, tuple[int, int, int, int]] = {
    "TP": (1, 0, 0, 0),
    "FN": (0, 1, 0, 0),
    "FP": (0, 0, 1, 0),
    "TN": (0, 0, 0, 1),
    "1_class": (1, 1, 0, 0),
    "0_class": (0, 0, 1, 1),
}
# What is divided by what. Of `f1_score` it is 2 TP / (2 TP + FP + FN).
_RATES: dict[str, tuple[tuple[int, int, int, int], tuple[int, int, int, int]]] = {
    "recall": ((1, 0, 0, 0), (1, 1, 0, 0)),
    "precision": ((1, 0, 0, 0), (1, 0, 1, 0)),
    "accuracy": ((1, 0, 0, 1), (1, 1, 1, 1)),
    "f1_score": ((2, 0, 0, 0), (2, 1, 1, 0)),
}
_EXACT = 1e-9


def complete(given: Mapping[str, float]) -> tuple[dict[str, float], list[str]]:
    """Return all of `KEYS` that follow from those given, and what contradicts itself, in words.

    Parameters
    ----------
    given : mapping
        Any of `KEYS`: counts of at least 0, rates from 0 to 1. Rates may be rounded to two places: a
        count that follows from one is made whole where it is within half a percent of a whole number
        up to 100, or as good as equal to a larger one.

    Returns
    -------
    known : dict of str to float
        What was given, as it was, and what follows. A rate whose divisor is 0 doesn't.
    contradictions : list of str
        Which numbers can't be true together, with both values; nothing is computed from the later one.

    Notes
    -----
    Besides the equations only this of their being counts is used: a sum that is 0 has no part above 0
    (accuracy = 1 means no FP and no FN).
    """
    stated = {key: float(given[key]) for key in KEYS if key in given and math.isfinite(float(given[key]))}
    system = _System()
    said: list[str] = []
    # Counts first: they are exact, and what follows from rounded rates isn't.
    for key in (*_COUNTS, *_RATES):
        if key not in stated:
            continue
        value = stated[key]
        follows = system.value(key)
        if follows is None:
            system.add(key, value)
        elif not _agree(key, value, follows):
            others = ", ".join(f"{name} = {stated[name]:g}" for name in system.sources)
            said.append(
                f"{key} = {value:g} contradicts {others}, from which {key} = {_whole(key, follows):g} follows "
                f"(a difference up to {_allowed(key, follows):g} is taken for rounding)"
            )
    known: dict[str, float] = {}
    for key in KEYS:
        follows = stated.get(key, system.value(key))
        if follows is None:
            continue
        if key not in stated:
            follows = _whole(key, follows)
            low = -_allowed(key, follows)
            if follows < low or (key in _RATES and follows > 1 + TOLERANCE):
                others = ", ".join(f"{name} = {stated[name]:g}" for name in system.sources)
                if not said:
                    said.append(f"{others} can't be true together: {key} would be {follows:g}")
                continue
            follows = max(follows, 0.0) if key in _COUNTS else min(max(follows, 0.0), 1.0)
        known[key] = follows
    return known, said


class _System:
    """Linear equations in TP, FN, FP, TN, and what follows from them."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self._rows: list[Sequence[float]] = []
        self._right: list[float] = []
        self._solved: tuple[NDArray[Any], NDArray[Any]] | None = None

    def add(self, key: str, value: float) -> None:
        """Take one more number for true."""
        if key in _COUNTS:
            row: list[float] = list(_COUNTS[key])
            right = value
        else:
            part, whole = _RATES[key]
            row, right = [p - value * w for p, w in zip(part, whole, strict=True)], 0.0
        self.sources.append(key)
        signs = {math.copysign(1, weight) for weight in row if abs(weight) > _EXACT}
        if not right and len(signs) == 1:
            for place, weight in enumerate(row):
                if abs(weight) > _EXACT:
                    self._append([float(place == n) for n in range(4)], 0.0)
        else:
            self._append(row, right)

    def value(self, key: str) -> float | None:
        """Return the one value that a number has in every solution; None where it has several."""
        if not self._rows:
            return None
        if key in _COUNTS:
            fixed, free = self._over_solutions(_COUNTS[key])
            return None if abs(free).max(initial=0.0) > _EXACT else fixed
        (part, parts), (whole, wholes) = map(self._over_solutions, _RATES[key])
        import numpy as np

        numerator, divisor = np.append(parts, part), np.append(wholes, whole)
        size = float(divisor @ divisor)
        if size < _EXACT:
            return None
        share = float(numerator @ divisor) / size
        apart = float(abs(numerator - share * divisor).max())
        return share if apart <= _EXACT * math.sqrt(size) else None

    def _append(self, row: Sequence[float], right: float) -> None:
        self._rows.append(row)
        self._right.append(right)
        self._solved = None

    def _over_solutions(self, weights: Sequence[int]) -> tuple[float, NDArray[Any]]:
        """Return a weighted sum's value at one solution, and how it changes along each free direction."""
        import numpy as np

        if self._solved is None:
            matrix, right = np.array(self._rows, dtype=float), np.array(self._right)
            _, sizes, directions = np.linalg.svd(matrix)
            rank = int((sizes > _EXACT).sum())
            one = np.linalg.lstsq(matrix, right, rcond=_EXACT)[0]
            self._solved = one, directions[rank:]
        one, free = self._solved
        return float(one @ weights), free @ np.asarray(weights)


def _allowed(key: str, value: float) -> float:
    return TOLERANCE if key in _RATES else max(0.5, TOLERANCE * abs(value))


def _agree(key: str, one: float, other: float) -> bool:
    return abs(one - other) <= _allowed(key, max(abs(one), abs(other))) + _EXACT


def _whole(key: str, value: float) -> float:
    if key in _RATES:
        return value
    whole = float(round(value))
    near = TOLERANCE * abs(value) if abs(value) <= _FEW else 1e-6 * abs(value)
    return whole if abs(value - whole) <= max(near, 1e-6) else value
