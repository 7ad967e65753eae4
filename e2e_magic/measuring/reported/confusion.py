"""Counting of a confusion matrix from true and predicted labels, or from scores turned into labels."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from e2e_magic.measuring.reported.arrays import Values, WrongValueError, describe, values_of
from e2e_magic.measuring.reported.labels import Labels, coded, rows, union
from e2e_magic.measuring.reported.scores import Scores


class Counted(NamedTuple):
    """A confusion matrix and the data it was counted from.

    Attributes
    ----------
    confusion : list of rows
        Rows true, columns predicted.
    classes : list
        The label of each row and column.
    true : Labels
    scores : Scores or None
        The scores that decided the predictions.
    """

    confusion: list[list[int]]
    classes: list[Any]
    true: Labels
    scores: Scores | None

    def roc_auc(self) -> float:
        """Return the area under the ROC curve of the scores, as `Scores.roc_auc`."""
        if self.scores is None:
            raise WrongValueError("expected scores, got labels")
        row, entries, place = rows(self.true, self.classes), self.true.entries, self.true.place
        if isinstance(entries, list):
            return self.scores.roc_auc([row[place[entry]] for entry in entries], self.classes)
        return self.scores.roc_auc(sys.modules["numpy"].asarray(row)[entries], self.classes)


def count(true: Labels, predicted: object, classes: Sequence[Any] | None = None) -> Counted:
    """Count a confusion matrix.

    Parameters
    ----------
    true : Labels
    predicted : array-like
        Labels, shape (n,) or (n, 1); or scores: shape (n, classes), of which the largest in a row wins,
        or for two classes one score from 0 to 1 each, which above 0.5 means the second class.
    classes : sequence, optional
        All labels in the order wanted; those that occur, sorted or in the order of their categories, when
        left out.

    Raises
    ------
    WrongValueError
        If `predicted` doesn't fit; the message names the mismatch.
    """
    values = values_of(predicted)
    shape = values.shape
    if not shape or (len(shape) > 2 and len(values) != shape[0]):
        raise WrongValueError(f"expected labels (n) or scores (n, classes), got {describe(predicted)}")
    if shape[0] != len(true.entries):
        raise WrongValueError(
            f"expected {len(true.entries):,} values, as many as y_true has, got {shape[0]:,}"
        )
    scores: Scores | None = None
    if len(shape) == 2 and shape[1] != 1:
        classes = _classes_of_columns(true, shape[1], classes)
        scores = Scores.of(values, shape[1])
    elif _are_scores(values, true):
        classes = _two_classes(true, classes)
        scores = Scores.of(values, 1)
        least, most = scores.span
        if not 0 <= least <= most <= 1:
            raise WrongValueError(
                f"expected labels, or for two classes scores from 0 to 1, got numbers from {least:g} "
                f"to {most:g}: pass labels, such as scores > 0"
            )
    if scores is not None and classes is not None:
        labels = Labels(scores.decided(), range(len(classes)), list(classes))
    else:
        labels = coded(values)
        classes = union(true, labels) if classes is None else classes
    return Counted(_matrix(true, labels, classes), list(classes), true, scores)


def _matrix(true: Labels, predicted: Labels, classes: Sequence[Any]) -> list[list[int]]:
    size = len(classes)
    columns = rows(predicted, classes)
    lines = rows(true, classes)
    matrix = [[0] * size for _ in range(size)]
    for (line, column), number in _pairs(true, predicted):
        matrix[lines[line]][columns[column]] += number
    return matrix


def _pairs(true: Labels, predicted: Labels) -> list[tuple[tuple[int, int], int]]:
    """Return each pair of places (true, predicted) with its number of occurrences."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and not isinstance(true.entries, list) and not isinstance(predicted.entries, list):
        size = len(predicted.values)
        counts = numpy.bincount(true.entries * size + predicted.entries).tolist()
        return [(divmod(pair, size), number) for pair, number in enumerate(counts) if number]
    pairs = Counter(zip(_listed(true), _listed(predicted), strict=True))
    return [((true.place[line], predicted.place[column]), n) for (line, column), n in pairs.items()]


def _listed(labels: Labels) -> list[Any]:
    return labels.entries if isinstance(labels.entries, list) else labels.entries.tolist()


def _are_scores(values: Values, true: Labels) -> bool:
    """Return whether these are scores: some number is not whole and is not a true label."""
    labels = [label for label in true.values if type(label) is float]
    if not isinstance(values.entries, list):
        if values.entries.dtype.kind != "f":
            return False
        numpy, entries = sys.modules["numpy"], values.entries
        fractions = entries[entries != numpy.floor(entries)]
        return bool(fractions.size) and not bool(numpy.isin(fractions, labels).all())
    fractions = {item for item in values.entries if type(item) is float and not item.is_integer()}
    return values.kind == "numbers" and not fractions.issubset(labels)


def _classes_of_columns(true: Labels, columns: int, classes: Sequence[Any] | None) -> Sequence[Any]:
    """Return the class of each column; whole numbers from 0 on need no names, as one may not occur."""
    if classes is None and all(type(label) is int and 0 <= label < columns for label in true.values):
        return range(columns)
    names = true.values if classes is None else classes
    if classes is None and true.order is not None and len(true.order) == columns:
        names = list(true.order)
    if len(names) != columns:
        raise WrongValueError(
            f"expected scores for {len(names)} classes, got {columns} columns: "
            "name the class of each column with classes"
        )
    return names


def _two_classes(true: Labels, classes: Sequence[Any] | None) -> Sequence[Any]:
    if classes is None and true.order is None and all(label in (0, 1) for label in true.values):
        return [False, True] if all(type(label) is bool for label in true.values) else [0, 1]
    names = true.values if classes is None else classes
    if classes is None and true.order is not None and len(true.order) == 2:
        names = list(true.order)
    if len(names) != 2:
        raise WrongValueError(
            f"expected labels, or scores (n, {len(names)}), got one number for each entry that is no label: "
            "that means something for two classes only"
        )
    return names
