"""What measured code hands back: checked, made plain, and said in words where it is wrong.

The value of a cell or function counts when it is a dict with any of the contract's keys; options of
the line win over it. Lists, numpy, pandas, torch, TensorFlow and JAX are taken as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from e2e_magic.measuring import labels
from e2e_magic.measuring.arraylikes import WrongValueError, array_of, describe
from e2e_magic.measuring.plan import nearest

BINARY_KEYS = ("TP", "TN", "FP", "FN", "0_class", "1_class", "recall", "precision", "f1_score")
_RATES = ("recall", "precision", "f1_score")
_SPELLINGS = {"num_entries": "entries", "confusion_matrix": "confusion", "confusion matrix": "confusion"}
KEYS = ("loss", "accuracy", "num_entries", "confusion_matrix", "confusion matrix", "classes", *BINARY_KEYS)

# What a line or `report(..)` may say besides.
_OPTIONS = ("entries", "target_accuracy", "confusion", "y_true", "y_pred")

# By plain name: what the user wrote for it, and the value.
_Given = Mapping[str, tuple[str, object]]


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

    Notes
    -----
    The key ``accuracy`` is one word for two things, the accuracy of a model and a part of a two-class
    table: it always gives the accuracy, and completes the table where it is one number up to 1.
    """
    handed = {key: value[key] for key in KEYS if key in value} if isinstance(value, Mapping) else {}
    given: dict[str, tuple[str, object]] = {}
    for source in (handed, options):
        for key, item in source.items():
            if item is not None:
                given[_SPELLINGS.get(key, key)] = (key, item)
    found = Reported()
    for key in [key for key in options if key not in (*KEYS, *_OPTIONS)]:  # of `report(..)` only
        found.problems[key] = (
            f"{key}: is nothing that can be reported{nearest(key, (*KEYS, *_OPTIONS))}; "
            f"known are {', '.join((*KEYS, *_OPTIONS))}"
        )
    readers: tuple[tuple[str, Callable[[object], Any]], ...] = (
        ("loss", _curve),
        ("accuracy", _curve),
        ("target_accuracy", _target),
        ("entries", _entries),
    )
    for name, read in readers:
        if name in given:
            _read(found, name, read, *given[name])
    if "y_true" in given or "y_pred" in given:
        _read_labels(found, given)
    elif "confusion" in given:
        _read_confusion(found, given)
    elif "classes" in given:
        found.problems["classes"] = (
            "classes: expected a confusion matrix or y_true and y_pred beside them, got none"
        )
    _read_binary(found, given)
    return found


def _read(found: Reported, name: str, read: Callable[[object], Any], key: str, value: object) -> None:
    try:
        found.values[name] = read(value)
    except WrongValueError as wrong:
        found.problems[key] = f"{key}: {wrong}"


def _read_confusion(found: Reported, given: _Given) -> None:
    key, value = given["confusion"]
    _read(found, "confusion", _matrix, key, value)
    if "confusion" not in found.values:
        return
    size = len(found.values["confusion"])
    if "classes" not in given:
        classes = _frame_labels(value)
        if classes is not None and len(classes) == size:
            found.values["classes"] = classes
        return
    try:
        found.values["classes"] = _as_many(labels.named(given["classes"][1]), size)
    except WrongValueError as wrong:
        found.problems["classes"] = f"classes: {wrong}; the matrix is kept with the labels 0 to {size - 1}"


def _as_many(classes: list[Any], size: int) -> list[Any]:
    if len(classes) != size:
        raise WrongValueError(
            f"expected {size} labels, one per row of the confusion matrix, got {len(classes)}"
        )
    return classes


def _frame_labels(value: object) -> list[Any] | None:
    """Take the classes from a DataFrame (``pd.crosstab``) whose rows and columns have the same labels."""
    index, columns = getattr(value, "index", None), getattr(value, "columns", None)
    if index is None or columns is None or callable(index) or list(index) != list(columns):
        return None
    names = list(columns)
    return None if names == list(range(len(names))) else labels.named(names)


def _read_labels(found: Reported, given: _Given) -> None:
    """Count a confusion matrix from true and predicted labels, or from scores per class."""
    for name, other in (("y_true", "y_pred"), ("y_pred", "y_true")):
        if name not in given:
            found.problems[name] = f"{name}: expected labels beside {other}, got none"
            return
    key = "classes"
    try:
        classes = labels.named(given["classes"][1]) if "classes" in given else None
        key = "y_true"
        true = labels.read(given["y_true"][1])
        if classes is not None:
            labels.rows(true, classes)
        key = "y_pred"
        counted = labels.count(true, given["y_pred"][1], classes)
        found.values["confusion"], found.values["classes"] = counted.confusion, counted.classes
        if counted.scores is not None:
            key = "roc_auc"
            found.values["scores"] = {"roc_auc": labels.roc_auc(counted)}
    except WrongValueError as wrong:
        found.problems[key] = f"{key}: {wrong}"


def _read_binary(found: Reported, given: _Given) -> None:
    binary: dict[str, float] = {}
    for key in BINARY_KEYS:
        if key in given:
            try:
                binary[key] = _share(given[key][1]) if key in _RATES else _count(given[key][1])
            except WrongValueError as wrong:
                found.problems[key] = f"{key}: {wrong}"
    if not binary:
        return
    accuracy = found.values.get("accuracy")
    if isinstance(accuracy, float):
        if 0 <= accuracy <= 1:
            binary["accuracy"] = accuracy
        else:
            found.problems["accuracy"] = (
                f"accuracy: expected a share from 0 to 1 beside {', '.join(binary)}, got {accuracy:g}; "
                "it is kept, but completes no two-class table"
            )
    found.values["binary"] = binary


def _number(value: object, expected: str) -> float:
    array = array_of(value)
    if array.size != 1 or array.dtype.kind not in "iuf":
        raise WrongValueError(f"expected {expected}, got {describe(value)}")
    return float(array.reshape(-1)[0])


def _share(value: object) -> float:
    number = _number(value, "a share from 0 to 1")
    if not 0 <= number <= 1:
        raise WrongValueError(f"expected a share from 0 to 1, got {number:g}")
    return number


def _count(value: object) -> float:
    number = _number(value, "a count of at least 0")
    if not 0 <= number < math.inf:
        raise WrongValueError(f"expected a count of at least 0, got {number:g}")
    return number


def _target(value: object) -> float:
    expected = "a number above 0 and up to 1 (up to 100 for percent)"
    number = _number(value, expected)
    if not 0 < number <= 100:
        raise WrongValueError(f"expected {expected}, got {number:g}")
    return number


def _entries(value: object) -> int:
    expected = "how many entries were handled, a whole number above 0"
    number = _number(value, expected)
    if not (number > 0 and number.is_integer()):
        raise WrongValueError(f"expected {expected}, got {number:g}")
    return int(number)


def _curve(value: object) -> float | list[float]:
    """Read a number, or one per epoch. NaN and infinities are legal: training may diverge."""
    array = array_of(value)
    if array.dtype.kind not in "iuf" or array.ndim > 1 or not array.size:
        raise WrongValueError(f"expected a number, or one number per epoch, got {describe(value)}")
    numbers: float | list[float] = array.astype(float).tolist()
    return numbers


def _matrix(value: object) -> list[list[float]]:
    import numpy as np

    expected = "a square matrix (rows true, columns predicted)"
    array = array_of(value)
    if array.dtype.kind not in "iuf":
        raise WrongValueError(f"expected {expected} of counts, got {describe(value)} with {_kind(array)}")
    if array.ndim != 2 or array.shape[0] != array.shape[1] or not array.size:
        raise WrongValueError(f"expected {expected}, got shape {array.shape}")
    odd = np.argwhere(~((array >= 0) & (array < math.inf)))
    if len(odd):
        row, column = (int(place) for place in odd[0])
        raise WrongValueError(
            f"expected counts of at least 0, got {float(array[row, column]):g} in row {row + 1}, "
            f"column {column + 1}"
        )
    if array.dtype.kind == "f" and bool((array == np.floor(array)).all()) and float(array.max()) < 2**53:
        array = array.astype(np.int64)
    rows: list[list[float]] = array.tolist()
    return rows


def _kind(array: Any) -> str:
    return {"U": "text", "S": "text", "b": "truth values", "O": "objects", "c": "complex numbers"}.get(
        array.dtype.kind, str(array.dtype)
    )
