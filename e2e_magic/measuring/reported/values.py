"""The code's value and the evaluated options of its line, by key: plain data, else a problem.

The value of a cell or function counts when it is a dict with any of `KEYS`; options win over it. Lists,
and the array-likes of any library are taken as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from e2e_magic.measuring.checks import nearest
from e2e_magic.measuring.options import OPTIONS, Use
from e2e_magic.measuring.reported import Reported, confusion, labels
from e2e_magic.measuring.reported.arrays import WrongValueError
from e2e_magic.measuring.reported.quantities import (
    read_accuracy,
    read_count,
    read_curve,
    read_entries,
    read_matrix,
    read_share,
    read_target,
)

BINARY_KEYS = ("TP", "TN", "FP", "FN", "0_class", "1_class", "recall", "precision", "f1_score")
_RATES = ("recall", "precision", "f1_score")
_SPELLINGS = {"num_entries": "entries", "confusion_matrix": "confusion", "confusion matrix": "confusion"}
KEYS = ("loss", "accuracy", "num_entries", "confusion_matrix", "confusion matrix", "classes", *BINARY_KEYS)

# Further keys of a line or of `report(..)`; single calls are timed elsewhere.
_OPTIONS = tuple(
    option.name
    for option in OPTIONS
    if (option.use is Use.REPORT or option.name == "target_accuracy")
    and option.name not in (*KEYS, "latency")
)

# By plain name: the key as the user wrote it, and the value.
_Given = Mapping[str, tuple[str, object]]


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
    from_value = {key: value[key] for key in KEYS if key in value} if isinstance(value, Mapping) else {}
    given: dict[str, tuple[str, object]] = {}
    for source in (from_value, options):
        for key, item in source.items():
            if item is not None:
                given[_SPELLINGS.get(key, key)] = (key, item)
    reported = Reported()
    for key in [key for key in options if key not in (*KEYS, *_OPTIONS)]:  # of `report(..)` only
        reported.problems[key] = (
            f"{key}: is nothing that can be reported{nearest(key, (*KEYS, *_OPTIONS))}; "
            f"known are {', '.join((*KEYS, *_OPTIONS))}"
        )
    readers: tuple[tuple[str, Callable[[object], Any]], ...] = (
        ("loss", read_curve),
        ("accuracy", read_accuracy),
        ("target_accuracy", read_target),
        ("entries", read_entries),
    )
    for name, read in readers:
        if name in given:
            _read(reported, name, read, *given[name])
    if "y_true" in given or "y_pred" in given:
        _read_labels(reported, given)
    elif "confusion" in given:
        _read_confusion(reported, given)
    elif "classes" in given:
        reported.problems["classes"] = (
            "classes: expected a confusion matrix or y_true and y_pred beside them, got none"
        )
    _read_binary(reported, given)
    return reported


def _read(reported: Reported, name: str, read: Callable[[object], Any], key: str, value: object) -> None:
    try:
        reported.values[name] = read(value)
    except WrongValueError as wrong:
        reported.problems[key] = f"{key}: {wrong}"


def _read_confusion(reported: Reported, given: _Given) -> None:
    key, value = given["confusion"]
    _read(reported, "confusion", read_matrix, key, value)
    if "confusion" not in reported.values:
        return
    size = len(reported.values["confusion"])
    if "classes" not in given:
        classes = _frame_labels(value)
        if classes is not None and len(classes) == size:
            reported.values["classes"] = classes
        return
    try:
        reported.values["classes"] = _one_per_row(labels.class_names(given["classes"][1]), size)
    except WrongValueError as wrong:
        reported.problems["classes"] = f"classes: {wrong}; the matrix is kept with the labels 0 to {size - 1}"


def _one_per_row(classes: list[Any], size: int) -> list[Any]:
    if len(classes) != size:
        raise WrongValueError(
            f"expected {size} labels, one per row of the confusion matrix, got {len(classes)}"
        )
    return classes


def _frame_labels(value: object) -> list[Any] | None:
    """Return the classes of a DataFrame (``pd.crosstab``) whose rows and columns have the same labels."""
    index, columns = getattr(value, "index", None), getattr(value, "columns", None)
    if index is None or columns is None or callable(index) or list(index) != list(columns):
        return None
    names = list(columns)
    return None if names == list(range(len(names))) else labels.class_names(names)


def _read_labels(reported: Reported, given: _Given) -> None:
    """Count a confusion matrix from true and predicted labels, or from scores per class."""
    for name, other in (("y_true", "y_pred"), ("y_pred", "y_true")):
        if name not in given:
            reported.problems[name] = f"{name}: expected labels beside {other}, got none"
            return
    key = "classes"
    try:
        classes = labels.class_names(given["classes"][1]) if "classes" in given else None
        key = "y_true"
        true = labels.read(given["y_true"][1])
        if classes is not None:
            labels.rows(true, classes)
        key = "y_pred"
        counted = confusion.count(true, given["y_pred"][1], classes)
        reported.values["confusion"], reported.values["classes"] = counted.confusion, counted.classes
        if counted.scores is not None:
            key = "roc_auc"
            reported.values["scores"] = {"roc_auc": counted.roc_auc()}
    except WrongValueError as wrong:
        reported.problems[key] = f"{key}: {wrong}"


def _read_binary(reported: Reported, given: _Given) -> None:
    binary: dict[str, float] = {}
    for key in BINARY_KEYS:
        if key in given:
            try:
                binary[key] = (read_share if key in _RATES else read_count)(given[key][1])
            except WrongValueError as wrong:
                reported.problems[key] = f"{key}: {wrong}"
    if not binary:
        return
    accuracy = reported.values.get("accuracy")
    if isinstance(accuracy, float):
        if 0 <= accuracy <= 1:
            binary["accuracy"] = accuracy
        else:
            reported.problems["accuracy"] = (
                f"accuracy: expected a share from 0 to 1 beside {', '.join(binary)}, got {accuracy:g}; "
                "it is kept, but completes no two-class table"
            )
    reported.values["binary"] = binary
