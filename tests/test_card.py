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


def test_a_share_of_cpu_needs_a_millisecond() -> None:
    """Below it, the edges' own microseconds are most of it."""
    short = {"wall_time_s": 2e-5, "cpu_time_s": 4e-5, "cpu_percent": 200.0}

    assert "  CPU time   40 µs" in card.text([_record(readings=short)]).splitlines()


def test_a_problem_names_its_key_once() -> None:
    """The sentence of a wrong value begins with its key already."""
    text = card.text([_record(missing={"loss": "loss: expected a number, got 'x'", "energy": "none here"})])

    assert text.splitlines()[-2:] == ["  loss: expected a number, got 'x'", "  energy: none here"]


def test_no_gpu_is_news_to_who_asked_for_one() -> None:
    """Where everything is measured, that most machines have none needs no line."""
    missing = {"gpu": "no NVIDIA driver on this machine"}

    assert "NVIDIA" not in card.text([_record(missing=missing)])
    assert "  gpu: no NVIDIA driver" in card.text([_record(missing=missing, readings={"wall_time_s": 1.0})])


def test_one_reason_for_two_numbers_is_said_once() -> None:
    """Both are named before it."""
    text = card.text(
        [_record(missing={"epochs_to_accuracy": "not reached", "time_to_accuracy_s": "not reached"})]
    )

    assert text.splitlines()[-1] == "  epochs_to_accuracy, time_to_accuracy_s: not reached"


def test_a_long_note_folds_behind_its_first_clause() -> None:
    """One line on the page, the rest by a click; text has it all."""
    why = f"no RAPL counters here; {'do this and that ' * 8}"
    shown = [_record(missing={"energy": why})]

    assert '<summary style="cursor:pointer">energy: no RAPL counters here</summary>' in card.html(shown)
    assert "<details" not in card.html([_record()])
    assert "<details" not in card.html(shown, folded=False)
    assert " ".join(card.text(shown).split()).endswith(f"energy: {why}".strip())
    assert max(map(len, card.text(shown).splitlines())) <= 100


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


def test_a_timeline_alone_is_a_picture_per_panel() -> None:
    """They stand side by side, and below each other in a narrow window; beside other charts they are one."""
    series = {name: Series.of([0, 1, 2], [1, 2, 3]) for name in ("cpu_percent_now", "rss_mib")}
    alone = Result([_record(series=series)])
    beside = Result([_record(series=series, reported={"confusion": [[1, 0], [0, 1]]})])

    assert len(alone.images()) == 2
    assert len(beside.images()) == 2
    assert alone._repr_html_().count("width:330px") == 2  # type: ignore[union-attr]


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
