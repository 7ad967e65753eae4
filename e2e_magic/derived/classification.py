"""Classification metrics from a confusion matrix (rows true, columns predicted).

The definitions are scikit-learn's (``precision_recall_fscore_support`` with ``zero_division=0``,
``balanced_accuracy_score``, ``matthews_corrcoef``), and the tests hold them against it. They are
computed from the matrix: the labels are not stored, and scikit-learn takes 4 ms a matrix (its cells as
sample weights) after 2.4 s of import, which a frame of 10,000 trials can't bear. The area under the
ROC curve needs the scores: scikit-learn computes it when they are there (``e2e_magic.measuring.labels``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from e2e_magic.record import Metric, Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    import numpy as np

    matrix = np.asarray(confusion, dtype=float)
    precision, recall, f1, support = _per_class(matrix)
    # Micro and macro averages are over the classes that occur, true or predicted, as sklearn's are
    # over the labels that it sees.
    occurs = (support + matrix.sum(axis=0)) > 0
    total = matrix.sum()
    if not total:
        rows = tuple(Row(label, math.nan, math.nan, math.nan, 0.0) for label in _named(classes, len(matrix)))
        none = tuple(
            Row(label, math.nan, math.nan, math.nan, 0.0) for label in ("micro", "macro", "weighted")
        )
        return Report(rows, none, math.nan, math.nan, math.nan)
    accuracy = float(np.trace(matrix) / total)
    rows = tuple(
        Row(label, float(p), float(r), float(f), float(s))
        for label, p, r, f, s in zip(
            _named(classes, len(matrix)), precision, recall, f1, support, strict=True
        )
    )
    micro = Row("micro", accuracy, accuracy, accuracy, float(total))
    macro = _average("macro", (precision, recall, f1), occurs, None, total)
    weighted = _average("weighted", (precision, recall, f1), occurs, support, total)
    present = support > 0
    balanced = float(recall[present].mean())
    return Report(rows, (micro, macro, weighted), accuracy, balanced, _mcc(matrix))


def classification(record: Record) -> dict[str, float | int]:
    """Return the columns of the results frame that follow from a trial's confusion matrix."""
    confusion = record.reported.get("confusion")
    if not confusion or not any(map(any, confusion)):
        return {}
    import numpy as np

    matrix = np.asarray(confusion, dtype=float)
    precision, recall, f1, support = _per_class(matrix)
    macro = _average("macro", (precision, recall, f1), support + matrix.sum(axis=0) > 0, None, 0.0)
    numbers: dict[str, float | int] = {
        "accuracy": float(matrix.trace() / support.sum()),
        "precision": macro.precision,
        "recall": macro.recall,
        "f1": macro.f1,
        "balanced_accuracy": float(recall[support > 0].mean()),
        "mcc": _mcc(matrix),
        **record.reported.get("scores", {}),
    }
    if len(confusion) == 2:
        (tn, fp), (fn, tp) = confusion
        numbers |= {name: _count(value) for name, value in (("tp", tp), ("tn", tn), ("fp", fp), ("fn", fn))}
    return numbers


def of_whole_table(confusion: Sequence[Sequence[float]]) -> dict[str, float]:
    """Return the two numbers that need every count of a two-class table; none where nothing was counted."""
    found = report(confusion)
    if math.isnan(found.accuracy):
        return {}
    return {"balanced_accuracy": found.balanced_accuracy, "mcc": found.mcc}


def _named(classes: Sequence[object] | None, size: int) -> Sequence[object]:
    return range(size) if classes is None else classes


def _count(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def _per_class(matrix: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    import numpy as np

    hits = np.diag(matrix)
    support, predicted = matrix.sum(axis=1), matrix.sum(axis=0)

    def share(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[Any]:
        shares: NDArray[Any] = np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
        return shares

    return share(hits, predicted), share(hits, support), share(2 * hits, support + predicted), support


def _average(
    label: str,
    columns: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    occurs: NDArray[Any],
    weights: NDArray[Any] | None,
    total: float,
) -> Row:
    weights = occurs.astype(float) if weights is None else weights
    precision, recall, f1 = (float(column @ weights / weights.sum()) for column in columns)
    return Row(label, precision, recall, f1, float(total))


def _mcc(matrix: NDArray[Any]) -> float:
    """Return Matthews' correlation coefficient for k classes (Gorodkin, 2004); 0 where undefined."""
    import numpy as np

    true, predicted, total = matrix.sum(axis=1), matrix.sum(axis=0), matrix.sum()
    covariance = np.trace(matrix) * total - true @ predicted
    spread = (total**2 - predicted @ predicted) * (total**2 - true @ true)
    return float(covariance / np.sqrt(spread)) if spread > 0 else 0.0
