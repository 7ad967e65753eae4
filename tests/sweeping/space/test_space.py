from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.measuring.plan import PlanError
from e2e_magic.sweeping.space import Axis, Space, loguniform, randint, uniform

names = st.lists(
    st.sampled_from(["lr", "batch_size", "layers", "act", "x1", "_y", "epochs"]), min_size=1, unique=True
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple),
    max_leaves=4,
)
bounds = st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)).map(sorted)
positive = st.tuples(st.floats(1e-9, 1e6), st.floats(1e-9, 1e6)).map(sorted)
whole = st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000)).map(sorted)
distributions = (
    bounds.map(lambda b: uniform(*b))
    | positive.map(lambda b: loguniform(*b))
    | whole.map(lambda b: randint(*b))
)
lists = st.lists(values, min_size=1, max_size=4)


@st.composite
def spaces(draw: st.DrawFn, *, finite: bool = False) -> Space:
    """Make a space of any axes, or of lists only."""
    axes: dict[str, Any] = {}
    for name in draw(names):
        zipped = draw(st.integers(0, 4)) == 0
        if zipped:
            rows = draw(st.lists(st.tuples(values, values), min_size=1, max_size=3))
            axes[f"({name}, {name}_2)"] = rows
        else:
            axes[name] = draw(lists if finite else lists | distributions)
    return Space.of(axes)


@given(spaces())
def test_a_space_survives_its_text_form(space: Space) -> None:
    """What a space's text says is the space."""
    assert Space.parse(str(space)) == space
    assert Space.parse(space.words()) == space


@given(spaces(finite=True))
def test_the_size_of_a_grid_is_the_product_of_its_axes(space: Space) -> None:
    """A grid holds each combination of the axes' values, in the order of nested loops."""
    counts = [len(axis.values) for axis in space.axes]
    combinations = list(space.grid())

    assert math.prod(counts) == space.size == space.grid_size() == len(combinations)
    loops = [
        {name: value for part in parts for name, value in part.items()}
        for parts in itertools.product(
            *([axis.at(n) for n in range(len(axis.values))] for axis in space.axes)
        )
    ]
    assert loops == combinations


@given(spaces(finite=True), st.integers(0, 10))
def test_shuffling_keeps_every_combination(space: Space, seed: int) -> None:
    """A shuffled grid has the same combinations, in an order that only the seed decides."""
    shuffled = list(space.shuffled(seed))

    assert sorted(map(repr, space.grid())) == sorted(map(repr, shuffled))
    assert list(space.shuffled(seed)) == shuffled


@given(spaces(), st.integers(0, 10))
def test_random_draws_stay_within_bounds(space: Space, seed: int) -> None:
    """A drawn value lies within its distribution's bounds, or is one of its list's; one seed, one series."""
    drawn = list(itertools.islice(space.drawn(seed), 20))

    assert drawn == list(itertools.islice(space.drawn(seed), 20))
    for params in drawn:
        assert tuple(params) == space.names
        for axis in space.axes:
            if axis.distribution:
                assert axis.distribution.low <= params[axis.name] <= axis.distribution.high
                assert isinstance(params[axis.name], int) or axis.distribution.how != "randint"
            else:
                assert {name: params[name] for name in axis.names} in [
                    axis.at(n) for n in range(len(axis.values))
                ]


@given(spaces(finite=True), st.integers(0, 3))
def test_random_search_in_lists_draws_no_combination_twice(space: Space, seed: int) -> None:
    """Where all axes are lists, drawing goes through the grid once."""
    assert sorted(map(repr, space.grid())) == sorted(map(repr, space.drawn(seed)))


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("b=16,32,64", (16, 32, 64)),
        ("lr=0.1", (0.1,)),
        ("act='relu'", ("relu",)),
        ("n=range(3)", (0, 1, 2)),
        ("n=arange(2, 8, 2)", (2, 4, 6)),
        ("lr=geomspace(1e-4, 1e-1, 4)", (0.0001, 0.001, 0.01, 0.1)),
        ("x=linspace(0, 1, 3)", (0.0, 0.5, 1.0)),
        ("x=logspace(0, 2, 3)", (1.0, 10.0, 100.0)),
        ("layers=[(8,), (8, 8)]", ((8,), (8, 8))),
        ("a=choice(['x', 'y'])", ("x", "y")),
        ("s={3, 1, 2}", (1, 2, 3)),
        ("m={'a': 1}", ({"a": 1},)),
        ("g=(n * n for n in range(3))", (0, 1, 4)),
        ("none=None", (None,)),
        ("yes=True, False", (True, False)),
    ],
)
def test_values_are_python(word: str, found: tuple[Any, ...]) -> None:
    """VALUES is Python: a list of any kind is an axis, anything else one value."""
    [axis] = Space.parse([word]).axes

    assert found == axis.values
    assert [type(value) for value in found] == [type(value) for value in axis.values]


def test_numpy_values_become_pythons() -> None:
    """Scalars and arrays of numpy are numbers and lists of Python, which JSON and a text can hold."""
    space = Space.of({"x": np.array([1.5, 2.5]), "n": [np.int64(3), np.float64(0.1)], "one": np.float32(0.5)})

    assert str(space) == "x=[1.5, 2.5] n=[3, 0.1] one=[0.5]"
    assert [axis.values for axis in space.axes] == [(1.5, 2.5), (3, 0.1), (0.5,)]
    assert all(type(value) in (int, float) for axis in space.axes for value in axis.values)


def test_arrays_in_a_list_stay_arrays() -> None:
    """A list of arrays is a list of values for the code; only single numbers become Python's."""
    start = np.zeros(2)
    space = Space.of({"start": [start, np.ones(2)], "n": [np.int64(3)], "a, b": [(np.float32(1), start)]})
    [first, *_] = space.grid()

    assert first["start"] is start
    assert first["b"] is start
    assert (type(first["n"]), type(first["a"])) == (int, float)


@pytest.mark.parametrize(
    ("values", "kind", "low", "high", "count"),
    [
        ([5], "fixed", 5, 5, 1),
        ([16, 32, 64, 128], "geometric", 16, 128, 4),
        ([0.0001, 0.001, 0.01], "geometric", 0.0001, 0.01, 3),
        ([1, 2, 3], "integers", 1, 3, 3),
        ([2, 4], "integers", 2, 4, 2),
        ([0.0, 0.5, 1.0], "linear", 0.0, 1.0, 3),
        ([1, 7, 8], "numbers", 1, 8, 3),
        ([16, 16], "numbers", 16, 16, 2),
        ([True, False], "choice", None, None, 2),
        (["relu", "tanh"], "choice", None, None, 2),
        ([1, None], "choice", None, None, 2),
        (uniform(0, 1), "uniform", 0, 1, None),
        (loguniform(1e-4, 1), "loguniform", 1e-4, 1, None),
        (randint(1, 8), "randint", 1, 8, None),
    ],
)
def test_an_axis_says_what_it_is_like(
    values: Any, kind: str, low: float | None, high: float | None, count: int | None
) -> None:
    """Kind, bounds and count are enough to choose a control for an axis."""
    [axis] = Space.of({"x": values}).axes

    assert (kind, low, high, count) == (axis.kind, axis.low, axis.high, axis.count)


def test_zipped_parameters_change_together() -> None:
    """A zipped axis is one axis of the grid with several parameters."""
    space = Space.parse(["(lr, batch_size)=zip([0.1, 0.01], [16, 32])", "seed=1,2"])

    assert space.size == 4
    assert space.names == ("lr", "batch_size", "seed")
    assert [(p["lr"], p["batch_size"], p["seed"]) for p in space.grid()] == [
        (0.1, 16, 1),
        (0.1, 16, 2),
        (0.01, 32, 1),
        (0.01, 32, 2),
    ]
    assert Space.parse(["lr, batch_size=[(0.1, 16), (0.01, 32)]", "seed=1,2"]) == space


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["lr"], "parameters: expected NAME=VALUES such as lr=0.1,0.01, got 'lr'"),
        (["lr="], "parameters: expected NAME=VALUES such as lr=0.1,0.01, got 'lr='"),
        (["lr=[]"], "lr: expected at least one value, got []"),
        (["lr=1,2", "lr=3"], "lr: this parameter is given twice; give all its values at once"),
        (["2x=1"], "parameter: '2x' is no name for a variable, such as lr or batch_size"),
        (["class=1"], "parameter: 'class' is no name for a variable, such as lr or batch_size"),
        (["lr=(1,"], "lr: '(1,' is no Python expression ('(' was never closed)"),
        (
            ["lr=missing"],
            "lr: 'missing' could not be evaluated (NameError: name 'missing' is not defined)",
        ),
        (["lr=uniform"], "lr: expected values, got the function itself; call it, uniform(..)"),
        (["lr=uniform(1, 0)"], "lr: uniform: expected low up to high, got 1 and 0: swap them"),
        (
            ["lr=loguniform(0, 1)"],
            "lr: loguniform: expected bounds above 0, got 0 and 1; or uniform(..)",
        ),
        (
            ["n=randint(0.5, 2)"],
            "n: randint: expected whole numbers, got 0.5 and 2; or uniform(..)",
        ),
        (
            ["n=uniform('a', 2)"],
            "n: uniform: expected two numbers, low and high, got 'a' and 2",
        ),
        (
            ["a=choice('relu')"],
            """a: choice: expected a list such as choice(["relu", "tanh"]), got 'relu'""",
        ),
        (
            ["(a, b)=[1, 2]"],
            "(a, b): expected 2 values at a time, got 1; write (a, b)=zip([..], [..]) with a list per name",
        ),
        (
            ["(a, b)=uniform(0, 1)"],
            "(a, b): zipped parameters need lists, got uniform(0, 1); give each its own",
        ),
        (
            ["n=iter(int, 1)"],
            "n: these are more than 100,000 values; give fewer, or a distribution such as uniform(0, 1) "
            "with --search random",
        ),
    ],
)
def test_what_is_wrong_is_said(words: list[str], sentence: str) -> None:
    """An error names the parameter, what came, and the next step."""
    with pytest.raises(PlanError) as caught:
        Space.parse(words)

    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        (
            "lr=loguniform(0.01, 1)",
            "lr: a grid needs a list of values, got loguniform(0.01, 1); try --search random, "
            "or values such as geomspace(0.01, 1, 5)",
        ),
        (
            "n=randint(1, 8)",
            "n: a grid needs a list of values, got randint(1, 8); try --search random, "
            "or values such as range(1, 9)",
        ),
        (
            "x=uniform(0, 1)",
            "x: a grid needs a list of values, got uniform(0, 1); try --search random, "
            "or values such as linspace(0, 1, 5)",
        ),
    ],
)
def test_a_grid_has_no_distributions(word: str, sentence: str) -> None:
    """A parameter without an end can't be walked: the error says --search random."""
    with pytest.raises(PlanError) as caught:
        next(Space.parse(["b=1,2", word]).grid())

    assert str(caught.value) == sentence


def test_the_users_names_come_after_the_helpers() -> None:
    """`uniform` on the line is the space's, also where the user imported random's."""
    user = {"uniform": None, "mine": [1, 2]}
    space = Space.parse(["a=uniform(0, 1)", "b=mine"], lambda text, helpers: eval(text, {**user, **helpers}))

    assert space.axes == (Axis(("a",), (), uniform(0, 1)), Axis(("b",), (1, 2)))
