"""A confusion matrix counted from true and predicted labels, or from scores decided into labels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from e2e_magic.measuring.reported.arrays import WrongValueError, array_of, describe
from e2e_magic.measuring.reported.labels import Labels, code, rows, union

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Counted:
    """A confusion matrix and what it was counted from.

    Attributes
    ----------
    confusion : list of rows
        Rows true, columns predicted.
    classes : list
        The label of each row and column.
    true : array of int, shape (n,)
        The row of each entry.
    scores : array or None
        What the predictions were decided from: shape (n,) for the second of two classes, or
        (n, classes).
    """

    confusion: list[list[int]]
    classes: list[Any]
    true: NDArray[Any]
    scores: NDArray[Any] | None


def count(true: Labels, predicted: object, classes: Sequence[Any] | None = None) -> Counted:
    """Count a confusion matrix.

    Parameters
    ----------
    true : Labels
    predicted : array-like
        Labels, shape (n,) or (n, 1); or scores: shape (n, classes), of which the largest in a row wins,
        or for two classes one score from 0 to 1 each, which above 0.5 means the second class.
    classes : sequence, optional
        All labels in the order wanted; those that occur, sorted, when left out.

    Raises
    ------
    WrongValueError
        Says what of `predicted` doesn't fit.
    """
    import numpy as np

    array = array_of(predicted)
    if array.ndim > 2 and array.size and array.size == len(array):
        array = array.reshape(len(array), 1)
    if array.ndim not in (1, 2):
        raise WrongValueError(f"expected labels (n) or scores (n, classes), got {describe(predicted)}")
    if len(array) != len(true.codes):
        raise WrongValueError(
            f"expected {len(true.codes):,} values, as many as y_true has, got {len(array):,}"
        )
    scores: NDArray[Any] | None = None
    if array.ndim == 2 and array.shape[1] != 1:
        classes = _classes_of_columns(true, array.shape[1], classes)
        scores = _numbers(array)
        columns: NDArray[Any] = scores.argmax(axis=1)
    elif _fractional(array := array.reshape(-1), true):
        classes = _two_classes(true, classes)
        scores = _numbers(array)
        if not bool(((scores >= 0) & (scores <= 1)).all()):
            raise WrongValueError(
                f"expected labels, or for two classes scores from 0 to 1, got numbers from {scores.min():g} "
                f"to {scores.max():g}: pass labels, such as scores > 0"
            )
        columns = (scores > 0.5).astype(np.int64)
    else:
        labels = code(array)
        if classes is None:
            classes = union(true, labels)
        columns = rows(labels, classes)
    places = rows(true, classes)
    size = len(classes)
    counts = np.bincount(places * size + columns, minlength=size * size).reshape(size, size)
    return Counted(counts.tolist(), list(classes), places, scores)


def roc_auc(counted: Counted) -> float:
    """Return the area under the ROC curve; one class against the rest, macro-averaged, for several.

    scikit-learn's ``roc_auc_score``: it needs the scores, which are not kept.

    Raises
    ------
    WrongValueError
        If the scores are no probabilities (several classes), or a class never occurs.
    """
    import numpy as np
    from sklearn.metrics import roc_auc_score

    scores, size = counted.scores, len(counted.classes)
    if scores is None:
        raise WrongValueError("expected scores, got labels")
    absent = set(range(size)) - set(np.unique(counted.true).tolist())
    if absent:
        raise WrongValueError(
            f"expected every class among the true labels, got none of {counted.classes[min(absent)]!r}"
        )
    if scores.ndim == 2 and size == 2:
        # In either form, probabilities or logits, this difference ranks as they do.
        scores = scores[:, 1] - scores[:, 0]
    if scores.ndim == 2:
        sums = scores.sum(axis=1)
        if bool((scores < 0).any()) or not bool(np.allclose(sums, 1, atol=1e-3)):
            raise WrongValueError(
                "expected probabilities that sum to 1 in each row, got scores whose rows sum to "
                f"{sums.min():g} to {sums.max():g}: pass them through softmax"
            )
        scores = scores / sums[:, None]  # what half precision leaves is more than scikit-learn allows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it would warn of is checked above
        area = float(
            roc_auc_score(
                counted.true, scores, multi_class="ovr", labels=None if scores.ndim == 1 else range(size)
            )
        )
    if math.isnan(area):
        raise WrongValueError("scikit-learn could not compute it from these scores")
    return area


def _fractional(array: NDArray[Any], true: Labels) -> bool:
    """Tell scores from labels: numbers that aren't whole, and that no true label is equal to."""
    import numpy as np

    if array.dtype.kind != "f" or not array.size:
        return False
    fractions = array[array != np.floor(array)]
    return bool(fractions.size) and not bool(
        np.isin(fractions, [v for v in true.values if type(v) is float]).all()
    )


def _numbers(array: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    if array.dtype.kind not in "iuf":
        raise WrongValueError(f"expected scores as numbers, got {array.dtype} of shape {array.shape}")
    if not bool(np.isfinite(array).all()):
        raise WrongValueError("expected scores as finite numbers, got NaN or infinities among them")
    return array.astype(float)


def _classes_of_columns(true: Labels, columns: int, classes: Sequence[Any] | None) -> Sequence[Any]:
    """Name the columns of scores; whole numbers from 0 on need no names, for one may not occur."""
    if classes is None and all(type(label) is int and 0 <= label < columns for label in true.values):
        return range(columns)
    names = true.values if classes is None else classes
    if len(names) != columns:
        raise WrongValueError(
            f"expected scores for {len(names)} classes, got {columns} columns: "
            "name the class of each column with classes"
        )
    return names


def _two_classes(true: Labels, classes: Sequence[Any] | None) -> Sequence[Any]:
    if classes is None and all(label in (0, 1) for label in true.values):
        return [False, True] if all(type(label) is bool for label in true.values) else [0, 1]
    names = true.values if classes is None else classes
    if len(names) != 2:
        raise WrongValueError(
            f"expected labels, or scores (n, {len(names)}), got one number for each entry that is no label: "
            "that means something for two classes only"
        )
    return names
