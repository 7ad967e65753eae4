"""The completion of a partial two-class table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.derived.binary import KEYS, complete


def _full(tp: int, tn: int, fp: int, fn: int) -> dict[str, float]:
    return {
        "TP": tp,
        "TN": tn,
        "FP": fp,
        "FN": fn,
        "0_class": tn + fp,
        "1_class": tp + fn,
        "recall": tp / (tp + fn),
        "precision": tp / (tp + fp),
        "accuracy": (tp + tn) / (tp + tn + fp + fn),
        "f1_score": 2 * tp / (2 * tp + fp + fn),
    }


_counts = st.integers(1, 500)


@given(_counts, _counts, _counts, _counts, st.sets(st.sampled_from(KEYS)))
def test_what_follows_is_the_truth(tp: int, tn: int, fp: int, fn: int, shown: set[str]) -> None:
    """Hide any part of a true table: what comes back is the truth and nothing contradicts."""
    truth = _full(tp, tn, fp, fn)
    found, contradictions = complete({key: truth[key] for key in shown})

    assert shown <= set(found)
    assert contradictions == []
    for key, value in found.items():
        assert value == pytest.approx(truth[key], rel=1e-6)


@pytest.mark.parametrize(
    "shown",
    [
        {"TP", "TN", "FP", "FN"},
        {"TP", "FN", "precision", "0_class"},
        {"recall", "1_class", "precision", "0_class"},
        {"TP", "f1_score", "FN", "TN"},
        {"0_class", "1_class", "TP", "accuracy"},
        {"FP", "FN", "accuracy", "TP"},
    ],
)
def test_four_independent_numbers_give_all_ten(shown: set[str]) -> None:
    """The seed's dict may hold any of them."""
    truth = _full(80, 90, 10, 20)
    found, _ = complete({key: truth[key] for key in shown})

    assert found == pytest.approx(truth)


def test_contradictions_name_both_values() -> None:
    """Said in words, with the numbers that don't agree."""
    _, contradictions = complete({"TP": 5, "FN": 5, "1_class": 20})

    assert contradictions == [
        "1_class = 20 contradicts TP = 5, FN = 5, from which 1_class = 10 follows "
        "(a difference up to 0.5 is taken for rounding)"
    ]
