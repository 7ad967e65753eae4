"""`why`: what is said of which trials, as text, HTML and frame, and on cards, in `pipeline` and reports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import e2e_magic as e2e
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Record, Run
from e2e_magic.session import Session
from e2e_magic.views import card, frames, report
from e2e_magic.views.diagnosis import Diagnosis
from tests.derived.test_findings import BUSY, IMPORTING, SERIAL, record

LOADED = "50 % of the time is import: pandas 300 ms, torch 200 ms"
COLLECTED = "the garbage collector took 10 % of the time (3 collections, 100 ms)"
FEWER = (
    "make fewer objects (arrays for lists of dicts), call gc.freeze() once the data is loaded, or "
    "gc.disable() around this part"
)
LOADING = {**IMPORTING, "gc_s": 0.1}
STEP = "put imports into a cell of their own, so that the stage shows its own time"


def stage(name: str, **fields: Any) -> Record:
    """Make a trial of a stage; `record` knows the rest."""
    return replace(record(**fields), stage=name)


def test_the_text_has_each_stage_with_all_that_stands_out() -> None:
    """The largest first, each with its next step; a stage without any says so."""
    said = Diagnosis.of([stage("load", **LOADING), stage("fit"), stage("tick", wall_time_s=0.05)])

    assert repr(said).splitlines() == [
        "load",
        f"  - {LOADED}",
        f"    try: {STEP}",
        f"  - {COLLECTED}",
        "    try: make fewer objects (arrays for lists of dicts), call gc.freeze() once the data is loaded,",
        "      or gc.disable() around this part",
        "fit: nothing stands out",
        "tick: too short to tell (50 ms, and 200 ms are needed)",
    ]
    for text in (LOADED, STEP, COLLECTED, FEWER, "nothing stands out", "too short to tell"):
        assert text in said._repr_html_()
    assert repr(Diagnosis.of([])) == "nothing to look at yet: measure a cell first"
    assert "nothing to look at yet" in Diagnosis.of([])._repr_html_()


def test_the_frame_has_a_row_per_finding() -> None:
    """And one for a stage without any, whose rule is missing."""
    frame = Diagnosis.of([stage("load", **IMPORTING), stage("fit")], {"r": "first"}).frame

    assert list(frame.columns) == ["run", "stage", "rule", "share", "finding", "next_step", "numbers"]
    assert frame["finding"].tolist() == [LOADED, "nothing stands out"]
    assert frame["rule"].isna().tolist() == [False, True]
    assert frame.loc[0, ["run", "share", "numbers"]].tolist() == [
        "first", 0.5, "import_s 0.5, wall_time_s 1",
    ]  # fmt: skip
    assert Diagnosis.of([]).frame.shape == (0, 7)


def test_the_last_execution_counts_and_of_a_sweep_the_longest_trial() -> None:
    """Repeats of before are another cell's; a stage that also ran by itself is judged by that."""
    swept = [
        replace(stage("fit", wall_time_s=wall, **SERIAL), trial=n, sweep="s")
        for n, wall in enumerate((0.5, 1.0, 0.9), 1)
    ]
    said = Diagnosis.of([stage("load", **IMPORTING), stage("load"), *swept])

    assert [each.verdict for each in said.stages if not each.found] == ["nothing stands out"]
    assert "fit (trial 2, the longest of 3 trials)" in repr(said)
    assert Diagnosis.of([*swept, stage("fit")]).stages[0].found == []


def test_markup_in_a_name_is_text() -> None:
    """A stage and a package may be called anything."""
    evil = "<img src=x onerror=alert(1)>"
    html = Diagnosis.of([stage(evil, imports={evil: 0.9})])._repr_html_()

    assert "<img" not in html
    assert html.count("&lt;img src=x") == 2


def test_a_card_has_the_largest_in_one_line_and_says_no_wait_twice() -> None:
    """What to try opens by a click."""
    both = stage("load", **IMPORTING, **BUSY)
    waiting = card.text([stage("load", **BUSY)])

    assert f"  {LOADED} (%e2e why)" in card.text([both]).splitlines()
    assert "its threads waited 100 ms" in card.text([both])
    assert waiting.count("for a free core") == 1
    assert LOADED in card.html([both])
    assert f"try: {STEP}</div></details>" in card.html([both])
    assert "%e2e why" not in card.text([stage("fit")])


def test_pipeline_and_report_say_it_too() -> None:
    """`pipeline` the largest of each stage, a report all of them."""
    trials = [stage("load", **LOADING), stage("fit")]
    page = report.render([Run("r", "r", trials[0].started_at)], trials)

    assert frames.pipeline(trials)["finding"].fillna("").tolist() == [LOADED, ""]
    assert f"<li>{COLLECTED}; {FEWER}</li>" in page


def test_why_in_python_and_as_a_word(session: Session, shell: Any) -> None:
    """Of a stage, or of all; a wrong one is an error in words."""
    run = session.start_run("first").id
    session.records += [replace(stage("load", **IMPORTING), run=run), replace(stage("fit"), run=run)]

    assert repr(e2e.why("fit")) == repr(shell.run_line_magic("e2e", "why fit")) == "fit: nothing stands out"
    assert [each.stage for each in shell.run_line_magic("e2e", "why").stages] == ["load", "fit"]
    assert e2e.why().frame["run"].tolist() == ["first", "first"]
    with pytest.raises(PlanError, match=r"^stage: there is no stage 'ift'"):
        e2e.why("ift")
