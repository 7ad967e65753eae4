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


_some_zero = st.integers(0, 60)


@given(_some_zero, _some_zero, _some_zero, _some_zero, st.sets(st.sampled_from(KEYS), min_size=4))
def test_zeros_are_no_contradiction(tp: int, tn: int, fp: int, fn: int, shown: set[str]) -> None:
    """Tables with empty cells too: a rate whose divisor is 0 is absent, all else is the truth."""
    counts = {"TP": tp, "TN": tn, "FP": fp, "FN": fn, "0_class": tn + fp, "1_class": tp + fn}
    ratios = {
        "recall": (tp, tp + fn),
        "precision": (tp, tp + fp),
        "accuracy": (tp + tn, tp + tn + fp + fn),
        "f1_score": (2 * tp, 2 * tp + fp + fn),
    }
    truth = {**counts, **{key: part / whole for key, (part, whole) in ratios.items() if whole}}
    found, contradictions = complete({key: value for key, value in truth.items() if key in shown})

    assert contradictions == []
    for key, value in found.items():
        # A rate that is 0 however many there are may be said of none.
        assert value == pytest.approx(truth.get(key, 0.0), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    "shown",
    [
        {"accuracy", "precision", "recall", "0_class"},
        {"accuracy", "precision", "0_class", "1_class"},
        {"f1_score", "accuracy", "0_class", "1_class"},
        {"precision", "recall", "accuracy", "FN"},
    ],
)
def test_what_no_single_formula_gives(shown: set[str]) -> None:
    """Numbers that only together determine the table give all of it."""
    truth = _full(80, 90, 10, 20)
    found, contradictions = complete({key: truth[key] for key in shown})

    assert found == pytest.approx(truth)
    assert contradictions == []


@pytest.mark.parametrize(
    ("given", "follows"),
    [
        ({"precision": 0.8, "recall": 0.6}, {"f1_score": 0.96 / 1.4}),
        ({"TP": 14, "recall": 0.9333}, {"1_class": 15.0, "FN": 1.0}),
        ({"recall": 0.93, "1_class": 1000}, {"TP": 930.0, "FN": 70.0}),
        (
            {"accuracy": 1.0, "1_class": 5},
            {"FP": 0.0, "FN": 0.0, "TP": 5.0, "recall": 1.0, "precision": 1.0, "f1_score": 1.0},
        ),
        # A rate of what may be nothing is not 1.
        ({"accuracy": 1.0}, {"FP": 0.0, "FN": 0.0}),
        ({"FP": 0}, {}),
        ({"FN": 0}, {}),
        ({"FP": 0, "FN": 0}, {}),
        ({"FP": 0, "1_class": 5}, {}),
        ({"TP": 0, "FP": 0}, {}),
        ({"TP": 3, "FP": 0}, {"precision": 1.0}),
        ({"TP": 7}, {}),
        ({}, {}),
    ],
)
def test_exactly_what_follows(given: dict[str, float], follows: dict[str, float]) -> None:
    """No more and no less; rounded rates give whole counts where these are unambiguous."""
    found, contradictions = complete(given)

    assert found == pytest.approx({**given, **follows})
    assert contradictions == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"TP": 7, "1_class": 5}, "TP = 7, 1_class = 5 can't be true together: FN would be -2"),
        ({"TP": 8, "precision": 0}, "precision = 0 can't be true where TP = 8"),
        (
            {"precision": 0.8, "recall": 0.6, "f1_score": 0.9},
            "f1_score = 0.9 contradicts recall = 0.6, precision = 0.8, from which "
            "f1_score = 0.685714 follows (a difference up to 0.005 is taken for rounding)",
        ),
    ],
)
def test_contradictions_in_words(given: dict[str, float], sentence: str) -> None:
    """Each sentence names the numbers that can't be true together; what was given stays as it was."""
    found, contradictions = complete(given)

    assert contradictions == [sentence]
    assert {key: found[key] for key in given} == given


@given(_counts, _counts, _counts, _counts)
def test_rates_rounded_to_two_places_do_not_contradict(tp: int, tn: int, fp: int, fn: int) -> None:
    """People hand back what they print."""
    truth = _full(tp, tn, fp, fn)
    rates = ("recall", "precision", "accuracy", "f1_score")

    assert complete({key: round(v, 2) if key in rates else v for key, v in truth.items()})[1] == []
