"""Every kind of array-like gives the same values; what is missing in it is missing, never 0."""

from __future__ import annotations

import collections
import subprocess
import sys
from array import array
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse

from e2e_magic.measuring.events import number
from e2e_magic.measuring.reported.values import collect


class _Late:
    """A library that takes seconds to come: for the worker that tests it, not for each that collects."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest asks whether it's a fixture
            raise AttributeError(name)
        return getattr(pytest.importorskip(self._name), name)


torch, tf = _Late("torch"), _Late("tensorflow")

CURVE = [0.5, 1.0, 2.0]
# Types that can't hold these numbers: whole ones, complex ones, and some that have neither sign nor fraction.
_OTHERS = ("int", "uint", "complex", "bcomplex")


def _forms() -> Iterator[tuple[str, Callable[[], Any]]]:
    for name in ("float16", "float32", "float64", "longdouble", "object"):
        yield f"numpy {name}", lambda name=name: np.array(CURVE, name)
    for name in dir(ml_dtypes):
        kind = getattr(ml_dtypes, name)
        if isinstance(kind, type) and issubclass(kind, np.generic) and not name.startswith(_OTHERS):
            yield f"ml_dtypes {name}", lambda kind=kind: np.array(CURVE, kind)
    for name in ("float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2"):
        yield f"torch {name}", lambda name=name: torch.tensor(CURVE).to(getattr(torch, name))
    for name in ("float16", "bfloat16", "float32", "float64"):
        yield f"tensorflow {name}", lambda name=name: tf.constant(CURVE, dtype=name)
    for name in ("Float32", "Float64", "float64[pyarrow]", "category", "object", "Sparse[float64]"):
        yield f"pandas {name}", lambda name=name: pd.Series(CURVE).astype(name)
    for name, kind in {"float16": np.float16, "float32": float, "float64": float}.items():
        yield f"pyarrow {name}", lambda name=name, kind=kind: pa.array(list(map(kind, CURVE)), name)


FORMS = dict(_forms()) | {
    "masked, nothing masked": lambda: np.ma.array(CURVE),
    "torch sparse": lambda: torch.tensor(CURVE).to_sparse(),
    "torch with gradient": lambda: torch.tensor(CURVE, requires_grad=True),
    "torch, a view of its negative": lambda: torch.complex(torch.zeros(3), -torch.tensor(CURVE)).conj().imag,
    "tensorflow variable": lambda: tf.Variable(CURVE),
    "tensorflow sparse": lambda: tf.sparse.from_dense(CURVE),
    "pandas index": lambda: pd.Index(CURVE),
    "pandas array": lambda: pd.array(CURVE),
    "pandas decimals": lambda: pd.Series(list(map(Decimal, CURVE)), dtype=pd.ArrowDtype(pa.decimal128(5, 3))),
    "pyarrow decimals": lambda: pa.array(list(map(Decimal, CURVE)), pa.decimal128(5, 3)),
    "pyarrow in chunks": lambda: pa.chunked_array([CURVE[:1], CURVE[1:]]),
    "pyarrow dictionary": lambda: pa.array(CURVE).dictionary_encode(),
    "decimals": lambda: list(map(Decimal, CURVE)),
    "fractions": lambda: tuple(map(Fraction, CURVE)),
    "several kinds": lambda: np.array([Decimal("0.5"), Fraction(1), np.float32(2)], object),
    "deque": lambda: collections.deque(CURVE),
    "standard array": lambda: array("f", CURVE),
    "memoryview": lambda: memoryview(array("d", CURVE)),
    "values of a dict": lambda: dict(enumerate(CURVE)).values(),
    "list of tensors": lambda: [torch.tensor(loss) for loss in CURVE],
    "list of bfloat16": lambda: list(np.array(CURVE, ml_dtypes.bfloat16)),
    "list of numpy's": lambda: [np.float32(loss) for loss in CURVE],
    "list of pyarrow's": lambda: list(pa.array(CURVE)),
    "list of TensorFlow's": lambda: list(tf.constant(CURVE)),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_kind_of_array_gives_its_numbers(form: Callable[[], Any]) -> None:
    """Whatever the library and the type, and the first of them as a number that is logged."""
    assert collect({"loss": form()}, {}).values == {"loss": CURVE}


GAPS = {
    "masked": np.ma.array([0.5, 1.0, 99.0], mask=[0, 0, 1]),
    "masked whole": np.ma.array([1, 2, 99], mask=[0, 0, 1]),
    "pandas Float64": pd.array([0.5, 1.0, None], dtype="Float64"),
    "pandas Int64": pd.Series([1, 2, None], dtype="Int64"),
    "pandas arrow": pd.Series([0.5, 1.0, None], dtype="float64[pyarrow]"),
    "pyarrow": pa.array([0.5, 1.0, None]),
    "list": [0.5, 1.0, None],
    "list with NA": [0.5, 1.0, pd.NA],
    "list with masked": [0.5, 1.0, np.ma.masked],
    "objects": np.array([0.5, 1.0, None], object),
}


@pytest.mark.parametrize("gap", GAPS.values(), ids=GAPS)
def test_a_missing_number_of_a_curve_is_missing(gap: Any) -> None:
    """NaN, as pandas and the store have it."""
    loss = collect({"loss": gap}, {}).values["loss"]

    assert loss[:2] in ([0.5, 1.0], [1.0, 2.0])
    assert len(loss) == 3
    assert loss[2] != loss[2]


@pytest.mark.parametrize(
    ("gap", "came"),
    [
        (np.ma.masked, "MaskedConstant of shape ()"),
        (pd.NA, "<NA>"),
        (pd.NaT, "NaT"),
        (pa.scalar(None, pa.float64()), "<pyarrow.DoubleScalar: None>"),
        (pa.array(["a", "b"]), "StringArray of 2 items"),
        (pa.table({"a": [1, 2]}), "Table of shape (2, 1)"),
    ],
)
def test_what_is_no_number_is_said_in_one_line(gap: Any, came: str) -> None:
    """And leaves nothing behind; `log` refuses it too."""
    reported = collect({"loss": gap}, {})

    assert reported.values == {}
    assert reported.problems == {"loss": f"loss: expected a number, or one number per epoch, got {came}"}
    with pytest.raises((TypeError, ValueError)):
        number(gap)


@pytest.mark.parametrize(
    "made",
    [
        lambda: Decimal("0.5"), lambda: Fraction(1, 2), lambda: np.float16(0.5),
        lambda: ml_dtypes.bfloat16(0.5), lambda: np.array([0.5]), lambda: [0.5], lambda: np.ma.array([0.5]),
        lambda: pd.Series([0.5], dtype="Float64"), lambda: pa.scalar(0.5), lambda: pa.scalar(Decimal("0.5")),
        lambda: torch.tensor(0.5, dtype=torch.bfloat16), lambda: tf.constant(0.5, tf.bfloat16),
    ],
)  # fmt: skip
def test_a_number_of_any_kind_is_logged_and_reported(made: Callable[[], Any]) -> None:
    """`log` takes what the dict takes."""
    value = made()

    assert number(value) == 0.5
    assert collect({"loss": value}, {}).values["loss"] in (0.5, [0.5])


def test_matrices_of_other_libraries() -> None:
    """Sparse ones, tables, masked ones: a masked count is none."""
    masked = np.ma.array([[1, 2], [3, 4]], mask=[[0, 0], [0, 1]])

    assert collect({"confusion_matrix": scipy.sparse.csr_matrix([[1, 0], [3, 4]])}, {}).values == {
        "confusion": [[1, 0], [3, 4]]
    }
    assert collect({"confusion_matrix": pa.table({"a": [1, 3], "b": [2, 4]})}, {}).values == {
        "confusion": [[1, 2], [3, 4]]
    }
    assert collect({"confusion_matrix": masked}, {}).problems == {
        "confusion_matrix": "confusion_matrix: expected counts of at least 0, got a missing one in row 2, "
        "column 2"
    }


PLAIN = """
import sys
from decimal import Decimal
from e2e_magic.measuring.reported.values import collect

found = [
    collect({"loss": [0.5, None], "accuracy": Decimal("0.5"), "confusion_matrix": [[1, -2], [3, 4]]}, {}),
    collect(None, {"y_true": ["a", "b", "b"], "y_pred": ["a", "b", "a"]}),
    collect(None, {"y_true": [0, 1, 1, 0], "y_pred": [0.2, 0.9, 0.4, 0.4]}),
    collect(None, {"y_true": [0, 1, 2], "y_pred": [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4]]}),
]
print([reported.values for reported in found][1:])
print({name.partition(".")[0] for name in sys.modules} & {"numpy", "pandas", "sklearn", "scipy", "pyarrow"})
"""


def test_plain_values_need_no_library() -> None:
    """The standard library reads lists and counts their labels, and ranks their scores."""
    done = subprocess.run([sys.executable, "-c", PLAIN], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == [
        "[{'confusion': [[1, 0], [1, 1]], 'classes': ['a', 'b']}, "
        "{'confusion': [[2, 0], [1, 1]], 'classes': [0, 1], 'scores': {'roc_auc': 0.875}}, "
        "{'confusion': [[1, 0, 0], [0, 1, 0], [0, 0, 1]], 'classes': [0, 1, 2], 'scores': {'roc_auc': 1.0}}]",
        "set()",
    ]


class Refusing:
    """Behaves as a nested tensor: neither numbers nor a shape."""

    def detach(self) -> Any:
        raise RuntimeError("no sizes\nplease file an issue")

    @property
    def shape(self) -> Any:
        raise RuntimeError("no sizes")


def test_what_refuses_everything_costs_its_own_key() -> None:
    """The others stay, and the sentence has one line."""
    reported = collect({"loss": Refusing(), "accuracy": 0.5}, {})

    assert reported.values == {"accuracy": 0.5}
    assert reported.problems == {
        "loss": "loss: expected numbers or labels in an array-like, got a Refusing (no sizes)"
    }


def test_polars() -> None:
    """Series, frames, missing numbers; an Enum's order is kept, a Categorical has none."""
    pl = pytest.importorskip("polars")
    loss = collect({"loss": pl.Series([0.5, None])}, {}).values["loss"]
    levels = [
        collect(None, {"y_true": pl.Series(["low", "high"], dtype=kind), "y_pred": ["low", "high"]}).values
        for kind in (pl.Enum(["low", "high"]), pl.Categorical)
    ]

    assert loss[0] == 0.5
    assert loss[1] != loss[1]
    assert collect({"loss": pl.Series(CURVE, dtype=pl.Float32)}, {}).values == {"loss": CURVE}
    assert collect({"confusion_matrix": pl.DataFrame({"a": [1, 2], "b": [3, 4]})}, {}).values == {
        "confusion": [[1, 3], [2, 4]]
    }
    assert [each["classes"] for each in levels] == [["low", "high"], ["high", "low"]]
