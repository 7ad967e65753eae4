from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest

from e2e_magic.measuring.plan import Plan, PlanError
from e2e_magic.sweeping.plan import Engine, SweepPlan
from e2e_magic.sweeping.space import Space, uniform

SPACE = Space.of({"lr": [0.1, 0.01], "b": [1, 2, 3]})


def plan(**changes: Any) -> SweepPlan:
    """Return a plan of six combinations, changed."""
    return SweepPlan(**{"plan": Plan(), "space": SPACE, **changes})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"space": Space()}, "parameters: a sweep needs at least one, NAME=VALUES such as lr=0.1,0.01"),
        (
            {"search": "gird"},
            "search: expected one of grid, random, tpe, got 'gird' (did you mean grid?)",
        ),
        (
            {"order": "blanced"},
            "order: expected one of sequential, shuffle, balanced, got 'blanced' (did you mean balanced?)",
        ),
        (
            {"order": "balanced", "shuffle": True},
            "shuffle: it means order shuffle, got order balanced too; take one of them",
        ),
        (
            {"order": "balanced", "search": "tpe"},
            "order: tpe chooses each combination by the results before it, got order balanced; leave it out, "
            "or use --search grid",
        ),
        ({"trials": 0}, "trials: expected a whole number of at least 1, got 0"),
        ({"seed": -1}, "seed: expected a whole number of at least 0, got -1"),
        ({"seed": 1.5}, "seed: expected a whole number of at least 0, got 1.5"),
        ({"budget": 0}, "budget: expected seconds above 0, got 0"),
        ({"budget": "10"}, "budget: expected seconds above 0, got '10'"),
        ({"target": " "}, "target: expected a metric such as loss, accuracy or wall_time_s, got ' '"),
        (
            {"engine": "local:0"},
            "engine: expected kernel, local:N (N processes), dask://HOST:PORT, ray, spark or a "
            "backend of joblib, got 'local:0'",
        ),
        (
            {"engine": "kernal"},
            "engine: expected kernel, local:N (N processes), dask://HOST:PORT, ray, spark or a "
            "backend of joblib, got 'kernal' (did you mean kernel?)",
        ),
        (
            {"engine": "dask://host"},
            "engine: expected kernel, local:N (N processes), dask://HOST:PORT, ray, spark or a "
            "backend of joblib, got 'dask://host'",
        ),
        (
            {"space": Space.of({"x": uniform(0, 1)})},
            "x: a grid needs a list of values, got uniform(0, 1); try --search random, or values such as "
            "linspace(0, 1, 5)",
        ),
        (
            {"prune": "medium"},
            "prune: expected one of median, hyperband, got 'medium' (did you mean median?)",
        ),
        (
            {"prune": "median", "target": "wall_time_s"},
            "prune: needs a target that the code logs while it runs, such as loss or accuracy, got "
            "wall_time_s",
        ),
        (
            {"prune": "hyperband", "engine": "spark"},
            "prune: the engine spark can't hear what a trial logs while it runs; use kernel, local:N or "
            "dask://HOST:PORT",
        ),
    ],
)
def test_a_sweep_plan_checks_itself(changes: dict[str, Any], sentence: str) -> None:
    """What is wrong is said before anything runs: the parameter, what came, what is allowed."""
    with pytest.raises(PlanError) as caught:
        plan(**changes)

    assert str(caught.value) == sentence


def test_pruning_without_optuna(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is named, and that it can be left out."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError) as caught:
        plan(prune="median")

    assert str(caught.value) == (
        'prune: median needs Optuna: pip install "e2e-magic[optuna]", or leave it out'
    )


@pytest.mark.parametrize(
    ("changes", "order"),
    [
        ({}, "sequential"),
        ({"space": Space.of({"x": [1, 2]})}, "balanced"),
        ({"space": Space.of({"x": [1, 2]}), "plan": Plan()}, "sequential"),
        ({"space": Space.of({"x": [1]})}, "sequential"),
        ({"space": Space.of({"x": range(9)})}, "sequential"),
        ({"space": Space.of({"x": range(9)}), "order": "balanced"}, "balanced"),
        ({"space": Space.of({"x": [1, 2]}), "search": "random"}, "sequential"),
        ({"space": Space.of({"x": [1, 2]}), "order": "sequential"}, "sequential"),
        ({"space": Space.of({"x": [1, 2]}), "shuffle": True}, "shuffle"),
        ({"order": "shuffle"}, "shuffle"),
    ],
)
def test_a_few_values_of_one_parameter_are_balanced(changes: dict[str, Any], order: str) -> None:
    """Unless another order is asked for; of one trial each there is nothing to balance."""
    made = plan(**{"plan": Plan(repeat=5), **changes})

    assert made.order == order
    assert replace(made, seed=3).order == order
    assert ("in balanced order" in made.described()) == (order == "balanced")


@pytest.mark.parametrize(
    ("text", "kind", "workers"),
    [
        ("kernel", "kernel", None),
        ("local:3", "local", 3),
        ("local", "local", None),
        ("loky:2", "local", 2),
        ("dask://127.0.0.1:8786", "dask", None),
        ("threading:2", "joblib", 2),
        ("ray", "ray", None),
        ("spark:2", "spark", 2),
    ],
)
def test_engines_are_read(text: str, kind: str, workers: int | None) -> None:
    """The four forms of an engine."""
    engine = Engine.parse(text)

    assert (kind, workers) == (engine.kind, engine.workers)
    assert engine.address == "tcp://127.0.0.1:8786" or kind != "dask"


@pytest.mark.parametrize(
    ("changes", "combinations", "total", "described"),
    [
        ({}, 6, 6, "6 combinations"),
        ({"plan": Plan(repeat=3)}, 6, 18, "6 combinations x 3 repeats"),
        ({"trials": 4}, 4, 4, "4 combinations"),
        ({"trials": 40}, 6, 6, "6 combinations"),
        ({"search": "random", "trials": 40}, 6, 6, "6 combinations, random search"),
        (
            {"search": "random", "space": Space.of({"x": uniform(0, 1)})},
            20,
            20,
            "20 combinations, random search (--trials 20 when left out)",
        ),
        ({"search": "tpe", "trials": 9}, 9, 9, "9 combinations, tpe search"),
    ],
)
def test_the_number_of_trials_is_known_before(
    changes: dict[str, Any], combinations: int, total: int, described: str
) -> None:
    """A panel can say how many trials there will be."""
    made = plan(**changes)

    assert (combinations, total, described) == (made.combinations, made.total, made.described())
