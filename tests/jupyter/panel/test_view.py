from __future__ import annotations

import re
from html import unescape

import pytest

from e2e_magic.jupyter.panel.view import SweepView
from e2e_magic.sweeping.schedule import Progress


def view() -> SweepView:
    """Make a view of nothing in particular."""
    return SweepView("train", [], [], "train_trials.csv")


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
