from __future__ import annotations

import functools
import operator
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from e2e_magic.api.sweeps import open_sweep
from e2e_magic.measuring.cell import Cell
from e2e_magic.measuring.plan import Plan, PlanError
from e2e_magic.record import Record, decode, encode
from e2e_magic.session import Session
from e2e_magic.storage import Selection
from e2e_magic.sweeping.jobs import CellJob
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.schedule import key_of
from e2e_magic.sweeping.space import Space
from e2e_magic.sweeping.values import Digests, copied, digest_of
from e2e_magic.views.frames import results
from e2e_magic.views.sweep_summary import summary


def defined(source: str, name: str, module: str = "__main__") -> Any:
    """Return what a cell of a notebook defines."""
    namespace: dict[str, Any] = {"__name__": module}
    exec(source, namespace)
    return namespace[name]


def frame_of(middle: float) -> pd.DataFrame:
    """Return a frame whose text leaves the middle out."""
    made = pd.DataFrame({"a": np.arange(1000.0)})
    made.loc[500, "a"] = middle
    return made


class Opaque:
    """Looks the same, whatever it holds."""

    def __init__(self, size: Any) -> None:
        self.size = size

    def __repr__(self) -> str:
        return "Opaque()"


def array_with(middle: float) -> Any:
    """Return an array whose text leaves the middle out."""
    made = np.zeros(5000)
    made[2500] = middle
    return made


TWO: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "data frames": (lambda: frame_of(1.0), lambda: frame_of(2.0)),
    "frames in a dict": (lambda: {"df": frame_of(1.0), "k": 1}, lambda: {"df": frame_of(2.0), "k": 1}),
    "series by their index": (lambda: pd.Series([1, 2]), lambda: pd.Series([1, 2], index=[5, 6])),
    "arrays": (lambda: array_with(1), lambda: array_with(2)),
    "arrays of other types": (lambda: np.array([1, 2]), lambda: np.array([1.0, 2.0])),
    "objects that look alike": (lambda: Opaque(1), lambda: Opaque(2)),
    "objects in a list": (lambda: [Opaque(1)], lambda: [Opaque(2)]),
    "functions of one name": (
        lambda: defined("def f(x):\n    return x + 1", "f"),
        lambda: defined("def f(x):\n    return x + 2", "f"),
    ),
    "functions by their defaults": (
        lambda: defined("def f(x=1):\n    return x", "f"),
        lambda: defined("def f(x=2):\n    return x", "f"),
    ),
    "lambdas of one line": (lambda: lambda x: x, lambda: lambda x: -x),
    "closures": (lambda: defined_adder(1), lambda: defined_adder(2)),
    "classes of one name": (
        lambda: defined("class N:\n    def f(self):\n        return 1", "N"),
        lambda: defined("class N:\n    def f(self):\n        return 2", "N"),
    ),
    "instances of them": (
        lambda: defined("class N:\n    def f(self):\n        return 1\nn = N()", "n"),
        lambda: defined("class N:\n    def f(self):\n        return 2\nn = N()", "n"),
    ),
    "partials": (lambda: functools.partial(pow, 2), lambda: functools.partial(pow, 3)),
    "bound methods": (lambda: [1].index, lambda: [2].index),
    "sets": (lambda: {1, 2}, lambda: {1, 3}),
    "dates": (lambda: date(2026, 1, 1), lambda: date(2026, 1, 2)),
    "decimals and fractions": (lambda: Decimal("0.1"), lambda: Fraction(1, 10)),
    "whole and real": (lambda: 1, lambda: 1.0),
    "none and a word": (lambda: None, lambda: "None"),
    "masked arrays": (lambda: np.ma.array([1, 2], mask=[0, 1]), lambda: np.ma.array([1, 2], mask=[0, 0])),
    "structured arrays": (lambda: padded(0), lambda: padded(0)["b"]),
    "types of columns": (lambda: pd.array([1], dtype="Int64"), lambda: pd.array([1], dtype="Int32")),
    "categories": (lambda: pd.Categorical(["a"]), lambda: pd.Categorical(["a"], categories=["a", "b"])),
}


def defined_adder(n: int) -> Any:
    """Return a function that holds a number."""
    return lambda x: x + n


def key(value: Any) -> str:
    """Return what tells settings apart."""
    return key_of({"x": value}, Digests().of({"x": value}))


@pytest.mark.parametrize("kind", TWO)
def test_values_are_told_apart_by_their_content(kind: str) -> None:
    """Values that differ have different keys, however alike their texts; made again they have the same."""
    one, other = TWO[kind]

    assert key(one()) == key(one())
    assert key(other()) == key(other())
    assert key(one()) != key(other())


def test_copies_are_equal_and_an_index_is_content() -> None:
    """A copy of a frame, with what pandas has cached in it, is the same value."""
    original = pd.DataFrame({"a": [1.5, 2.5], "b": ["x", "y" * 3]})
    assert original["a"].sum() == 4

    assert digest_of(original) == digest_of(original.copy()) == digest_of(copied({"x": original})["x"])
    assert digest_of({"a": 1, "b": Opaque(1)}) == digest_of({"b": Opaque(1), "a": 1})


def looked_at(values: Any) -> pd.DataFrame:
    """Return a frame with what pandas keeps of a look at it."""
    made = pd.DataFrame({"a": values})
    assert made.describe().size
    assert made["a"].dtype.name
    assert hash(made["a"].dtype)
    assert made.to_numpy().size
    return made


def padded(fill: int) -> Any:
    """Return rows of equal fields, with bytes of no meaning between them."""
    rows = np.frombuffer(bytes([fill]) * 32, np.dtype([("a", "u1"), ("b", "f8")], align=True)).copy()
    rows["a"], rows["b"] = 1, 2.5
    return rows


SAME: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "nullable numbers": (
        lambda: pd.DataFrame({"a": pd.array([1, None])}),
        lambda: looked_at(pd.array([1, None])),
    ),
    "periods": (
        lambda: pd.DataFrame({"a": pd.period_range("2020", periods=2, freq="D")}),
        lambda: looked_at(pd.period_range("2020", periods=2, freq="D")),
    ),
    "arrow": (
        lambda: pd.DataFrame({"a": pd.array([1], dtype="int64[pyarrow]")}),
        lambda: looked_at(pd.array([1], dtype="int64[pyarrow]")),
    ),
    "structured arrays": (lambda: padded(0), lambda: padded(255)),
    "masked arrays": (lambda: np.ma.array([1, 2], mask=[0, 1]), lambda: np.ma.array([1, 2], mask=[0, 1])),
    "frozen sets": (
        lambda: frozenset([1, 2**61]),
        lambda: frozenset([2**61, 1]),
    ),  # they share a hash's place
}


@pytest.mark.parametrize("kind", SAME)
def test_what_is_no_content_is_in_no_digest(kind: str) -> None:
    """Neither pandas' caches nor the bytes between fields nor an order of hashes make another setting."""
    one, other = SAME[kind]

    assert digest_of(one()) == digest_of(other())


def test_tensors_are_told_by_their_numbers() -> None:
    """Torch pickles where a tensor lies; a model, an optimizer and a data set hold tensors."""
    torch = pytest.importorskip("torch")

    def made(value: float) -> list[Any]:
        weight = torch.nn.Parameter(torch.full((3,), value))
        layer = torch.nn.Linear(1, 1, bias=False)
        layer.weight.data.fill_(value)
        bfloat = torch.full((2,), value, dtype=torch.bfloat16)
        return [weight, layer, torch.optim.SGD([weight]), torch.utils.data.TensorDataset(bfloat)]

    same, again, other = ([digest_of(each) for each in made(value)] for value in (1.0, 1.0, 2.0))
    assert same == again
    assert not set(same) & set(other)


def test_a_digest_is_the_same_in_another_process() -> None:
    """A kernel that resumes finds what another one has measured: sets, functions and frames too."""
    script = (
        "import pandas as pd, functools\nfrom e2e_magic.sweeping.values import digest_of\n"
        "def f(x):\n    return [x, 'a', lambda y: y]\n"
        "print(digest_of(f), digest_of({'a', 'b', 'c'}), digest_of(frozenset('abcdef')),"
        "digest_of(pd.DataFrame({'a': [1.5], 'b': ['x']})),"
        "digest_of(functools.partial(f, 2)))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", "\n" * n + script], capture_output=True, text=True, check=True
        ).stdout
        for n in range(2)
    }

    assert len(said) == 1


def test_what_stands_for_itself_brings_nothing_in() -> None:
    """Plain values, installed functions and those of the notebook are told apart by the standard library."""
    script = (
        "import sys, math\nfrom e2e_magic.sweeping.values import Digests\nbefore = set(sys.modules)\n"
        "def f(x):\n    return x\n"
        "Digests().of({'a': [1, {'b': (2.5, None)}], 'g': math.sqrt, 'c': dict, 'f': f})\n"
        "print({m.partition('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"


def test_what_the_store_gives_back_has_the_same_key() -> None:
    """Plain values need nothing but themselves, also those of a store that was written before."""
    params = {"a": 1, "b": (2.5, [None, float("nan")]), "c": {"d": True}, "f": operator.add}

    assert Digests().of(params) == {}
    assert key_of(params, {}) == key_of(decode(encode(params)), {})


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (threading.Lock(), "lock can't be pickled (TypeError: cannot pickle '_thread.lock' object)"),
        ((n for n in "ab"), "generator can't be pickled (TypeError: cannot pickle 'generator' object)"),
        ({"file": sys.__stderr__}, "dict can't be pickled (TypeError: cannot pickle "),
    ],
)
def test_what_has_no_content_to_tell_is_refused_by_name(session: Session, value: Any, sentence: str) -> None:
    """Before the first trial: the parameter, what it is, and the way out."""
    with pytest.raises(PlanError) as caught:
        opened(session, {"conn": [[value]]})

    text = str(caught.value)
    assert text.startswith("conn: trials are told apart by the content of their parameters, and ")
    assert sentence.partition(" ")[2] in text
    assert text.endswith("; sweep over a name or number and make it from that in the code")


def opened(session: Session, space: dict[str, Any], source: str | None = None, **settings: Any) -> Any:
    """Return a sweep of a cell over one parameter, not yet run."""
    name = next(iter(space))
    source = source or f"{name}\n{{'loss': 1.0}}"
    job = CellJob(Cell.of(source), source, source, {"__name__": "__main__"})
    plan = SweepPlan(plan=Plan(stage="s", metrics=("cpu",)), space=Space.of(space), **settings)
    return open_sweep(session, plan, job)


def test_a_frame_that_differs_in_its_middle_is_another_setting(session: Session) -> None:
    """It runs though the one before it is complete, and is no repeat of it; the same one isn't run again."""
    source = "{'loss': float(df.a.max())}"
    one, other = frame_of(999.0), frame_of(1e6)

    def run(*frames: pd.DataFrame, **settings: Any) -> list[Record]:
        return list(opened(session, {"df": list(frames)}, source, **settings).run())

    first = run(one)
    assert [record.reported["loss"] for record in first] == [999.0]
    second = run(other, resume=True)
    assert [record.reported["loss"] for record in second] == [1e6]
    assert run(frame_of(999.0), frame_of(1e6), resume=True) == []
    both = run(one, other)
    assert [(record.repeat, record.reported["loss"]) for record in both] == [(1, 999.0), (1, 1e6)]
    frame = results(both)
    assert frame["param_df"].nunique() == 2
    assert all(label.startswith("DataFrame 1000x1 #") for label in frame["param_df"])
    assert summary(frame, "loss", maximize=False)["repeats"].tolist() == [1, 1]
    assert both[0].params["df"] is one  # which `.best` hands back


def test_another_kernel_finds_it_in_the_store(tmp_path: Path) -> None:
    """The digest is kept with the row: the content decides there too, and the label is read there too."""
    source = "{'loss': float(df.a.max())}"
    for middle, runs in ((999.0, 1), (1e6, 1), (999.0, 0)):
        session = Session()
        session.set_store(tmp_path / "store.db")
        records = list(opened(session, {"df": [frame_of(middle)]}, source, resume=True).run())
        assert len(records) == runs
        session.close()
    session = Session()
    session.set_store(tmp_path / "store.db")
    frame = session.frame("trials", Selection(everything=True))
    session.close()

    assert frame["param_df"].nunique() == 2


def test_a_value_that_cant_be_copied_is_refused_by_name() -> None:
    """Each trial gets its own: what can't be copied can't be a parameter."""

    class Single:
        def __deepcopy__(self, _: Any) -> Any:
            raise TypeError("there is\nonly one")

    with pytest.raises(PlanError) as caught:
        copied({"lr": 1, "net": Single()})

    assert str(caught.value) == (
        "net: each trial gets a copy of its own, and Single can't be copied (TypeError: there is only one); "
        "sweep over a name or number and make it from that in the code"
    )


def test_copies_share_what_they_shared() -> None:
    """Two parameters that are one object stay one; modules, classes and functions are themselves."""
    shared = [1]
    copies = copied({"a": shared, "b": (shared,), "np": np, "f": array_with, "c": Opaque})

    assert copies["a"] is copies["b"][0]
    assert copies["a"] is not shared
    assert (copies["np"], copies["f"], copies["c"]) == (np, array_with, Opaque)
