from __future__ import annotations

import ast
import functools
from typing import Any

import pytest

from e2e_magic.sweeping.engines.free_names import cell_reads, reachable


@pytest.mark.parametrize(
    ("cell", "reads"),
    [
        ("lr * 2", {"lr"}),
        ("lr = 1\nprint(lr)", {"print"}),
        ("x = lr\nlr = 2", {"lr"}),
        ("lr += 1", {"lr"}),
        ("def f(a):\n    b = 1\n    return a + b + lr\nf(1)", {"lr"}),
        ("[lr for n in range(3)]", {"lr", "range"}),
        ("if go:\n    lr = 1\nprint(lr)", {"go", "lr", "print"}),
        ("with opened() as f:\n    y = 1\nf, y", {"opened"}),
        ("import numpy as np\nnp.zeros(n)", {"n"}),
        ("class A:\n    z = q\n    def m(self):\n        return lr", {"q", "lr", "__name__"}),
        ("await work(lr)", {"work", "lr"}),
        ("a, *b = c\na, b", {"c"}),
        ("x: int = y\nx", {"y"}),
        ("f'{lr}'", {"lr"}),
        ("lambda lr: lr", set()),
    ],
)
def test_what_a_cell_takes_from_outside(cell: str, reads: set[str]) -> None:
    """Names read before the cell sets them itself, in nested functions too; locals don't count."""
    assert reads == cell_reads(ast.parse(cell)) - {"int"}


def test_names_that_the_users_functions_read() -> None:
    """A function of the notebook reads for the cell that calls it; so does a class, and what these call."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(
        "def inner():\n    return lr\n"
        "def outer():\n    return inner()\n"
        "class Model:\n    @staticmethod\n    def fit():\n        return depth\n",
        namespace,
    )

    assert {"outer", "inner", "lr"} == reachable({"outer"}, namespace)
    assert {"Model", "depth"} == reachable({"Model"}, namespace)
    assert {"missing"} == reachable({"missing"}, namespace)


@pytest.mark.parametrize(
    "made",
    [
        "found = Model()",
        "found = Model().fit",
        "found = Child()",
        "found = {'models': [Model()]}",
        "found = functools.partial(fit, 1)",
        "found = functools.lru_cache(fit)",
        "found = timed(fit)",
        "found = Holder(Model())",
        "found = Lazy()",
        "found = Lazy().cached",
        "def found():\n    return held.fit()",
    ],
)
def test_names_that_what_the_user_made_reads(made: str) -> None:
    """An object, a partial, a decorated function, a list of them: their code reads for the cell as well."""
    namespace: dict[str, Any] = {"__name__": "__main__", "functools": functools}
    exec(
        "def fit(n=0):\n    return depth\n"
        "class Model:\n    def fit(self):\n        return depth\n"
        "class Child(Model):\n    pass\n"
        "class Holder:\n    def __init__(self, inner):\n        self.inner = inner\n"
        "class Lazy:\n"
        "    @functools.cached_property\n    def cached(self):\n        return fit\n"
        "    @property\n    def plain(self):\n        return depth\n"
        "def timed(f):\n    def wrapper(*a):\n        return f(*a)\n    return wrapper\n"
        f"held = Model()\n{made}\n",
        namespace,
    )

    assert "depth" in reachable({"found"}, namespace)


def test_looking_for_names_calls_nothing_and_ends() -> None:
    """Properties aren't asked, and a structure that holds itself, or is endless in size, costs no time."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(
        "class Node:\n    after = None\n    @property\n    def func(self):\n        raise RuntimeError\n"
        "first = Node()\nlast = first\n"
        "for n in range(50_000):\n    last.after = Node()\n    last = last.after\nlast.after = first\n",
        namespace,
    )

    assert reachable({"first"}, namespace) >= {"first"}
