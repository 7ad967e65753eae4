"""Ratios as bars with their intervals, and cost against gain of runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from e2e_magic.views.charts import style
from e2e_magic.views.charts.comparison_bars import comparison
from e2e_magic.views.charts.cost_and_gain import gain, points
from e2e_magic.views.charts.run_colours import run_colours

Make = Callable[..., pd.DataFrame]


def rows(**columns: Any) -> pd.DataFrame:
    """Make a comparison's frame; by default one slower stage."""
    base = {
        "stage": "train",
        "metric": "wall_time_s",
        "baseline": "a",
        "run": "b",
        "ratio": 2.0,
        "ratio_low": 1.5,
        "ratio_high": 2.5,
        "verdict": "slower",
        "better": "lower",
    }
    size = max((len(v) for v in columns.values() if isinstance(v, list)), default=1)
    return pd.DataFrame(base | columns, index=range(size))


def test_a_bar_from_one_to_the_ratio_with_its_interval() -> None:
    """On a logarithmic axis; the words stand beside it."""
    ax = comparison(rows(ratio=[2.0, 0.5], ratio_low=[1.5, 0.4], ratio_high=[2.5, 0.6],
                         verdict=["slower", "faster"], stage=["train", "infer"]))  # fmt: skip

    assert [(bar.get_x(), bar.get_width()) for bar in ax.patches] == [(1, 1.0), (1, -0.5)]
    assert np.asarray(ax.lines[0].get_xdata()).tolist() == [1.5, 2.5]
    assert ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.texts] == ["2x slower", "2x faster"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["train · wall time", "infer · wall time"]
    assert ax.get_xlabel() == "ratio to a, 95 % interval"


def test_colours_say_better_worse_or_neither() -> None:
    """More accuracy is better, more time is worse, and what was not seen is grey."""
    frame = rows(
        metric=["wall_time_s", "accuracy", "loss", "entries"],
        verdict=["slower", "more", "no difference seen", "more"],
        better=["lower", "higher", "lower", None],
    )
    colours = [to_hex(bar.get_facecolor()).upper() for bar in comparison(frame).patches]

    assert colours == [style.RED, style.PALETTE[2], style.INK.upper(), style.INK.upper()]


def test_several_runs_are_named() -> None:
    """Only then."""
    ax = comparison(rows(run=["b", "c"]))

    assert [text.get_text() for text in ax.get_yticklabels()] == [
        "train · wall time · b", "train · wall time · c",
    ]  # fmt: skip


def test_long_names_of_runs_are_whole() -> None:
    """Over several lines, for which the rows are higher."""
    names = [f"ResNet-50 with warm restarts and {what} on the second half of the data" for what in "ab"]
    long, short = comparison(rows(run=names)), comparison(rows(run=["b", "c"]))
    labels = [text.get_text() for text in long.get_yticklabels()]

    assert [" ".join(label.split("\n")) for label in labels] == [f"train · wall time · {n}" for n in names]
    assert max(len(line) for label in labels for line in label.split("\n")) <= 44
    assert style.size_px(long.figure)[1] > style.size_px(short.figure)[1]  # type: ignore[arg-type]


def test_a_run_has_one_colour_in_every_chart(results: Make) -> None:
    """It follows from its place among all runs, though a chart shows other ones, or another order."""
    frame = pd.concat([results(["train"], run=name, accuracy=0.9) for name in ("c", "b")])
    bars = rows(run=["c", "b"])
    for one in (frame, bars):
        one.attrs["runs"] = ["a", "b", "c", *"defghij"]
    points = {line.get_color() for line in gain(frame).lines if line.get_marker() not in ("", "None")}
    dots = [line.get_color() for line in comparison(bars).lines if line.get_marker() == "o"]

    assert points == {style.PALETTE[1], style.PALETTE[2]}
    assert dots == [style.PALETTE[2], style.PALETTE[1]]
    assert run_colours(bars, ["b", "h", "j"]) == [style.PALETTE[n] for n in (1, 2, 3)]
    assert run_colours(bars, ["train", "infer"]) == list(style.PALETTE[:2])


def test_rows_without_a_ratio_are_counted() -> None:
    """They can't be drawn; the chart says how many it shows."""
    ax = comparison(rows(ratio=[2.0, np.nan], verdict=["slower", "too few repeats"]))

    assert len(ax.patches) == 1
    assert ax.figure.figure.get_suptitle() == (
        "b: train 2x slower; too few repeats of wall_time_s\n1 of 2 shown"
    )


def test_what_differs_is_drawn_first_however_many_rows_there_are() -> None:
    """Of 96 rows the two that differ, the larger first, and of the rest no more than fill the chart."""
    frame = rows(
        stage=[f"s{n}" for n in range(96)],
        ratio=[1.01] * 94 + [1.5, 0.25],
        verdict=["no difference seen"] * 94 + ["slower", "faster"],
    )
    ax = comparison(frame)
    names = [text.get_text() for text in ax.get_yticklabels()]

    assert names[:3] == ["s95 · wall time", "s94 · wall time", "s0 · wall time"]
    assert len(names) == 12
    assert ax.figure.figure.get_suptitle() == (
        "b: s95 4x faster; s94 1.5x slower; no difference seen in 94 metrics\n12 of 96 shown"
    )
    assert comparison(frame, headed=False).figure.figure.get_suptitle() == "12 of 96 shown"


@pytest.mark.parametrize(
    "frame",
    [
        rows().iloc[:0],
        rows(ratio=np.nan),
        rows(ratio_low=np.nan, ratio_high=np.nan, verdict="too few repeats"),
        rows(ratio=1.0, ratio_low=1.0, ratio_high=1.0, verdict="no difference seen"),
        rows(ratio=1e9, ratio_low=1e-9, ratio_high=1e12),
        rows(ratio=1.0001, ratio_low=1.00005, ratio_high=1.0002),
        rows(stage="$x$ <b>" * 20, run="\n", baseline="$"),
        rows(stage=[f"s{n}" for n in range(100)]),
    ],
)
def test_odd_comparisons_are_drawn(frame: pd.DataFrame) -> None:
    """Empty, without ratios, without spread, far apart, hostile, long: a picture, never an exception."""
    assert style.png(comparison(frame).figure)  # type: ignore[arg-type]


@pytest.mark.parametrize(("low", "high"), [(0.5, 2.0), (0.97, 1.02), (1e-4, 1e4), (0.9, 8.0), (1.0, 1.003)])
def test_the_axis_has_ticks(low: float, high: float) -> None:
    """At least one that can be read and at most seven, whatever the span."""
    ax = comparison(rows(ratio=[low, high], ratio_low=low, ratio_high=high))
    ticks = [tick for tick in ax.get_xticks() if ax.get_xlim()[0] <= tick <= ax.get_xlim()[1]]

    assert 1 <= len(ticks) <= 7


# Cost against gain


def test_cost_is_summed_over_stages_and_memory_is_not(results: Make) -> None:
    """Of three stages the times add up; of memory the highest counts."""
    frame = results(["prepare", "train", "train"], accuracy=[np.nan, 0.8, 0.9], wall_time_s=[1.0, 2.0, 4.0])

    [time] = points(frame, "wall_time_s", "accuracy")
    [memory] = points(frame, "peak_rss_mib", "accuracy")

    assert time.cost == (4.0, 3.0, 5.0)
    assert time.gain == pytest.approx((0.85, 0.8, 0.9))
    assert memory.cost == (250.0, 200.0, 300.0)


def test_a_point_per_run(results: Make) -> None:
    """Named, with labels in words and where it is better."""
    frame = pd.concat([results(["train"], run=name, accuracy=0.9) for name in ("a", "$b$")])
    ax = gain(frame)

    assert [text.get_text() for text in ax.texts] == ["a", "$b$"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("wall time (s)", "accuracy")
    assert ax.get_title(loc="left") == "better is to the upper left"
    lower = gain(frame.rename(columns={"accuracy": "loss"}))
    assert lower.get_title(loc="left") == "better is to the lower left"


@pytest.mark.parametrize("columns", [{}, {"accuracy": np.nan}, {"accuracy": 0.5, "state": "failed"}])
def test_without_a_gain_it_says_so(results: Make, columns: dict[str, Any]) -> None:
    """No point, no exception."""
    ax = gain(results(["train"], **columns))

    assert ax.texts[0].get_text().startswith("no cost against gain")
    assert style.png(gain(results([])).figure)  # type: ignore[arg-type]
