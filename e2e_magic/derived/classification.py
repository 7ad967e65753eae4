"""Classification metrics from a confusion matrix (rows true, columns predicted).

The definitions are scikit-learn's (``precision_recall_fscore_support`` with ``zero_division=0``,
``balanced_accuracy_score``, ``matthews_corrcoef``), and the tests hold them against it. They are
computed from the matrix: the labels are not stored, and scikit-learn takes 4 ms a matrix (its cells as
sample weights) after 2.4 s of import, too slow for a frame of 10,000 trials; and a card imports only the
standard library into the process that was measured. The area under the
ROC curve needs the scores: scikit-learn computes it when they are there (``measuring.reported``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import mul
from typing import NamedTuple

from e2e_magic.record import Metric, Reason, Record
from e2e_magic.text import digits

METRICS = (
    Metric("precision", "", "quality", "higher", "macro average over the classes"),
    Metric("recall", "", "quality", "higher", "macro average over the classes"),
    Metric("f1", "", "quality", "higher", "macro average over the classes"),
    Metric("positive_precision", "", "quality", "higher", "of the second of two classes: TP / (TP + FP)"),
    Metric("positive_recall", "", "quality", "higher", "of the second of two classes: TP / (TP + FN)"),
    Metric("positive_f1", "", "quality", "higher", "of the second of two classes: 2 TP / (2 TP + FP + FN)"),
    Metric("tp", "", "quality", "higher", "true positives (two classes; the second one is positive)"),
    Metric("tn", "", "quality", "higher", "true negatives (two classes)"),
    Metric("fp", "", "quality", "lower", "false positives (two classes)"),
    Metric("fn", "", "quality", "lower", "false negatives (two classes)"),
    Metric("balanced_accuracy", "", "quality", "higher", "mean recall of the classes that occur"),
    Metric("mcc", "", "quality", "higher", "Matthews' correlation coefficient, -1 to 1"),
    Metric("roc_auc", "", "quality", "higher", "area under the ROC curve; macro, one class against the rest"),
)
# Shares are handed back rounded to two places.
_ROUNDED = 0.005


class Row(NamedTuple):
    """One line of a classification report."""

    label: object
    precision: float
    recall: float
    f1: float
    support: float


class Report(NamedTuple):
    """A classification report.

    Attributes
    ----------
    classes : tuple of Row
        A row per class.
    averages : tuple of Row
        ``micro``, ``macro`` and ``weighted``.
    accuracy, balanced_accuracy, mcc : float
        Share of correct predictions, mean recall of the classes that occur, Matthews' coefficient.
        NaN where nothing was counted.
    """

    classes: tuple[Row, ...]
    averages: tuple[Row, ...]
    accuracy: float
    balanced_accuracy: float
    mcc: float


def report(confusion: Sequence[Sequence[float]], classes: Sequence[object] | None = None) -> Report:
    """Return precision, recall, F1 and support per class and their averages.

    Parameters
    ----------
    confusion : k x k sequence of counts
        Rows true, columns predicted.
    classes : sequence of k labels, optional
        0 to k - 1 when left out.
    """
    labels = range(len(confusion)) if classes is None else classes
    support, predicted, hits = _margins(confusion)
    total = sum(support)
    if not total:
        names = (*labels, "micro", "macro", "weighted")
        empty = [Row(label, math.nan, math.nan, math.nan, 0.0) for label in names]
        return Report(tuple(empty[:-3]), tuple(empty[-3:]), math.nan, math.nan, math.nan)
    rows = tuple(
        Row(label, _share(hit, guessed), _share(hit, true), _share(2 * hit, true + guessed), float(true))
        for label, true, guessed, hit in zip(labels, support, predicted, hits, strict=True)
    )
    accuracy = sum(hits) / total
    micro = Row("micro", accuracy, accuracy, accuracy, float(total))
    # Averages are over the classes that occur, true or predicted, as sklearn's are over the labels it sees.
    occurs = [float(true + guessed > 0) for true, guessed in zip(support, predicted, strict=True)]
    averages = (micro, _average("macro", rows, occurs, total), _average("weighted", rows, support, total))
    recalls = [row.recall for row in rows if row.support > 0]
    return Report(rows, averages, accuracy, sum(recalls) / len(recalls), _mcc(support, predicted, sum(hits)))


def classification(record: Record) -> tuple[dict[str, float | int], dict[str, Reason]]:
    """Return the columns that follow from a trial's confusion matrix, and why others don't.

    Of a matrix whose rows are shares of the true classes (they sum to 1 or 100) only the recalls follow, of
    one whose columns are shares only the precisions: how often each class occurs is lost.
    """
    confusion = record.reported.get("confusion")
    if not confusion or not any(map(any, confusion)):
        return {}, {}
    whole = report(confusion)
    _, macro, _ = whole.averages
    numbers: dict[str, float | int] = {
        "accuracy": whole.accuracy,
        "precision": macro.precision,
        "recall": macro.recall,
        "f1": macro.f1,
        "balanced_accuracy": whole.balanced_accuracy,
        "mcc": whole.mcc,
    }
    missing: dict[str, Reason] = {}
    if len(confusion) == 2:
        (tn, fp), (fn, tp) = confusion
        numbers |= {name: _count(value) for name, value in (("tp", tp), ("tn", tn), ("fp", fp), ("fn", fn))}
        parts = {"precision": (tp, tp + fp), "recall": (tp, tp + fn), "f1": (2 * tp, 2 * tp + fp + fn)}
        numbers |= {f"positive_{name}": part / of for name, (part, of) in parts.items() if of > 0}
        missing |= {f"positive_{name}": _of_nothing(name) for name, (_, of) in parts.items() if not of > 0}
    if kept := _kept_by_shares(confusion):
        text = (
            f"the matrix holds shares of each {kept[0]}, not counts: how often each class occurs is not in "
            "it; hand back counts"
        )
        missing |= {name: Reason("", text) for name in numbers if name not in kept[1]}
        numbers = {name: value for name, value in numbers.items() if name in kept[1]}
    return {**numbers, **record.reported.get("scores", {})}, missing


def _of_nothing(rate: str) -> Reason:
    why = {
        "precision": "nothing was predicted to be of the positive class",
        "recall": "nothing is of the positive class",
        "f1": "nothing is, or was predicted to be, positive",
    }
    return Reason("", f"a share of nothing: {why[rate]}")


def of_positive(table: Mapping[str, float]) -> dict[str, Reason]:
    """Return the reason for each rate of the positive class that a completed two-class table lacks."""
    divisors = {"precision": ("TP", "FP"), "recall": ("TP", "FN"), "f1": ("TP", "FP", "FN")}
    lacking = {name: parts for name, parts in divisors.items() if _KEYS.get(name, name) not in table}
    unknown = Reason("", "it doesn't follow from what was handed over")
    return {
        f"positive_{name}": unknown if any(table.get(part) != 0 for part in parts) else _of_nothing(name)
        for name, parts in lacking.items()
    }


_KEYS = {"f1": "f1_score"}
_BY_ROWS = ("recall", "balanced_accuracy", "positive_recall")
_BY_COLUMNS = ("precision", "positive_precision")


def _kept_by_shares(confusion: Sequence[Sequence[float]]) -> tuple[str, Sequence[str]] | None:
    """Return whose shares a matrix holds, and which numbers follow from it; None for counts."""
    if all(float(cell).is_integer() for row in confusion for cell in row):
        return None  # as many of each class: counts
    support, predicted, _ = _margins(confusion)
    for what, sums, kept in (("true class", support, _BY_ROWS), ("predicted class", predicted, _BY_COLUMNS)):
        filled = [value for value in sums if value]
        for whole in (1.0, 100.0):
            if all(abs(value - whole) <= _ROUNDED * whole for value in filled):
                return what, kept
    return None


def of_table(
    confusion: Sequence[Sequence[float]] | None,
) -> tuple[dict[str, float], dict[str, Reason]]:
    """Return the averages over both classes of a two-class table, and why there are none.

    Parameters
    ----------
    confusion : 2 x 2 sequence of counts or None
        None where not all four counts are known.
    """
    if confusion is None:
        text = "averages over both classes need all of TP, TN, FP and FN, or what they follow from"
        return {}, dict.fromkeys(("precision", "recall", "f1"), Reason("", text))
    whole = report(confusion)
    if math.isnan(whole.accuracy):
        return {}, {}
    _, macro, _ = whole.averages
    averages = {"precision": macro.precision, "recall": macro.recall, "f1": macro.f1}
    return {**averages, "balanced_accuracy": whole.balanced_accuracy, "mcc": whole.mcc}, {}


def contradiction(counted: float | None, accuracy: float | None) -> list[str]:
    """Return a sentence where an accuracy contradicts the matrix or table beside it; else an empty list."""
    if counted is None or accuracy is None or math.isnan(accuracy):
        return []
    factor = 100.0 if accuracy > 1 else 1.0
    if abs(accuracy / factor - counted) <= _ROUNDED:
        return []
    sentence = (
        f"accuracy = {digits(accuracy)} contradicts the confusion matrix, from which "
        f"{digits(factor * counted)} follows; the row has what was handed over"
    )
    return [sentence]


def _count(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _margins(confusion: Sequence[Sequence[float]]) -> tuple[list[float], list[float], list[float]]:
    """Return the sums of the rows, the sums of the columns, and the diagonal."""
    columns = zip(*confusion, strict=True)
    diagonal = [row[n] for n, row in enumerate(confusion)]
    return [sum(row) for row in confusion], [sum(column) for column in columns], diagonal


def _average(label: str, rows: Sequence[Row], weights: Sequence[float], total: float) -> Row:
    def mean(values: Iterable[float]) -> float:
        return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)

    precision, recall = mean(row.precision for row in rows), mean(row.recall for row in rows)
    return Row(label, precision, recall, mean(row.f1 for row in rows), float(total))


def _mcc(true: Sequence[float], predicted: Sequence[float], hits: float) -> float:
    """Return Matthews' correlation coefficient for k classes (Gorodkin, 2004); 0 where undefined."""
    total = sum(true)
    covariance = hits * total - sum(map(mul, true, predicted))
    spread = (total**2 - sum(map(mul, predicted, predicted))) * (total**2 - sum(map(mul, true, true)))
    return covariance / math.sqrt(spread) if spread > 0 else 0.0
