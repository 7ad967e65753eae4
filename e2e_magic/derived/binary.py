"""Complete a partial table of two-class metrics: whatever follows from what is given.

Each number given is one linear equation in the four counts TP, FN, FP, TN: ``1_class = 5`` says
``TP + FN = 5``, and ``recall = 0.8`` says ``0.2 TP - 0.8 FN = 0``. What follows is what has one value
for all solutions, which also finds what no chain of single formulas does (the counts that follow from
accuracy, precision, recall and one class, say): of the 210 ways to give four of the ten numbers of one
table, the equations completed 148 and a chain of 28 formulas 123. The definitions are scikit-learn's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

KEYS = ("TP", "TN", "FP", "FN", "0_class", "1_class", "recall", "precision", "accuracy", "f1_score")
TOLERANCE = 0.005  # rates are handed back rounded to two places
_NEAR = 0.1  # of an item: farther from a whole number a count stays as it is, which shows the rounding

# As weights of TP, FN, FP, TN. `0_class` and `1_class` are the true items of each class.
_COUNTS: dict[str, tuple[int, int, int, int]] = {
    "TP": (1, 0, 0, 0),
    "FN": (0, 1, 0, 0),
    "FP": (0, 0, 1, 0),
    "TN": (0, 0, 0, 1),
    "1_class": (1, 1, 0, 0),
    "0_class": (0, 0, 1, 1),
}
# Numerator and denominator of each rate. `f1_score` is 2 TP / (2 TP + FP + FN).
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
        count that follows from one is made whole where it is within half a percent, and a tenth of an
        item, of a whole number.

    Returns
    -------
    values : dict of str to float
        What was given, as it was, and what follows. A rate whose divisor is 0, or may be, doesn't.
    contradictions : list of str
        Which numbers can't be true together, with both values; nothing is computed from the later one.

    Notes
    -----
    Beside the equations, only one property of counts is used: a sum that is 0 has no part above 0
    (accuracy = 1 means no FP and no FN).
    """
    stated = {key: float(given[key]) for key in KEYS if key in given and math.isfinite(float(given[key]))}
    system = _System()
    contradictions: list[str] = []
    # Counts first: they are exact, and what follows from rounded rates isn't.
    for key in (*_COUNTS, *_RATES):
        if key not in stated:
            continue
        value = stated[key]
        follows = system.value(key)
        if follows is None:
            if not system.add(key, value):
                contradictions.append(f"{key} = {value:g} can't be true where {system.given(stated)}")
        elif not _agree(key, value, follows):
            contradictions.append(
                f"{key} = {value:g} contradicts {system.given(stated)}, "
                f"from which {key} = {_whole(key, follows):g} follows "
                f"(a difference up to {_allowed(key, follows):g} is taken for rounding)"
            )
    values: dict[str, float] = {}
    for key in KEYS:
        follows = stated.get(key, system.value(key))
        if follows is None:
            continue
        if key not in stated:
            follows = _whole(key, follows)
            low = -_allowed(key, follows)
            if follows < low or (key in _RATES and follows > 1 + TOLERANCE):
                if not contradictions:
                    contradictions.append(
                        f"{system.given(stated)} can't be true together: {key} would be {follows:g}"
                    )
                continue
            follows = max(follows, 0.0) if key in _COUNTS else min(max(follows, 0.0), 1.0)
        values[key] = follows
    return values, contradictions


def confusion_of(table: Mapping[str, float]) -> list[list[float]] | None:
    """Return the confusion matrix of a completed table, rows true; None where a count is unknown."""
    if not table.keys() >= {"TP", "TN", "FP", "FN"}:
        return None
    return [[table["TN"], table["FP"]], [table["FN"], table["TP"]]]


class _System:
    """Linear equations in TP, FN, FP, TN, kept solved: each row has a count of its own with weight 1."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self._some: list[set[int]] = []
        self._rows: dict[int, list[float]] = {}  # by the place of that count: four weights, right side

    def given(self, stated: Mapping[str, float]) -> str:
        """Return the numbers accepted so far, in words."""
        return ", ".join(f"{name} = {stated[name]:g}" for name in self.sources)

    def add(self, key: str, value: float) -> bool:
        """Add a number as an equation; return False where those accepted so far rule it out."""
        if key in _COUNTS:
            row = [*map(float, _COUNTS[key]), value]
        else:
            part, whole = _RATES[key]
            row = [*(p - value * w for p, w in zip(part, whole, strict=True)), 0.0]
        signs = {math.copysign(1, weight) for weight in row[:4] if abs(weight) > _EXACT}
        rows = [row]
        if abs(row[4]) <= _EXACT and len(signs) == 1:
            places = [place for place in range(4) if abs(row[place]) > _EXACT]
            rows = [[float(place == n) for n in range(5)] for place in places]
        if any(self._ruled_out(row) for row in rows):
            return False
        for one in rows:
            self._insert(one)
        self.sources.append(key)
        # Counts of which at least one is above 0. A rate is of something, and one above 0 has a part.
        sums = [_COUNTS[key] if value > 0 else ()] if key in _COUNTS else [_RATES[key][1]]
        sums += [_RATES[key][0]] if key in _RATES and value > 0 else []
        self._some += [{place for place, weight in enumerate(each) if weight} for each in sums if each]
        return True

    def value(self, key: str) -> float | None:
        """Return the one value that a number has in every solution; None where it has several."""
        if key in _COUNTS:
            *free, constant = self._reduced(_COUNTS[key])
            return constant if max(map(abs, free)) <= _EXACT else None
        if not self._above_zero(_RATES[key][1]):
            return None  # a share of what may be nothing
        part, whole = map(self._reduced, _RATES[key])
        size = sum(weight * weight for weight in whole)
        if size <= _EXACT:
            return None
        # The same share of every weight and of the constant: then no free count changes it.
        share = sum(p * w for p, w in zip(part, whole, strict=True)) / size
        apart = max(abs(p - share * w) for p, w in zip(part, whole, strict=True))
        return share if apart <= _EXACT * math.sqrt(size) else None

    def _above_zero(self, weights: Sequence[float]) -> bool:
        """Return whether this sum of counts must be above 0, because one of its parts is."""
        reduced = [self._reduced([float(place == n) for n in range(4)]) for place in range(4)]
        some = [
            {place} for place, (*free, count) in enumerate(reduced) if max(map(abs, free)) <= _EXACT < count
        ]
        return any(all(weights[place] for place in places) for places in (*some, *self._some))

    def _reduced(self, weights: Sequence[float]) -> list[float]:
        """Substitute the known counts; return the weights left for the free ones, then a constant."""
        left = [*map(float, weights), 0.0]
        for place, row in self._rows.items():
            weight = left[place]
            if weight:
                for n in range(4):
                    left[n] -= weight * row[n]
                left[4] += weight * row[4]
        return left

    def _ruled_out(self, row: Sequence[float]) -> bool:
        *free, constant = self._reduced(row[:4])
        return max(map(abs, free)) <= _EXACT and abs(constant - row[4]) > max(0.5, TOLERANCE * abs(constant))

    def _insert(self, row: Sequence[float]) -> None:
        *free, constant = self._reduced(row[:4])
        pivot = max(range(4), key=lambda n: abs(free[n]))
        if abs(free[pivot]) <= _EXACT:
            return
        new = [weight / free[pivot] for weight in (*free, row[4] - constant)]
        for old in self._rows.values():
            weight = old[pivot]
            for n in range(5):
                old[n] -= weight * new[n]
        self._rows[pivot] = new


def _allowed(key: str, value: float) -> float:
    return TOLERANCE if key in _RATES else max(0.5, TOLERANCE * abs(value))


def _agree(key: str, one: float, other: float) -> bool:
    return abs(one - other) <= _allowed(key, max(abs(one), abs(other))) + _EXACT


def _whole(key: str, value: float) -> float:
    if key in _RATES:
        return value
    whole = float(round(value))
    near = max(1e-6, 1e-6 * abs(value), min(TOLERANCE * abs(value), _NEAR))
    return whole if abs(value - whole) <= near else value
