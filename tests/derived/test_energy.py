"""Energy per what was done: hand-made truth and properties."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.derived import energy
from e2e_magic.record import Reason, Series

SECONDS = st.floats(1e-6, 1e5)
WATTS = st.floats(0, 1e4)


def test_an_estimate_is_the_idle_power_plus_the_busy_share_of_the_rest() -> None:
    """Half of four cores busy for 10 s between 20 W and 100 W takes 600 J."""
    assert energy.estimate(cpu_time_s=20, wall_time_s=10, cores=4, idle_w=20, full_w=100) == pytest.approx(
        600
    )


@given(cpu=SECONDS, wall=SECONDS, cores=st.integers(1, 256), idle=WATTS, more=WATTS)
def test_an_estimate_lies_between_idle_and_full(
    cpu: float, wall: float, cores: int, idle: float, more: float
) -> None:
    """However much CPU time is told, the estimate is at least the idle and at most the full power."""
    joules = energy.estimate(cpu, wall, cores, idle, idle + more)

    assert joules is not None
    assert idle * wall * (1 - 1e-9) <= joules <= (idle + more) * wall * (1 + 1e-9)


@pytest.mark.parametrize("hole", ["cpu_time_s", "wall_time_s", "cores"])
def test_an_estimate_without_its_inputs_is_missing(hole: str) -> None:
    """What was not measured gives no estimate."""
    given: dict[str, float | int | None] = {"cpu_time_s": 1.0, "wall_time_s": 1.0, "cores": 2, hole: None}

    assert energy.estimate(idle_w=10, full_w=20, **given) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(("idle", "full"), [(-1, 10), (20, 10), (0, math.inf), (math.nan, 10), (0, math.nan)])
def test_an_impossible_power_range_is_an_error_in_words(idle: float, full: float) -> None:
    """The error says what is allowed, what came and what to type."""
    with pytest.raises(ValueError, match=r"^estimate_power must be") as caught:
        energy.estimate(1, 1, 1, idle, full)

    assert str(caught.value) == (
        "estimate_power must be the idle and the full power in watts, 0 <= idle <= full, "
        f"got {idle:g},{full:g}: try --estimate-power 20,95"
    )


def test_no_cores_are_an_error() -> None:
    """A machine has a core at least."""
    with pytest.raises(ValueError, match=r"^cores must be at least 1, got 0$"):
        energy.estimate(1, 1, 0, 10, 20)


def test_net_energy_is_what_lies_above_idling() -> None:
    """100 J in 4 s on a machine that idles at 15 W are 40 J net; less than idling is below 0."""
    assert energy.net_energy(100, 4, 15) == 40
    assert energy.net_energy(50, 4, 15) == -10
    assert energy.net_energy(None, 4, 15) is None
    assert energy.net_energy(100, None, 15) is None
    assert energy.net_energy(100, 4, None) is None


def test_shares_of_nothing_are_missing() -> None:
    """There is no energy per entry without entries."""
    assert energy.energy_per(30, 60) == 0.5
    assert energy.energy_per(30, 0) is None
    assert energy.energy_per(30, None) is None
    assert energy.energy_per(None, 3) is None


def test_peak_power_is_the_highest_sample() -> None:
    """The peak is a sample; without samples it is missing."""
    assert energy.peak_power(Series.of([1, 2, 3], [5, 9, 7])) == 9
    assert energy.peak_power(Series.of([], [])) is None
    assert energy.peak_power(None) is None


def test_powers_are_added_instant_by_instant() -> None:
    """Curves with the same instants are added; of others each holds its value since its sample before."""
    same = energy.total_power([Series.of([1, 2], [5, 7]), Series.of([1, 2], [10, 20])])
    assert list(same) == [(1, 15), (2, 27)]

    other = energy.total_power([Series.of([1, 3], [5, 7]), Series.of([2], [10])])
    assert list(other) == [(1, 15), (2, 17), (3, 17)]

    assert not energy.total_power([])
    assert not energy.total_power([Series.of([1], [5]), Series.of([], [])])


CURVE = st.lists(st.tuples(st.floats(0.01, 10), WATTS), min_size=1, max_size=8)


@given(curves=st.lists(CURVE, min_size=1, max_size=3))
def test_the_energy_of_a_sum_is_the_sum_of_the_energies(curves: list[list[tuple[float, float]]]) -> None:
    """Up to any instant that all curves reach, adding powers first or energies last is the same."""
    series = []
    for steps in curves:
        t = [sum(length for length, _ in steps[: n + 1]) for n in range(len(steps))]
        series.append(Series.of(t, [watts for _, watts in steps]))
    until = min(one.t_s[-1] for one in series)

    whole = energy.energy_to_accuracy(energy.total_power(series), until)

    parts = [energy.energy_to_accuracy(one, until) for one in series]
    assert whole == pytest.approx(sum(part for part in parts if part is not None), abs=1e-6)


@pytest.mark.parametrize("measured", [set(), {"package_energy_j"}])
def test_what_can_not_follow_says_why_and_what_to_do(measured: set[str]) -> None:
    """Without counters no joule follows from any; with them, baseline and intensity are still to be given."""
    why = energy.unavailable(energy.METRICS, measured, {})
    declared = {metric.name for metric in energy.METRICS}

    if not measured:
        assert why["net_energy_j"] == why["co2_g"] == Reason("", "no energy can be measured here")
        assert declared <= set(why)
        asked = energy.unavailable(energy.METRICS, measured, {"estimate_power": [12.0, 65.0]})
        assert declared - set(asked) == {"estimated_energy_j", "estimated_power_w"}
    else:
        assert why == {
            "net_energy_j": Reason(
                "", "the idle power is not known in this run", "measure it: %e2e baseline"
            ),
            "co2_g": Reason(
                "", "the grams of CO2 per kWh are not given",
                "give them: %e2e run NAME --zone DE, or --carbon 380",
            ),
            **dict.fromkeys(
                ["estimated_energy_j", "estimated_power_w", "estimated_co2_g"],
                Reason(
                    "", "nothing is estimated unless asked",
                    "ask for it: --estimate-power IDLE_W,FULL_W, or auto, on a cell or on %e2e run NAME",
                ),
            ),
        }  # fmt: skip
        settings = {"baseline_power": {}, "carbon_g_per_kwh": 1.0, "estimate_power": [1.0, 2.0]}
        assert energy.unavailable(energy.METRICS, measured, settings) == {}


def test_energy_to_accuracy_adds_the_power_until_then() -> None:
    """10 W for 1 s and 20 W for half a second are 20 J; a target that was not reached has no energy."""
    power = Series.of([1.0, 2.0, 3.0], [10.0, 20.0, 99.0])

    assert energy.energy_to_accuracy(power, 1.5) == pytest.approx(20)
    assert energy.energy_to_accuracy(power, 0.5) == pytest.approx(5)
    assert energy.energy_to_accuracy(power, None) is None
    assert energy.energy_to_accuracy(None, 1.5) is None
    assert energy.energy_to_accuracy(Series.of([], []), 1.5) is None


def test_the_last_power_goes_on_after_the_last_sample() -> None:
    """A target that is reached between the last sample and the end is paid at the last power."""
    assert energy.energy_to_accuracy(Series.of([1.0, 2.0], [10.0, 20.0]), 2.5) == pytest.approx(40)


@given(
    steps=st.lists(st.tuples(st.floats(0.001, 10), st.floats(0, 1e3)), min_size=1, max_size=30),
    moments=st.lists(st.floats(0, 400), min_size=2, max_size=2).map(sorted),
)
def test_energy_to_accuracy_grows_with_the_time(
    steps: list[tuple[float, float]], moments: list[float]
) -> None:
    """Who takes longer to the target has used no less; the whole curve is the sum of its pieces."""
    t, now = [], 0.0
    for step, _ in steps:
        now += step
        t.append(now)
    series = Series.of(t, [watts for _, watts in steps])

    early, late = (energy.energy_to_accuracy(series, moment) for moment in moments)
    whole = energy.energy_to_accuracy(series, now)

    assert early is not None
    assert late is not None
    assert early <= late + 1e-9
    pieces = sum((b - a) * watts for (a, b), (_, watts) in zip(pairwise([0.0, *t]), steps, strict=True))
    assert whole == pytest.approx(pieces)


def test_co2_follows_from_the_given_intensity() -> None:
    """One kilowatt-hour at 380 g/kWh is 380 g; without an intensity there is no number."""
    assert energy.co2(3.6e6, 380) == pytest.approx(380)
    assert energy.co2(3.6e6, None) is None
    assert energy.co2(None, 380) is None


@pytest.mark.parametrize("wrong", [-1, math.nan, math.inf])
def test_an_impossible_intensity_is_an_error_in_words(wrong: float) -> None:
    """The error says what is allowed, what came and what to type."""
    with pytest.raises(ValueError, match=r"^carbon must be") as caught:
        energy.co2(1, wrong)

    assert (
        str(caught.value)
        == f"carbon must be grams of CO2 per kWh, 0 or more, got {wrong!r}: try --carbon 380"
    )
