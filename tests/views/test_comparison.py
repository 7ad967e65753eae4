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
from e2e_magic.derived.comparison import compared as compared_samples
from e2e_magic.derived.many_comparisons import settled
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Environment, Events, Record, Run
from e2e_magic.views import frames
from e2e_magic.views.comparison import Comparison, RegressionError, UndecidedError, compare, share_of

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
    """A line per run, then a sentence per metric that differs, with its interval."""
    same = [0.5, 0.51, 0.49, 0.5, 0.52]
    records = trials("a", peak=[100.0, 101, 102, 103, 104], loss=same)
    records += trials("b", twice(FIVE), peak=[130.0, 131, 132, 133, 134], loss=same[::-1], after=60)

    assert repr(compared(records)) == (
        "compared with a:\n"
        "  b: train 2x slower, 29.4 % more peak RSS; no difference seen in loss\n"
        "  wall_time_s: train 2x slower (1.96 to 2.04)\n"
        "  peak_rss_mib: train 29.4 % more (26.9 to 32 %)\n"
        "  measured one after the other: a drift of this machine would look the same; ab() tells them apart"
    )


def test_too_few_repeats_say_how_many_are_needed() -> None:
    """With 3 against 3 no test can tell: no verdict, and what to do."""
    records = trials("a", FIVE[:3]) + trials("b", twice(FIVE[:3]), after=60)
    made = compared(records)

    assert made.frame["verdict"].tolist() == ["too few repeats"]
    assert made.frame["repeats_needed"].tolist() == [4]
    assert made.frame["p_value"].isna().all()
    assert repr(made).splitlines()[1:3] == [
        "  b: too few repeats of wall_time_s",
        "  train: too few repeats of wall_time_s: b has 3, a has 3; 4 on each side are needed, "
        "as with --repeat 4",
    ]


def test_of_an_edited_cell_the_newest_source_counts() -> None:
    """Its older version is no repeat of it, and it is said how many trials that leaves out."""
    records = trials("a", [9.0, 9.1, 9.2], source="slow()") + trials("a", source="fast()", after=20)
    records += trials("b", twice(FIVE), source="other()", after=60)
    made = compared(records, sources=[record.source for record in records])

    [row] = made.frame.to_dict("records")
    assert (row["n_baseline"], row["median_baseline"], row["verdict"]) == (5, 1.02, "slower")
    assert made.notes == ("the cell was edited, and trials of its older source are left out: train of a (3)",)


def test_a_sweeps_trials_stand_at_no_point_of_cost_and_gain() -> None:
    """Where the stage also ran by itself: its own repeats are the point and its whiskers."""
    records = trials("a", loss=[0.5] * 5) + trials("b", twice(FIVE), loss=[0.4] * 5, after=60)
    records += trials("a", [100.0] * 9, loss=[0.1] * 9, sweep="s", params={"n": 1}, after=90)
    axes = compared(records, metric="wall_time_s").plot("cost")

    assert max(float(line.get_xdata()[0]) for line in axes.lines) < 3


def test_only_complete_trials_count() -> None:
    """A trial that failed or was ended is neither counted nor compared; neither is one that was ended."""
    records = trials("a") + trials("b", after=60)
    records += trials("b", [99.0] * 9, state="failed", after=90)
    records += trials("b", [99.0] * 9, state="interrupted", after=99)
    records += trials("b", [99.0] * 9, state="pruned", after=120)
    records += trials("b", [99.0] * 9, state="over limit", after=150)

    assert compared(records).frame["n"].tolist() == [5]
    [left_out] = [note for note in compared(records).notes if "left out" in note]
    assert left_out == (
        "trials that did not complete are left out: 9 failed of b, 9 interrupted of b, 9 pruned of b, "
        "9 over limit of b"
    )
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
    """Times of two machines differ for that alone: before the ratios."""
    records = trials("a", host="left") + trials("b", host="right", after=60)

    assert repr(compared(records)).splitlines()[2] == (
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


def test_the_guard_cannot_tell_from_noise() -> None:
    """A median that is 20 % worse among repeats that spread as widely: no regression, and no pass."""
    first, second = [1.0, 1.5, 0.7, 1.2, 0.9], [1.2, 0.8, 1.6, 1.0, 1.4]
    made = compared(trials("a", first) + trials("b", second, after=60))
    with pytest.raises(UndecidedError) as caught:
        made.check("10%")

    assert str(caught.value) == (
        "compare: it can't be told whether this is no worse than a: train: b may be worse by -20 % to 71.4 % "
        "in wall_time_s, the bound is 10 %; about 43 repeats on each side are needed"
    )
    made.check("10%", on_doubt="pass")
    with pytest.raises(RegressionError) as failed:
        made.check("10%", on_doubt="fail")
    assert not isinstance(failed.value, UndecidedError)
    with pytest.raises(PlanError) as wrong:
        made.check("10%", on_doubt="pas")
    assert str(wrong.value) == "on_doubt: expected pass or fail, got 'pas' (did you mean pass?)"


def test_a_guard_passes_below_the_bound_only() -> None:
    """The whole interval below: pass; all of it above: fail; a bound within it: can't tell."""
    slower = [1.115 * value for value in FIVE]
    made = compared(trials("a") + trials("b", slower, after=60))

    made.check("20%")
    with pytest.raises(UndecidedError, match=r"the bound is 10 %; about 1\d repeats on each side are needed"):
        made.check("10%")
    with pytest.raises(RegressionError, match=r"^compare: worse than the baseline a by more than 5 %"):
        made.check("5%")


def test_trials_that_came_to_nothing_are_said_first_and_never_pass() -> None:
    """Half of them diverged or missed the target: the rest is no better for that."""

    def learnt(run: str, losses: list[float], after: float) -> list[Record]:
        made = []
        for n, one in enumerate(trials(run, [1.0] * len(losses), after=after)):
            values = {
                "loss": array("d", [losses[n]]),
                "accuracy": array("d", [0.95 if losses[n] == losses[n] else 0.1]),
            }
            events = Events(
                array("d", [losses[n] if losses[n] == losses[n] else 9.0]), array("d", [1.0]), values
            )
            made.append(replace(one, events=events, reported={"target_accuracy": 0.9}))
        return made

    nan = float("nan")
    records = learnt("a", [1.0, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 1.07], 0)
    records += learnt("b", [0.8, 0.81, 0.82, 0.83, nan, nan, nan, nan], 60)
    made = compared(records)
    rows = {row["metric"]: row for row in made.frame.to_dict("records")}

    assert made.sentences()[0].startswith(
        "train: 4 of 8 trials of b diverged, 4 of 8 trials of b missed the target; "
    )
    assert {rows[name]["n"] for name in ("loss", "time_to_accuracy_s")} == {8}
    assert rows["loss"]["verdict"] not in ("less", "faster")
    assert rows["time_to_accuracy_s"]["verdict"] != "faster"
    with pytest.raises(RegressionError, match="4 of 8 trials of b diverged"):
        made.check("10%")


def test_failed_trials_never_pass_a_guard() -> None:
    """One of six is no proof, five of ten are; as many as the baseline's are no worse."""
    fast = [0.5 + n / 1000 for n in range(6)]

    def with_failed(run: str, count: int, after: float) -> list[Record]:
        return trials(run, fast, after=after) + trials(run, fast[:1] * count, state="failed", after=after + 9)

    some = compared(with_failed("a", 1, 0) + with_failed("b", 1, 60))
    one = compared(with_failed("a", 0, 0) + with_failed("b", 1, 60))
    many = compared(with_failed("a", 0, 0) + with_failed("b", 6, 60))

    some.check("10%")
    with pytest.raises(UndecidedError, match="1 of 7 trials of b failed"):
        one.check("10%")
    with pytest.raises(RegressionError, match="6 of 12 trials of b failed") as caught:
        many.check("10%")
    assert not isinstance(caught.value, UndecidedError)


@pytest.mark.parametrize(
    ("least", "verdicts"),
    [
        (None, ["no difference that matters", "more", "no difference that matters"]),
        ("5%", ["no difference that matters"] * 3),
        (0, ["slower", "more", "less"]),
    ],
)
def test_a_difference_that_matters_to_nobody_has_its_word(least: Any, verdicts: list[str]) -> None:
    """Half a percent of time, 3 % of memory, 0.05 points of accuracy: real, each of them."""
    ten = [1 + n / 1e6 for n in range(10)]
    records = []
    for run, time_, peak, accuracy, after in (("a", 1.0, 100.0, 0.9, 0), ("b", 1.005, 103.0, 0.8995, 60)):
        for n, one in enumerate(trials(run, [time_ * value for value in ten], after=after)):
            readings = {**one.readings, "peak_rss_mib": peak * ten[n]}
            records.append(replace(one, readings=readings, reported={"accuracy": accuracy * (2 - ten[n])}))
    made = compared(records, metric=["wall_time_s", "peak_rss_mib", "accuracy"], least=least)

    assert made.frame["verdict"].tolist() == verdicts
    if least is None:
        assert made.sentences() == [
            "train: b has 3 % more peak_rss_mib (3 to 3 %); no difference that matters in wall_time_s "
            "(0.5 % more), accuracy (0.05 points less)"
        ]


def test_repeats_of_one_seed_are_said() -> None:
    """The same accuracy five times over is one accuracy, with no p-value; values that spread are compared."""
    records = [replace(one, reported={"accuracy": 0.9}) for one in trials("a")]
    records += [replace(one, reported={"accuracy": 0.93}) for one in trials("b", after=60)]

    made = compared(records, metric="accuracy")
    [row] = made.frame.to_dict("records")

    assert (row["verdict"], row["n"], np.isnan(row["p_value"])) == ("can't tell", 5, True)
    assert repr(made).splitlines()[2] == (
        "  train: can't tell accuracy: these 5 repeats show no spread (0.93 against 0.9); vary the seed"
    )
    with pytest.raises(UndecidedError, match="vary the seed"):
        made.check("10%")
    spread = compared(trials("a", loss=list(FIVE)) + trials("b", loss=[2.0] * 5, after=60), metric="loss")
    assert spread.frame["verdict"].tolist() == ["more"]


def test_killed_trials_are_counted_and_pruned_ones_are_not() -> None:
    """A trial that the machine ended, or that went over its limit, failed; one that was behind did not."""
    records = trials("a", FIVE * 2) + trials("b", FIVE * 2, after=60)
    states = ["complete"] * 10 + ["complete"] * 5 + ["killed", "killed", "over limit", "pruned", "failed"]
    made = compare(frames.results(records).assign(state=states), frames.epochs(records))

    assert [line for line in repr(made).splitlines() if " of b" in line] == [
        "  train: 1 of 9 trials of b failed, 2 of 9 trials of b were killed, "
        "1 of 9 trials of b went over the limit",
        "  trials that did not complete are left out: 2 killed of b, 1 over limit of b, 1 pruned of b, "
        "1 failed of b",
    ]
    with pytest.raises(RegressionError, match="1 of 9 trials of b failed, 2 of 9 trials of b were killed"):
        made.check("10%")


def test_the_guard_never_fails_what_is_worded_as_no_difference() -> None:
    """An interval above the bound without a difference seen can't tell; what --least hides is worse."""
    slower = [1.03 * value for value in FIVE]
    made = compared(trials("a") + trials("b", slower, after=60), least="10%")

    assert made.frame["verdict"].tolist() in (["no difference that matters"], ["no difference seen"])
    with pytest.raises(UndecidedError):
        made.check("1%")
    far = compared(trials("a") + trials("b", [1.08 * v for v in FIVE], after=60), least="20%")
    assert far.frame["verdict"].tolist() == ["no difference that matters"]
    with pytest.raises(RegressionError, match=r"by more than 1 %: train: b is .*slower in wall_time_s"):
        far.check("1%")


def test_cold_trials_and_threads_and_sources_are_named() -> None:
    """One cold trial is said beside the numbers; other threads and other code stand before them."""
    records = trials("a", source="old()") + trials("b", source="new()", after=60)
    records = [replace(one, reported={"cold": one.run == "b" and one.trial == 1}) for one in records]
    places = {"a": {"OMP_NUM_THREADS": "1"}, "b": {"torch": "2"}}
    runs = {name: [Run(name, name, START, environment=Environment(threads=t))] for name, t in places.items()}
    made = compared(records, sources=[one.source for one in records], environments=runs)

    assert made.unlike == (
        "unlike in the source of the cell: train of b",
        "unlike in the threads (OMP_NUM_THREADS): 1 of a, unset of b",
    )
    assert (
        "1 of 10 trials was the first of a process (column cold), which may raise wall_time_s" in made.notes
    )


def test_a_wrong_least_is_said() -> None:
    """With its own name."""
    with pytest.raises(PlanError, match=r"^least: expected a share such as 10% or 0.1"):
        compared(trials("a") + trials("b", after=60), least="five")


def test_what_only_restates_wall_time_is_not_tested_again() -> None:
    """Latency and throughput of the same entries: the verdict of wall time, one comparison for all three."""
    records = [
        replace(one, reported={"entries": 10})
        for one in trials("a", [1.0, 1.1, 1.2, 1.3]) + trials("b", [2.0, 2.1, 2.2, 2.3], after=60)
    ]
    made = compared(records)

    assert made.frame["verdict"].tolist() == ["slower"] * 3
    assert made.frame.attrs["p_adjusted"] == pytest.approx([2 / 70] * 3)


def test_many_comparisons_of_nothing_claim_no_more_than_one() -> None:
    """60 rows without any difference, in six stages and ten metrics: a false word in at most 5 % of 200."""
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(200):
        rows = [compared_samples(*rng.normal(1, 0.05, (2, 8)), "wall_time_s") for _ in range(60)]
        judged, _ = settled(rows, ["wall_time_s"] * 60, [None] * 60, least=0)
        wrong += any(row.verdict != "no difference seen" for row in judged)

    assert wrong <= 10


def test_what_is_unlike_comes_before_the_ratios() -> None:
    """Machines, versions, entries, units: a sentence each, and none where all is alike."""

    def run(name: str, **place: Any) -> Run:
        return Run(name, name, START, environment=Environment(**place))

    left = {
        "cpu": "Xeon",
        "cores_usable": 8,
        "ram_mib": 16_000.0,
        "packages": {"numpy": "2.1", "scipy": "1.17"},
    }
    right = {
        "cpu": "EPYC",
        "cores_usable": 4,
        "ram_mib": 16_010.0,
        "packages": {"numpy": "2.2", "scipy": "1.17"},
    }
    records = trials("a", reported={"entries": 10, "accuracy": 0.9})
    records += trials("b", reported={"entries": 20, "accuracy": 91.0}, after=60)
    made = compared(records, environments={"a": [run("a", **left)], "b": [run("b", **right)]})

    assert made.unlike == (
        "unlike in the processor: Xeon of a, EPYC of b",
        "unlike in the usable cores: 8 of a, 4 of b",
        "unlike in numpy: 2.1 of a, 2.2 of b",
        "unlike in entries: 10 of a, 20 of b (train)",
        "unlike in the unit of accuracy: b is in percent, a in shares of 1 (train)",
    )
    assert repr(made).splitlines()[2] == f"  {made.unlike[0]}"
    alike = compared(
        trials("a") + trials("b", after=60), environments={"a": [run("a", **left)], "b": [run("b", **left)]}
    )
    assert alike.unlike == ()


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
    none, some = [0.0] * 4 + [0.001], [1.0] * 4 + [1.001]
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
        "plot: there is no chart 'bar' (did you mean bars?); allowed are bars, drift, loss, accuracy, cost"
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
    known = len(made.frame) > 0 and all(high <= 0 for _, high in made.frame.attrs["change"])
    with nullcontext() if known else pytest.raises(RegressionError, match=r"^compare: "):
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
        with e2e.measure("train", metrics="wall_time"):
            sum(range(1000))
    earlier.close()
    later = sessions.Session()
    later.set_store(url)
    monkeypatch.setattr(sessions, "_session", later)
    later.start_run("change")
    for _ in range(4):
        with e2e.measure("train", metrics="wall_time"):
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

    assert repr(made).startswith(f"compared with a:\n  �[31mred: <b>{'s' * 116}… 2x slower")
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


def test_hostile_names_of_runs_that_waited_are_cut() -> None:
    """The sentence on waiting names the run too."""
    red = "\x1b[31m" + "b" * 1_000_000
    records = [*trials("a"), *trials(red, twice(FIVE), after=60)]
    read = [{**r.readings, "waited_s": (r.run == red) * 0.7} for r in records]
    made = compared([replace(r, readings=one) for r, one in zip(records, read, strict=True)])

    assert made.frame["verdict"].tolist() == ["can't tell"]
    for text in (repr(made), made.html()):
        assert "waited 34 % of its wall time" in text
        assert "\x1b" not in text
        assert len(text) < 50_000


def test_no_verdict_on_wall_time_from_trials_that_waited_for_a_core() -> None:
    """A slower run of which a third was waiting tells of the machine; CPU time keeps its verdict."""
    records = trials("a") + trials("b", twice(FIVE), after=60)
    readings = [
        {**r.readings, "cpu_time_s": float(r.readings["wall_time_s"]), "waited_s": (r.run == "b") * 0.7}
        for r in records
    ]
    made = compared([replace(r, readings=read) for r, read in zip(records, readings, strict=True)])

    assert made.frame.set_index("metric")["verdict"].to_dict() == {
        "wall_time_s": "can't tell",
        "cpu_time_s": "slower",
    }
    assert made.unlike == (
        "unlike in the share of the wall time spent waiting for a core: 0 % of a, 34 % of b (train)",
    )
    assert repr(made).splitlines()[3:5] == [
        "  cpu_time_s: train 2x slower (1.96 to 2.04)",
        "  train: can't tell wall_time_s: b waited 34 % of its wall time for a free core; close what else "
        "runs, or use fewer threads, and measure again",
    ]
    with pytest.raises(RegressionError, match="it can't be told whether this is no worse than a"):
        made.check("10%")


def test_a_difference_that_no_waiting_explains_keeps_its_verdict() -> None:
    """A tenfold time is slower, also where a third of it was waiting."""
    records = trials("a") + trials("b", [10 * value for value in FIVE], after=60)
    read = [{**r.readings, "waited_s": 0.33 * float(r.readings["wall_time_s"])} for r in records]
    made = compared([replace(r, readings=one) for r, one in zip(records, read, strict=True)])

    assert made.frame["verdict"].tolist() == ["slower"]


@pytest.mark.parametrize("waited", [0.0, 0.09, float("nan")])
def test_a_little_waiting_or_none_known_leaves_the_verdict(waited: float) -> None:
    """Up to a tenth of the wall time is no reason to hold a verdict back, nor is what nobody counted."""
    records = trials("a") + trials("b", twice(FIVE), after=60)
    read = [{**r.readings, "waited_s": waited * float(r.readings["wall_time_s"])} for r in records]
    made = compared([replace(r, readings=one) for r, one in zip(records, read, strict=True)])

    assert made.frame["verdict"].tolist() == ["slower"]


def test_stages_shorter_than_a_millisecond_name_the_option() -> None:
    """Their edges are a part of what is compared; a loop of executions has none to speak of."""
    short = [value / 1e5 for value in FIVE]
    made = compared(trials("a", short) + trials("b", short, after=60))
    looped = [
        replace(r, readings={**r.readings, "number": 1000})
        for r in (*trials("a", short), *trials("b", short, after=60))
    ]

    assert made.notes == (
        "shorter than 1 ms, so that measuring is a part of it: train; --number auto executes it many times",
    )
    assert compared(looped).notes == ()
