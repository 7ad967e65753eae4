"""Settings of a sweep that nothing beats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from e2e_magic.measuring.plan import PlanError
from e2e_magic.views import frames
from tests.views.frames.sweep_records import GRID, by_rate, sweep


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


def test_a_third_metric_puts_more_on_the_front() -> None:
    """What is slower and no more accurate may need less memory."""
    made = sweep({"n": [1, 2, 3]}, lambda n: (float(n), 0.9))
    peaks = zip(made, [9.0, 5.0, 7.0], strict=True)
    made = [replace(record, readings={**record.readings, "peak_rss_mib": peak}) for record, peak in peaks]
    found = frames.pareto(frames.trials(made), "wall_time_s", "accuracy", "peak_rss_mib")

    assert found["param_n"].tolist() == [1, 2, 3]
    assert found["unbeaten"].tolist() == [True, True, False]
    assert found.attrs["summary"] == (
        "2 of 3 settings are beaten by none (less wall_time_s, more accuracy, less peak_rss_mib)"
    )


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda t: frames.pareto(t, "loss", "loss"),
            "pareto: expected different metrics, got 'loss' twice",
        ),
        (
            lambda t: frames.pareto(t, *["loss"] * 5),
            "pareto: expected two to four metrics, got 5",
        ),
        (
            lambda t: frames.pareto(t, "entries", "loss"),
            "pareto: of entries neither less nor more is known to be better; "
            "take metrics such as accuracy, loss, wall_time_s, peak_rss_mib or package_energy_j",
        ),
    ],
)
def test_wrong_names_are_errors(call: Callable[[Any], Any], sentence: str) -> None:
    """With what there is."""
    with pytest.raises(PlanError) as caught:
        call(frames.trials(sweep(GRID, by_rate)))

    assert str(caught.value) == sentence
