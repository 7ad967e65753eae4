"""Cost against gain over settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from e2e_magic.views.charts import style
from e2e_magic.views.charts.pareto_front import pareto


def settings(walls: list[float], accuracies: list[float], **columns: Any) -> pd.DataFrame:
    """Make complete trials with a parameter `n`."""
    frame = pd.DataFrame({"state": "complete", "wall_time_s": walls, "accuracy": accuracies})
    return frame.assign(**{"param_n": range(1, len(frame) + 1), **columns})


def test_the_unbeaten_are_marked_and_joined() -> None:
    """In order of cost, along steps; the others are grey points."""
    ax = pareto(settings([1, 2, 3, 4], [0.5, 0.4, 0.7, 0.6]), "wall_time_s", "accuracy")
    rest, line, marks = ax.lines

    assert np.asarray(marks.get_xydata()).tolist() == [[1, 0.5], [3, 0.7]]
    assert (line.get_color(), line.get_drawstyle()) == (style.RED, "steps-post")
    assert np.asarray(rest.get_xydata()).tolist() == [[2, 0.4], [4, 0.6]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("wall time (s)", "accuracy")
    assert ax.get_title(loc="left") == "red: beaten by none (less wall time, more accuracy is better)"


def test_they_are_named_by_their_parameters() -> None:
    """By number, and beside the chart what the number stands for; only what was varied."""
    ax = pareto(settings([1, 2], [0.5, 0.7], param_seed=1), "wall_time_s", "accuracy")

    assert [text.get_text() for text in ax.texts] == ["1", "2"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["1  n=1", "2  n=2"]


def test_only_a_few_are_named() -> None:
    """Of thirty the ends and some between, and how many more there are."""
    ax = pareto(settings(list(range(30)), list(range(30))), "wall_time_s", "accuracy")
    names = [text.get_text() for text in ax.get_legend().get_texts()]

    assert len(names) == 9
    assert (names[0], names[7], names[8]) == ("1  n=1", "8  n=30", "and 22 more between them")


@pytest.mark.parametrize(
    "frame",
    [
        settings([], []),
        settings([1], [0.5]),
        settings([1, np.nan], [np.nan, 0.5]),
        settings([1, 2], [0.5, np.inf]),
        settings([1, 1], [0.5, 0.5], param_n="$\\frac$"),
        settings([1, 2], [0.5, 0.6], state="failed"),
    ],
)
def test_odd_frames_are_drawn(frame: pd.DataFrame) -> None:
    """Empty, one row, NaN: a picture, never an exception."""
    assert style.png(pareto(frame, "wall_time_s", "accuracy").figure)  # type: ignore[arg-type]
