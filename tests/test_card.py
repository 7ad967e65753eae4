"""The card: what it says, in HTML and in plain text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from e2e_magic import card
from e2e_magic.record import Events, Record, Series
from e2e_magic.result import Result


def _record(**given: Any) -> Record:
    readings = {"wall_time_s": 2.0, "cpu_time_s": 1.0, "rss_start_mib": 100.0, "rss_end_mib": 120.0}
    fields: dict[str, Any] = {
        "run": "r",
        "stage": "train",
        "trial": 1,
        "repeat": 1,
        "state": "complete",
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
        "readings": {**readings, "peak_rss_mib": 150.0, "peak_tree_rss_mib": 300.0},
        "missing": {"energy": "no RAPL counters"},
    }
    return Record(**{**fields, **given})


def test_the_text_says_stage_time_cpu_memory_and_why_no_energy() -> None:
    """The plain form, whole."""
    assert card.text([_record()]).splitlines() == [
        "train",
        "  wall time      2 s",
        "  CPU time       1 s  (50 %)",
        "  peak memory    150 MiB  (+20 MiB kept)",
        "  with children  300 MiB  (sampled)",
        "  energy: no RAPL counters",
    ]


def test_a_failed_trial_says_its_state_and_error() -> None:
    """What was measured so far stays on it."""
    lines = card.text([_record(state="failed", error="ValueError: no")]).splitlines()

    assert lines[:3] == ["train · failed", "  ValueError: no", "  wall time      2 s"]


def test_repeats_show_median_and_spread() -> None:
    """Spread above 10 % of the median is said, with what to do."""
    records = [_record(readings={"wall_time_s": s}, repeat=n) for n, s in enumerate((1.0, 2.0, 4.0), 1)]
    lines = card.text(records).splitlines()

    assert lines[1] == "  wall time  2 s  (± 1 s, median of 3)"
    assert (
        "  spread is 50 % of the median over 3 repeats: raise --repeat, add --warmup, or close other programs"
        in lines
    )


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "a & b", '"quoted"', "x" * 1_000_000, "\x00\x1b"]
)
def test_hostile_text_is_escaped_and_shortened(text: str) -> None:
    """Stage names, errors and reasons are text, of any length."""
    html = card.html([_record(stage=text, error=text, state="failed", missing={"energy": text})])

    assert "<script>" not in html
    assert "\x1b" not in html
    assert len(html) < 20_000


def test_quality_is_shown_where_there_is_any() -> None:
    """Loss, accuracy and what follows from them."""
    found = {f.label: f for f in card.figures([_record(reported={"loss": [2.0, 1.0], "entries": 4})])}

    assert found["loss"].text == "1"
    assert found["per entry"].text == "500 ms"
    assert found["throughput"].text == "2 entries/s"


def test_a_short_cells_card_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below three samples there is no chart, and no chart library is needed."""
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    html = Result([_record(series={"rss_mib": Series.of([0, 1], [1, 2])})])._repr_html_()

    assert html is not None
    assert "<img" not in html


def test_a_chart_that_fails_costs_itself_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers are shown and the reason beside them."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr("e2e_magic.frames.samples", broken)
    html = Result([_record(series={"rss_mib": Series.of([0, 1, 2], [1, 2, 3])})])._repr_html_()

    assert html is not None
    assert "wall time" in html
    assert "the chart could not be drawn (RuntimeError: no ink)" in html


def test_curves_and_matrices_are_drawn() -> None:
    """Samples, learning curves and the confusion matrix: a picture each."""
    from array import array

    events = Events(array("d", [1, 2]), array("d", [1, 2]), {"loss": array("d", [2, 1])})
    record = _record(
        events=events,
        reported={"confusion": [[1, 0], [0, 1]]},
        series={"rss_mib": Series.of([0, 1, 2], [1, 2, 3])},
    )
    html = Result([record])._repr_html_()

    assert html is not None
    assert html.count("<img") == 3


def test_a_result_without_trials_says_so() -> None:
    """Read too early, it is a sentence, not an error."""
    assert repr(Result([])) == "no trial has finished yet"


def _texts(**readings: Any) -> list[str]:
    return card.text([_record(missing={}, readings={"wall_time_s": 2.0, **readings})]).splitlines()[1:]


def test_each_energy_says_where_it_comes_from() -> None:
    """RAPL, NVML's counter or its power samples; and whose GPU memory it is."""
    assert _texts(
        package_energy_j=10.0,
        dram_energy_j=1.0,
        gpu_energy_j=4.0,
        gpu_peak_memory_mib=300.0,
        gpu_source="energy by power samples, memory of the whole GPU",
        energy_source="rapl+nvml",
    ) == [
        "  wall time    2 s",
        "  CPU energy   10 J  (RAPL, whole machine)",
        "  DRAM energy  1 J  (RAPL)",
        "  GPU energy   4 J  (NVML power samples)",
        "  mean power   7.5 W",
        "  GPU memory   300 MiB  (the whole GPU)",
    ]
    assert _texts(psys_energy_j=10.0)[1] == "  platform energy  10 J  (RAPL, whole machine)"


def test_an_energy_of_a_few_steps_of_its_counter_is_said_to_be_rough() -> None:
    """A counter that steps every millisecond knows little of 2 ms, and a GPU's little of 0.2 s."""
    rapl = (
        "  energy: 2 ms is short for a counter that steps about every millisecond: "
        "it is rough. Measure more work at once"
    )
    nvml = (
        "  GPU energy: 200 ms is short for a counter that steps every 20 to 100 ms: "
        "it is rough. Measure more work at once"
    )
    by_counter = {"gpu_energy_j": 4.0, "gpu_source": "energy by counter"}

    assert _texts(package_energy_j=0.1, wall_time_s=0.002)[-1] == rapl
    assert _texts(package_energy_j=0.1, wall_time_s=0.2)[-1].startswith("  mean power")
    assert _texts(**by_counter, wall_time_s=0.2)[-1] == nvml
    assert _texts(**by_counter, wall_time_s=2.0)[-1].startswith("  mean power")
    assert _texts(gpu_energy_j=4.0, gpu_source="energy by power samples", wall_time_s=0.2)[-1] != nvml


def test_a_net_energy_below_0_is_explained() -> None:
    """The machine can't give energy back: its idle power was measured too high."""
    idle = {"baseline_power": {"package_w": 10.0}}
    lines = card.text(
        [_record(missing={}, readings={"wall_time_s": 2.0, "package_energy_j": 15.0}, reported=idle)]
    ).splitlines()

    assert "  net energy  -5 J  (above idle)" in lines
    assert lines[-1] == (
        "  net energy is below 0: the machine took less than while its idle power was measured. "
        "Measure that again while nothing else runs: %e2e baseline"
    )


def test_a_net_energy_of_a_machine_that_was_not_idle_says_so() -> None:
    """What the other programs took meanwhile was counted as idling."""
    for busy, said in ((99.4, True), (9.0, False), (None, False)):
        idle = {"baseline_power": {"package_w": 1.0, "busy_percent": busy}}
        record = _record(missing={}, readings={"wall_time_s": 2.0, "package_energy_j": 9.0}, reported=idle)

        assert (
            card.notes([record])
            == [
                "net energy is too low: the machine was 99 % busy while its idle power was measured. "
                "Measure that again while nothing else runs: %e2e baseline"
            ]
            * said
        )


def test_one_reason_for_several_numbers_is_said_once() -> None:
    """And what only follows from it is not said at all."""
    record = _record(
        readings={"wall_time_s": 2.0},
        missing={
            "package_energy_j": "the counter did not move",
            "dram_energy_j": "the counter did not move",
            "energy_source": "no energy was measured",
            "gpu": "no NVIDIA driver on this machine",
        },
        reported={"baseline_power": {"package_w": 10.0}},
    )

    assert card.notes([record]) == ["package_energy_j, dram_energy_j: the counter did not move"]


def test_an_energy_that_some_repeats_lack_says_how_many_have_it() -> None:
    """The median of those that have it is not the median of all."""
    records = [
        _record(readings={"wall_time_s": 1.0, **energy}, missing={})
        for energy in ({"package_energy_j": 4.0}, {"package_energy_j": 6.0}, {})
    ]

    assert "  CPU energy  5 J  (± 1 J, median of 2 of 3)" in card.text(records).splitlines()
    assert "  CPU energy  4 J  (in 1 of 2 repeats)" in card.text(records[::2]).splitlines()


def test_an_energy_that_the_last_repeat_lacks_is_doubted_all_the_same() -> None:
    """Of cells of microseconds, a step of the counter falls into some repeats only."""
    records = [
        _record(readings={"wall_time_s": 1e-5, **energy}, missing={})
        for energy in ({"package_energy_j": 0.05}, {})
    ]

    assert any(note.startswith("energy: 10 µs is short for a counter") for note in card.notes(records))
