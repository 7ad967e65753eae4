"""True and predicted labels, counted into a confusion matrix; scores, decided into labels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from e2e_magic.measuring.arraylikes import WrongValueError, array_of, describe, plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A matrix of more classes than this is a regression's target or an id, not a classification: it would
# take a million cells and more.
MAX_CLASSES = 1000


@dataclass(frozen=True)
class Labels:
    """Labels, coded: ``values[codes]`` are the labels.

    Attributes
    ----------
    codes : array of int, shape (n,)
    values : list
        The different labels, plain, sorted.
    """

    codes: NDArray[Any]
    values: list[Any]


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


def read(value: object) -> Labels:
    """Read one label per entry from anything array-like of shape (n,) or (n, 1).

    Raises
    ------
    WrongValueError
        For another shape, for none at all, for a missing label, for more than `MAX_CLASSES`.
    """
    array = array_of(value)
    if array.ndim == 2 and array.shape[1] > 1:
        raise WrongValueError(
            f"expected one label per entry, got {describe(value)}: of one-hot rows take .argmax(axis=1)"
        )
    if array.ndim == 0 or (array.ndim > 1 and array.size != len(array)):
        raise WrongValueError(f"expected one label per entry, got {describe(value)}")
    return _coded(array.reshape(-1))


def named(value: object) -> list[Any]:
    """Read the names of classes: different from each other, in the order of rows and columns."""
    array = array_of(value)
    if array.ndim != 1 or not array.size:
        raise WrongValueError(f"expected a list of labels, got {describe(value)}")
    names = [plain(label) for label in array]
    twice = next((name for n, name in enumerate(names) if name in names[:n]), None)
    if twice is not None:
        raise WrongValueError(f"expected labels that differ, got {twice!r} twice")
    return names


def rows(labels: Labels, classes: Sequence[Any]) -> NDArray[Any]:
    """Return the place of each label among the classes.

    Labels that are none of the classes, but all whole numbers from 0 to k - 1, count as their places
    already, as scikit-learn's ``target_names`` are used.
    """
    import numpy as np

    place = {name: n for n, name in enumerate(classes)}
    unknown = [label for label in labels.values if label not in place]
    if len(unknown) == len(labels.values) and all(
        type(label) is int and 0 <= label < len(classes) for label in unknown
    ):
        places = unknown
    elif unknown:
        raise WrongValueError(f"expected labels among the classes {_some(classes)}, got {unknown[0]!r}")
    else:
        places = [place[label] for label in labels.values]
    found: NDArray[Any] = np.asarray(places, dtype=np.int64)[labels.codes]
    return found


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
        labels = _coded(array)
        if classes is None:
            classes = _union(true, labels)
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


def _coded(array: NDArray[Any]) -> Labels:
    """Code labels; numbers and text by numpy, for a million of them are common."""
    import numpy as np

    if not array.size:
        raise WrongValueError("expected at least one label, got none")
    if array.dtype.kind == "f" and not bool(np.isfinite(array).all()):
        raise WrongValueError(f"expected a label for each entry, got {_first_odd(array)}")
    if array.dtype.kind == "O":
        listed = [None if _absent(label) else plain(label) for label in array]
        if None in listed:
            raise WrongValueError(
                f"expected a label for each entry, got {array[listed.index(None)]!r} at position "
                f"{listed.index(None)}"
            )
        values = _sorted(list(dict.fromkeys(listed)))
        place = {label: n for n, label in enumerate(values)}
        codes = np.array([place[label] for label in listed])
    else:
        unique, inverse = np.unique(array, return_inverse=True)
        codes, values = inverse.reshape(-1), [plain(label) for label in unique]
    if len(values) > MAX_CLASSES:
        raise WrongValueError(
            f"expected class labels, at most {MAX_CLASSES:,} different ones, got {len(values):,}: "
            "report a regression by its loss"
        )
    return Labels(codes, values)


def _absent(label: object) -> bool:
    # pandas' NA refuses to be compared, also with itself.
    return label is None or type(label).__name__ in ("NAType", "NaTType") or plain(label) != plain(label)


def _first_odd(array: NDArray[Any]) -> str:
    import numpy as np

    at = int(np.flatnonzero(~np.isfinite(array))[0])
    return f"{float(array[at])} at position {at}"


def _fractional(array: NDArray[Any], true: Labels) -> bool:
    """Tell scores from labels: numbers that aren't whole, and that no true label is equal to."""
    import numpy as np

    if array.dtype.kind != "f" or not array.size:
        return False
    odd = array[array != np.floor(array)]
    return bool(odd.size) and not bool(np.isin(odd, [v for v in true.values if type(v) is float]).all())


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
    known = true.values if classes is None else classes
    if len(known) != columns:
        raise WrongValueError(
            f"expected scores for {len(known)} classes, got {columns} columns: "
            "name the class of each column with classes"
        )
    return known


def _two_classes(true: Labels, classes: Sequence[Any] | None) -> Sequence[Any]:
    if classes is None and all(label in (0, 1) for label in true.values):
        return [False, True] if all(type(label) is bool for label in true.values) else [0, 1]
    known = true.values if classes is None else classes
    if len(known) != 2:
        raise WrongValueError(
            f"expected labels, or scores (n, {len(known)}), got one number for each entry that is no label: "
            "that means something for two classes only"
        )
    return known


def _union(true: Labels, predicted: Labels) -> list[Any]:
    kinds = [{"text" if type(v) is str else "numbers" for v in labels.values} for labels in (true, predicted)]
    if not kinds[0] & kinds[1]:
        raise WrongValueError(
            f"expected {kinds[0].pop()}, as the labels in y_true are, got {kinds[1].pop()}, "
            f"such as {predicted.values[0]!r}"
        )
    union = _sorted(list(dict.fromkeys([*true.values, *predicted.values])))
    if len(union) > MAX_CLASSES:
        raise WrongValueError(
            f"expected class labels, at most {MAX_CLASSES:,} different ones, got {len(union):,} with y_true"
        )
    return union


def _sorted(values: list[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:  # labels of several types have no order of their own
        return sorted(values, key=lambda label: (type(label).__name__, str(label)))


def _some(classes: Sequence[Any]) -> str:
    shown = ", ".join(map(repr, classes[:6]))
    return f"{shown}, .." if len(classes) > 6 else shown
