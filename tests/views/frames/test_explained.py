"""What the trials of sweeps say: shares explained, and settings that nothing beats."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Record
from e2e_magic.views import frames
from tests.strategies import records

START = datetime(2026, 8, 1, 12, tzinfo=UTC)


def sweep(
    grid: dict[str, list[Any]],
    measure: Callable[..., tuple[float, float]],
    repeats: int = 1,
    **fields: Any,
) -> list[Record]:
    """Make the trials of a grid; `measure` gives wall time and accuracy."""
    made = []
    for values in itertools.product(*grid.values()):
        params = dict(zip(grid, values, strict=True))
        for repeat in range(repeats):
            wall, accuracy = measure(**params)
            given_: dict[str, Any] = {
                "run": "a",
                "stage": "train",
                "trial": len(made) + 1,
                "repeat": repeat + 1,
                "state": "complete",
                "started_at": START + timedelta(seconds=len(made)),
                "sweep": "s",
                "params": params,
                "readings": {"wall_time_s": wall},
                "reported": {"accuracy": accuracy},
                **fields,
            }
            made.append(Record(**given_))
    return made


GRID = {"lr": [0.1, 0.01, 0.001], "batch_size": [16, 32]}


def by_rate(lr: float, batch_size: int) -> tuple[float, float]:
    """Accuracy goes with the rate alone, time with the batch alone."""
    return 64 / batch_size, 0.9 + np.log10(lr) / 10


def test_influence_ranks_parameters_within_each_metric() -> None:
    """A row per metric and parameter; the summary says it in words."""
    found = frames.influence(frames.trials(sweep(GRID, by_rate, 2)))

    assert found[["metric", "param"]].to_numpy().tolist() == [
        ["accuracy", "lr"], ["accuracy", "batch_size"], ["wall_time_s", "batch_size"], ["wall_time_s", "lr"],
    ]  # fmt: skip
    assert found["share"].tolist() == pytest.approx([1, 0, 1, 0])
    assert found["trials"].tolist() == [12] * 4
    assert found["levels"].tolist() == [3, 2, 2, 3]
    assert found.attrs["summary"].splitlines()[0] == (
        "train, spread of accuracy: lr explains 100 % (100 to 100 %); "
        "batch_size explains 0 % (0 to 0 %, 9 % by chance alone)"
    )


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


def test_pareto_takes_the_median_of_repeats() -> None:
    """A lucky repeat puts no setting on the front."""
    walls = iter([1.0, 5.0, 5.0, 2.0, 2.0, 2.0])
    trials = frames.trials(sweep({"lr": [0.1, 0.2]}, lambda **_: (next(walls), 0.9), repeats=3))
    found = frames.pareto(trials, "wall_time_s", "accuracy")

    assert found[["param_lr", "wall_time_s", "repeats", "unbeaten"]].to_numpy().tolist() == [
        [0.2, 2.0, 3, True],
        [0.1, 5.0, 3, False],
    ]
    assert found.attrs["summary"] == ("1 of 2 settings is beaten by none (less wall_time_s, more accuracy)")


def test_pareto_counts_only_settings_with_both() -> None:
    """A setting that lacks one of the two can neither beat nor be beaten: it is said apart."""
    have = sweep({"lr": [0.1, 0.2, 0.3]}, lambda lr: (lr, 0.9 if lr < 0.3 else float("nan")))
    found = frames.pareto(frames.trials(have), "wall_time_s", "accuracy")

    assert found.attrs["summary"] == (
        "1 of 2 settings is beaten by none (less wall_time_s, more accuracy); 1 more lacks one of the two"
    )


def test_pareto_without_a_measure_says_why() -> None:
    """A metric that this machine doesn't measure leaves no setting, and the sentence names it."""
    found = frames.pareto(frames.trials(sweep(GRID, by_rate)), "package_energy_j", "accuracy")

    assert not found["unbeaten"].any()
    assert found.attrs["summary"] == (
        "no setting has both package_energy_j and accuracy: no trial has package_energy_j; "
        "%e2e metrics says what isn't measured and why"
    )


def test_pareto_puts_the_unbeaten_first_in_order_of_cost() -> None:
    """Less time, more accuracy: as the metrics say."""
    trials = frames.trials(sweep({"n": [1, 2, 3, 4]}, lambda n: (float(n), [0.5, 0.4, 0.7, 0.6][n - 1])))
    found = frames.pareto(trials, "wall_time_s", "accuracy")

    assert found["param_n"].tolist() == [1, 3, 2, 4]
    assert found["unbeaten"].tolist() == [True, True, False, False]
    assert found.attrs["better"] == {"wall_time_s": "lower", "accuracy": "higher"}
    assert found.attrs["units"] == {"wall_time_s": "s"}


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
        (
            lambda t: frames.pareto(t, "loss", "loss"),
            "pareto: expected two different metrics, got 'loss' twice",
        ),
        (
            lambda t: frames.pareto(t, "entries", "loss"),
            "pareto: of entries neither less nor more is known to be better; "
            "take metrics such as accuracy, loss, wall_time_s, peak_rss_mib or package_energy_j",
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
