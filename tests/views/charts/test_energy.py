"""Energy against accuracy: what is measured, what is estimated, what is missing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from e2e_magic.views.charts import energy_against_accuracy, style
from e2e_magic.views.charts.energy import NO_ACCURACY, NO_ENERGY, costs, measured_energy

Make = Callable[..., pd.DataFrame]


def names(ax: object) -> list[str]:
    """Return the words of the legend."""
    legend = ax.get_legend()  # type: ignore[attr-defined]
    return [text.get_text() for text in legend.get_texts()] if legend else []


def test_parts_are_added_and_nothing_is_no_zero(results: Make) -> None:
    """Package, DRAM, GPU and platform count once each; a row without any has no energy."""
    frame = results(
        ["a", "b", "c"], package_energy_j=[10.0, np.nan, np.nan], gpu_energy_j=[5.0, 7.0, np.nan],
        dram_energy_j=[1.0, np.nan, np.nan], estimated_energy_j=[99.0, 99.0, 99.0],
    )  # fmt: skip

    np.testing.assert_array_equal(measured_energy(frame), [16, 7, np.nan])
    assert np.isnan(measured_energy(results(["a"]))).all()


def test_a_point_per_complete_trial(results: Make) -> None:
    """Accuracy to the right, energy upwards, with units; trials that failed are not shown."""
    frame = results(["train"] * 3, accuracy=[0.8, 0.9, 0.5], package_energy_j=[100.0, 300.0, 50.0])
    frame.loc[2, "state"] = "failed"
    ax = energy_against_accuracy(frame)

    [points] = ax.collections
    assert points.get_offsets().tolist() == [[0.8, 100], [0.9, 300]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("accuracy", "energy (J)")
    assert names(ax) == []
    low, high = ax.get_xlim()
    assert 0.7 < low < 0.8 < 0.9 < high < 1


def test_estimates_are_hollow_dashed_and_named(results: Make) -> None:
    """An estimate never looks measured; a trial that has both is shown as measured."""
    frame = results(
        ["train"] * 3, accuracy=[0.8, 0.9, 0.7], package_energy_j=[100.0, np.nan, 80.0],
        estimated_energy_j=[999.0, 200.0, np.nan],
    )  # fmt: skip
    ax = energy_against_accuracy(frame)
    full, hollow = ax.collections

    assert full.get_offsets().tolist() == [[0.8, 100], [0.7, 80]]
    assert hollow.get_offsets().tolist() == [[0.9, 200]]
    assert len(full.get_facecolor()) == 1
    assert len(hollow.get_facecolor()) == 0
    assert full.get_linestyle()[0][1] is None
    assert hollow.get_linestyle()[0][1] is not None
    assert names(ax) == ["measured", "estimate"]


def test_only_estimates_say_so_on_the_axis(results: Make) -> None:
    """Where all is estimated, the axis and the legend both say it."""
    ax = energy_against_accuracy(results(["a"], accuracy=[0.8], estimated_energy_j=[10.0]))

    assert ax.get_ylabel() == "estimated energy (J)"
    assert names(ax) == ["estimate"]


def test_runs_and_stages_are_told_apart(results: Make) -> None:
    """Each run has a colour and a name."""
    frame = pd.concat(
        [
            results(["train"], run=run, accuracy=[0.8], package_energy_j=[joules])
            for run, joules in [("sklearn", 100.0), ("$torch$", 200.0)]
        ]
    )
    ax = energy_against_accuracy(frame)

    assert names(ax) == ["sklearn", "$torch$"]
    colours = [to_hex(points.get_edgecolor()[0]).upper() for points in ax.collections]
    assert colours == [style.BLUE, style.RED]
    assert [group.owner for group in costs(frame)] == ["sklearn", "$torch$"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, NO_ACCURACY),
        ({"accuracy": [np.nan], "package_energy_j": [1.0]}, NO_ACCURACY),
        ({"accuracy": [0.9]}, NO_ENERGY),
        ({"accuracy": [0.9], "package_energy_j": [np.nan]}, NO_ENERGY),
    ],
)
def test_nothing_to_show_is_said(columns: dict[str, list[float]], message: str, results: Make) -> None:
    """What is missing is named, with where to look."""
    ax = energy_against_accuracy(results(["train"], **columns))

    assert [text.get_text() for text in ax.texts] == [message.replace(": ", ":\n", 1)]


def test_energies_far_apart_are_on_a_logarithmic_axis(results: Make) -> None:
    """A model of 1 J and one of 1 MJ are both seen."""
    frame = results(["a", "a"], accuracy=[0.8, 0.9], gpu_energy_j=[1.0, 1e6])

    assert energy_against_accuracy(frame).get_yscale() == "log"
