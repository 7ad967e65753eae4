"""Classification metrics from a confusion matrix (rows true, columns predicted).

The definitions are scikit-learn's (``precision_recall_fscore_support`` with ``zero_division=0``,
``balanced_accuracy_score``, ``matthews_corrcoef``), and the tests hold them against it. They are
computed from the matrix: the labels are not stored, and scikit-learn takes 4 ms a matrix (its cells as
sample weights) after 2.4 s of import, which a frame of 10,000 trials can't bear; and a card imports only the
standard library into the process that was measured. The area under the
ROC curve needs the scores: scikit-learn computes it when they are there (``measuring.reported``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import mul

from e2e_magic.record import Metric, Record

METRICS = (
    Metric("precision", "", "quality", "higher", "macro average over the classes"),
    Metric("recall", "", "quality", "higher", "macro average over the classes"),
    Metric("f1", "", "quality", "higher", "macro average over the classes"),
    Metric("tp", "", "quality", "higher", "true positives (two classes; the second one is positive)"),
    Metric("tn", "", "quality", "higher", "true negatives (two classes)"),
    Metric("fp", "", "quality", "lower", "false positives (two classes)"),
    Metric("fn", "", "quality", "lower", "false negatives (two classes)"),
    Metric("balanced_accuracy", "", "quality", "higher", "mean recall of the classes that occur"),
    Metric("mcc", "", "quality", "higher", "Matthews' correlation coefficient, -1 to 1"),
    Metric("roc_auc", "", "quality", "higher", "area under the ROC curve; macro, one class against the rest"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a classification report."""

    label: object
    precision: float
    recall: float
    f1: float
    support: float


@dataclass(frozen=True, slots=True)
class Report:
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


def classification(record: Record) -> dict[str, float | int]:
    """Return the columns of the results frame that follow from a trial's confusion matrix."""
    confusion = record.reported.get("confusion")
    if not confusion or not any(map(any, confusion)):
        return {}
    whole = report(confusion)
    _, macro, _ = whole.averages
    numbers: dict[str, float | int] = {
        "accuracy": whole.accuracy,
        "precision": macro.precision,
        "recall": macro.recall,
        "f1": macro.f1,
        "balanced_accuracy": whole.balanced_accuracy,
        "mcc": whole.mcc,
        **record.reported.get("scores", {}),
    }
    if len(confusion) == 2:
        (tn, fp), (fn, tp) = confusion
        numbers |= {name: _count(value) for name, value in (("tp", tp), ("tn", tn), ("fp", fp), ("fn", fn))}
    return numbers


def of_whole_table(confusion: Sequence[Sequence[float]]) -> dict[str, float]:
    """Return the two numbers that need every count of a two-class table; none where nothing was counted."""
    whole = report(confusion)
    if math.isnan(whole.accuracy):
        return {}
    return {"balanced_accuracy": whole.balanced_accuracy, "mcc": whole.mcc}


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
