"""The power of the idle machine, and what follows from it: on scripted counters, no sleeping."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import e2e_magic as e2e
from e2e_magic.measuring import idle
from e2e_magic.measuring.collectors.base import Unavailable, registered
from e2e_magic.measuring.idle import IdlePower, measure_idle
from e2e_magic.measuring.plan import PlanError
from e2e_magic.session import Session
from tests.measuring.collectors.fake_machine import Machine, powered

Busy = Callable[[], Callable[[], float | None]]


def busy(percent: float | None) -> Busy:
    """Stand in for the machine's load."""
    return lambda: lambda: percent


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Give a machine with one socket, memory counter and GPU."""
    with powered(tmp_path, gpu=True) as made:
        yield made


def test_idle_power_is_energy_over_the_time_that_passed(machine: Machine) -> None:
    """Each part that has a counter gives its mean power, and the source names the counters."""
    asked = []

    def wait(seconds: float) -> None:
        asked.append(seconds)
        machine.draw(package_j=6.0, dram_j=1.5, gpu_j=3.0)

    found = measure_idle(10, registered(), wait=wait, busy=busy(1.0))

    assert asked == [10]
    assert {part: watts * found.seconds for part, watts in found.watts.items()} == pytest.approx(
        {"package": 6.0, "dram": 1.5, "gpu": 3.0}
    )
    assert found.source == "rapl+nvml"
    assert found.warning == ""
    assert found.plain() == {
        "package_w": found.watts["package"],
        "dram_w": found.watts["dram"],
        "gpu_w": found.watts["gpu"],
        "seconds": found.seconds,
        "source": "rapl+nvml",
        "busy_percent": 1.0,
    }


def test_it_says_itself_in_a_sentence() -> None:
    """Watts by part with the time and the source; without any, the reasons."""
    found = IdlePower({"package": 8.25, "psys": 1500.0, "gpu": 55.0}, 10.0, "rapl+nvml")
    nothing = IdlePower(missing={"energy": "no RAPL counters", "gpu": "no NVIDIA driver"})

    assert str(found) == "idle power over 10 s: package 8.25 W, platform 1.5 kW, GPU 55 W (rapl+nvml)"
    assert repr(nothing) == (
        "the idle power can't be measured here: energy: no RAPL counters; gpu: no NVIDIA driver"
    )


@pytest.mark.parametrize("wrong", [0, -3, 0.4, math.nan, math.inf, True, "10", None])
def test_nonsense_is_refused_before_anything_is_measured(wrong: Any, machine: Machine) -> None:
    """No time, or one too short for the counters to step, is an error that says what is allowed."""
    del machine
    with pytest.raises(PlanError) as caught:
        measure_idle(wrong, registered(), wait=lambda _: pytest.fail("it waited"))

    assert str(caught.value) == (
        "baseline: expected seconds, at least 0.5 for the counters to step several times, "
        f"such as 10, got {wrong!r}"
    )


def test_without_counters_it_says_why_at_once() -> None:
    """Where nothing can be measured nobody waits, and each reason is there."""
    classes = {"energy": Unavailable("no RAPL counters", "buy some"), "gpu": Unavailable("no driver")}

    found = measure_idle(10, classes, wait=lambda _: pytest.fail("it waited"))

    assert found.watts == {}
    assert found.missing == {"energy": "no RAPL counters", "gpu": "no driver"}


def test_a_counter_that_stands_still_gives_no_watts(tmp_path: Path) -> None:
    """A counter that never moves (some virtual machines show one) is no 0 W."""
    with powered(tmp_path, "amd"):
        found = measure_idle(1, registered(), wait=lambda _: None, busy=busy(0.0))

    assert found.watts == {}
    assert found.missing["energy"] == (
        "the counter did not move: it steps about every millisecond, "
        "and what some virtual machines show never does"
    )
    assert "gpu" in found.missing


@pytest.mark.parametrize(
    ("processor", "gpu", "text"),
    [
        (10.0, 10.0, ""),
        (None, None, ""),
        (37.4, None, "the processor was 37 % busy"),
        (2.0, 80.0, "the GPU was 80 % busy"),
        (50.0, 80.0, "the processor was 50 % busy and the GPU was 80 % busy"),
    ],
)
def test_a_busy_machine_is_warned_of(processor: float | None, gpu: float | None, text: str) -> None:
    """A baseline under load makes net energy too low: it is said, with what to do."""
    found = IdlePower({"package": 30.0}, 10.0, "rapl", busy_percent=processor, gpu_percent=gpu)

    assert found.warning == (
        text
        and f"{text} while the idle power was measured: net energy will come out too low. "
        "Close what runs and measure again"
    )


def test_how_busy_the_machine_is_is_a_share_of_all_cores() -> None:
    """The processor's own count, of the whole machine, between two looks."""
    tell = idle._processor()
    share = None
    while share is None:  # the kernel's count steps every 10 ms
        share = tell()

    assert 0 <= share <= 100


def test_an_interrupt_goes_through_and_keeps_nothing(
    machine: Machine, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while it waits ends it: no row, no baseline, and the next one works."""

    def interrupted(_seconds: float) -> None:
        machine.draw(package_j=6.0)
        raise KeyboardInterrupt

    monkeypatch.setattr(idle, "_wait", interrupted)
    monkeypatch.setattr(idle, "_processor", busy(0.0))
    with pytest.raises(KeyboardInterrupt):
        e2e.baseline(5)

    assert session.records == []
    assert "baseline_power" not in session.run.settings
    monkeypatch.setattr(idle, "_wait", lambda _: machine.draw(package_j=6.0))
    assert e2e.baseline(5).watts


# From the session on: what trials carry, and what follows.


@pytest.fixture
def idling(machine: Machine, session: Session, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Measure a baseline of 2 J package, 1 J DRAM and 0.5 J GPU in the current run."""
    del session
    monkeypatch.setattr(idle, "_wait", lambda _: machine.draw(2.0, 1.0, 0.5))
    monkeypatch.setattr(idle, "_processor", busy(1.0))
    e2e.baseline(10)
    return machine


def test_trials_carry_the_baseline_from_then_on(idling: Machine, session: Session) -> None:
    """Net energy stands beside the gross ones, and follows from what the record itself holds."""
    with e2e.measure("train"):
        idling.draw(package_j=50.0, dram_j=10.0, gpu_j=40.0)

    [record] = session.records
    idle_w = sum(record.reported["baseline_power"][f"{part}_w"] for part in ("package", "dram", "gpu"))
    row = e2e.results().iloc[-1]
    assert row["energy_source"] == "rapl+nvml"
    assert row["package_energy_j"] == pytest.approx(50)
    assert row["dram_energy_j"] == pytest.approx(10)
    assert row["gpu_energy_j"] == pytest.approx(40)
    assert row["mean_power_w"] == pytest.approx(100 / row["wall_time_s"])
    assert row["net_energy_j"] == pytest.approx(100 - idle_w * row["wall_time_s"])
    runs = e2e.runs()
    assert runs["idle_power_w"].item() == pytest.approx(idle_w)
    assert runs["carbon_g_per_kwh"].isna().all()
    assert runs.attrs["units"]["idle_power_w"] == "W"


def test_a_new_run_has_no_baseline_yet(idling: Machine, session: Session) -> None:
    """The idle power is of one run: the next one's trials have no net energy, and `metrics` says why."""
    metrics = e2e.metrics().set_index("metric")
    assert metrics.loc["net_energy_j", "available"]
    session.start_run("next")
    with e2e.measure("train"):
        idling.draw(package_j=50.0)

    assert math.isnan(e2e.results().iloc[-1]["net_energy_j"])
    metrics = e2e.metrics().set_index("metric")
    assert not metrics.loc["net_energy_j", "available"]
    assert metrics.loc["net_energy_j", "why"] == "the idle power is not known in this run"
    assert metrics.loc["net_energy_j", "what_to_do"] == "measure it: %e2e baseline"


def test_a_load_is_a_warning_in_scripts(
    machine: Machine, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`e2e.baseline` on a busy machine keeps what it read and warns."""
    monkeypatch.setattr(idle, "_wait", lambda _: machine.draw(package_j=20.0))
    monkeypatch.setattr(idle, "_processor", busy(63.0))

    with pytest.warns(e2e.MeasurementWarning, match=r"^the processor was 63 % busy while the idle power was"):
        e2e.baseline(1)

    assert session.run.settings["baseline_power"]["busy_percent"] == 63.0


def test_the_magic_says_the_watts_or_why_not(
    shell: Any, session: Session, machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """`%e2e baseline` answers in a sentence; a load is said aside; nonsense is one line."""
    monkeypatch.setattr(idle, "_wait", lambda _: machine.draw(package_j=20.0))
    monkeypatch.setattr(idle, "_processor", busy(63.0))
    shell.run_cell("%e2e baseline 1").raise_error()

    said = capsys.readouterr()
    assert re.fullmatch(
        r"idle power over [\d.]+ [µm]s: package [\d,.]+ k?W \(rapl\); "
        r"net_energy_j is there from the next cell of this run on\n",
        said.out,
    )
    assert said.err.startswith("e2e_magic: the processor was 63 % busy while the idle power was measured")
    assert session.records == []

    result = shell.run_cell("%e2e baseline 0")
    assert str(result.error_in_exec) == (
        "baseline: expected seconds, at least 0.5 for the counters to step several times, such as 10, got 0.0"
    )


def test_the_magic_says_why_on_a_machine_without_counters(
    shell: Any, session: Session, tmp_path: Path, capsys: Any
) -> None:
    """Nothing to read: one line with the reason, no error that would stop Run All."""
    with powered(tmp_path, "core only"):
        shell.run_cell("%e2e baseline").raise_error()

    said = capsys.readouterr().out
    assert said.startswith("the idle power can't be measured here: energy: RAPL in ")
    assert "has no counter for a whole package, only for core; gpu: " in said
    assert "baseline_power" not in session.run.settings
