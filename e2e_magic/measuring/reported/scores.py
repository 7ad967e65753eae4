"""Scores of classes: the class that they decide for, and the area under their ROC curve."""

from __future__ import annotations

import math
import operator
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple

from e2e_magic.measuring.reported.arrays import Values, WrongValueError

# The tolerance of a sum of 1 in half precision.
_TOLERANCE = 1e-3


class Scores(NamedTuple):
    """A column of n scores per class, or a single one for the second of two classes.

    The columns are numpy's arrays where the process has numpy, which is faster, else the standard library's.
    """

    columns: tuple[Any, ...]

    @classmethod
    def of(cls, values: Values, columns: int) -> Scores:
        """Read row-major scores.

        Raises
        ------
        WrongValueError
            If they are not finite numbers.
        """
        if values.kind != "numbers":
            raise WrongValueError(f"expected scores as numbers, got {values.kind} of shape {values.shape}")
        numbers = values.floats() if isinstance(values.entries, list) else values.entries
        if numpy := sys.modules.get("numpy"):
            table = numpy.asarray(numbers, dtype=float).reshape(-1, columns).T
            scores, finite = cls(tuple(table)), bool(numpy.isfinite(table).all())
        else:
            scores = cls(tuple(array("d", numbers[n::columns]) for n in range(columns)))
            finite = all(all(map(math.isfinite, column)) for column in scores.columns)
        if not finite:
            raise WrongValueError("expected scores as finite numbers, got NaN or infinities among them")
        return scores

    @property
    def span(self) -> tuple[float, float]:
        """The smallest and the largest score."""
        if isinstance(self.columns[0], array):
            return min(map(min, self.columns)), max(map(max, self.columns))
        return min(float(column.min()) for column in self.columns), max(
            float(column.max()) for column in self.columns
        )

    def decided(self) -> Any:
        """Return the column of the largest score of each row; for a single column 1 above 0.5."""
        numpy = sys.modules.get("numpy")
        if len(self.columns) == 1:
            (scores,) = self.columns
            return (scores > 0.5).astype(int) if numpy else [int(score > 0.5) for score in scores]
        if numpy:
            return numpy.stack(self.columns).argmax(axis=0)
        return [row.index(max(row)) for row in zip(*self.columns, strict=True)]

    def roc_auc(self, true: Sequence[int], classes: Sequence[Any]) -> float:
        """Return the area under the ROC curve; one class against the rest, macro-averaged, for several.

        Parameters
        ----------
        true : sequence of int
            The column of each row's class.
        classes : sequence
            Their names.

        Raises
        ------
        WrongValueError
            If the scores are not probabilities (several classes), or a class never occurs.
        """
        occurring = set(true)
        for n, name in enumerate(classes):
            if n not in occurring:
                raise WrongValueError(f"expected every class among the true labels, got none of {name!r}")
        if len(self.columns) == 1:
            return area(self.columns[0], true, 1)
        if len(self.columns) == 2:
            # In either form, probabilities or logits, this difference ranks as they do.
            return area(_each(operator.sub, self.columns[1], self.columns[0]), true, 1)
        sums = reduce(partial(_each, operator.add), self.columns)
        least, most = Scores((sums,)).span
        if self.span[0] < 0 or most - 1 > _TOLERANCE or 1 - least > _TOLERANCE:
            raise WrongValueError(
                "expected probabilities that sum to 1 in each row, got scores whose rows sum to "
                f"{least:g} to {most:g}: pass them through softmax"
            )
        shares = (_each(operator.truediv, column, sums) for column in self.columns)
        return sum(area(column, true, n) for n, column in enumerate(shares)) / len(self.columns)


def _each(operation: Callable[[Any, Any], Any], first: Any, second: Any) -> Any:
    """Apply an operation to each pair of numbers of two columns."""
    return array("d", map(operation, first, second)) if isinstance(first, array) else operation(first, second)


def area(scores: Any, true: Sequence[int], positive: int) -> float:
    """Return the share of pairs, one of the positive class and one of another, that the scores rank right.

    A tie counts half: this is the Mann-Whitney U over the number of pairs, the area under the ROC curve
    (Hanley and McNeil, Radiology 143, 1982). numpy sorts where the process has it.
    """
    if not isinstance(scores, array):
        numpy = sys.modules["numpy"]
        ours = numpy.asarray(true) == positive
        unique, place = numpy.unique(scores, return_inverse=True)
        hits, others = (
            numpy.bincount(place.reshape(-1)[some], minlength=len(unique)) for some in (ours, ~ours)
        )
        below = numpy.cumsum(others) - others
        return float((hits * (2 * below + others)).sum() / (2 * hits.sum() * others.sum()))
    hits_of = Counter(score for score, label in zip(scores, true, strict=True) if label == positive)
    others_of = Counter(score for score, label in zip(scores, true, strict=True) if label != positive)
    ranked = below_it = 0
    for score in sorted({*hits_of, *others_of}):
        ranked += hits_of[score] * (2 * below_it + others_of[score])
        below_it += others_of[score]
    return ranked / (2 * hits_of.total() * below_it)
