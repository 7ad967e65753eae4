"""The card: what it says, in HTML and in plain text."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime
from typing import Any

import pytest

from e2e_magic.record import NO_ENERGY, Code, Events, Reason, Record, Series
from e2e_magic.views import card
from e2e_magic.views.result import Result


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
        "missing": {"energy": Reason("", "no RAPL counters")},
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


def test_a_share_of_cpu_needs_a_millisecond() -> None:
    """Below it, the edges' own microseconds are most of it."""
    short = {"wall_time_s": 2e-5, "cpu_time_s": 4e-5}

    assert card.text([_record(readings=short, missing={})]).splitlines() == [
        "train",
        "  wall time  20 µs",
        "  CPU time   40 µs",
        "  shorter than 1 ms, so that measuring is a part of it; --number auto executes it many times",
    ]


def test_a_loop_of_many_executions_says_what_its_numbers_are_of() -> None:
    """The share is one of the whole loop, and whether the collector of garbage ran belongs to it."""
    looped = {"wall_time_s": 2e-5, "cpu_time_s": 1e-5, "number": 10_000, "gc": "on"}

    assert card.text([_record(readings=looped, missing={})]).splitlines() == [
        "train",
        "  wall time  20 µs",
        "  CPU time   10 µs  (50 %)",
        "  values are of one of 10,000 executions, the garbage collector on",
    ]


def test_waiting_for_a_core_is_a_line_from_a_twentieth_on() -> None:
    """Below it, and in a cell so short that the edges are longer, it is no news."""
    sentence = (
        "its threads waited 400 ms for a free core (20 % of the wall time): other programs used the cores, "
        "or it has more threads than there are cores"
    )

    def said(wall: float, waited: float) -> list[str]:
        return card.notes([_record(missing={}, readings={"wall_time_s": wall, "waited_s": waited})])

    assert said(2.0, 0.4) == [sentence]
    assert said(2.0, 0.1) == []
    assert sentence not in said(2e-4, 2e-3)


def test_a_problem_names_its_key_once() -> None:
    """The sentence of a wrong value begins with its key already."""
    text = card.text(
        [
            _record(
                missing={
                    "loss": Reason(Code.NAMED, "loss: expected a number, got 'x'"),
                    "energy": Reason("", "none here"),
                }
            )
        ]
    )

    assert text.splitlines()[-2:] == ["  loss: expected a number, got 'x'", "  energy: none here"]


def test_no_gpu_is_news_to_who_asked_for_one() -> None:
    """Where everything is measured, that most machines have none needs no line."""
    missing = {"gpu": Reason(Code.NO_DRIVER, "no NVIDIA driver on this machine")}

    assert "NVIDIA" not in card.text([_record(missing=missing)])
    assert "  gpu: no NVIDIA driver" in card.text([_record(missing=missing, readings={"wall_time_s": 1.0})])


def test_one_reason_for_two_numbers_is_said_once() -> None:
    """Both are named before it."""
    reason = Reason("", "not reached")
    text = card.text([_record(missing={"epochs_to_accuracy": reason, "time_to_accuracy_s": reason})])

    assert text.splitlines()[-1] == "  epochs_to_accuracy, time_to_accuracy_s: not reached"


def test_a_long_note_folds_behind_its_first_clause() -> None:
    """One line on the page, the rest by a click; text has it all."""
    why = f"no RAPL counters here; {'do this and that ' * 8}"
    shown = [_record(missing={"energy": Reason("", why)})]

    assert '<summary style="cursor:pointer">energy: no RAPL counters here</summary>' in card.html(shown)
    assert "<details" not in card.html([_record()])
    assert "<details" not in card.html(shown, folded=False)
    assert " ".join(card.text(shown).split()).endswith(f"energy: {why}".strip())
    assert max(map(len, card.text(shown).splitlines())) <= 100


@pytest.mark.parametrize("state", ["failed", "interrupted", "over limit", "pruned"])
def test_how_it_ended_is_read_on_any_page(state: str) -> None:
    """White on a ground of its own."""
    mark = card.html([_record(state=state)]).split(f">{state}</span>")[0].rsplit('style="', 1)[1]
    ground = mark.split("background:")[1].split(";")[0]
    linear = [int(ground[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    light = sum(
        w * ((c + 0.055) / 1.055) ** 2.4 for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
    )

    assert "color:#fff" in mark
    assert 1.05 / (light + 0.05) >= 4.5


def test_a_failed_trial_says_its_state_and_error() -> None:
    """What was measured so far stays on it."""
    lines = card.text([_record(state="failed", error="ValueError: no")]).splitlines()

    assert lines[:3] == ["train · failed", "  ValueError: no", "  wall time      2 s"]


def test_why_there_is_no_energy_is_said_once_per_kernel() -> None:
    """Later cards say no more than that it wasn't measured; another reason is news again."""
    first = _record()
    said = card.no_energy([first])

    for made in (card.text([first], said), card.html([first], said=said)):
        assert "energy: not measured (%e2e metrics)" in made
        assert "RAPL" not in made
    other = _record(missing={"energy": Reason("", "the counter did not move")})
    assert "energy: the counter did not move" in card.text([other], said)


def test_repeats_show_median_and_spread() -> None:
    """Spread above 10 % of the median is said, with what to do."""
    records = [_record(readings={"wall_time_s": s}, repeat=n) for n, s in enumerate((1.0, 2.0, 4.0), 1)]
    lines = card.text(records).splitlines()

    assert lines[1] == "  wall time  2 s  (± 3.9 s, median of 3)"
    assert "\n".join(lines).count("±: half the width of the 95 % interval of the median") == 1
    assert (
        "  spread is 50 % of the median over 3 repeats: raise --repeat, add --warmup, or close other programs"
        in lines
    )


def test_averages_over_classes_say_so() -> None:
    """A matrix gives macro averages, of two classes too; of a part of a table the positive class is known."""
    matrix = card.text([_record(reported={"confusion": [[1, 0], [1, 1]], "scores": {"roc_auc": 0.75}})])
    table = card.text([_record(reported={"binary": {"TP": 8.0, "FN": 2.0}})])

    assert "  F1                  0.667  (macro)" in matrix.splitlines()
    assert "  precision / recall  0.75 / 0.75  (macro)" in matrix.splitlines()
    assert "  ROC AUC             0.75" in matrix.splitlines()
    lines = [" ".join(line.split()) for line in table.splitlines()]
    assert "positive precision / positive recall - / 0.8" in lines
    assert "TP / FP / FN / TN 8 / - / 2 / -" in lines
    assert "macro" not in table


@pytest.mark.parametrize(
    ("logged", "reported", "lines"),
    [
        (
            {"accuracy": [0.8, 0.99], "val_accuracy": [0.7, 0.6], "loss": [2, 1], "val_loss": [3, 4]},
            {"target_accuracy": 0.7},
            [
                "  training loss        1",
                "  validation loss      4  (best 3)",
                "  training accuracy    0.99",
                "  validation accuracy  0.6  (best 0.7)",
                "  time to accuracy     1 s  (to 0.7, validation)",
                "  epochs to accuracy   1  (to 0.7, validation)",
            ],
        ),
        ({"val_accuracy": [0.7, 0.6]}, {}, ["  validation accuracy  0.6  (best 0.7)"]),
        (
            {"val_accuracy": [0.7, 0.6]},
            {"accuracy": 0.9, "target_accuracy": 0.9996},
            ["  accuracy   0.9"],
        ),
        ({"accuracy": [0.5, 0.6]}, {"target_accuracy": 0.6},
         ["  accuracy            0.6", "  time to accuracy    2 s  (to 0.6)",
          "  epochs to accuracy  2  (to 0.6)"]),
    ],
)  # fmt: skip
def test_each_number_is_of_one_split_and_says_of_which(
    logged: dict[str, list[float]], reported: dict[str, Any], lines: list[str]
) -> None:
    """Training beside validation, and the target on the validation; one split alone needs no word."""
    events = Events(array("d", [1, 2]), array("d", [1, 2]), {k: array("d", v) for k, v in logged.items()})
    made = card.text([_record(missing={}, readings={"wall_time_s": 2.0}, events=events, reported=reported)])

    assert made.splitlines()[2 : 2 + len(lines)] == lines


def test_gains_of_repeats_are_medians_too() -> None:
    """As the costs beside them are; a target that not all repeats reached says how many did."""

    def repeat(n: int, wall_s: float, accuracies: list[float]) -> Record:
        events = Events(array("d", [1, 2]), array("d", [1, 2]), {"accuracy": array("d", accuracies)})
        given = {"target_accuracy": 0.8, "entries": 10, "loss": 0.5}
        return _record(readings={"wall_time_s": wall_s}, repeat=n, reported=given, events=events)

    records = [repeat(1, 1.0, [0.5, 0.9]), repeat(2, 2.0, [0.8, 0.6]), repeat(3, 4.0, [0.4, 0.7])]

    assert card.text(records).splitlines()[1:8] == [
        "  wall time           2 s  (± 3.9 s, median of 3)",
        "  loss                0.5",
        "  accuracy            0.7  (± 0.39)",
        "  time to accuracy    1.5 s  (to 0.8, ± 6.36 s, median of 2 of 3 repeats)",
        "  epochs to accuracy  1.5  (to 0.8, ± 6.36, median of 2 of 3 repeats)",
        "  per entry           200 ms  (± 390 ms)",
        "  throughput          5 entries/s  (± 9.74 entries/s)",
    ]
    assert "  accuracy            0.9" in card.text(records[:1]).splitlines()


def test_a_reason_is_said_once() -> None:
    """Under all the names that it holds for; one that says its name itself isn't given it again."""
    said = {"loss": "loss: expected a number", "b": "log(b=..): expected one number"}
    events = Events(array("d", [1]), array("d", [1]), {"accuracy": array("d", [0.5])})
    named = {name: Reason(Code.NAMED, text) for name, text in said.items()}
    record = _record(missing=named, events=events, reported={"target_accuracy": 0.9})

    assert card.notes([record]) == [
        *said.values(),
        "epochs_to_accuracy, time_to_accuracy_s: the target 0.9 was not reached in 1 s; "
        "the best accuracy was 0.5",
    ]


def test_the_card_in_one_line() -> None:
    """The stage, the time, the gain; the state where it isn't complete."""
    assert card.line([_record(reported={"loss": 0.5})]) == "train: wall time 2 s, loss 0.5"
    assert card.line([_record(state="failed")]) == "train · failed: wall time 2 s"


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "a & b", '"quoted"', "x" * 1_000_000, "\x00\x1b"]
)
def test_hostile_text_is_escaped_and_shortened(text: str) -> None:
    """Stage names, errors and reasons are text, of any length."""
    html = card.html([_record(stage=text, error=text, state="failed", missing={"energy": Reason("", text)})])

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


def test_a_picture_that_fails_costs_itself_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers are shown and the reason beside them."""

    def broken(*_: object, **__: object) -> None:
        raise ValueError("no ink")

    monkeypatch.setattr("e2e_magic.views.pictures.trial.samples", broken)
    html = Result([_record(series={"rss_mib": Series.of([0, 1, 2], [1, 2, 3])})])._repr_html_()

    assert html is not None
    assert "wall time" in html
    assert "the pictures could not be drawn (ValueError: no ink)" in html


def test_a_card_has_a_picture_per_panel_and_needs_no_chart_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples, learning curve and confusion matrix stand side by side; nothing foreign is asked."""
    import sys

    for name in ("matplotlib", "pandas", "numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    record = _record(
        events=Events(array("d", [1, 2, 3]), array("d", [1, 2, 3]), {"loss": array("d", [3, 2, 1])}),
        reported={"confusion": [[1, 0], [0, 1]]},
        series={name: Series.of([0, 1, 2], [1, 2, 3]) for name in ("cpu_percent_now", "rss_mib")},
    )
    html = Result([record])._repr_html_()

    assert html is not None
    assert html.count("<img") == 4
    assert html.count("grid-template-columns") == 1
    assert 'alt="loss: smallest 1, largest 3, last 1, over epoch 1 to 3"' in html


def test_a_matrix_too_large_for_a_card_is_said() -> None:
    """Where no picture is, the reader hears what draws it."""
    matrix = [[int(i == j) for j in range(61)] for i in range(61)]
    html = Result([_record(reported={"confusion": matrix})])._repr_html_()

    assert html is not None
    assert "<img" not in html
    assert (
        "a matrix of over 60 classes has no picture on a card: .plot(&quot;confusion&quot;) draws it" in html
    )


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
        " energy: 2 ms is short for a counter that steps about every millisecond: "
        "it is rough. Measure more work at once"
    )
    nvml = (
        " GPU energy: 200 ms is short for a counter that steps every 20 to 100 ms: "
        "it is rough. Measure more work at once"
    )

    def told(**readings: object) -> str:
        return " ".join(" ".join(_texts(**readings)).split())

    by_counter = {"gpu_energy_j": 4.0, "gpu_source": "energy by counter"}

    assert told(package_energy_j=0.1, wall_time_s=0.002).endswith(rapl)
    assert _texts(package_energy_j=0.1, wall_time_s=0.2)[-1].startswith("  mean power")
    assert told(**by_counter, wall_time_s=0.2).endswith(nvml)
    assert _texts(**by_counter, wall_time_s=2.0)[-1].startswith("  mean power")
    assert not told(gpu_energy_j=4.0, gpu_source="energy by power samples", wall_time_s=0.2).endswith(nvml)


def test_a_net_energy_below_0_is_explained() -> None:
    """The machine can't give energy back: its idle power was measured too high."""
    idle = {"baseline_power": {"package_w": 10.0}}
    lines = card.text(
        [_record(missing={}, readings={"wall_time_s": 2.0, "package_energy_j": 15.0}, reported=idle)]
    ).splitlines()

    assert "  net energy  -5 J  (above idle)" in lines
    assert " ".join(" ".join(lines).split()).endswith(
        " net energy is below 0: the machine took less than while its idle power was measured. "
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
        readings={"wall_time_s": 2.0, "cpu_time_s": 1.0, "peak_rss_mib": 150.0},
        missing={
            "package_energy_j": Reason("", "the counter did not move"),
            "dram_energy_j": Reason("", "the counter did not move"),
            "energy_source": NO_ENERGY,
            "gpu": Reason(Code.NO_DRIVER, "no NVIDIA driver on this machine"),
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

    assert "  CPU energy  5 J  (± 12.7 J, median of 2 of 3)" in card.text(records).splitlines()
    assert "  CPU energy  4 J  (in 1 of 2 repeats)" in card.text(records[::2]).splitlines()


def test_an_energy_that_the_last_repeat_lacks_is_doubted_all_the_same() -> None:
    """Of cells of microseconds, a step of the counter falls into some repeats only."""
    records = [
        _record(readings={"wall_time_s": 1e-5, **energy}, missing={})
        for energy in ({"package_energy_j": 0.05}, {})
    ]

    assert any(note.startswith("energy: 10 µs is short for a counter") for note in card.notes(records))
