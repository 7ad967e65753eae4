from __future__ import annotations

from typing import Any

import pytest
from IPython.core.error import UsageError

from e2e_magic.jupyter.panel.wording import counted, in_words
from e2e_magic.measuring.plan import Plan, PlanError
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.space import Space


@pytest.mark.parametrize(
    ("words", "repeat", "more", "expected"),
    [
        (["n=[1]"], 1, {}, "1 trial"),
        (["n=range(3)"], 1, {}, "3 trials"),
        (["n=range(3)"], 4, {}, "12 trials: 3 x 4 repeats"),
        (["n=range(30)", "m=range(40)"], 1, {}, "1,200 trials: 30 x 40"),
        (["(a, b)=zip([1, 2], [3, 4])", "m=range(4)"], 1, {}, "8 trials: 2 x 4"),
        (["u=uniform(0, 1)"], 2, {"search": "random", "trials": 5}, None),
    ],
)
def test_the_count_says_what_it_is_made_of(
    words: list[str], repeat: int, more: dict[str, Any], expected: str | None
) -> None:
    """The number of trials, and its factors where there are several."""
    plan = SweepPlan(plan=Plan(stage="t", repeat=repeat), space=Space.parse(words), **more)

    assert counted(plan) == (expected or f"10 trials: {plan.described()}")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            PlanError("engine: the cell uses a magic; leave it out or ", "use --engine kernel"),
            "the cell uses a magic; leave it out or let the trials run in this kernel",
        ),
        (UsageError("lr: no number"), "lr: no number"),
        (KeyError("x"), "KeyError: 'x'"),
    ],
)
def test_errors_speak_of_the_panel(error: Exception, expected: str) -> None:
    """An option of the line is a switch here; what isn't said to a person has its class before it."""
    assert in_words(error) == expected
