from __future__ import annotations

import math
from array import array
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.derived.convergence import convergence, reaches
from e2e_magic.record import Events, Record

nan = math.nan


def record(
    reported: dict[str, Any] | None = None,
    *,
    dropped: int = 0,
    epoch: list[float] | None = None,
    **logged: list[float],
) -> Record:
    """Make a trial that logged a row per second."""
    size = len(next(iter(logged.values()), []))
    columns = {key: array("d", values) for key, values in logged.items()}
    times = array("d", range(1, size + 1))
    events = Events(times, array("d", epoch or range(1, size + 1)), columns, dropped)
    return Record(
        "r", "s", 1, 1, "complete", datetime(2026, 1, 1, tzinfo=UTC), events=events, reported=reported or {}
    )


def test_what_is_handed_back_wins_as_the_last_value() -> None:
    """The best is over the logged curve and it."""
    found, _ = convergence(record({"accuracy": 0.7}, accuracy=[0.5, 0.9, 0.6]))

    assert (found["accuracy"], found["best_accuracy"], found["epochs"]) == (0.7, 0.9, 3)


def test_a_list_is_the_curve() -> None:
    """Its last value, its best and its length; loss is best when low."""
    found, missing = convergence(record({"loss": [3.0, 1.0, 2.0]}))

    assert found == {"loss": 2.0, "best_loss": 1.0, "epochs": 3}
    assert missing == {}


def test_a_counted_accuracy_stands_behind_a_given_and_before_a_logged_one() -> None:
    """A confusion matrix is handed back too."""
    assert convergence(record(accuracy=[0.5]), 0.75)[0]["accuracy"] == 0.75
    assert convergence(record({"accuracy": 0.5}), 0.75)[0]["accuracy"] == 0.5


def test_validation_serves_where_nothing_else_was_logged() -> None:
    """`val_loss` is the loss where there is no `loss`."""
    found, _ = convergence(record(val_loss=[2.0, 1.0]))

    assert (found["loss"], found["best_loss"]) == (1.0, 1.0)


def test_a_diverged_loss_stays_nan() -> None:
    """Its last finite value would hide that the training failed."""
    why = "the last loss was not a number: the training diverged"
    for trial in (
        record({"loss": [1.0, nan]}),
        record(loss=[1.0, nan]),
        record(loss=[1.0, nan], accuracy=[0.5, 0.1]),
    ):
        found, missing = convergence(trial)
        assert math.isnan(found["loss"])
        assert found["best_loss"] == 1.0
        assert str(missing["loss"]) == why


def test_a_key_that_is_logged_now_and_then_has_not_diverged() -> None:
    """Rows that lack the key don't count: validation every other epoch, a test after the last."""
    found, missing = convergence(
        record(loss=[3.0, 2.0, 1.0, nan], val_accuracy=[nan, 0.5, nan, nan], test_loss=[nan, nan, nan, 4.0])
    )

    assert (found["loss"], found["accuracy"], missing) == (1.0, 0.5, {})


def test_epochs_are_the_different_ones() -> None:
    """An epoch may be logged in several calls; dropped rows of a thinned log were epochs."""
    assert convergence(record(epoch=[1, 1, 2, 2], loss=[1.0] * 4))[0]["epochs"] == 2
    assert convergence(record(epoch=[2, 4, 6], dropped=4, loss=[1.0] * 3))[0]["epochs"] == 7


def test_the_epoch_and_second_of_the_target() -> None:
    """The first epoch that reaches it, as it was numbered, also where the curve falls again."""
    found, missing = convergence(
        record({"target_accuracy": 0.9}, epoch=[10, 20, 30], accuracy=[0.1, 0.9, 0.2])
    )

    assert (found["epochs_to_accuracy"], found["time_to_accuracy_s"], missing) == (20, 2.0, {})


def test_an_odd_epoch_falls_back_to_the_row() -> None:
    """An epoch that was logged as NaN has no number of its own."""
    found, _ = convergence(record({"target_accuracy": 0.5}, epoch=[nan, nan], accuracy=[0.1, 0.9]))

    assert (found["epochs_to_accuracy"], found["time_to_accuracy_s"]) == (2, 2.0)


TO_ACCURACY = ("epochs_to_accuracy", "time_to_accuracy_s")


@pytest.mark.parametrize(
    ("trial", "why"),
    [
        (
            record({"target_accuracy": 0.8, "accuracy": [0.5, 0.6]}),
            "the target 0.8 was not reached; the best accuracy was 0.6",
        ),
        (
            record({"target_accuracy": 0.8}, accuracy=[0.5, nan]),
            "the target 0.8 was not reached in 2 s; the best accuracy was 0.5",
        ),
        (
            record({"target_accuracy": 0.8}, accuracy=[0.5, 0.9], val_accuracy=[0.4, 0.6]),
            "the target 0.8 was not reached in 2 s; the best val accuracy was 0.6",
        ),
        (
            record({"target_accuracy": 0.8, "accuracy": 0.9}),
            "needs an accuracy per epoch: e2e.log(accuracy=..) inside the code, or a list for --accuracy",
        ),
        (
            record({"target_accuracy": 0.8}, accuracy=[50.0, 93.0]),
            "the accuracies go up to 93, percent it seems, but the target 0.8 is a share: "
            "say --target-accuracy 80",
        ),
        (
            record({"target_accuracy": 80.0}, accuracy=[0.5, 0.93]),
            "the accuracies go up to 0.93, shares it seems, but the target 80 is percent: "
            "say --target-accuracy 0.8",
        ),
    ],
)
def test_why_there_is_no_time_to_accuracy(trial: Record, why: str) -> None:
    """Never a made-up time: both are missing, with the reason."""
    found, missing = convergence(trial)

    assert not set(TO_ACCURACY) & set(found)
    assert {name: str(missing[name]) for name in TO_ACCURACY} == dict.fromkeys(TO_ACCURACY, why)


@given(
    st.lists(st.floats(0, 1) | st.just(nan), min_size=1, max_size=20),
    st.floats(0, 1, exclude_min=True),
    st.floats(0, 1, exclude_min=True),
)
def test_a_higher_target_is_never_reached_sooner(curve: list[float], one: float, other: float) -> None:
    """Time to accuracy grows with the target, and a target within the curve is reached where it says."""
    low, high = sorted((one, other))
    times = [
        convergence(record({"target_accuracy": target}, accuracy=curve))[0].get(
            "time_to_accuracy_s", math.inf
        )
        for target in (low, high)
    ]

    assert times[0] <= times[1]
    if times[0] < math.inf:
        row = int(times[0]) - 1
        assert curve[row] >= low * (1 - 2**-24)  # half a step of a single float
        assert all(not value >= low for value in curve[:row])


@pytest.mark.parametrize(
    ("epoch", "to_accuracy"),
    [
        ([0, 1, 2], 2),
        ([1, 2, 3], 2),
        ([3, 4, 5], 4),
        ([0.5, 1.0, 1.5], 1),
        ([0, 0, 1], 1),
        ([nan, nan, nan], 2),
    ],
)
def test_epochs_to_accuracy_count_from_one(epoch: list[float], to_accuracy: int) -> None:
    """The second row reaches the target: numbered from 0, from 1, resumed, half epochs, two rows an epoch."""
    found, _ = convergence(record({"target_accuracy": 0.9}, epoch=epoch, accuracy=[0.5, 0.9, 0.95]))

    assert found["epochs_to_accuracy"] == to_accuracy


@pytest.mark.parametrize(
    ("value", "target", "met"),
    [
        (array("f", [0.9])[0], 0.9, True),
        (array("f", [0.7])[0], 0.7, True),
        (array("f", [0.99])[0], 0.99, True),
        (array("f", [0.9])[0], 0.9000001, False),
        (0.5, 0.5000000001, False),
        (0.0, 1e-300, False),
        (0.89999999, 0.9, False),
    ],
)
def test_a_target_is_met_to_the_precision_of_a_single_float(value: float, target: float, met: bool) -> None:
    """What float32 can't tell from the target has reached it; a double has to."""
    assert reaches(value, target) is met


def test_validation_has_its_own_last_value() -> None:
    """Beside the training's, unless the line says what the loss is."""
    curves = {"loss": [3.0, 1.0], "val_loss": [4.0, 2.0], "val_accuracy": [0.5, nan]}

    found, _ = convergence(record(**curves))
    assert (found["loss"], found["val_loss"]) == (1.0, 2.0)
    assert math.isnan(found["val_accuracy"])
    assert "val_loss" not in convergence(record({"loss": 0.5}, **curves))[0]


def test_any_logged_name_may_be_a_target() -> None:
    """Its last value is there in the sweep that is about it, and in no other."""
    about = {"sweep_target": {"metric": "val_f1", "maximize": True}}

    assert convergence(record(about, val_f1=[0.5, 0.25]))[0]["val_f1"] == 0.25
    assert "val_f1" not in convergence(record(val_f1=[0.5, 0.25]))[0]
    assert "val_f1" not in convergence(record(about, loss=[0.5]))[0]
