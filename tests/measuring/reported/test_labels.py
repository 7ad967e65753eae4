"""Labels mean the same in any array-like: equal, missing, ordered."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from e2e_magic.measuring.reported.arrays import Values
from e2e_magic.measuring.reported.scores import Scores, area
from e2e_magic.measuring.reported.values import collect


@pytest.mark.parametrize(
    ("true", "predicted", "classes"),
    [
        ([2.0, "a"], [2, "a"], [2, "a"]),
        ([2.0, 1.0], np.array([2, 1]), [1, 2]),
        ([True, False], np.array([1, 0]), [False, True]),
        (np.array([1, 2], ml_dtypes.int4), [1.0, 2.0], [1, 2]),
        ([b"a", b"b"], pd.Series(["a", "b"], dtype="string"), ["a", "b"]),
        (pa.array(["a", "b"]), list(np.array(["a", "b"])), ["a", "b"]),
        (
            pd.Series(pd.to_datetime(["2020-01-01", "2020-01-02"])),
            np.array(["2020-01-01", "2020-01-02"], "M8[D]"),
            ["2020-01-01 00:00:00", "2020-01-02 00:00:00"],
        ),
    ],
)
def test_equal_labels_are_one_class(true: Any, predicted: Any, classes: list[Any]) -> None:
    """However each side is kept."""
    reported = collect(None, {"y_true": true, "y_pred": predicted})

    assert reported.problems == {}
    assert reported.values["classes"] == classes
    assert np.trace(reported.values["confusion"]) == 2


def _whole() -> Iterator[tuple[str, Any]]:
    """Yield 0, 1, 1, 0 in every type of whole numbers."""
    numbers = [0, 1, 1, 0]
    for code in np.typecodes["AllInteger"] + "?" + np.typecodes["AllFloat"]:
        if code not in "FDG":
            yield f"numpy {np.dtype(code).name}", np.array(numbers, code)
    for name in ("int2", "int4", "uint2", "uint4", "bfloat16", "float8_e5m2", "float8_e4m3fn"):
        yield f"ml_dtypes {name}", np.array(numbers, getattr(ml_dtypes, name))
    for name in ("Int8", "UInt64", "boolean", "Float32", "int64[pyarrow]", "bool[pyarrow]", "category"):
        yield f"pandas {name}", pd.Series(numbers).astype(name)
    for name in ("int8", "uint64", "float32"):
        yield f"pyarrow {name}", pa.array(numbers, name)
    torch, tf = pytest.importorskip("torch"), pytest.importorskip("tensorflow")
    for name in ("bool", "uint8", "int16", "int64", "bfloat16", "float16"):
        yield f"torch {name}", torch.tensor(numbers).to(getattr(torch, name))
    for name in ("uint8", "int32", "int64", "bfloat16"):
        yield f"tensorflow {name}", tf.constant(numbers, dtype=name)
    yield "tensorflow bool", tf.constant([False, True, True, False])


def test_whole_labels_of_every_type() -> None:
    """They are the same two classes, on either side."""
    for name, labels in _whole():
        for options in (
            {"y_true": labels, "y_pred": [0, 1, 0, 0]},
            {"y_true": [0, 1, 1, 0], "y_pred": labels},
        ):
            reported = collect(None, options)

            assert reported.problems == {}, name
            assert reported.values["classes"] == [0, 1], name
            assert np.trace(reported.values["confusion"]) == (3 if options["y_true"] is labels else 4), name


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "float64"])
def test_scores_of_every_type(name: str) -> None:
    """bfloat16 too, which numpy doesn't have."""
    torch, tf = pytest.importorskip("torch"), pytest.importorskip("tensorflow")
    scores = [0.1, 0.8, 0.9, 0.2]

    for tensor in (torch.tensor(scores, dtype=getattr(torch, name)), tf.constant(scores, dtype=name)):
        values = collect(None, {"y_true": [0, 1, 1, 0], "y_pred": tensor}).values
        assert values["confusion"] == [[2, 0], [0, 2]]
        assert values["scores"] == {"roc_auc": 1.0}


@pytest.mark.parametrize(
    ("true", "came"),
    [
        (["a", float("nan"), "b"], "nan"),
        (pd.Series(["a", float("nan"), "b"]), "nan"),
        (pd.Series(["a", None, "b"], dtype="string[python]"), "<NA>"),
        (np.array([1, np.nan, 2]), "nan"),
        ([1, float("inf"), 2], "inf"),
        (np.ma.array([1, 0, 2], mask=[0, 1, 0]), "masked"),
        (pd.Categorical(["a", None, "b"]), "None"),
        (pa.array(["a", None, "b"]), "None"),
        ([1, pd.NA, 2], "<NA>"),
    ],
)
def test_a_missing_label_is_refused(true: Any, came: str) -> None:
    """It makes no class of its own, whatever holds it, on either side."""
    assert collect(None, {"y_true": true, "y_pred": ["a", "b", "b"]}).problems == {
        "y_true": f"y_true: expected a label for each entry, got {came} at position 1"
    }


@pytest.mark.parametrize("predicted", [np.ma.array([1, 0, 2], mask=[0, 1, 0]), [1, np.ma.masked, 2]])
def test_a_masked_prediction_is_refused(predicted: Any) -> None:
    """Numpy's masked value can't be hashed, and still it's told from a label."""
    assert collect(None, {"y_true": [1, 0, 2], "y_pred": predicted}).problems == {
        "y_pred": "y_pred: expected a label for each entry, got masked at position 1"
    }


_SIZES = pd.Categorical(["low", "high", "low"], categories=["low", "high"], ordered=True)
_ARROW = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["low", "high"]), ordered=True)


@pytest.mark.parametrize(
    "true",
    [_SIZES, pd.Series(_SIZES), pd.CategoricalIndex(_SIZES), _ARROW, pa.chunked_array([_ARROW])],
    ids=["Categorical", "Series", "CategoricalIndex", "pyarrow", "pyarrow in chunks"],
)
@pytest.mark.parametrize("other", [["low", "low", "high"], [0.2, 0.4, 0.9]], ids=["labels", "scores"])
def test_ordered_categories_keep_their_order(true: Any, other: Any) -> None:
    """The second of two is the positive class, not the later one of the alphabet."""
    assert collect(None, {"y_true": true, "y_pred": other}).values["confusion"] == [[1, 1], [1, 0]]
    assert collect(None, {"y_true": true, "y_pred": other}).values["classes"] == ["low", "high"]


def test_an_order_on_either_side_counts() -> None:
    """Predictions may have it alone; without one the labels are sorted; what is in none comes last."""
    plain, unordered = ["low", "low", "high"], _SIZES.as_unordered()
    classes = [
        collect(None, {"y_true": true, "y_pred": predicted}).values["classes"]
        for true, predicted in ((plain, _SIZES), (plain, unordered), (_SIZES, ["low", "any", "high"]))
    ]

    assert classes == [["low", "high"], ["high", "low"], ["low", "high", "any"]]


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=16)), min_size=2))
def test_the_area_is_scikit_learns_with_and_without_numpy(pairs: list[tuple[bool, float]]) -> None:
    """Ties count half."""
    true, scores = [int(label) for label, _ in pairs], [score for _, score in pairs]
    if len(set(true)) < 2:
        return
    numbers = Scores.of(Values((len(scores),), scores), 1).columns[0]
    plain = array("d", scores)

    assert area(plain, true, 1) == pytest.approx(metrics.roc_auc_score(true, scores))
    assert area(numbers, true, 1) == pytest.approx(area(plain, true, 1))


def test_several_classes_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard library decides and ranks as numpy does."""
    scores = np.random.default_rng(3).dirichlet([1, 1, 1], 50)
    true = (np.arange(50) % 3).tolist()
    with_numpy = collect(None, {"y_true": true, "y_pred": scores.tolist()}).values
    monkeypatch.setitem(sys.modules, "numpy", None)
    without = collect(None, {"y_true": true, "y_pred": scores.tolist()}).values

    assert without["confusion"] == with_numpy["confusion"]
    assert without["scores"]["roc_auc"] == pytest.approx(with_numpy["scores"]["roc_auc"])
