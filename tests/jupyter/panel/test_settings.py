from __future__ import annotations

import pytest

from e2e_magic.jupyter.panel.settings import ENGINE, ISOLATED, KERNEL, Settings
from e2e_magic.jupyter.sweep_arguments import read

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


@pytest.mark.parametrize("line", ["train", "train --order balanced", "train --shuffle"])
def test_the_order_is_the_lines_until_another_is_chosen(line: str) -> None:
    """--shuffle is an order too: a chosen one stands in its place."""
    options = read(line)
    settings = Settings(options, TARGETS, lambda: None)

    assert settings._order.value == (options.order or ("shuffle" if options.shuffle else ""))
    assert {"order", "shuffle"}.isdisjoint(settings.values())

    settings._order.value = "sequential"

    assert {name: settings.values()[name] for name in ("order", "shuffle")} == {
        "order": "sequential",
        "shuffle": False,
    }


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
