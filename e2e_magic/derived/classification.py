"""Classification metrics from a confusion matrix (rows true, columns predicted).

The definitions are scikit-learn's (``precision_recall_fscore_support`` with ``zero_division=0``,
``balanced_accuracy_score``, ``matthews_corrcoef``), and the tests hold them against it. They are
computed from the matrix, for the labels are not stored and a frame of 10,000 trials must not take
seconds.
"""

from __future__ import annotations

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
    accuracy = float(np.trace(matrix) / total) if total else 0.0
    labels = list(classes) if classes is not None else list(range(len(matrix)))
    rows = tuple(
        Row(label, float(p), float(r), float(f), float(s))
        for label, p, r, f, s in zip(labels, precision, recall, f1, support, strict=True)
    )
    micro = Row("micro", accuracy, accuracy, accuracy, float(total))
    macro = _average("macro", (precision, recall, f1), occurs, None, total)
    weighted = _average("weighted", (precision, recall, f1), occurs, support, total)
    present = support > 0
    balanced = float(recall[present].mean()) if present.any() else 0.0
    return Report(rows, (micro, macro, weighted), accuracy, balanced, _mcc(matrix))


def classification(record: Record) -> dict[str, float | int]:
    """Return the columns of the results frame that follow from a trial's confusion matrix."""
    confusion = record.reported.get("confusion")
    if not confusion:
        return {}
    found = report(confusion)
    macro = next(row for row in found.averages if row.label == "macro")
    numbers: dict[str, float | int] = {
        "accuracy": found.accuracy,
        "best_accuracy": found.accuracy,
        "precision": macro.precision,
        "recall": macro.recall,
        "f1": macro.f1,
    }
    if len(confusion) == 2:
        (tn, fp), (fn, tp) = confusion
        numbers |= {name: _count(value) for name, value in (("tp", tp), ("tn", tn), ("fp", fp), ("fn", fn))}
    return numbers


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
    import numpy as np

    if not occurs.any() or (weights is not None and not weights.sum()):
        return Row(label, 0.0, 0.0, 0.0, float(total))
    chosen = None if weights is None else weights[occurs]
    precision, recall, f1 = (float(np.average(column[occurs], weights=chosen)) for column in columns)
    return Row(label, precision, recall, f1, float(total))


def _mcc(matrix: NDArray[Any]) -> float:
    """Return Matthews' correlation coefficient for k classes (Gorodkin, 2004); 0 where undefined."""
    import numpy as np

    true, predicted, total = matrix.sum(axis=1), matrix.sum(axis=0), matrix.sum()
    covariance = np.trace(matrix) * total - true @ predicted
    spread = (total**2 - predicted @ predicted) * (total**2 - true @ true)
    return float(covariance / np.sqrt(spread)) if spread > 0 else 0.0
