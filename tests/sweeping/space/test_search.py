from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_magic.sweeping.space import Space, loguniform, randint, uniform
from e2e_magic.sweeping.space.search import make_search

SPACE = Space.of(
    {
        "lr": loguniform(1e-4, 1.0),
        "width": randint(1, 9),
        "drop": uniform(0.0, 0.5),
        "batch_size": [16, 32, 64],
        "act": ["relu", "tanh"],
        "(a, b)": [(1, "x"), (2, "y")],
    }
)


def walk(space: Space, how: str, trials: int, seed: int | None) -> list[Mapping[str, Any]]:
    """Return what a search asks for, told that some fail."""
    search = make_search(space, how, trials, seed)
    found = []
    while (params := search.ask()) is not None:
        found.append(params)
        search.tell(params, params.get("lr", 1.0) if len(found) % 4 else None)
    return found


@settings(deadline=None, max_examples=15)
@given(st.sampled_from(["random", "tpe"]), st.integers(0, 1000))
def test_searches_stay_within_bounds_and_repeat_with_their_seed(how: str, seed: int) -> None:
    """Random and tpe ask for values of the space only; the same seed gives the same trials."""
    found = walk(SPACE, how, 12, seed)

    assert found == walk(SPACE, how, 12, seed)
    assert len(found) == 12
    for params in found:
        assert tuple(params) == SPACE.names
        assert 1e-4 <= params["lr"] <= 1.0
        assert params["width"] in range(1, 10)
        assert 0.0 <= params["drop"] <= 0.5
        assert params["batch_size"] in (16, 32, 64)
        assert params["act"] in ("relu", "tanh")
        assert (params["a"], params["b"]) in ((1, "x"), (2, "y"))


def test_other_seeds_give_other_trials() -> None:
    """The seed matters, and none is seed 0."""
    for how in ("random", "tpe"):
        assert walk(SPACE, how, 5, 0) != walk(SPACE, how, 5, 1)
        assert walk(SPACE, how, 5, 0) == walk(SPACE, how, 5, None)


def test_tpe_learns() -> None:
    """After some trials tpe asks for values near the best; random doesn't."""
    space = Space.of({"x": uniform(0.0, 1.0)})

    def late(how: str) -> float:
        search = make_search(space, how, 60, 3)
        asked = []
        while (params := search.ask()) is not None:
            asked.append(params["x"])
            search.tell(params, (params["x"] - 0.8) ** 2)
        return sum(abs(x - 0.8) for x in asked[30:]) / 30

    assert late("tpe") < late("random") / 2


def test_grid_stops_at_the_given_number() -> None:
    """`trials` bounds a grid too."""
    space = Space.of({"a": [1, 2, 3], "b": [1, 2]})

    assert walk(space, "grid", 3, 0) == [{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 1}]


def test_tpe_without_optuna_names_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed, the error says how to get it."""
    monkeypatch.setitem(sys.modules, "optuna", None)

    with pytest.raises(ImportError) as caught:
        make_search(SPACE, "tpe", 5, 0)

    assert (
        str(caught.value)
        == 'search: tpe needs Optuna: pip install "e2e-magic[optuna]", or use --search random'
    )
