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


def test_each_pair_of_several_metrics_has_a_plane() -> None:
    """The marks are those of all metrics together; names stand once, labels at the edges."""
    frame = settings([1, 2, 3], [0.5, 0.5, 0.5], peak_rss_mib=[9.0, 5.0, 7.0], loss=[1.0, 2.0, 3.0])
    panels = pareto(frame, "wall_time_s", "accuracy", "peak_rss_mib", "loss")
    marks = [np.asarray(ax.lines[-1].get_xydata()).tolist() for ax in panels]

    assert len(panels) == 6
    assert marks[0] == [[1, 0.5], [2, 0.5]]
    assert marks[3] == [[1, 1], [2, 2]]
    assert [(ax.get_xlabel(), ax.get_ylabel()) for ax in panels] == [
        ("", "accuracy"), ("", "peak RSS (MiB)"), ("", ""),
        ("wall time (s)", "loss"), ("accuracy", ""), ("peak RSS (MiB)", ""),
    ]  # fmt: skip
    legend = panels[0].figure.axes[2].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["1  n=1", "2  n=2"]
    assert panels._repr_html_().startswith("<img")


@pytest.mark.parametrize("more", [(), ("loss",)])
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
def test_odd_frames_are_drawn(frame: pd.DataFrame, more: tuple[str, ...]) -> None:
    """Empty, one row, NaN: a picture, never an exception."""
    drawn = pareto(frame.assign(loss=1.0), "wall_time_s", "accuracy", *more)

    assert style.png((drawn[0] if more else drawn).figure)
