"""Classification metrics, held against scikit-learn's on random labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from e2e_magic.derived.classification import report

_labels = st.integers(2, 6).flatmap(
    lambda k: st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=60)
)


@given(_labels)
def test_all_numbers_are_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    """Per class, macro, micro and weighted; accuracy, balanced accuracy and Matthews' coefficient."""
    true, predicted = zip(*pairs, strict=True)
    classes = sorted(set(true) | set(predicted))
    found = report(metrics.confusion_matrix(true, predicted, labels=classes), classes)
    expected = metrics.precision_recall_fscore_support(true, predicted, labels=classes, zero_division=0)

    for row, *numbers in zip(found.classes, *expected, strict=True):
        assert (row.precision, row.recall, row.f1, row.support) == pytest.approx(tuple(numbers))
    for average in found.averages:
        numbers = metrics.precision_recall_fscore_support(
            true, predicted, average=str(average.label), zero_division=0
        )[:3]
        assert (average.precision, average.recall, average.f1) == pytest.approx(numbers)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(true, predicted))
    assert found.mcc == pytest.approx(metrics.matthews_corrcoef(true, predicted), abs=1e-9)
    with np.errstate(all="ignore"):
        recalls = [r.recall for r in found.classes if r.support]
    assert found.balanced_accuracy == pytest.approx(float(np.mean(recalls)))


@given(_labels)
def test_the_matrix_holds_every_pair(pairs: list[tuple[int, int]]) -> None:
    """Its sum is n and its trace over n the accuracy."""
    from e2e_magic.measuring.reported.values import collect

    true, predicted = zip(*pairs, strict=True)
    values = collect(None, {"y_true": true, "y_pred": np.array(predicted)}).values
    matrix = np.array(values["confusion"])

    assert matrix.sum() == len(pairs)
    assert np.trace(matrix) / len(pairs) == pytest.approx(metrics.accuracy_score(true, predicted))
    assert matrix.tolist() == metrics.confusion_matrix(true, predicted, labels=values["classes"]).tolist()
