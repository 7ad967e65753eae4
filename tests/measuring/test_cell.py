"""Cells are compiled once and run as IPython runs them."""

from __future__ import annotations

import ast
import asyncio
import linecache
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.measuring.cell import Cell


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("", None),
        ("# only a comment", None),
        ("1 + 1", 2),
        ("a = 2\na * 21", 42),
        ("a = 2", None),
        ("def f():\n    '''Doc.'''\n    return 3\nf()", 3),
        ('"""first\n   second"""', "first\n   second"),
        ("1;", 1),
    ],
)
def test_the_value_is_that_of_a_last_expression(source: str, value: object) -> None:
    """All but a last expression is executed; its value comes back."""
    assert Cell.of(source).run({}) == value


def test_variables_stay_in_the_namespace() -> None:
    """The cell runs in the namespace that it is given."""
    namespace: dict[str, Any] = {"n": 1}
    Cell.of("n += 1\nm = n * 10").run(namespace)

    assert (namespace["n"], namespace["m"]) == (2, 20)


def test_a_cell_runs_many_times() -> None:
    """It is compiled once and keeps no state of its own."""
    cell = Cell.of("n = globals().get('n', 0) + 1\nn")
    namespace: dict[str, Any] = {}

    assert [cell.run(namespace) for _ in range(3)] == [1, 2, 3]


def test_top_level_await_is_run_on_the_callers_loop() -> None:
    """A cell that awaits says so and is awaited."""
    cell = Cell.of("import asyncio\nawait asyncio.sleep(0)\nasync def f(): return 7\nawait f()")

    assert cell.is_async
    assert asyncio.run(cell.run_async({})) == 7


def test_an_async_cell_may_end_with_a_plain_value() -> None:
    """Only what awaits is awaited."""
    assert asyncio.run(Cell.of("import asyncio\nawait asyncio.sleep(0)\n5").run_async({})) == 5


def test_tracebacks_name_the_cells_own_lines() -> None:
    """The file name and the line are the cell's, not ours."""
    source = "x = 1\n\nx / 0"
    linecache.cache["<cell 1>"] = (len(source), None, source.splitlines(keepends=True), "<cell 1>")
    with pytest.raises(ZeroDivisionError) as caught:
        Cell.of(source, "<cell 1>").run({})

    last = traceback.extract_tb(caught.tb)[-1]
    assert (last.filename, last.lineno, last.line) == ("<cell 1>", 3, "x / 0")


@pytest.mark.parametrize(
    ("interactivity", "value", "shown"),
    [
        ("last_expr", 3, []),
        ("none", None, []),
        ("all", None, [1, 3]),
        ("last", None, []),
        ("last_expr_or_assign", 3, []),
    ],
)
def test_interactivity_is_ipythons(
    interactivity: str, value: object, shown: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `ast_node_interactivity` asks to be shown is shown by the display hook or handed back."""
    seen: list[object] = []
    monkeypatch.setattr("sys.displayhook", seen.append)
    found = Cell(ast.parse("1\na = 2\na + 1"), "<cell>", interactivity=interactivity).run({})

    assert found == (3 if interactivity == "last" else value)
    assert seen == shown


def test_a_last_assignment_is_shown_where_asked() -> None:
    """`last_expr_or_assign` hands back what was assigned."""
    assert Cell(ast.parse("a = 5"), "<cell>", interactivity="last_expr_or_assign").run({}) == 5
    assert Cell(ast.parse("a = 5\na += 1"), "<cell>", interactivity="last_expr_or_assign").run({}) == 6


@given(
    st.lists(st.integers(-9, 9), min_size=1, max_size=5), st.text(st.characters(codec="utf-8"), max_size=30)
)
def test_splitting_changes_nothing(numbers: list[int], text: str) -> None:
    """Whatever stands in a string literal comes back unchanged, whatever came before it."""
    source = "".join(f"v{n} = {number}\n" for n, number in enumerate(numbers)) + repr(text)

    assert Cell.of(source).run({}) == text
