"""What is gathered after the measurement: nothing of it may cost the trial."""

from __future__ import annotations

from typing import Any

import pytest

from e2e_magic.measuring.reported.options import evaluate
from e2e_magic.text import error_text


def test_options_win_over_the_value_and_over_what_is_known() -> None:
    """The line's word counts; what it lacks comes from the value, then from what is known beside it."""
    found = evaluate({"num_entries": 5, "loss": 1.0}, {"entries": lambda _value: 7}, {"target_accuracy": 0.5})

    assert found.values == {"entries": 7, "loss": 1.0, "target_accuracy": 0.5}
    assert (found.problems, found.missing, found.interrupt) == ({}, {}, None)


def test_an_option_that_fails_costs_only_itself() -> None:
    """The others are evaluated, and the sentence names it."""

    def talkative(_value: object) -> None:
        raise ValueError("no\n\nhint: another line")

    options: dict[str, Any] = {"loss": lambda _: 1 / 0, "entries": lambda _: 3, "accuracy": talkative}
    found = evaluate(None, options, {})

    assert found.values == {"entries": 3}
    assert found.problems == {
        "loss": "loss: could not be evaluated (ZeroDivisionError: division by zero)",
        "accuracy": "accuracy: could not be evaluated (ValueError: no hint: another line)",
    }


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_ends_the_evaluation_and_is_handed_on(kind: type[BaseException]) -> None:
    """What was evaluated before stays."""
    made: list[str] = []

    def interrupted(_value: object) -> None:
        raise kind

    options: dict[str, Any] = {
        "entries": lambda _: 3, "loss": interrupted, "accuracy": lambda _: made.append("accuracy"),
    }  # fmt: skip
    found = evaluate(None, options, {})

    assert found.values == {"entries": 3}
    assert isinstance(found.interrupt, kind)
    assert found.problems == {"loss": "loss: was interrupted while it was evaluated"}
    assert made == []


def test_an_odd_value_is_said() -> None:
    """A mapping that fails to be looked into costs only what it would have given."""

    class Odd(dict[str, Any]):
        def __contains__(self, key: object) -> bool:
            raise RuntimeError("no")

    assert evaluate(Odd(), {}, {}).problems == {
        "value": "the value handed back could not be read (RuntimeError: no)"
    }


def test_an_error_that_fails_to_say_itself() -> None:
    """A user's exception class may be broken."""

    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert error_text(MuteError()) == "MuteError: <its text could not be made: RuntimeError>"
    assert error_text(ValueError()) == "ValueError"
