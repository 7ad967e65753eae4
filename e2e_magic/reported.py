"""What measured code hands back: checked, made plain, and said in words where it is wrong.

The value of a cell or function counts when it is a dict with any of the contract's keys; options of
the line win over it. Lists, numpy, pandas, torch, TensorFlow and JAX are taken as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from e2e_magic.arraylikes import WrongValueError, array_of, describe, plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINARY_KEYS = ("TP", "TN", "FP", "FN", "0_class", "1_class", "recall", "precision", "f1_score")
_SPELLINGS = {"num_entries": "entries", "confusion_matrix": "confusion", "confusion matrix": "confusion"}
KEYS = ("loss", "accuracy", "num_entries", "confusion_matrix", "confusion matrix", "classes", *BINARY_KEYS)


@dataclass(frozen=True)
class Reported:
    """What could be read and what could not.

    Attributes
    ----------
    values : dict
        Plain data for ``Record.reported``: ``loss`` and ``accuracy`` (a number or a list), ``entries``,
        ``target_accuracy``, ``confusion`` (list of rows), ``classes``, ``binary``, ``scores``.
    problems : dict of str to str
        By key: a sentence with the key, what was expected and what came.
    """

    values: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def collect(value: object, options: Mapping[str, object]) -> Reported:
    """Read the code's value and the evaluated options of its line.

    Parameters
    ----------
    value : object
        Counts only if it is a mapping with any key of `KEYS`.
    options : mapping
        By name: ``entries loss accuracy target_accuracy confusion classes y_true y_pred``, and the
        dict's own keys; they win over `value`. None counts as not given.
    """
    handed = {key: value[key] for key in KEYS if key in value} if isinstance(value, Mapping) else {}
    given: dict[str, tuple[str, object]] = {}  # the plain name -> the name that the user wrote, the value
    for source in (handed, options):
        for key, item in source.items():
            if item is not None:
                given[_SPELLINGS.get(key, key)] = (key, item)
    found = Reported()
    for name, read in (("loss", _curve), ("accuracy", _curve), ("entries", _entries)):
        if name in given:
            _read(found, name, read, *given[name])
    if "target_accuracy" in given:
        found.values["target_accuracy"] = float(given["target_accuracy"][1])  # type: ignore[arg-type]
    _read_confusion(found, given)
    _read_binary(found, given)
    return found


def _read(found: Reported, name: str, read: Callable[[object], Any], key: str, value: object) -> None:
    try:
        found.values[name] = read(value)
    except WrongValueError as wrong:
        found.problems[key] = f"{key}: {wrong}"


def _read_confusion(found: Reported, given: Mapping[str, tuple[str, object]]) -> None:
    if "y_true" in given or "y_pred" in given:
        _from_labels(found, given)
        return
    if "confusion" not in given:
        if "classes" in given:
            found.problems["classes"] = "classes: expected a confusion matrix beside them, got none"
        return
    _read(found, "confusion", _matrix, *given["confusion"])
    if "classes" not in given or "confusion" not in found.values:
        return
    size = len(found.values["confusion"])
    try:
        classes = _labels(given["classes"][1])
        if len(classes) != size:
            raise WrongValueError(  # noqa: TRY301 - said in one place
                f"expected {size} labels, one per row of the confusion matrix, got {len(classes)}"
            )
        found.values["classes"] = classes
    except WrongValueError as wrong:
        found.problems["classes"] = f"classes: {wrong}; the matrix is kept with the labels 0 to {size - 1}"


def _from_labels(found: Reported, given: Mapping[str, tuple[str, object]]) -> None:
    """Count a confusion matrix from true and predicted labels, or from scores per class."""
    import numpy as np

    for name, other in (("y_true", "y_pred"), ("y_pred", "y_true")):
        if name not in given:
            found.problems[name] = f"{name}: expected labels beside {other}, got none"
            return
    try:
        true = np.asarray(_labels(given["y_true"][1]), dtype=object)
        predicted = array_of(given["y_pred"][1])
    except WrongValueError as wrong:
        found.problems["y_true"] = f"y_true, y_pred: {wrong}"
        return
    if len(predicted) != len(true):
        found.problems["y_pred"] = (
            f"y_pred: expected {len(true)} values, as many as y_true has, got {len(predicted)}"
        )
        return
    if not len(true):
        found.problems["y_true"] = "y_true: expected at least one label, got none"
        return
    classes = _labels(given["classes"][1]) if "classes" in given else _sorted_labels(true)
    try:
        labels, scores = _decide(predicted, true, classes)
        if "classes" not in given:
            classes = _sorted_labels(np.concatenate([np.asarray(classes, object), labels]))
        found.values["confusion"] = _count(true, labels, classes)
        found.values["classes"] = [plain(label) for label in classes]
    except WrongValueError as wrong:
        found.problems["y_pred"] = f"y_pred: {wrong}"
        return
    if scores is not None:
        _add_roc_auc(found, true, scores, classes)


def _decide(
    predicted: NDArray[Any], true: NDArray[Any], classes: Sequence[Any]
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Turn scores into labels: the largest of a row, or above a half for one score of two classes."""
    import numpy as np

    if predicted.ndim == 2 and predicted.shape[1] > 1:
        if predicted.shape[1] != len(classes):
            raise WrongValueError(
                f"expected scores for {len(classes)} classes, got {predicted.shape[1]} columns; "
                "name the classes of the columns with classes"
            )
        names = np.empty(len(classes), dtype=object)
        names[:] = classes
        return names[predicted.argmax(axis=1)], predicted.astype(float)
    if predicted.ndim > 1:
        predicted = predicted.reshape(len(predicted), -1)
        if predicted.shape[1] != 1:
            raise WrongValueError(f"expected labels (n) or scores (n, classes), got shape {predicted.shape}")
        predicted = predicted[:, 0]
    known = set(map(plain, true))
    if predicted.dtype.kind == "f" and len(classes) == 2 and not set(map(plain, predicted)) <= known:
        if not bool(np.all((predicted >= 0) & (predicted <= 1))):
            raise WrongValueError(
                "expected labels, or for two classes scores from 0 to 1, got numbers outside of it"
            )
        names = np.empty(2, dtype=object)
        names[:] = classes
        return names[(predicted > 0.5).astype(int)], predicted.astype(float)
    labels = np.empty(len(predicted), dtype=object)
    labels[:] = [plain(label) for label in predicted]
    return labels, None


def _count(true: NDArray[Any], predicted: NDArray[Any], classes: Sequence[Any]) -> list[list[int]]:
    import numpy as np

    place = {plain(label): n for n, label in enumerate(classes)}
    unknown = [label for label in (*true, *predicted) if plain(label) not in place]
    if unknown:
        raise WrongValueError(f"expected labels among the classes {_some(list(place))}, got {unknown[0]!r}")
    rows = np.array([place[plain(label)] for label in true])
    columns = np.array([place[plain(label)] for label in predicted])
    counts = np.bincount(rows * len(place) + columns, minlength=len(place) ** 2)
    matrix: list[list[int]] = counts.reshape(len(place), len(place)).tolist()
    return matrix


def _add_roc_auc(found: Reported, true: NDArray[Any], scores: NDArray[Any], classes: Sequence[Any]) -> None:
    """Add the area under the ROC curve: it needs the scores, which are not kept."""
    from sklearn.metrics import roc_auc_score

    place = {plain(label): n for n, label in enumerate(classes)}
    numbers = [place[plain(label)] for label in true]
    try:
        if scores.ndim == 1 or len(classes) == 2:
            area = roc_auc_score(numbers, scores if scores.ndim == 1 else scores[:, 1])
        else:
            rows = scores / scores.sum(axis=1, keepdims=True)
            area = roc_auc_score(numbers, rows, multi_class="ovr", labels=list(range(len(classes))))
    except ValueError as error:
        found.problems["roc_auc"] = f"roc_auc: can't be computed from these scores ({error})"
        return
    if math.isnan(area):
        found.problems["roc_auc"] = "roc_auc: expected true labels of at least two classes, got one"
        return
    found.values["scores"] = {"roc_auc": float(area)}


def _read_binary(found: Reported, given: Mapping[str, tuple[str, object]]) -> None:
    binary: dict[str, float] = {}
    for key in BINARY_KEYS:
        if key in given:
            try:
                binary[key] = _binary(key, given[key][1])
            except WrongValueError as wrong:
                found.problems[key] = f"{key}: {wrong}"
    if binary:
        accuracy = found.values.get("accuracy")
        if isinstance(accuracy, float):
            binary["accuracy"] = accuracy
        found.values["binary"] = binary


def _binary(key: str, value: object) -> float:
    array = array_of(value)
    rate = key in ("recall", "precision", "f1_score")
    expected = "a share from 0 to 1" if rate else "a count of at least 0"
    if array.size != 1 or array.dtype.kind not in "iuf":
        raise WrongValueError(f"expected {expected}, got {describe(value)}")
    number = float(array.reshape(-1)[0])
    if not (0 <= number <= 1 if rate else 0 <= number < math.inf):
        raise WrongValueError(f"expected {expected}, got {number:g}")
    return number


def _curve(value: object) -> float | list[float]:
    """Read a number, or one per epoch. NaN and infinities are legal: training may diverge."""
    array = array_of(value)
    if array.dtype.kind not in "iufb" or array.ndim > 1 or not array.size:
        raise WrongValueError(f"expected a number, or one number per epoch, got {describe(value)}")
    if array.ndim == 0:
        return float(array)
    return [float(number) for number in array]


_ENTRIES = "expected how many entries were handled, a whole number above 0"


def _entries(value: object) -> int:
    array = array_of(value)
    if array.size != 1 or array.dtype.kind not in "iuf":
        raise WrongValueError(
            f"expected how many entries were handled, a whole number above 0, got {describe(value)}"
        )
    number = float(array.reshape(-1)[0])
    if not (number > 0 and number.is_integer()):
        raise WrongValueError(f"{_ENTRIES}, got {number:g}")
    return int(number)


def _matrix(value: object) -> list[list[float]]:
    array = array_of(value)
    if array.dtype.kind not in "iuf" or array.ndim != 2 or array.shape[0] != array.shape[1] or not array.size:
        raise WrongValueError(
            f"expected a square matrix of counts (rows true, columns predicted), got {describe(value)}"
        )
    if not bool((array >= 0).all()) or not bool((array < math.inf).all()):
        raise WrongValueError(
            "expected counts of at least 0, got a matrix with negative, NaN or infinite entries"
        )
    whole = array.astype(float)
    rows: list[list[float]] = (array.astype(int) if bool((whole % 1 == 0).all()) else whole).tolist()
    return rows


def _labels(value: object) -> list[Any]:
    array = array_of(value)
    if array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    if array.ndim != 1:
        raise WrongValueError(f"expected a list of labels, got {describe(value)}")
    return [plain(label) for label in array]


def _sorted_labels(labels: Sequence[Any] | NDArray[Any]) -> list[Any]:
    unique = list(dict.fromkeys(plain(label) for label in labels))
    try:
        return sorted(unique)
    except TypeError:  # labels of several types have no order of their own
        return sorted(unique, key=lambda label: (type(label).__name__, str(label)))


def _some(labels: Sequence[Any]) -> str:
    shown = ", ".join(map(repr, labels[:6]))
    return f"{shown}, .." if len(labels) > 6 else shown
