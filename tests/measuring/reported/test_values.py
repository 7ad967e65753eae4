from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from e2e_magic.measuring.events import EventLog
from e2e_magic.measuring.reported.values import collect
from tests import strategies


class Torch:
    """Behaves as a torch tensor with a gradient on a GPU: numpy is refused until both are off."""

    def __init__(self, data: Any, gradient: bool = True, gpu: bool = True, dtype: str = "float32") -> None:
        self.data = np.asarray(data)
        self.shape = self.data.shape
        self.dtype = f"torch.{dtype}"
        self.gradient, self.gpu = gradient, gpu

    def detach(self) -> Torch:
        return Torch(self.data, False, self.gpu, self.dtype.removeprefix("torch."))

    def cpu(self) -> Torch:
        return Torch(self.data, self.gradient, False, self.dtype.removeprefix("torch."))

    def float(self) -> Torch:
        return Torch(self.data.astype(np.float32), self.gradient, self.gpu)

    def numpy(self) -> Any:
        if self.gradient or self.gpu or self.dtype == "torch.bfloat16":
            raise RuntimeError("can't be converted to numpy")
        return self.data

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("can't be converted to numpy")

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Torch]:
        return (Torch(item) for item in self.data)


class TensorFlow:
    """Behaves as an eager TensorFlow tensor: `numpy()`, and entries that are tensors."""

    def __init__(self, data: Any) -> None:
        self.data = np.asarray(data)
        self.shape = self.data.shape

    def numpy(self) -> Any:
        return self.data if self.data.ndim else self.data[()]


class Symbolic:
    """Behaves as a tensor of a graph: it has a shape and no numbers."""

    shape = (None, 2)

    def numpy(self) -> Any:
        raise AttributeError("symbolic tensors have no numpy()")


MATRIX = [[5, 1], [2, 7]]
FORMS = {
    "list": lambda data: data,
    "tuple": lambda data: tuple(map(tuple, data)) if isinstance(data[0], list) else tuple(data),
    "numpy": np.array,
    "numpy float": lambda data: np.array(data, dtype=np.float32),
    "pandas": lambda data: pd.DataFrame(data) if isinstance(data[0], list) else pd.Series(data),
    "torch": Torch,
    "torch bfloat16": lambda data: Torch(data, dtype="bfloat16"),
    "tensorflow": TensorFlow,
    "list of tensors": lambda data: [Torch(item) for item in data],
    "list of TensorFlow scalars": lambda data: [
        [TensorFlow(cell) for cell in item] if isinstance(item, list) else TensorFlow(item) for item in data
    ],
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_anything_array_like_is_taken_as_it_is(form: Any) -> None:
    """No user has to unpack numbers, whatever library they come from."""
    found = collect({"loss": form([0.5, 0.25]), "confusion_matrix": form(MATRIX), "num_entries": 7}, {})

    assert found.problems == {}
    assert found.values == {"loss": [0.5, 0.25], "confusion": MATRIX, "entries": 7}
    assert all(type(cell) is int for row in found.values["confusion"] for cell in row)


@pytest.mark.parametrize("number", [Torch(0.5), TensorFlow(0.5), np.float16(0.5), np.array(0.5), 0.5])
def test_single_numbers_come_out_plain(number: Any) -> None:
    """A scalar of any library is a number of Python's."""
    value = collect({"loss": number}, {}).values["loss"]

    assert value == 0.5
    assert type(value) is float


@pytest.mark.parametrize("value", [None, 7, "loss", [0.1], {"history": 1}, {}, pd.DataFrame({"loss": [1]})])
def test_only_a_dict_with_known_keys_counts(value: object) -> None:
    """Any other last value is the user's own business."""
    found = collect(value, {})

    assert (found.values, found.problems) == ({}, {})


def test_options_win_over_the_dict() -> None:
    """What the line says counts, and None is not said."""
    found = collect(
        {"loss": 1.0, "num_entries": 5, "confusion matrix": MATRIX},
        {"loss": 2.0, "entries": None, "confusion": [[1, 0], [0, 1]], "classes": ["a", "b"]},
    )

    assert found.values == {"loss": 2.0, "entries": 5, "confusion": [[1, 0], [0, 1]], "classes": ["a", "b"]}


def test_diverged_losses_are_legal() -> None:
    """NaN and infinities are what such a training gives."""
    loss = collect({"loss": [1.0, math.inf, math.nan]}, {}).values["loss"]

    assert loss[:2] == [1.0, math.inf]
    assert math.isnan(loss[2])


_CLASSES_NOTE = "; the matrix is kept with the labels 0 to 1"
_ENTRIES = "num_entries: expected how many entries were handled, a whole number above 0, got "
_TARGET = "target_accuracy: expected a number above 0 and up to 1 (up to 100 for percent), got "
_SQUARE = "confusion_matrix: expected a square matrix (rows true, columns predicted)"
_MARGINS = np.array([[5, 1, 0, 6], [2, 4, 1, 7], [0, 3, 4, 7], [7, 8, 5, 20.0]])
_TOTALS = (
    "whose last row or column is the sum of the others: hand over matrix[:3, :3], or leave out margins=True"
)
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"loss": "low"}, "loss: expected a number, or one number per epoch, got 'low'"),
    ({"loss": []}, "loss: expected a number, or one number per epoch, got a list of 0 items"),
    ({"loss": [[1, 2], [3, 4]]}, "loss: expected a number, or one number per epoch, got a list of 2 x 2"),
    ({"loss": [True]}, "loss: expected a number, or one number per epoch, got a list of 1 items"),
    (
        {"accuracy": np.zeros((2, 3))},
        "accuracy: expected a number, or one number per epoch, got ndarray of shape (2, 3)",
    ),
    (
        {"loss": [1, [2, 3]]},
        "loss: expected numbers or labels in an array-like, got a list of 2 of different lengths",
    ),
    (
        {"loss": Symbolic()},
        "loss: expected numbers or labels in an array-like, got Symbolic of shape (None, 2) "
        "(symbolic tensors have no numpy())",
    ),
    ({"num_entries": 0}, f"{_ENTRIES}0"),
    ({"num_entries": -3}, f"{_ENTRIES}-3"),
    ({"num_entries": True}, f"{_ENTRIES}True"),
    ({"num_entries": 2.5}, f"{_ENTRIES}2.5"),
    ({"num_entries": math.nan}, f"{_ENTRIES}nan"),
    ({"num_entries": [1, 2]}, f"{_ENTRIES}a list of 2 items"),
    ({"target_accuracy": 0}, f"{_TARGET}0"),
    ({"target_accuracy": 101}, f"{_TARGET}101"),
    ({"target_accuracy": "high"}, f"{_TARGET}'high'"),
    ({"confusion_matrix": [[1, 2, 3], [4, 5, 6]]}, f"{_SQUARE}, got shape (2, 3)"),
    ({"confusion_matrix": [1, 2]}, f"{_SQUARE}, got shape (2,)"),
    *(
        ({"confusion_matrix": matrix}, f"{_SQUARE} without totals, got 4 x 4 {_TOTALS}")
        for matrix in (
            _MARGINS,
            _MARGINS / 20,
            _MARGINS / _MARGINS[:, -1:],
            (_MARGINS / _MARGINS[:, -1:]).round(2),
        )
    ),
    ({"confusion_matrix": _MARGINS / _MARGINS.sum(axis=0)}, f"{_SQUARE} without totals, got 4 x 4 {_TOTALS}"),
    ({"confusion_matrix": [["a", "b"], ["c", "d"]]}, f"{_SQUARE} of counts, got a list of 2 x 2 with text"),
    (
        {"confusion_matrix": [[1, -2], [3, 4]]},
        "confusion_matrix: expected counts of at least 0, got -2 in row 1, column 2",
    ),
    (
        {"confusion_matrix": [[1, 2], [math.nan, 4]]},
        "confusion_matrix: expected counts of at least 0, got nan in row 2, column 1",
    ),
    (
        {"confusion matrix": [[1, math.inf], [3, 4]]},
        "confusion matrix: expected counts of at least 0, got inf in row 1, column 2",
    ),
    ({"TP": -1}, "TP: expected a count of at least 0, got -1"),
    ({"0_class": math.inf}, "0_class: expected a count of at least 0, got inf"),
    ({"FN": [1, 2]}, "FN: expected a count of at least 0, got a list of 2 items"),
    ({"recall": 1.2}, "recall: expected a share from 0 to 1, got 1.2"),
    ({"f1_score": "good"}, "f1_score: expected a share from 0 to 1, got 'good'"),
    (
        {"classes": ["a"]},
        "classes: expected a confusion matrix or y_true and y_pred beside them, got none",
    ),
    ({"y_true": [1]}, "y_pred: expected labels beside y_true, got none"),
    ({"y_pred": [1]}, "y_true: expected labels beside y_pred, got none"),
]


@pytest.mark.parametrize(("wrong", "sentence"), WRONG, ids=[s[:50] for _, s in WRONG])
def test_what_is_wrong_is_said_and_the_rest_kept(wrong: dict[str, Any], sentence: str) -> None:
    """The sentence names the key, what was expected and what came; other keys stay."""
    kept = {"accuracy": 0.5} if "loss" in wrong else {"loss": 0.5}
    found = collect(kept, wrong)

    assert list(found.problems.values()) == [sentence]
    assert sentence.startswith(next(iter(found.problems)))
    assert found.values == kept


@pytest.mark.parametrize(
    ("classes", "sentence"),
    [
        (["a"], "classes: expected 2 labels, one per row of the confusion matrix, got 1"),
        (["a", "a"], "classes: expected labels that differ, got 'a' twice"),
        ("ab", "classes: expected a list of labels, got 'ab'"),
    ],
)
def test_classes_that_do_not_fit_leave_the_matrix(classes: Any, sentence: str) -> None:
    """The matrix is kept under plain numbers, and the sentence says so."""
    found = collect({"confusion_matrix": MATRIX, "classes": classes}, {})

    assert found.values == {"confusion": MATRIX}
    assert found.problems == {"classes": sentence + _CLASSES_NOTE}


def test_labels_of_a_crosstab_are_its_classes() -> None:
    """A DataFrame with the same labels on both sides names the classes."""
    true, predicted = pd.Series(list("aabb"), name="true"), pd.Series(list("abbb"), name="predicted")

    assert collect(None, {"confusion": pd.crosstab(true, predicted)}).values == {
        "confusion": [[1, 1], [0, 2]],
        "classes": ["a", "b"],
    }


def test_the_keys_of_a_two_class_table() -> None:
    """`accuracy` gives both the accuracy and a part of the table, in percent only the first."""
    found = collect({"TP": Torch(5), "0_class": 10, "recall": 1, "accuracy": 0.9}, {})
    percent = collect({"TP": 5, "accuracy": 90}, {})

    assert found.values == {
        "accuracy": 0.9,
        "binary": {"TP": 5.0, "0_class": 10.0, "recall": 1.0, "accuracy": 0.9},
    }
    assert percent.values == {"accuracy": 90.0, "binary": {"TP": 5.0}}
    assert percent.problems == {
        "accuracy": "accuracy: expected a share from 0 to 1 beside TP, got 90; "
        "it is kept, but completes no two-class table"
    }


@given(
    st.dictionaries(
        st.sampled_from(["loss", "accuracy", "entries", "confusion", "classes", "y_true", "y_pred", "TP"]),
        strategies.plain_data(),
    )
)
def test_whatever_comes_gives_values_or_sentences(options: dict[str, Any]) -> None:
    """No data at all makes it raise, and what it keeps is plain and says nothing of what it refuses."""
    found = collect(options, options)

    for key, sentence in found.problems.items():
        assert sentence.startswith(f"{key}: ")
    for name in ("loss", "entries"):
        if options.get(name) is not None:
            assert (name in found.values) != (name in found.problems)


_LABELS = {
    "numbers": [3, 1, 7],
    "text": ["cat", "dog", "ant"],
    "truth": [False, True],
}


@pytest.mark.parametrize("names", _LABELS.values(), ids=_LABELS)
@given(data=st.data())
def test_the_matrix_is_scikit_learns(names: list[Any], data: st.DataObject) -> None:
    """Counted from labels of any kind, the matrix is `confusion_matrix` over the labels that occur."""
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), min_size=1))
    true, predicted = map(list, zip(*pairs, strict=True))
    found = collect(None, {"y_true": np.array(true), "y_pred": pd.Series(predicted)}).values

    assert found["classes"] == sorted({*true, *predicted})
    assert found["confusion"] == metrics.confusion_matrix(true, predicted, labels=found["classes"]).tolist()


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2).filter(
        lambda pairs: len({label for label, _ in pairs}) == 2 and any(0 < score < 1 for _, score in pairs)
    )
)
def test_scores_of_two_classes(pairs: list[tuple[bool, float]]) -> None:
    """One score per entry gives labels by 0.5, and scikit-learn's area under the ROC curve."""
    true, scores = np.array([label for label, _ in pairs], int), np.array([score for _, score in pairs])
    found = collect(None, {"y_true": true, "y_pred": Torch(scores)}).values
    columns = collect(None, {"y_true": true, "y_pred": np.column_stack([1 - scores, scores])}).values

    assert found["confusion"] == metrics.confusion_matrix(true, scores > 0.5).tolist()
    assert found["scores"]["roc_auc"] == pytest.approx(metrics.roc_auc_score(true, scores))
    assert columns["confusion"] == found["confusion"]


def test_scores_of_several_classes() -> None:
    """The largest score of a row wins; the area is macro-averaged, one class against the rest."""
    scores = np.random.default_rng(3).dirichlet([1, 1, 1], 50)
    true = np.arange(50) % 3
    found = collect(None, {"y_true": true, "y_pred": scores.astype(np.float16), "classes": ["x", "y", "z"]})

    assert found.problems == {}
    assert found.values["classes"] == ["x", "y", "z"]
    assert found.values["confusion"] == metrics.confusion_matrix(true, scores.argmax(axis=1)).tolist()
    assert found.values["scores"]["roc_auc"] == pytest.approx(
        metrics.roc_auc_score(true, scores, multi_class="ovr"), abs=2e-3
    )


_EYE = np.eye(3)
LABELS_WRONG: list[tuple[Any, Any, Any, str]] = [
    ([1, 0, 1], [1, 1], None, "y_pred: expected 3 values, as many as y_true has, got 2"),
    ([1, 0], 5, None, "y_pred: expected labels (n) or scores (n, classes), got 5"),
    ([], [], None, "y_true: expected at least one label, got none"),
    (
        pd.Series([1, None], dtype="Int64"),
        [1, 1],
        None,
        "y_true: expected a label for each entry, got nan at position 1",
    ),
    (["a", None], ["a", "a"], None, "y_true: expected a label for each entry, got None at position 1"),
    (["a", "b"], [0, 1], None, "y_pred: expected text, as the labels in y_true are, got numbers, such as 0"),
    ([0, 5], [0, 1], [0, 1], "y_true: expected labels among the classes 0, 1, got 5"),
    ([0, 1], [0, 7], [0, 1], "y_pred: expected labels among the classes 0, 1, got 7"),
    (
        _EYE,
        [0, 1, 2],
        None,
        "y_true: expected one label per entry, got ndarray of shape (3, 3): "
        "of one-hot rows take .argmax(axis=1)",
    ),
    (
        [0, 1, 2],
        [0.5, 0.25, 0.1],
        None,
        "y_pred: expected labels, or scores (n, 3), got one number for each entry that is no label: "
        "that means something for two classes only",
    ),
    (
        ["a", "b"],
        _EYE[:2],
        None,
        "y_pred: expected scores for 2 classes, got 3 columns: name the class of each column with classes",
    ),
    (
        [0, 1],
        [-3.5, 2.25],
        None,
        "y_pred: expected labels, or for two classes scores from 0 to 1, got numbers from -3.5 to 2.25: "
        "pass labels, such as scores > 0",
    ),
    (
        [0, 1],
        [[0.5, math.nan], [0.1, 0.9]],
        None,
        "y_pred: expected scores as finite numbers, got NaN or infinities among them",
    ),
    (
        np.linspace(0, 1, 2000),
        np.zeros(2000),
        None,
        "y_true: expected class labels, at most 1,000 different ones, got 2,000: "
        "report a regression by its loss",
    ),
    ([0, 1], [0, 1], "ab", "classes: expected a list of labels, got 'ab'"),
]


@pytest.mark.parametrize(
    ("true", "predicted", "classes", "sentence"), LABELS_WRONG, ids=lambda v: str(v)[:30]
)
def test_labels_that_do_not_fit_are_said(true: Any, predicted: Any, classes: Any, sentence: str) -> None:
    """The sentence names the key, what was expected and what came; nothing is counted."""
    found = collect({"loss": 1.0}, {"y_true": true, "y_pred": predicted, "classes": classes})

    assert list(found.problems.values()) == [sentence]
    assert found.values == {"loss": 1.0}


@pytest.mark.parametrize(
    ("true", "scores", "sentence"),
    [
        ([1, 1], [0.25, 0.75], "roc_auc: expected every class among the true labels, got none of 0"),
        (
            [0, 1, 2],
            5 * _EYE - 1,
            "roc_auc: expected probabilities that sum to 1 in each row, got scores whose rows sum to 2 to 2: "
            "pass them through softmax",
        ),
    ],
)
def test_scores_without_an_area_still_give_the_matrix(true: Any, scores: Any, sentence: str) -> None:
    """The matrix needs less than the area under the curve does."""
    found = collect(None, {"y_true": true, "y_pred": scores})

    assert found.problems == {"roc_auc": sentence}
    assert np.sum(found.values["confusion"]) == len(true)
    assert "scores" not in found.values


@pytest.mark.parametrize(
    "matrix", [[[5, 5], [5, 5]], np.eye(3) * 4, [[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0, 0.5, 0.5]]]
)
def test_a_matrix_without_totals_is_taken(matrix: Any) -> None:
    """Two classes that are evenly confused, one right answer each, and shares of each true class."""
    assert collect({"confusion_matrix": matrix}, {}).problems == {}


@pytest.mark.parametrize("kind", ["float16", "float32", "bfloat16"])
def test_an_accuracy_is_read_in_its_own_precision(kind: str) -> None:
    """A half-precision 9/10 is 0.9, as a number, an array, a list and in a log; what is less stays less."""
    torch = pytest.importorskip("torch")
    share = torch.tensor([0.9, 0.75], dtype=getattr(torch, kind))
    log = EventLog()
    log.add({"accuracy": share[0], "loss": share[0]})
    logged = log.close().values

    assert collect({"accuracy": share}, {}).values["accuracy"] == [0.9, 0.75]
    assert collect({"accuracy": list(share)}, {}).values["accuracy"] == [0.9, 0.75]
    assert collect({"accuracy": share[0]}, {}).values["accuracy"] == 0.9
    assert logged["accuracy"].tolist() == [0.9]
    assert logged["loss"].tolist() == [float(share[0])]
    assert collect({"accuracy": 3686 / 4096}, {}).values["accuracy"] == 3686 / 4096
