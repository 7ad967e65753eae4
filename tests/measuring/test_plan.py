"""Plans check themselves and speak to a person."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.measuring.plan import Plan, PlanError, Step


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        ({"stage": " "}, "stage: expected a label such as prepare, train, validate or infer, got ' '"),
        ({"repeat": 0}, "repeat: expected a whole number of at least 1, got 0"),
        ({"repeat": 2.5}, "repeat: expected a whole number of at least 1, got 2.5"),
        ({"repeat": True}, "repeat: expected a whole number of at least 1, got True"),
        ({"warmup": -1}, "warmup: expected a whole number of at least 0, got -1"),
        ({"interval": 0.0001}, "interval: expected seconds, at least 0.001, got 0.0001"),
        ({"interval": float("nan")}, "interval: expected seconds, at least 0.001, got nan"),
        ({"interval": "fast"}, "interval: expected seconds, at least 0.001, got 'fast'"),
        (
            {"target_accuracy": 0},
            "target_accuracy: expected a number above 0 and up to 1 (up to 100 for percent), got 0",
        ),
        (
            {"estimate_power": "12"},
            "estimate_power: expected two numbers of watts IDLE_W,FULL_W with 0 <= idle <= full, "
            "such as 12,65, or auto, got '12'",
        ),
        ({"metrics": 5}, "metrics: expected names such as cpu,memory, got 5"),
        ({"metrics": ","}, "metrics: expected names such as cpu,memory, got ','"),
        (
            {"options": {"los": 1}},
            "los: no such option (did you mean loss?); allowed are metrics, repeat, warmup, number, "
            "interval, "
            "target_accuracy, estimate_power, memory_limit, latency_duration, lines, entries, loss, "
            "accuracy, confusion, classes, y_true, y_pred, latency",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(given_: dict[str, Any], sentence: str) -> None:
    """The parameter, what came, what is allowed."""
    with pytest.raises(PlanError) as caught:
        Plan(**given_)

    assert str(caught.value) == sentence


def test_an_unknown_collector_names_the_nearest() -> None:
    """Collectors are known only to the session: it hands their names in."""
    with pytest.raises(PlanError) as caught:
        Plan(metrics="cpu,memroy").check_collectors(["wall_time", "cpu", "memory", "io"])

    assert str(caught.value) == (
        "metrics: there is no collector 'memroy' (did you mean memory?); allowed are cpu, io, memory"
    )


@pytest.mark.parametrize("written", ["CPU", "Cpu", "cpus"])
def test_a_word_in_capitals_is_near(written: str) -> None:
    """Capitals alone don't hide what was meant."""
    with pytest.raises(PlanError, match=re.escape(f"no collector {written!r} (did you mean cpu?)")):
        Plan(metrics=written).check_collectors(["wall_time", "cpu", "memory", "io"])


def test_lists_of_collectors_are_text_or_sequences() -> None:
    """Commas and spaces both separate."""
    assert Plan(metrics="cpu, memory io").metrics == ("cpu", "memory", "io")
    assert Plan(metrics=["cpu"]).metrics == ("cpu",)


@given(st.integers(1, 20), st.integers(0, 20))
def test_steps_are_warm_ups_then_repeats(repeat: int, warmup: int) -> None:
    """Both count from 1."""
    steps = list(Plan(repeat=repeat, warmup=warmup).steps())

    assert steps == [Step(n + 1, warmup=True) for n in range(warmup)] + [
        Step(n + 1, warmup=False) for n in range(repeat)
    ]
