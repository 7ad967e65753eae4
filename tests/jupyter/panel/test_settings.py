from __future__ import annotations

import pytest

from e2e_magic.jupyter.panel.log import MOST_TEXT, MOST_TRIALS, TrialLog
from e2e_magic.jupyter.panel.printed import Printed
from e2e_magic.jupyter.panel.settings import ENGINE, ISOLATED, KERNEL, Settings
from e2e_magic.jupyter.sweep_arguments import read
from e2e_magic.sweeping.schedule import Turn

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


def test_a_cell_that_needs_the_kernel_runs_there() -> None:
    """A cell with a magic can't leave the kernel; an engine that the line names stays."""
    assert Settings(read("train"), TARGETS, lambda: None, here=True).where == KERNEL
    assert Settings(read("train --engine local:2"), TARGETS, lambda: None, here=True).where == ENGINE


@pytest.mark.parametrize("line", ["train --search tpe", "train --search random --trials 7"])
def test_a_search_has_a_number_of_trials(line: str) -> None:
    """It stands in the panel, is the line's as long as nobody changes it, and is told when changed."""
    options = read(line)
    told: list[int] = []
    settings = Settings(options, TARGETS, lambda: told.append(1))

    assert settings.values()["trials"] == options.trials

    settings._trials.value = 9

    assert told == [1]
    assert settings.values()["trials"] == 9


def test_the_usual_targets_come_first() -> None:
    """What most sweeps are about is on top; a metric that is a text is no target."""
    given = ["cpu_time_s", "energy_source", "wall_time_s", "loss"]
    settings = Settings(read("train"), given, lambda: None)

    assert [value for _, value in settings._target.options] == ["", "loss", "wall_time_s", "cpu_time_s"]


def turn(number: int) -> Turn:
    """Make a turn that has begun."""
    return Turn(number, {"x": number}, 1, 0, trial=number)


def texts(log: TrialLog) -> list[str]:
    """Return the texts of what is new."""
    return [output.get("text", "") for _, outputs in log.taken() for output in outputs]


class TestLog:
    def test_each_trial_has_its_outputs(self) -> None:
        """Each trial has its heading; what is printed in pieces is one text; nothing new is nothing."""
        log = TrialLog()
        log.hear(turn(1), "streams", [("stdout", "a\n")])
        log.hear(turn(2), "streams", [("stdout", "b"), ("stdout", "c\n"), ("stderr", "d\n")])

        assert texts(log) == ["▸ trial 1: x=1\n", "a\n", "▸ trial 2: x=2\n", "bc\n", "d\n"]
        assert log.taken() == []

        log.hear(turn(1), "streams", [("stdout", "e\n")])

        assert texts(log) == ["▸ trial 1: x=1\n", "a\ne\n"]

    def test_what_was_handed_over_does_not_change(self) -> None:
        """The widget compares what it is given with what it has."""
        log = TrialLog()
        log.hear(turn(1), "streams", [("stdout", "a")])
        [(_, first)] = log.taken()
        log.hear(turn(1), "streams", [("stdout", "b")])
        [(_, second)] = log.taken()

        assert first[1]["text"] == "a"
        assert second[1]["text"] == "ab"

    def test_an_error_is_an_output(self) -> None:
        """As a notebook's cell has it: its class, its words, the lines of its traceback."""
        log = TrialLog()
        log.hear(turn(1), "error", (ValueError("no"), ["line 1", "ValueError: no"]))
        [(_, outputs)] = log.taken()

        assert outputs[1:] == (
            {
                "output_type": "error",
                "ename": "ValueError",
                "evalue": "no",
                "traceback": ["line 1", "ValueError: no"],
            },
        )

    def test_it_stays_small(self) -> None:
        """A trial that prints without end, and many trials, cost a bounded amount."""
        log = TrialLog()
        for n in range(1, 40):
            log.hear(turn(n), "streams", [("stdout", "x" * (MOST_TEXT + n))])
            for _ in range(30):
                log.hear(turn(n), "display", ({"text/plain": "y"}, {}))
        trials = log.taken()
        outputs = [output for _, outputs in trials for output in outputs]

        assert [place for place, _ in trials] == list(range(40 - MOST_TRIALS, 40))
        assert len(outputs) <= MOST_TRIALS * 22
        assert all(len(output.get("text", "")) <= MOST_TEXT + 10 for output in outputs)
        assert trials[-1][1][0]["text"] == "▸ trial 39: x=39\n"


class TestPrinted:
    def test_the_newest_trial_is_on_top(self) -> None:
        """One output a trial, the newest first; that of a trial that says nothing isn't touched."""
        log, printed = TrialLog(), Printed()
        log.hear(turn(1), "streams", [("stdout", "a")])
        log.hear(turn(2), "streams", [("stdout", "b")])
        printed.show(log)
        first, second = printed._box.children
        before = first.outputs
        log.hear(turn(2), "display", ({"image/png": ""}, {}))
        printed.show(log)

        assert int(second.layout.order) < int(first.layout.order)
        assert first.outputs is before
        assert [output["output_type"] for output in second.outputs] == ["stream", "stream", "display_data"]
        assert printed.widget.layout.display is None
        assert printed._box.layout.max_height == "340px"

    def test_it_never_has_more_outputs_than_trials_are_kept(self) -> None:
        """Those of the oldest trials are used again; a new sweep empties all."""
        log, printed = TrialLog(), Printed()
        for n in range(1, 3 * MOST_TRIALS):
            log.hear(turn(n), "streams", [("stdout", "a")])
            printed.show(log)

        assert len(printed._box.children) == MOST_TRIALS

        log.clear()
        printed.show(log)

        assert all(output.outputs == () for output in printed._box.children)
        assert printed.widget.layout.display == "none"
