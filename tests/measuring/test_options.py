"""The table of options: each entry reaches every way in that it names."""

from __future__ import annotations

import inspect
import pickle
import re
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import e2e_magic as e2e
from e2e_magic.jupyter.arguments import cell_parser, line_parser
from e2e_magic.jupyter.sweep_arguments import sweep_parser
from e2e_magic.measuring.expression import Expression
from e2e_magic.measuring.kinds import SECONDS, Whole
from e2e_magic.measuring.options import OPTIONS, Use, Way, functions_of, taken_by
from e2e_magic.measuring.plan import Plan, PlanError
from e2e_magic.sweeping.options import SWEEP_OPTIONS
from e2e_magic.sweeping.plan import SweepPlan

ALL = OPTIONS + SWEEP_OPTIONS


async def _call_later() -> None:
    """Only begin, when called."""


@pytest.mark.parametrize(
    ("way", "parser"),
    [(Way.CELL, cell_parser), (Way.STATEMENT, line_parser), (Way.SWEEP_CELL, sweep_parser)],
)
def test_a_line_takes_the_options_of_the_table(way: Way, parser: Any) -> None:
    """With their short names and their help, and no others."""
    names = {name for option in taken_by(way, ALL).values() for name in (option.flag, option.short) if name}
    words = parser().format_help()

    assert set(parser().takes_value) - {"-s", "--stage"} == names
    assert all(
        " ".join(option.help.split()) in " ".join(words.split()) for option in taken_by(way, ALL).values()
    )


@pytest.mark.parametrize(("way", "function"), [(Way.MEASURE, e2e.measure), (Way.SWEEP, e2e.sweep)])
def test_a_function_takes_the_options_of_the_table(way: Way, function: Any) -> None:
    """They stand in its signature with their defaults, and in its docstring."""
    parameters = inspect.signature(function).parameters
    documented = set(re.findall(r"^(\w+) : ", inspect.getdoc(function) or "", re.MULTILINE))

    assert {n: o.default for n, o in taken_by(way, ALL).items()} == {
        n: p.default for n, p in parameters.items() if n in taken_by(way, ALL)
    }
    assert {name for name, p in parameters.items() if p.kind is not p.VAR_KEYWORD} <= documented


@pytest.mark.parametrize(("plan", "table"), [(Plan, OPTIONS), (SweepPlan, SWEEP_OPTIONS)])
def test_a_plan_has_a_field_for_each_setting(plan: Any, table: Any) -> None:
    """With the default of the table."""
    own = {
        f.name: f.default
        for f in fields(plan)
        if f.name not in ("stage", "options", "plan", "space", "where", "bare")
    }

    assert own == {option.name: option.default for option in table if option.use is Use.PLAN}


def test_what_measure_takes_sweep_takes() -> None:
    """An option of one is an option of the other."""
    assert set(taken_by(Way.MEASURE)) <= set(taken_by(Way.SWEEP))


def test_an_option_that_is_none_is_not_given() -> None:
    """As when it is left out."""
    assert Plan(options={"entries": None, "loss": 0}).options == {"loss": 0}


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (5, "latency: expected a function that makes one call, got 5"),
        (
            _call_later,
            "latency: expected a function that is done when it returns, got an async function, which only "
            "begins: hand over lambda: asyncio.run(f())",
        ),
    ],
)
def test_a_single_call_is_a_function(call: object, sentence: str) -> None:
    """A plan says at once what can't be called."""
    with pytest.raises(PlanError) as caught:
        Plan(options={"latency": call})

    assert str(caught.value) == sentence


def test_reports_are_functions_of_what_comes_back() -> None:
    """A value is itself, a function gets what comes back; a single call need not take it."""
    functions = functions_of({"entries": len, "loss": 0.5, "latency": lambda: "called"})

    assert [function([1, 2]) for function in functions.values()] == [2, 0.5, "called"]
    assert functions_of({"latency": sum})["latency"]([1, 2]) == 3


class TestExpression:
    def test_it_is_its_text_and_is_evaluated_in_the_namespace(self) -> None:
        """Globals, and locals where there are some."""
        expression = Expression.of(" x + y")

        assert expression.text == " x + y"
        assert expression.evaluate(({"x": 1, "y": 2},)) == 3
        assert expression.evaluate(({"x": 1}, {"y": 3})) == 4

    def test_it_travels_as_its_text(self) -> None:
        """Pickled, it is compiled anew on the other side."""
        sent = pickle.loads(pickle.dumps(Expression.of("len(rows)")))

        assert sent == Expression.of("len(rows)")
        assert sent.evaluate(({"rows": "abc"},)) == 3

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("1+", "'1+' is no Python expression (invalid syntax)"),
            ("x = 1", "'x = 1' is no Python expression (invalid syntax)"),
        ],
    )
    def test_what_is_none_is_said(self, text: str, sentence: str) -> None:
        """Before anything runs."""
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the sentence is compared below
            Expression.of(text)

        assert str(caught.value) == sentence


@given(st.integers(), st.integers(-3, 3))
def test_whole_numbers(number: int, least: int) -> None:
    """What is at least the least comes back, else it is named."""
    if number >= least:
        assert Whole(least=least).check("n", number) == number
    else:
        with pytest.raises(
            PlanError, match=rf"^n: expected a whole number of at least {least}, got {number}$"
        ):
            Whole(least=least).check("n", number)


@given(st.floats())
def test_seconds_are_above_0_and_end(seconds: float) -> None:
    """NaN and infinity are none."""
    if 0 < seconds < float("inf"):
        assert SECONDS.check("t", seconds) == seconds
    else:
        with pytest.raises(PlanError, match=r"^t: expected seconds above 0, got "):
            SECONDS.check("t", seconds)
