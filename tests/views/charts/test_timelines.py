"""Samples over time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from e2e_magic.views.charts.timelines import EMPTY, MISSING, timeline

Make = Callable[..., pd.DataFrame]


def test_panels_and_units(samples: Make) -> None:
    """Related metrics share a panel; each panel bears its unit, the lowest ones the time's."""
    axes = timeline(
        samples(
            package_power_w=[40.0, 41.0],
            cpu_percent_now=[90.0, 110.0],
            rss_mib=[100.0, 120.0],
            tree_rss_mib=[150.0, 170.0],
            read_mib_now=[0.0, 3.0],
        )
    )

    assert [ax.get_ylabel() for ax in axes] == ["CPU (%)", "memory (MiB)", "power (W)", "IO (MiB)"]
    assert [ax.get_xlabel() for ax in axes] == ["", "", "time (s)", "time (s)"]
    assert [len(ax.lines) for ax in axes] == [1, 2, 1, 1]
    assert len({ax.get_xlim() for ax in axes}) == 1


def test_lines_hold_the_samples(samples: Make) -> None:
    """A line's points are the samples, in order of time whatever the frame's order."""
    frame = samples(cpu_percent_now=[90.0, 110.0, 70.0]).iloc[::-1]
    [ax] = timeline(frame)

    assert ax.lines[0].get_xdata() == pytest.approx([0.1, 0.2, 0.3])
    assert ax.lines[0].get_ydata().tolist() == [90, 110, 70]


def test_legend_names_what_shares_a_panel(samples: Make) -> None:
    """A panel with several metrics names them; one with a single metric has no legend."""
    cpu, memory = timeline(samples(cpu_percent_now=[1.0], rss_mib=[100.0], tree_rss_mib=[150.0]))

    assert cpu.get_legend() is None
    assert [text.get_text() for text in memory.get_legend().get_texts()] == ["RSS", "with children"]


def test_single_gpus_share_the_panel_of_all(samples: Make) -> None:
    """Each GPU is a series of its own beside the sum, in the panel of that quantity."""
    curves = {
        f"gpu{n}_{what}": [40.0, 41.0] for n in ("", "_0", "_1") for what in ("power_w", "temperature_c")
    }
    power, heat = timeline(samples(package_power_w=[1.0, 2.0], **curves))

    assert [text.get_text() for text in power.get_legend().get_texts()] == [
        "package", "all GPUs", "GPU 0", "GPU 1"
    ]  # fmt: skip
    assert [text.get_text() for text in heat.get_legend().get_texts()] == ["hottest", "GPU 0", "GPU 1"]


@pytest.mark.parametrize("told", [True, False])
def test_of_each_gpus_memory_one_curve_is_drawn(told: bool, samples: Make) -> None:
    """That of this process where the driver tells it, else that of all programs: both would be a thicket."""
    kinds = ["memory", *(["process_memory"] if told else [])]
    [memory] = timeline(samples(**{f"gpu{n}_{k}_mib": [40.0, 41.0] for n in ("", "_0", "_1") for k in kinds}))

    words = [text.get_text() for text in memory.get_legend().get_texts()]
    assert words == ["all programs", *(["this process"] if told else []), "GPU 0", "GPU 1"]


def test_panels_above_each_other_share_their_instants(samples: Make) -> None:
    """However wide a panel's numbers are, an instant stands at one place in a column."""
    shown = timeline(
        samples(cpu_percent_now=[1.0, 2.0], rss_mib=[100_000.0, 200_000.0], package_power_w=[1.0, 1.0]),
        width_px=330,
    )

    assert len({(ax.get_position().x0, ax.get_position().x1) for ax in shown}) == 1


def test_estimate_is_dashed(samples: Make) -> None:
    """An estimated series is dashed, a measured one is solid."""
    [ax] = timeline(samples(package_power_w=[40.0, 41.0], estimated_power_w=[30.0, 31.0]))
    styles = {tuple(line.get_ydata()): line.get_linestyle() for line in ax.lines}

    assert styles == {(40.0, 41.0): "-", (30.0, 31.0): "--"}


def test_an_estimate_alone_names_itself(samples: Make) -> None:
    """Without anything measured beside it, no legend says what is dashed: the panel does."""
    [ax] = timeline(samples(estimated_power_w=[30.0, 31.0]))

    assert ax.get_ylabel() == "estimated power (W)"
    assert ax.lines[0].get_linestyle() == "--"


def test_third_party_metric_has_its_own_panel(samples: Make) -> None:
    """A metric that the package doesn't know gets a panel with the unit that the frame declares."""
    frame = samples(cpu_percent_now=[1.0], queue_depth=[3.0])
    frame.attrs["units"] = {"queue_depth": "requests"}

    assert [ax.get_ylabel() for ax in timeline(frame)] == ["CPU (%)", "queue depth (requests)"]


def test_missing_metric_is_left_out(samples: Make) -> None:
    """A metric whose readings are all missing has no panel; if all are, the words say so."""
    nan = float("nan")

    assert [ax.get_ylabel() for ax in timeline(samples(cpu_percent_now=[1.0], gpu_power_w=[nan]))] == [
        "CPU (%)"
    ]
    assert MISSING.replace(": ", ":\n") == timeline(samples(gpu_power_w=[nan]))[0].texts[0].get_text()
    assert EMPTY.replace(": ", ":\n") == timeline(samples(rss_mib=[1.0]).iloc[:0])[0].texts[0].get_text()


def test_gap_stays(samples: Make) -> None:
    """A missing reading breaks the line."""
    [ax] = timeline(samples(cpu_percent_now=[1.0, float("nan"), 2.0]))

    assert np.isnan(ax.lines[0].get_ydata()).tolist() == [False, True, False]


def test_trials_are_laid_over_each_other(samples: Make) -> None:
    """Several trials of a stage are lines of one colour; several stages are named."""
    three = [samples(trial=n, cpu_percent_now=[n, n]) for n in (1, 2, 3)]
    [ax] = timeline(pd.concat(three))
    [both] = timeline(pd.concat([three[0], samples(stage="_$in$fer", cpu_percent_now=[5.0, 6.0])]))

    assert (len(ax.lines), len({line.get_color() for line in ax.lines})) == (3, 1)
    assert ax.get_legend() is None
    assert [text.get_text() for text in both.get_legend().get_texts()] == ["train", "_$in$fer"]
    assert not any(text.get_parse_math() for text in both.get_legend().get_texts())


def test_hours_are_thinned(samples: Make) -> None:
    """Of 100,000 samples no more are drawn than the panel's pixels show, the peak among them."""
    values = np.ones(100_000)
    values[777] = 99
    [ax] = timeline(samples(cpu_percent_now=values))

    assert len(ax.lines[0].get_xdata()) <= 4 * 320
    assert ax.lines[0].get_ydata().max() == 99


def test_steady_memory_is_not_blown_up(samples: Make) -> None:
    """A change of memory by a thousandth is seen as small: a tenth of the value is in view."""
    [ax] = timeline(samples(rss_mib=[1000.0, 1001.0]))
    low, high = ax.get_ylim()

    assert high - low >= 100


def test_names_never_cover_the_label(samples: Make) -> None:
    """Names that find no room beside the panel's label stand inside, above the curves."""
    power = {f"{name}_power_w": [40.0, 41.0] for name in ("package", "dram", "gpu", "estimated")}
    axes = timeline(samples(cpu_percent_now=[1.0, 2.0], **power))
    axes[1].figure.canvas.draw()
    names = axes[1].get_legend().get_window_extent()

    assert not names.overlaps(axes[1].yaxis.label.get_window_extent())
    assert names.y0 >= axes[1].transData.transform((0, 41))[1]


def test_a_process_without_children_has_one_curve_of_memory(samples: Make) -> None:
    """The two would lie upon each other, and a legend would explain what nobody can see."""
    [memory] = timeline(samples(rss_mib=[100.0, 120.0, 90.0], tree_rss_mib=[100.0, 120.1, 90.0]))

    assert len(memory.lines) == 1
    assert memory.get_legend() is None


def test_panels_below_each_other_begin_at_one_place(samples: Make) -> None:
    """Whatever their numbers' width: one time axis serves both."""
    cpu, memory = timeline(samples(cpu_percent_now=[1.0, 2.0], rss_mib=[10_000.0, 12_000.0]), width_px=330)

    assert cpu.get_position().x0 == memory.get_position().x0
    assert cpu.get_position().x1 == memory.get_position().x1


def test_labels_are_whole_and_beside_the_names(samples: Make) -> None:
    """The label above a panel is inside the picture, and its legend doesn't cover it."""
    axes = timeline(samples(rss_mib=[100_000.0, 200_000.0], tree_rss_mib=[150_000.0, 230_000.0]))
    axes[0].figure.canvas.draw()
    label, page = axes[0].yaxis.label.get_window_extent(), axes[0].figure.bbox

    assert label.y1 <= page.y1
    assert not axes[0].get_legend().get_window_extent().overlaps(label)
