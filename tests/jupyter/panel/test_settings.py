from __future__ import annotations

from typing import Any

import pytest

from e2e_magic.jupyter.panel.log import MOST_TEXT, MOST_TRIALS, TrialLog
from e2e_magic.jupyter.panel.settings import ENGINE, ISOLATED, KERNEL, Settings
from e2e_magic.jupyter.sweep_arguments import read
from e2e_magic.schedule import Turn

TARGETS = ["loss", "accuracy", "wall_time_s"]


@pytest.mark.parametrize(
    "line",
    ["train", "train -m cpu", "train -m cpu,memory -r 3 --target accuracy", "train --engine local:2"],
)
def test_untouched_settings_are_the_lines(line: str) -> None:
    """What a line says is what the settings say, as long as nobody changes them."""
    options = read(line)
    values = Settings(options, TARGETS, lambda: None).values()

    assert values == {name: getattr(options, name) for name in values}


def test_a_changed_setting_is_told() -> None:
    """A box that is cleared, another repeat, another place: each is told, and is in the values."""
    told: list[int] = []
    settings = Settings(read("train -m cpu,memory"), TARGETS, lambda: told.append(1))
    settings._collectors["memory"].value = False
    settings._repeat.value = 5
    settings._where.value = ENGINE
    settings._engine.value = "local:3"

    assert len(told) == 4
    assert settings.values() == {"metrics": "cpu", "repeat": 5, "target": None, "engine": "local:3"}


def test_where_trials_run() -> None:
    """Isolated at first; on this kernel and isolated the line has no engine."""
    settings = Settings(read("train"), TARGETS, lambda: None)

    assert settings.where == ISOLATED
    assert settings._engine.layout.display == "none"

    settings._where.value = KERNEL

    assert settings.values()["engine"] == "kernel"


def turn(number: int) -> Turn:
    """Make a turn that has begun."""
    return Turn(number, {"x": number}, 1, 0, trial=number)


def texts(log: TrialLog) -> list[str]:
    """Return the texts of what is new."""
    return [output.get("text", "") for output in log.taken() or ()]


class TestLog:
    def test_the_newest_trial_comes_first(self) -> None:
        """Each trial has its heading; what is printed in pieces is one text; nothing new is None."""
        log = TrialLog()
        log.hear(turn(1), "streams", [("stdout", "a\n")])
        log.hear(turn(2), "streams", [("stdout", "b"), ("stdout", "c\n"), ("stderr", "d\n")])

        assert texts(log) == ["▸ trial 2: x=2\n", "bc\n", "d\n", "▸ trial 1: x=1\n", "a\n"]
        assert log.taken() is None

    def test_what_was_handed_over_does_not_change(self) -> None:
        """The widget compares what it is given with what it has."""
        log = TrialLog()
        log.hear(turn(1), "streams", [("stdout", "a")])
        first = log.taken()
        log.hear(turn(1), "streams", [("stdout", "b")])
        second: Any = log.taken()

        assert first is not None
        assert first[1]["text"] == "a"
        assert second[1]["text"] == "ab"

    def test_it_stays_small(self) -> None:
        """A trial that prints without end, and many trials, cost a bounded amount."""
        log = TrialLog()
        for n in range(1, 40):
            log.hear(turn(n), "streams", [("stdout", "x" * (MOST_TEXT + n))])
            for _ in range(30):
                log.hear(turn(n), "display", ({"text/plain": "y"}, {}))
        outputs = log.taken()

        assert outputs is not None
        assert len(outputs) <= MOST_TRIALS * 22
        assert all(len(output.get("text", "")) <= MOST_TEXT + 10 for output in outputs)
        assert outputs[0]["text"] == "▸ trial 39: x=39\n"
