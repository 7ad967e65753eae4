"""How much each parameter of a sweep explains, as a frame with sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Record
from e2e_magic.views import frames
from tests.strategies import records
from tests.views.frames.sweep_records import GRID, by_rate, sweep


def test_influence_ranks_parameters_within_each_metric() -> None:
    """A row per metric and parameter; the summary says it in words."""
    found = frames.influence(frames.trials(sweep(GRID, by_rate, 2)))

    assert found[["metric", "param"]].to_numpy().tolist() == [
        ["accuracy", "lr"], ["accuracy", "batch_size"], ["accuracy", "lr:batch_size"],
        ["wall_time_s", "batch_size"], ["wall_time_s", "lr"], ["wall_time_s", "lr:batch_size"],
    ]  # fmt: skip
    assert found["share"].tolist() == pytest.approx([1, 0, 0, 1, 0, 0])
    assert found["trials"].tolist() == [12] * 6
    assert found["levels"].tolist() == [3, 2, 6, 2, 3, 6]
    assert found.attrs["summary"].splitlines()[0] == (
        "train, spread of accuracy: lr explains 100 % (100 to 100 %, p = 0.003); "
        "no influence of batch_size seen (p = 1)"
    )


def test_pairs_and_parameters_changed_together_are_said() -> None:
    """A pair that decides beyond both, and two that zip changed together; a pair of nothing isn't named."""
    either = sweep({"a": [0, 1], "b": [0, 1]}, lambda a, b: (1.0 + (a ^ b), 0.5), repeats=5)
    trials = frames.trials(either)
    zipped = sweep({"a": [0, 1, 2]}, lambda a: (1.0 + a, 0.5), repeats=4)
    zipped = [replace(record, params={**record.params, "b": f"b{record.params['a']}"}) for record in zipped]
    both = frames.influence(frames.trials(zipped), y="wall_time_s")

    assert frames.influence(trials, y="wall_time_s").attrs["summary"] == (
        "train, spread of wall_time_s: a and b together explain 100 % more (100 to 100 %, p = 0.003); "
        "no influence of a seen (p = 1); no influence of b seen (p = 1)"
    )
    assert both["confounded"].tolist() == ["b", "a"]
    assert both.attrs["summary"].endswith("; a, b were changed together: nothing tells them apart")


def test_influence_of_what_is_named() -> None:
    """Only this parameter on only this metric; stages apart from each other."""
    trials = frames.trials(sweep(GRID, by_rate) + sweep({"lr": [1, 2]}, lambda lr: (lr, 0.5), stage="infer"))
    found = frames.influence(trials, x="lr", y="wall_time_s")

    assert found[["stage", "param"]].to_numpy().tolist() == [["infer", "lr"], ["train", "lr"]]
    assert found["reason"].tolist()[0] == "too few trials: 2, at least 4 are needed"
    assert "infer, spread of wall_time_s: lr: too few trials" in found.attrs["summary"]


def test_incomplete_trials_do_not_count() -> None:
    """A failed trial explains nothing and is on no front."""
    trials = frames.trials(sweep(GRID, by_rate) + sweep(GRID, lambda **_: (0.0, 1.0), state="failed"))

    assert set(frames.influence(trials)["trials"]) == {6}
    assert len(frames.pareto(trials, "wall_time_s", "accuracy")) == 6


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda t: frames.influence(t, x="rate"),
            "there is no parameter 'rate'; there are lr, batch_size",
        ),
        (
            lambda t: frames.influence(t, y="acuracy"),
            "there is no metric 'acuracy' (did you mean accuracy?); "
            "there are wall_time_s, accuracy, best_accuracy",
        ),
    ],
)
def test_wrong_names_are_said(call: Callable[[Any], Any], said: str) -> None:
    """With what there is."""
    with pytest.raises(PlanError) as caught:
        call(frames.trials(sweep(GRID, by_rate)))

    assert str(caught.value) == said


def test_without_a_sweep_there_is_a_sentence() -> None:
    """No rows, and what to do."""
    none = frames.trials([])

    assert len(frames.influence(none)) == 0
    assert frames.influence(none).attrs["summary"].startswith("no trials of a sweep: %%e2esweep")
    assert frames.pareto(none, "loss", "accuracy").attrs["summary"].startswith("no trials of a sweep")


@settings(max_examples=40, deadline=None)
@given(st.lists(records(), max_size=6))
def test_any_trials_can_be_asked(some: list[Record]) -> None:
    """Hostile parameters, odd values, nothing at all: a frame with a summary."""
    trials = frames.trials(some)

    found = frames.influence(trials)
    front = frames.pareto(trials, "wall_time_s", "loss")

    assert found["share"].dropna().between(0, 1).all()
    assert (found["reason"].notna() == found["share"].isna()).all()
    assert len(front) <= len(trials)
    assert isinstance(found.attrs["summary"], str)


def test_none_is_a_level_and_another_sweep_is_not() -> None:
    """Depth None, 2 and 4 over 12 trials: three levels; a sweep that has no depth adds none."""
    depths = {"depth": [None, 2, 4]}
    made = sweep(depths, lambda depth: (float(depth or 9), 0.5), repeats=4)
    made += sweep({"lr": [0.1, 0.2]}, lambda lr: (lr, 0.5), repeats=2)
    [row] = frames.influence(frames.trials(made), x="depth", y="wall_time_s").to_dict("records")

    assert (row["levels"], row["trials"], row["share"]) == (3, 12, pytest.approx(1.0))


def test_nan_and_not_a_time_are_levels() -> None:
    """Swept, they are settings as any other: pandas takes them for missing, the sweep doesn't."""
    values = {"fill": [None, float("nan"), pd.NaT, 0.0]}
    made = sweep(values, lambda fill: (len(str(fill)) + float(fill == 0.0), 0.5), repeats=3)
    [row] = frames.influence(frames.trials(made), x="fill", y="wall_time_s").to_dict("records")

    assert (row["levels"], row["trials"]) == (4, 12)


def test_none_is_a_setting_of_its_own() -> None:
    """On the front, too."""
    trials = frames.trials(sweep({"depth": [None, 2]}, lambda depth: (float(depth or 1), 0.5), repeats=2))

    assert frames.pareto(trials, "wall_time_s", "accuracy")["param_depth"].tolist() == ["None", 2]
