"""Whole trials on a machine with scripted counters: what stands in results, on the card and in `metrics`."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import e2e_magic as e2e
from e2e_magic.measuring.collectors import powercap
from e2e_magic.measuring.collectors.base import Unavailable
from e2e_magic.measuring.plan import PlanError, run_settings
from e2e_magic.session import Session
from e2e_magic.views import card
from tests.measuring.collectors.fake_machine import Machine, powered
from tests.measuring.collectors.fake_nvml import compiler
from tests.measuring.collectors.fake_powercap import layout


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Give a machine with one socket, memory counter and GPU."""
    with powered(tmp_path, gpu=True) as made:
        yield made


@pytest.fixture
def dark(tmp_path: Path) -> Iterator[None]:
    """Give a machine without a counter of a package and without a GPU."""
    with powered(tmp_path, "core only"):
        yield


@pytest.mark.skipif(compiler() is None, reason="the GPU's power over time needs a C compiler here")
def test_all_that_follows_from_energy_is_in_results(machine: Machine, session: Session) -> None:
    """Package, DRAM and GPU once each: per entry, per epoch, to accuracy, mean and peak, CO2."""
    session.start_run("greedy", carbon=360)
    with e2e.measure("train", interval=0.005, target_accuracy=0.9) as trial:
        for epoch, accuracy in enumerate([0.5, 0.95, 0.99], start=1):
            machine.draw(package_j=30.0, dram_j=10.0, gpu_j=20.0)
            time.sleep(0.03)
            e2e.log(epoch=epoch, accuracy=accuracy)
        trial.report(num_entries=60)

    row = e2e.results().iloc[0]
    assert row["energy_source"] == "rapl+nvml"
    energies = row[["package_energy_j", "dram_energy_j", "gpu_energy_j"]].tolist()
    assert energies == pytest.approx([90, 30, 60])
    assert row["mean_power_w"] == pytest.approx(180 / row["wall_time_s"])
    assert row["energy_per_entry_j"] == pytest.approx(3)
    assert row["energy_per_epoch_j"] == pytest.approx(60)
    assert row["co2_g"] == pytest.approx(180 / 3.6e6 * 360)
    assert math.isnan(row["net_energy_j"])
    assert math.isnan(row["estimated_energy_j"])
    # Two of three epochs of the counters, and 70 W of the fake GPU for as long: samples are 5 ms apart.
    gpu_j = 70 * row["time_to_accuracy_s"]
    assert row["energy_to_accuracy_j"] - gpu_j == pytest.approx(80, abs=41)
    curves = e2e.samples()
    watts = {name: part["value"].max() for name, part in curves.groupby("metric", observed=True)}
    assert max(watts["package_power_w"], watts["gpu_power_w"]) < row["peak_power_w"]
    assert row["peak_power_w"] <= 1.001 * sum(watts[f"{part}_power_w"] for part in ("package", "dram", "gpu"))
    units = e2e.results().attrs["units"]
    assert units["co2_g"] == "g"
    assert units["peak_power_w"] == "W"
    assert "CO2" in repr(trial)


@pytest.mark.usefixtures("dark")
def test_what_is_not_measured_is_missing_and_never_zero(session: Session) -> None:
    """Without counters all columns of energy are there and empty, and `metrics` has a reason for each."""
    session.start_run("plain", carbon=380)
    with e2e.measure("train"):
        pass

    row = e2e.results().iloc[0]
    named = [name for name in row.index if name.endswith(("_energy_j", "_power_w", "co2_g", "energy_source"))]
    assert {"package_energy_j", "dram_energy_j", "gpu_energy_j", "mean_power_w", "net_energy_j"} <= set(named)
    assert row[named].isna().all()
    metrics = e2e.metrics()
    energy = metrics[metrics["unit"].isin(["J", "W", "g"])]
    assert not energy["available"].any()
    assert (energy["why"].str.len() > 10).all()
    assert str(session.records[0].missing["energy"]) in repr_of(session)


def repr_of(session: Session) -> str:
    """Return the card of the last trial as text, its folded lines whole."""
    return card.text(session.records[-1:]).replace("\n    ", " ")


@pytest.mark.usefixtures("dark")
def test_the_card_says_why_and_what_to_do_in_one_line(session: Session) -> None:
    """The reason and the next step; once the estimate is asked for, the card no longer proposes it."""
    with e2e.measure("train"):
        pass
    [line] = [line for line in repr_of(session).splitlines() if line.startswith("  energy: ")]
    assert line.endswith(
        "has no counter for a whole package, only for core; "
        "measure on the bare machine, or ask for an estimate: --estimate-power IDLE_W,FULL_W"
    )

    with e2e.measure("train", estimate_power="12,65"):
        pass
    [line] = [line for line in repr_of(session).splitlines() if line.startswith("  energy: ")]
    assert line.endswith("has no counter for a whole package, only for core")


def test_a_mend_of_several_commands_stands_where_there_is_room(tmp_path: Path) -> None:
    """The rule for closed counters is long: the card says where it is shown, whole."""
    zones = powercap.counted(powercap.zones(str(layout("two sockets", tmp_path).root)), "package")
    reason = powercap.permission(zones).reason

    assert str(reason.brief) == f"{reason.text}; %e2e metrics shows what to do"
    assert str(Unavailable("no counters", "buy some").reason.brief) == "no counters; buy some"


def test_a_counter_that_was_opened_is_measured_at_once(
    machine: Machine, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has pasted the mend runs the cell again, and needs no restart."""
    opened = powercap.Zone.read

    def closed(zone: powercap.Zone) -> int:
        raise PermissionError(13, "Permission denied", zone.file)

    monkeypatch.setattr(powercap.Zone, "read", closed)
    with e2e.measure("train"):
        machine.draw(package_j=5.0)
    assert "only root may read" in str(session.records[-1].missing["energy"])

    monkeypatch.setattr(powercap.Zone, "read", opened)
    with e2e.measure("train"):
        machine.draw(package_j=5.0)
    assert session.records[-1].readings["package_energy_j"] == pytest.approx(5)


def test_a_platform_counter_is_on_the_card_and_the_package_is_no_promise(
    tmp_path: Path, session: Session
) -> None:
    """Where psys is all there is, the card has its joules, and `metrics` says what the machine has not."""
    with powered(tmp_path, "psys only") as machine:
        with e2e.measure("train") as trial:
            machine.draw(package_j=5.0)  # of the only zone
            time.sleep(0.01)
        metrics = e2e.metrics().set_index("metric")

    lines = repr(trial).splitlines()
    assert "  platform energy  5 J  (RAPL, whole machine)" in lines
    assert "  package_energy_j: this machine has no counter for a whole processor package" in lines
    assert not [line for line in lines if "dram" in line]
    assert not metrics.loc["package_energy_j", "available"]
    assert not metrics.loc["dram_power_w", "available"]
    assert metrics.loc["psys_energy_j", "available"]
    assert metrics.loc["mean_power_w", "available"]
    assert session.records[-1].readings["energy_source"] == "rapl"


def test_the_line_of_metrics_says_each_reason_once_and_whole(
    shell: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table is cut in its middle: what can't be measured, and the mend, stand above it."""
    with powered(tmp_path, "core only"):
        done = shell.run_cell("%e2e metrics")

    said = capsys.readouterr().out
    assert said.splitlines()[:2] == [
        f"energy: RAPL in {tmp_path / 'powercap'} has no counter for a whole package, only for core",
        "    measure on the bare machine, or ask for an estimate: --estimate-power IDLE_W,FULL_W",
    ]
    assert said.startswith(done.result.attrs["summary"])


@pytest.mark.usefixtures("dark")
def test_a_gpu_that_was_asked_for_is_missed_aloud(session: Session) -> None:
    """Where there is none, the card keeps silent about it, unless the line asks for it."""
    said = []
    for metrics in (None, "gpu"):
        with e2e.measure("train", metrics=metrics):
            pass
        said.append([line for line in repr_of(session).splitlines() if line.startswith("  gpu")])

    assert said == [[], ["  gpu: no NVIDIA driver on this machine, though it was asked for"]]


@pytest.mark.parametrize("metrics", [None, "energy", "energy,cpu"])
@pytest.mark.usefixtures("dark", "session")
def test_an_estimate_has_the_cpu_time_that_it_needs(metrics: str | None) -> None:
    """`-m energy --estimate-power` measures CPU time too: without it there would be no estimate."""
    with e2e.measure("train", metrics=metrics, estimate_power=(12, 65), interval=0.005):
        until = time.perf_counter() + 0.05
        while time.perf_counter() < until:
            pass

    row = e2e.results().iloc[0]
    wall = row["wall_time_s"]
    assert 12 * wall <= row["estimated_energy_j"] <= 65 * wall
    assert row["energy_source"] == "estimate"
    assert math.isnan(row["package_energy_j"])
    assert math.isnan(row["mean_power_w"])
    curves = e2e.samples()
    power = curves[curves["metric"] == "estimated_power_w"]["value"]
    assert power.between(12, 65).all()
    assert len(power)
    assert curves.attrs["units"]["estimated_power_w"] == "W"


@pytest.mark.usefixtures("session")
def test_an_estimate_stands_beside_what_was_measured(machine: Machine) -> None:
    """Asked for on a machine with counters, it has its own column and its own word in the source."""
    with e2e.measure("train", estimate_power=(12, 65)):
        machine.draw(package_j=5.0)

    row = e2e.results().iloc[0]
    assert row["energy_source"] == "rapl+estimate"
    assert row["package_energy_j"] == pytest.approx(5)
    assert row["mean_power_w"] == pytest.approx(5 / row["wall_time_s"])
    assert row["estimated_energy_j"] == pytest.approx(12 * row["wall_time_s"], rel=4.5)


@pytest.mark.usefixtures("dark")
def test_a_run_sets_the_estimate_for_its_trials(session: Session) -> None:
    """A run's power range is for the trials that name none; the next run starts without it."""
    e2e.run("guessed", estimate_power="10,50")
    for given in (None, (1, 2)):
        with e2e.measure("train", estimate_power=given):
            pass
    e2e.run("plain")
    with e2e.measure("train"):
        pass

    asked = [record.reported.get("estimate_power") for record in session.records]
    assert [one and (one["idle_w"], one["full_w"]) for one in asked] == [(10, 50), (1, 2), None]
    assert e2e.results()["energy_source"].isna().tolist() == [False, False, True]


@pytest.mark.usefixtures("dark")
def test_co2_of_an_estimate_is_missing_with_the_reason(session: Session) -> None:
    """An intensity and an estimate make no CO2: the card says so."""
    e2e.run("guessed", estimate_power=(10, 50), carbon=380)
    with e2e.measure("train"):
        pass

    row = e2e.results().iloc[0]
    assert row["estimated_energy_j"] > 0
    assert math.isnan(row["co2_g"])
    assert (
        "  co2_g: it is of measured energy only, and there is none: an estimate would pass for it"
        in repr_of(session).splitlines()
    )


@pytest.mark.parametrize("wrong", [-1, math.nan, math.inf, "a lot", True])
def test_an_impossible_intensity_is_refused_in_words(wrong: Any, session: Session) -> None:
    """Nothing is started, and the error says what is allowed."""
    with pytest.raises(PlanError) as caught:
        e2e.run("next", carbon=wrong)

    assert str(caught.value) == (
        f"carbon: expected grams of CO2 per kWh of your electricity, 0 or more, such as 380, got {wrong!r}"
    )
    assert session.runs == []


def test_a_wrong_power_range_of_a_run_is_refused_in_words() -> None:
    """The same words as for a cell."""
    with pytest.raises(PlanError, match=r"^estimate_power: expected two numbers of watts IDLE_W,FULL_W with"):
        run_settings(estimate_power="65,12")
    assert run_settings(estimate_power="12,65", carbon=0) == {
        "estimate_power": [12.0, 65.0],
        "carbon_g_per_kwh": 0.0,
    }


def test_the_magic_takes_both_settings(shell: Any, session: Session, machine: Machine) -> None:
    """`%e2e run NAME --carbon 360 --estimate-power 12,65`."""
    shell.user_ns["machine"] = machine
    shell.run_cell("%e2e run heavy --carbon 360 --estimate-power 12,65").raise_error()
    shell.run_cell("%%e2ebench train -q\nmachine.draw(package_j=10.0)").raise_error()

    assert session.run.settings == {"carbon_g_per_kwh": 360.0, "estimate_power": [12.0, 65.0]}
    row = e2e.results().iloc[0]
    assert row["co2_g"] == pytest.approx(10 / 3.6e6 * 360)
    assert row["estimated_energy_j"] > 0

    result = shell.run_cell("%e2e run light --carbon much")
    assert str(result.error_in_exec) == (
        "%e2e run: argument --carbon: expected a number, got 'much'. See %e2e run --help for all options"
    )
    assert session.run.name == "heavy"


@pytest.mark.usefixtures("session")
def test_energy_against_accuracy_is_a_chart_of_the_result(machine: Machine) -> None:
    """`result.plot("energy")`: a point at the trial's accuracy and all the energy that was measured."""
    with e2e.measure("train") as trial:
        machine.draw(5.0, 1.0, 2.0)
        trial.report(accuracy=0.9)

    [points] = trial.plot("energy").collections
    assert points.get_offsets().tolist() == [pytest.approx([0.9, 8.0])]


@pytest.mark.usefixtures("session")
def test_runs_are_compared_in_all_the_energy_that_was_measured(tmp_path: Path) -> None:
    """Without being asked: the platform's where that is all, and the GPUs'."""
    with powered(tmp_path, "psys only", gpu=True) as machine:
        for run, gpu_j in (("small", 2.0), ("large", 4.0)):
            e2e.run(run)
            for _ in range(3):
                with e2e.measure("train"):
                    machine.draw(5.0, gpu_j=gpu_j)

    metrics = e2e.compare("small", "large").frame["metric"].tolist()
    assert {"psys_energy_j", "gpu_energy_j"} <= set(metrics)
    assert "package_energy_j" not in metrics


@pytest.mark.usefixtures("session")
def test_the_columns_of_the_contract_are_there_and_typed(machine: Machine) -> None:
    """The groups energy and gpu of the contract's section 5, in order: floats, and text for the source."""
    with e2e.measure("train"):
        machine.draw(5.0, 1.0, 2.0)

    frame = e2e.results()
    at = list(frame.columns).index("package_energy_j")
    assert list(frame.columns)[at : at + 10] == [
        "package_energy_j",
        "dram_energy_j",
        "gpu_energy_j",
        "mean_power_w",
        "net_energy_j",
        "estimated_energy_j",
        "energy_source",
        "gpu_time_s",
        "gpu_percent",
        "gpu_peak_memory_mib",
    ]
    for name in list(frame.columns)[at : at + 10]:
        if name == "energy_source":
            assert isinstance(frame[name].dtype, pd.StringDtype)
        else:
            assert frame[name].dtype == "float64"
    assert frame["gpu_peak_memory_mib"].item() == 500.0 or frame["gpu_peak_memory_mib"].item() == 200.0
