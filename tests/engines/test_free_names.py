from __future__ import annotations

import ast

import pytest

from e2e_magic.engines.free_names import cell_reads, reachable


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
