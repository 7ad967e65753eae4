from __future__ import annotations

import re
from html import unescape
from typing import Any

import ipywidgets as widgets
import pytest
from IPython.core.error import UsageError

from e2e_magic.jupyter.panel.view import SweepView, in_words, trial_count
from e2e_magic.measuring.plan import Plan, PlanError
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.schedule import Progress
from e2e_magic.sweeping.space import Space


def view() -> SweepView:
    """Make a view of nothing in particular."""
    return SweepView("train", widgets.VBox(), [], widgets.VBox(), "train_trials.csv")


@pytest.mark.parametrize(
    "line",
    [
        "%%e2esweep train lr=geomspace(1e-4,1e-1,4) --metrics cpu,memory --repeat 3",
        "%%e2esweep train x=[-1, -2] a='<b>' --fail-fast --engine local:2",
    ],
)
def test_the_line_is_what_is_copied(line: str) -> None:
    """An option stays beside its value; the text is the line, character by character."""
    made = view()
    made.line(line)
    html = made._line.value

    assert unescape(re.sub("<[^>]+>", "", html)) == line
    assert all(
        f'<span style="white-space:nowrap">{option}</span>' in html
        for option in re.findall(r"--[a-z-]+(?: [^- ]\S*)?", line)
    )


@pytest.mark.parametrize(
    ("done", "failed", "colour"), [(3, 1, "#0072B2"), (4, 1, "#009E73"), (4, 4, "#D55E00")]
)
def test_the_bar_is_red_where_nothing_went_well(done: int, failed: int, colour: str) -> None:
    """A failed trial among others is said in red words; the bar tells how far it is."""
    made = view()
    made.progress(Progress(total=4, done=done, failed=failed))

    assert made._bar.style.bar_color == colour
    assert f'<b style="color:#D55E00">{failed} failed</b>' in made._numbers.value


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

    assert trial_count(plan) == (expected or f"10 trials: {plan.described()}")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            PlanError("the cell uses a magic; leave it out or ", "use --engine kernel", option="engine"),
            "the cell uses a magic; leave it out or let the trials run in this kernel",
        ),
        (PlanError("engine: as a user named it, got 1"), "engine: as a user named it, got 1"),
        (PlanError("expected 1 or more, got 0", option="repeat"), "repeat: expected 1 or more, got 0"),
        (UsageError("lr: no number"), "lr: no number"),
        (KeyError("x"), "KeyError: 'x'"),
    ],
)
def test_errors_speak_of_the_panel(error: Exception, expected: str) -> None:
    """An option of the line is a switch here; what isn't said to a person has its class before it."""
    assert in_words(error) == expected
