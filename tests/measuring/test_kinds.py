"""The kinds of options: what each reads, allows, says and writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from e2e_magic.measuring import kinds
from e2e_magic.measuring.options import OPTIONS
from e2e_magic.measuring.plan import PlanError
from e2e_magic.sweeping.options import SWEEP_OPTIONS

GIVEN = {
    "Kind": "local:2", "Whole": 3, "Count": "auto", "Real": 0.5, "Names": ("cpu", "io"), "Memory": "90%",
    "Text": "loss", "Variable": "result", "Watts": (12.0, 65.0), "Python": kinds.Python().read("len(rows)"),
    "Functions": ("preprocess", "module.load"), "LimitKind": "60s,8GiB",
}  # fmt: skip


@pytest.mark.parametrize("option", [o for o in OPTIONS + SWEEP_OPTIONS if o.metavar], ids=lambda o: o.name)
def test_what_is_written_is_read_again(option: Any) -> None:
    """The word of a value on a line gives that value."""
    kind = option.kind
    values = kind.among if isinstance(kind, kinds.Choice) else [GIVEN[type(kind).__name__]]

    for value in values:
        assert option.checked(kind.read(kind.write(value))) == option.checked(value)


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        (kinds.Flag(), "yes", "x: expected True or False, got 'yes'"),
        (kinds.Flag(), None, "x: expected True or False, got None"),
        (kinds.Flag(), np.ones(2), "x: expected True or False, got array([1., 1.])"),
        (
            kinds.choice("grid", "random"),
            "gird",
            "x: expected one of grid, random, got 'gird' (did you mean grid?)",
        ),
        (kinds.Whole(least=1), np.ones(2), "x: expected a whole number of at least 1, got array([1., 1.])"),
        (kinds.Text(wanted="a metric"), " ", "x: expected a metric, got ' '"),
    ],
)
def test_what_is_not_allowed_is_said(kind: kinds.Kind, value: object, sentence: str) -> None:
    """With the parameter, what came and what is allowed."""
    with pytest.raises(PlanError) as caught:
        kind.check("x", value)

    assert str(caught.value) == sentence


@pytest.mark.parametrize("value", [True, np.True_, 1])
def test_a_flag_is_on(value: object) -> None:
    """In numpy's way of saying it, too."""
    assert kinds.Flag().check("shuffle", value) is True


def test_words_that_complete() -> None:
    """A choice offers its words, other kinds none."""
    offered = {o.name: o.kind.choices for o in OPTIONS + SWEEP_OPTIONS if o.kind.choices}

    assert offered == {
        "number": ("auto",),
        "search": ("grid", "random", "tpe"),
        "order": ("sequential", "shuffle", "balanced"),
        "prune": ("median", "hyperband"),
    }
