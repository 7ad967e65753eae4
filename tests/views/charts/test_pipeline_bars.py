"""The stages of a run side by side."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from e2e_magic.views.charts import style
from e2e_magic.views.charts.pipeline_bars import pipeline, stages

Make = Callable[..., pd.DataFrame]


def test_bars_in_order_of_start(results: Make) -> None:
    """Bars are as long as the values, in the order in which the stages started, first on top."""
    frame = results(["prepare", "train", "infer"]).sample(frac=1, random_state=1)
    wall, cpu, peak = pipeline(frame)

    assert [text.get_text() for text in wall.get_yticklabels()] == ["prepare", "train", "infer"]
    assert [bar.get_width() for bar in wall.patches] == [1, 2, 3]
    assert [bar.get_width() for bar in cpu.patches] == [0.5, 1, 1.5]
    assert [bar.get_width() for bar in peak.patches] == [100, 200, 300]
    assert wall.yaxis_inverted()
    assert [a.get_xlabel() for a in (wall, cpu, peak)] == ["wall time (s)", "CPU time (s)", "peak RSS (MiB)"]


def test_shares_of_what_adds_up(results: Make) -> None:
    """Times bear their share of the total; a peak, which doesn't add up, bears none."""
    wall, _, peak = pipeline(results(["prepare", "train", "infer"]))

    assert [text.get_text() for text in wall.texts] == ["1 · 17 %", "2 · 33 %", "3 · 50 %"]
    assert [text.get_text() for text in peak.texts] == ["100", "200", "300"]


def test_bottleneck_is_named(results: Make) -> None:
    """The stage with most wall time is coloured, bold, and named in the title."""
    wall, cpu, _ = pipeline(results(["prepare", "$train$", "infer"], wall_time_s=[1.0, 6.0, 3.0]))

    assert wall.figure.get_suptitle() == "$train$ takes 60 % of the wall time"
    colours = [to_hex(bar.get_facecolor()).upper() for bar in wall.patches]
    assert colours == [style.BLUE, style.RED, style.BLUE]
    assert [text.get_fontweight() for text in wall.get_yticklabels()] == ["normal", "bold", "normal"]
    assert len({bar.get_facecolor() for bar in cpu.patches}) == 1


def test_repeats_are_not_added(results: Make) -> None:
    """A stage that ran several times shows the median of its complete trials."""
    frame = results(["train", "train", "train", "train"], wall_time_s=[1.0, 2.0, 4.0, 99.0])
    frame.loc[3, "state"] = "failed"

    assert stages(frame).values["wall_time_s"] == [2.0]


def test_stage_that_ended_early_says_so(results: Make) -> None:
    """A stage without a complete trial shows what it took, with the state that it ended in."""
    table = stages(results(["prepare", "train", "infer"], state=["complete", "failed", "interrupted"]))

    assert table.names == ["prepare", "train (failed)", "infer (interrupted)"]
    assert table.values["wall_time_s"] == [1, 2, 3]


def test_energy_where_there_is_any(results: Make) -> None:
    """Energy has a panel only where it was measured."""
    axes = pipeline(results(["a", "b"], package_energy_j=[10.0, 30.0], gpu_energy_j=np.nan))

    assert axes[-1].get_xlabel() == "package energy (J)"
    assert len(axes) == 4


def test_all_measured_energy_is_one_panel_with_shares(results: Make) -> None:
    """Package, DRAM and GPU of a stage are added: the bars are of energy, with the share of the whole."""
    axes = pipeline(
        results(
            ["a", "b"], package_energy_j=[10.0, 30.0], dram_energy_j=[2.0, np.nan], gpu_energy_j=[8.0, 50.0]
        )
    )

    assert [ax.get_xlabel() for ax in axes[3:]] == ["energy (J)"]
    assert [bar.get_width() for bar in axes[-1].patches] == [20, 80]
    assert [text.get_text() for text in axes[-1].texts] == ["20 · 20 %", "80 · 80 %"]


def test_estimated_energy_has_hollow_dashed_bars_of_its_own(results: Make) -> None:
    """It is never added to what was measured, and does not look like it."""
    axes = pipeline(results(["a", "b"], package_energy_j=[10.0, 30.0], estimated_energy_j=[15.0, 25.0]))
    measured, estimated = axes[3:]

    assert (measured.get_xlabel(), estimated.get_xlabel()) == ("package energy (J)", "estimated energy (J)")
    assert all(bar.get_facecolor()[3] == 0 and bar.get_linestyle() != "-" for bar in estimated.patches)
    assert all(bar.get_facecolor()[3] == 1 for bar in measured.patches)
    assert [bar.get_width() for bar in estimated.patches] == [15, 25]


@pytest.mark.parametrize("joules", [179.0, 390.0, 4100.0, 0.0052])
def test_the_numbers_of_neighbouring_axes_stay_apart(joules: float, results: Make) -> None:
    """The last tick of a panel ends before the next panel's 0 begins, and no panel has its 0 alone."""
    axes = pipeline(
        results(["a", "b"], package_energy_j=[joules, 1e-3], gpu_energy_j=1e-4, estimated_energy_j=joules)
    )
    axes[0].figure.draw_without_rendering()

    for left, right in pairwise(axes):
        ends = [text.get_window_extent() for text in left.get_xticklabels() if text.get_text()]
        begins = [text.get_window_extent() for text in right.get_xticklabels() if text.get_text()]
        assert len(ends) > 1
        assert ends[-1].x1 < begins[0].x0


def test_sixty_cells(results: Make) -> None:
    """Of 60 cells the 15 that take most time are shown, the rest is summed and can't be the bottleneck."""
    frame = results([f"cell-{n}" for n in range(1, 61)], wall_time_s=np.arange(1.0, 61))
    table = stages(frame)
    wall = pipeline(frame)[0]

    assert [*(f"cell-{n}" for n in range(46, 61)), "45 others"] == table.names
    assert sum(range(1, 46)) == table.values["wall_time_s"][-1]
    assert table.values["peak_rss_mib"][-1] == 4500
    assert sum(table.shares["wall_time_s"]) == pytest.approx(1)
    assert table.names[table.bottleneck or 0] == "cell-60"
    assert len(wall.patches) == 16


def test_long_name_is_cut(results: Make) -> None:
    """A very long stage name is cut to what has room."""
    wall = pipeline(results(["x" * 300]))[0]

    assert wall.get_yticklabels()[0].get_text() == "x" * 23 + "…"


def test_last_run_is_taken(results: Make) -> None:
    """Of several runs the one that started last is shown and named."""
    later = results(["train"], run="second", wall_time_s=[7.0])
    later["started_at"] += pd.Timedelta(days=1)
    wall = pipeline(pd.concat([later, results(["prepare"])]))[0]

    assert [bar.get_width() for bar in wall.patches] == [7.0]
    assert wall.figure.get_suptitle() == "train takes 100 % of the wall time of run second"


def test_missing_value_is_said(results: Make) -> None:
    """A stage without a number in one metric says so instead of showing a bar."""
    cpu = pipeline(results(["a", "b"], cpu_time_s=[np.nan, 2.0]))[1]

    assert [text.get_text() for text in cpu.texts] == ["missing", "2 · 100 %"]


@pytest.mark.parametrize("width", [700, 1200])
def test_numbers_have_room(results: Make, width: int) -> None:
    """The number behind the longest bar ends within its panel, at any usual width."""
    axes = pipeline(results(["prepare", "train"], wall_time_s=[1.0, 12345.0]), width_px=width)
    renderer = axes[0].figure.canvas.get_renderer()

    for ax in axes:
        assert max(text.get_window_extent(renderer).x1 for text in ax.texts) <= ax.bbox.x1


def test_many_panels_keep_apart(results: Make) -> None:
    """Five of them with long numbers: the chart is wider, and no label or number reaches its neighbour."""
    columns = {"package_energy_j": [1.0, 1e5], "estimated_energy_j": [1.0, 1e5], "wall_time_s": [1.0, 1e4]}
    axes = pipeline(results(["prepare", "train"], **columns))
    axes[0].figure.canvas.draw()
    for left, right in pairwise(axes):
        ends = [text.get_window_extent().x1 for text in (left.xaxis.label, *left.texts)]

        assert max(ends) < right.xaxis.label.get_window_extent().x0
        assert max(ends) < right.get_window_extent().x1
