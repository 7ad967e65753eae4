"""Runs compared with a baseline: rows, words, errors, the guard for CI."""

from __future__ import annotations

import time
from array import array
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import e2e_magic as e2e
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Events, Record
from e2e_magic.views import frames
from e2e_magic.views.comparison import Comparison, RegressionError, compare, share_of

START = datetime(2026, 8, 1, 12, tzinfo=UTC)
FIVE = (1.0, 1.01, 1.02, 1.03, 1.04)


def trials(
    run: str, wall: Any = FIVE, *, stage: str = "train", after: float = 0.0, **fields: Any
) -> list[Record]:
    """Make complete trials of these wall times; `peak` and `loss` are lists as long."""
    peak, loss = fields.pop("peak", None), fields.pop("loss", None)
    made = []
    for n, seconds in enumerate(wall):
        readings = {"wall_time_s": seconds} | ({"peak_rss_mib": peak[n]} if peak else {})
        given_: dict[str, Any] = {
            "run": run,
            "stage": stage,
            "trial": n + 1,
            "repeat": n + 1,
            "state": "complete",
            "started_at": START + timedelta(seconds=after + n),
            "readings": readings,
            "reported": {"loss": loss[n]} if loss else {},
            **fields,
        }
        made.append(Record(**given_))
    return made


def compared(records: list[Record], *runs: str, **options: Any) -> Comparison:
    """Compare records as a session would."""
    return compare(frames.results(records), frames.epochs(records), runs, **options)


def twice(values: Any) -> list[float]:
    """Double the values."""
    return [2 * value for value in values]


def test_a_row_per_stage_metric_and_run() -> None:
    """The frame is tidy, with the contract's words and the numbers behind them."""
    records = trials("a") + trials("b", twice(FIVE), after=60)
    frame = compared(records).frame

    assert " ".join(frame.columns) == (
        "stage metric baseline run n_baseline n median_baseline median ratio ratio_low ratio_high "
        "p_value test verdict repeats_needed better reason"
    )
    [row] = frame.to_dict("records")
    assert (row["stage"], row["metric"], row["baseline"], row["run"]) == ("train", "wall_time_s", "a", "b")
    assert (row["n_baseline"], row["n"]) == (5, 5)
    assert (row["median_baseline"], row["median"], row["ratio"]) == (1.02, 2.04, 2.0)
    assert row["ratio_low"] < 2 < row["ratio_high"]
    assert row["p_value"] == pytest.approx(2 / 252)
    assert (row["test"], row["verdict"], row["better"]) == ("exact Mann-Whitney", "slower", "lower")
    assert pd.isna(row["repeats_needed"])
    assert pd.isna(row["reason"])


def test_the_text_says_it_in_sentences() -> None:
    """A sentence per stage: how much slower, how much more, where no difference was seen."""
    same = [0.5, 0.51, 0.49, 0.5, 0.52]
    records = trials("a", peak=[100.0, 101, 102, 103, 104], loss=same)
    records += trials("b", twice(FIVE), peak=[130.0, 131, 132, 133, 134], loss=same[::-1], after=60)

    assert repr(compared(records)) == (
        "compared with a:\n"
        "  train: b is 2x slower in wall_time_s (1.96 to 2.04), "
        "has 29.4 % more peak_rss_mib (26.9 to 32 %); no difference seen in loss"
    )


def test_too_few_repeats_say_how_many_are_needed() -> None:
    """With 3 against 3 no test can tell: no verdict, and what to do."""
    records = trials("a", FIVE[:3]) + trials("b", twice(FIVE[:3]), after=60)
    made = compared(records)

    assert made.frame["verdict"].tolist() == ["too few repeats"]
    assert made.frame["repeats_needed"].tolist() == [4]
    assert made.frame["p_value"].isna().all()
    assert repr(made).splitlines()[1] == (
        "  train: too few repeats of wall_time_s: b has 3, a has 3; 4 on each side are needed, "
        "as with --repeat 4"
    )


def test_only_complete_trials_count() -> None:
    """A failed or interrupted trial is neither counted nor compared."""
    records = trials("a") + trials("b", after=60)
    records += trials("b", [99.0] * 9, state="failed", after=90)
    records += trials("b", [99.0] * 9, state="interrupted", after=99)

    assert compared(records).frame["n"].tolist() == [5]
    assert compared(records).frame["verdict"].tolist() == ["no difference seen"]


def test_the_first_named_run_is_the_reference() -> None:
    """Unless a baseline is named; without names, all runs against the first that started."""
    records = trials("c", after=90) + trials("a") + trials("b", after=60)

    assert compared(records).frame[["baseline", "run"]].to_numpy().tolist() == [["a", "b"], ["a", "c"]]
    assert compared(records, "b", "a").frame[["baseline", "run"]].to_numpy().tolist() == [["b", "a"]]
    named = compared(records, "a", "b", baseline="c").frame
    assert named[["baseline", "run"]].to_numpy().tolist() == [["c", "a"], ["c", "b"]]
    assert compared(records, baseline="b").frame["run"].tolist() == ["a", "c"]


def test_a_stage_that_a_run_lacks() -> None:
    """It has rows that say so; it is neither faster nor the same."""
    records = trials("a") + trials("a", stage="infer", after=20) + trials("b", after=60)
    frame = compared(records).frame.set_index("stage")

    assert frame.loc["infer", ["n_baseline", "n", "verdict", "reason"]].tolist() == [
        5, 0, "too few repeats", "no value on b",
    ]  # fmt: skip


def test_sweeps_are_compared_setting_by_setting() -> None:
    """Trials of other parameters are never thrown together; what only one run tried is said."""
    records = []
    for after, run, factor in ((0, "a", 1), (100, "b", 2)):
        for n, rate in enumerate((0.1, 0.01, factor)):
            wall = [factor * (n + 1) * value for value in FIVE]
            records += trials(run, wall, sweep="s", params={"lr": rate}, after=after + 10 * n)
    made = compared(records)

    assert made.frame["stage"].tolist() == ["train (lr=0.1)", "train (lr=0.01)"]
    assert made.frame["ratio"].tolist() == [2.0, 2.0]
    assert made.notes == ("2 settings of a sweep were tried in one of two runs only and are left out",)


@pytest.mark.parametrize(("start", "told"), [(160.0, True), (101.0, False)])
def test_memory_that_was_held_before_the_trial_is_said(start: float, told: bool) -> None:
    """A kernel that goes on keeps memory: a higher peak for that alone is no verdict on the run."""
    records = []
    for run, held, after in (("a", 100.0, 0), ("b", start, 60)):
        for n, record in enumerate(trials(run, after=after)):
            readings = {**record.readings, "rss_start_mib": held, "peak_rss_mib": held + 20 + n / 10}
            if not told:  # the run itself takes more
                readings["peak_rss_mib"] += 60 * (run == "b")
            records.append(replace(record, readings=readings))
    made = compared(records, metric="peak_rss_mib")

    assert made.frame["verdict"].item() == "more"
    assert made.notes == (
        (
            "peak memory counts what the process held before the trial, and most of the difference was there "
            "already: train of b; restart the kernel between runs to compare peaks",
        )
        if told
        else ()
    )


def test_other_hosts_are_said() -> None:
    """Times of two machines differ for that alone."""
    records = trials("a", host="left") + trials("b", host="right", after=60)

    assert repr(compared(records)).splitlines()[-1] == (
        "  measured on different hosts (a on left; b on right): "
        "times, memory and energy differ for that alone"
    )


@pytest.mark.parametrize(
    ("runs", "options", "said"),
    [
        (("a", "bb"), {}, "compare: there is no run 'bb' (did you mean b?); there are a, b"),
        (("a", "b"), {"baseline": "x"}, "compare: there is no run 'x'; there are a, b"),
        (
            (),
            {"stage": "trian"},
            "compare: there is no stage 'trian' (did you mean train?); there are train",
        ),
        (
            (),
            {"metric": "wall_time"},
            "compare: there is no metric 'wall_time' (did you mean wall_time_s?); there are wall_time_s",
        ),
        (
            ("a",),
            {},
            "compare: two runs are needed, but named is only a, there are a, b; "
            "%e2e run NAME starts the next one",
        ),
    ],
)
def test_wrong_words_are_said_with_the_nearest(runs: Any, options: Any, said: str) -> None:
    """A run, stage or metric that there is not."""
    with pytest.raises(PlanError) as caught:
        compared(trials("a") + trials("b", after=60), *runs, **options)

    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([], "compare: two runs are needed, but no run has trials; %e2e run NAME starts the next one"),
        (
            trials("a"),
            "compare: two runs are needed, but only a has trials; %e2e run NAME starts the next one",
        ),
    ],
)
def test_one_run_is_no_comparison(records: list[Record], said: str) -> None:
    """It says what there is and how to get another."""
    with pytest.raises(PlanError) as caught:
        compared(records)

    assert str(caught.value) == said


def test_a_metric_may_be_named() -> None:
    """Also one that isn't compared by itself, and one without values has its reason."""
    records = trials("a", peak=[1.0] * 5) + trials("b", peak=[2.0] * 5, after=60)
    made = compared(records, metric=["peak_rss_mib", "gpu_energy_j"])
    frame = made.frame

    assert frame["metric"].tolist() == ["peak_rss_mib", "gpu_energy_j"]
    assert frame["verdict"].tolist() == ["more", "too few repeats"]
    assert frame["reason"].tolist()[1] == "no value on either side"
    assert made.sentences() == [
        "train: b has 2x more peak_rss_mib (2 to 2); too few repeats of gpu_energy_j: neither run has a "
        "value; %e2e metrics says why not"
    ]


# The guard


def test_the_guard_passes_what_is_no_worse() -> None:
    """A faster run, one alike, and one that is slower by less than the share."""
    slower = [1.05 * value for value in np.linspace(1, 1.001, 5)]
    baseline = trials("a", np.linspace(1, 1.001, 5).tolist())
    for wall in (slower, np.linspace(1, 1.001, 5).tolist(), [0.5, 0.51, 0.52, 0.53]):
        made = compared(baseline + trials("b", wall, after=60))
        made.check("10%")
    with pytest.raises(RegressionError):
        compared(baseline + trials("b", slower, after=60)).check(0.01)


def test_the_guard_fails_on_a_real_regression() -> None:
    """With which stage, metric and how much: nbclient shows this sentence."""
    made = compared(trials("a") + trials("b", twice(FIVE), after=60))
    with pytest.raises(RegressionError) as caught:
        made.check("10%")

    assert str(caught.value) == (
        "compare: worse than the baseline a by more than 10 %: "
        "train: b is 2x slower in wall_time_s (1.96 to 2.04)"
    )
    assert isinstance(caught.value, RuntimeError)
    assert caught.value._render_traceback_() == [f"RegressionError: {caught.value}"]


def test_the_guard_does_not_fail_on_noise() -> None:
    """A median that is 20 % worse among repeats that spread as widely is no regression."""
    first, second = [1.0, 1.5, 0.7, 1.2, 0.9], [1.2, 0.8, 1.6, 1.0, 1.4]

    compared(trials("a", first) + trials("b", second, after=60)).check("10%")


def test_the_guard_fails_where_it_cannot_tell() -> None:
    """Too few repeats never pass silently."""
    made = compared(trials("a") + trials("b", FIVE[:2], after=60))
    with pytest.raises(RegressionError) as caught:
        made.check("10%")

    assert str(caught.value) == (
        "compare: it can't be told whether this is no worse than a: train: too few repeats of wall_time_s: "
        "b has 2, a has 5; 4 on each side are needed, as with --repeat 4"
    )


def test_the_guard_knows_which_direction_is_worse() -> None:
    """Less loss passes, more fails; also from a baseline of 0, where there is no ratio."""
    none, some = [0.0] * 5, [1.0] * 5
    up = compared(trials("a", loss=none) + trials("b", loss=some, after=60), metric="loss")
    down = compared(trials("a", loss=some) + trials("b", loss=none, after=60), metric="loss")

    down.check(0)
    with pytest.raises(RegressionError, match=r"b has more loss \(1 against 0\)$"):
        up.check("500%")


def test_the_guard_needs_a_metric_with_a_direction() -> None:
    """Of entries neither more nor less is worse: a guard over nothing must not pass."""
    records = trials("a", reported={"entries": 5}) + trials("b", reported={"entries": 5}, after=60)
    with pytest.raises(RegressionError) as caught:
        compared(records, metric="entries").check("10%")

    assert str(caught.value) == "compare: of entries neither more nor less is worse: name another metric"


@pytest.mark.parametrize(
    ("given_", "share"), [("10%", 0.1), (" 10 % ", 0.1), (0.1, 0.1), ("0.1", 0.1), ("150%", 1.5), (0, 0.0)]
)
def test_a_share_is_read(given_: Any, share: float) -> None:
    """Percent or a share."""
    assert share_of(given_) == pytest.approx(share)


@pytest.mark.parametrize("given_", [10, "10", "ten", "-1%", -0.1, float("nan"), None, "%", ""])
def test_a_share_that_is_none_is_an_error(given_: Any) -> None:
    """Also a bare 10, which may mean 10 % or ten times."""
    with pytest.raises(PlanError) as caught:
        share_of(given_)

    assert str(caught.value) == (
        f"fail_over: expected a share such as 10% or 0.1 (150% for more than all of it), got {given_!r}"
    )


# Charts and HTML


def _logged(run: str, after: float) -> list[Record]:
    events = Events(array("d", [1.0, 2.0, 3.0]), array("d", [1, 2, 3]), {"loss": array("d", [0.9, 0.5, 0.4])})
    return trials(run, events=events, after=after)


def test_plots() -> None:
    """Bars by default, curves of the runs from a common zero, cost against gain."""
    made = compared([*_logged("b", 60), *_logged("a", 0)])

    assert made.plot().get_xlabel() == "ratio to a, 95 % interval"
    over = made.plot("loss", x="t_s")
    assert over.get_xlabel() == "time (s)"
    assert [text.get_text() for text in over.get_legend().get_texts()] == ["a", "b"]
    assert made.plot("loss").get_xlabel() == "epoch"
    assert made.plot("cost", y="loss").get_ylabel() == "loss"
    assert made.plot()._repr_html_().startswith("<img")
    with pytest.raises(PlanError) as caught:
        made.plot("bar")
    assert str(caught.value) == (
        "plot: there is no chart 'bar' (did you mean bars?); allowed are bars, loss, accuracy, cost"
    )
    with pytest.raises(
        PlanError, match=r"^compare: there is no metric 'acuracy' \(did you mean accuracy\?\)"
    ):
        made.plot("cost", y="acuracy")


def test_the_html_is_escaped() -> None:
    """Names of runs and stages are text, never markup."""
    hostile = "<script>alert(1)</script>"
    made = compared(trials("a", stage=hostile) + trials(hostile, stage=hostile, after=60))
    html = made._repr_html_()

    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;: no difference seen in wall_time_s" in html


values = st.lists(st.floats(allow_nan=True), max_size=6)


@settings(max_examples=25, deadline=None)
@given(values, values)
@example([3.6e16, 3.6e16, 0.025, 6.7e161], [3.6e16, 0.025, 0.025, 6.7e161])
@example([5e-324] * 4, [1e308] * 4)
def test_any_numbers_can_be_compared_and_shown(first: list[float], second: list[float]) -> None:
    """Whatever was measured: words, a chart, HTML, and a guard that passes or says why not."""
    records = trials("a", first or [1.0]) + trials("b", second or [1.0], after=60)
    made = compared(records)

    assert repr(made).startswith("compared with a:")
    assert "could not be drawn" not in made._repr_html_()
    alike = len(made.frame) > 0 and {"no difference seen", "faster"} >= set(made.frame["verdict"])
    with nullcontext() if alike else pytest.raises(RegressionError, match=r"^compare: "):
        made.check("0%")


def test_in_python(session: Any) -> None:
    """`e2e.compare` takes names and ids of this kernel's runs."""
    for name in ("a", "b"):
        session.start_run(name)
        for _ in range(4):
            with e2e.measure("train", metrics="cpu"):
                sum(range(1000))
    made = e2e.compare("a", session.runs[1].id, metric="wall_time_s")

    assert (made.baseline, made.runs) == ("a", ("b",))
    assert made.frame["n"].tolist() == [4]
    with pytest.raises(PlanError, match=r"^fail_over: expected a share"):
        e2e.compare("a", "b", fail_over=10)
    with pytest.raises(RegressionError, match=r"too few repeats of loss"):
        e2e.compare("a", "b", metric="loss", fail_over="10%")


def test_a_baseline_that_was_kept_guards_a_later_kernel(
    session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named and not of this kernel, it comes from the store; this kernel's runs are held against it."""
    from e2e_magic import session as sessions

    url = str(tmp_path / "kept.db")
    earlier = session
    earlier.set_store(url)
    earlier.start_run("main")
    for _ in range(4):
        with e2e.measure("train", metrics="cpu"):
            sum(range(1000))
    earlier.close()
    later = sessions.Session()
    later.set_store(url)
    monkeypatch.setattr(sessions, "_session", later)
    later.start_run("change")
    for _ in range(4):
        with e2e.measure("train", metrics="cpu"):
            time.sleep(0.02)
    with pytest.raises(
        RegressionError, match=r"^compare: worse than the baseline main by more than 10 %: train"
    ):
        e2e.compare(baseline="main", metric="wall_time_s", fail_over="10%")
    made = e2e.compare("main", "change", metric="wall_time_s")

    assert made.frame["verdict"].tolist() == ["slower"]
    later.close()


def test_hostile_names_are_cut_and_harmless_in_words() -> None:
    """A stage of a megabyte, a run with a terminal's commands: in words, errors and the page alike."""
    red, long = "\x1b[31mred", "<b>" + "s" * 1_000_000
    records = trials("a", stage=long) + trials(red, twice(FIVE), stage=long, after=100)
    made = compared(records)

    assert repr(made).startswith(f"compared with a:\n  <b>{'s' * 116}…: �[31mred is 2x slower")
    for text in (repr(made), made.html()):
        assert "\x1b" not in text
        assert "s" * 1001 not in text
    assert "<b>s" not in made.html()
    with pytest.raises(RegressionError) as worse:
        compared(records, "a", red).check("10%")
    with pytest.raises(PlanError) as unknown:
        compared(records, stage="train")
    for error in (worse, unknown):
        assert "\x1b" not in str(error.value)
        assert len(str(error.value)) < 1000
