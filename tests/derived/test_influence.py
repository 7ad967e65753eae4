"""What parameters explain of a metric's spread, alone and in pairs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_magic.derived.influence import Explained, influences

GROUPS = st.lists(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=5), min_size=2, max_size=5)


def explained(parameter: Any, metric: Any) -> Explained:
    """Return what one parameter explains."""
    [found] = influences({"p": parameter}, metric)
    return found


def by_name(parameters: Any, metric: Any, **options: Any) -> dict[str, Explained]:
    """Return the shares by name, of pairs as ``a:b``."""
    return {":".join(found.params): found for found in influences(parameters, metric, **options)}


@settings(deadline=None)
@given(GROUPS)
def test_the_share_is_epsilon_squared(groups: list[list[float]]) -> None:
    """The adjusted R squared of the levels' means, at least 0; the same seed gives the same numbers."""
    values = np.concatenate(groups)
    level = [n for n, some in enumerate(groups) for _ in some]
    found = explained(level, values.tolist())
    total = ((values - values.mean()) ** 2).sum()

    if values.max() == values.min():
        assert found.reason == "the metric is the same in all trials"
        return
    if total < 1e-12:  # rounding is all there is
        return
    between = sum(len(some) * (np.mean(some) - values.mean()) ** 2 for some in groups)
    left = len(values) - len(groups)
    expected = 1 - (1 - between / total) * (len(values) - 1) / left
    assert found.share == pytest.approx(max(expected, 0), abs=1e-6)
    assert 0 <= found.low <= found.share <= found.high <= 1
    assert found == explained(level, values.tolist())


@settings(deadline=None)
@given(st.integers(2, 6), st.floats(0.01, 10), st.floats(0, 10), st.randoms(use_true_random=False))
def test_what_explains_nothing_but_rounding_has_p_1(
    repeats: int, size: float, shift: float, order: Any
) -> None:
    """Two parameters that only decide together: of each alone, every order explains as much."""
    trials = [(a, b) for a in (0, 1) for b in (0, 1)] * repeats
    order.shuffle(trials)
    metric = [shift + size * (a ^ b) for a, b in trials]
    found = by_name({"a": [a for a, _ in trials], "b": [b for _, b in trials]}, metric)

    assert [found[name].p_value for name in ("a", "b")] == [1.0, 1.0]
    assert found["a:b"].p_value < 0.05


@given(GROUPS, st.floats(0.1, 10), st.floats(-5, 5))
def test_units_and_names_do_not_matter(groups: list[list[float]], factor: float, shift: float) -> None:
    """Another unit of the metric and other names of the levels: the same share."""
    values = np.round(np.concatenate(groups), 3)
    level = [n for n, some in enumerate(groups) for _ in some]
    one = explained(level, values.tolist())
    other = explained([f"level {n}" for n in level], (factor * values + shift).tolist())

    assert one.share == pytest.approx(other.share, abs=1e-6, nan_ok=True)


def _ishigami(a: Any, b: Any, c: Any) -> Any:
    """Ishigami and Homma, 1990: no effect of c but together with a."""
    return np.sin(a) + 7 * np.sin(b) ** 2 + 0.1 * c**4 * np.sin(a)


# Its Sobol indices: a 0.314, b 0.442, a and c together 0.244, all others 0.
ISHIGAMI = {"a": 0.314, "b": 0.442, "c": 0.0, "a:b": 0.0, "a:c": 0.244, "b:c": 0.0}


@pytest.mark.parametrize(("trials", "within"), [(9**3, 0.035), (400, 0.07)])
def test_ishigamis_function_has_its_sobol_indices(trials: int, within: float) -> None:
    """On a grid, and drawn at random and binned; what has no influence is not seen to have one."""
    places = -np.pi + 2 * np.pi * (np.arange(9) + 0.5) / 9
    drawn = np.random.default_rng(0).uniform(-np.pi, np.pi, (400, 3))
    points = np.array(list(itertools.product(places, repeat=3))) if trials == 9**3 else drawn
    parameters = dict(zip("abc", points.T, strict=True))
    found = by_name(parameters, _ishigami(*points.T))

    assert {name: one.share for name, one in found.items()} == pytest.approx(ISHIGAMI, abs=within)
    assert all(found[name].p_value == 0.001 for name in ("a", "b", "a:c"))
    assert all(found[name].p_value > 0.05 for name in ("c", "a:b"))


def test_an_additive_and_an_interaction_function() -> None:
    """A weak parameter isn't hidden by a strong one; what only a pair does is the pair's."""
    rng = np.random.default_rng(1)
    rate, size = np.tile([1.0, 2.0, 3.0], 8), np.repeat([0.0, 1.0], 12)
    parameters = {"rate": rate, "size": size, "kind": rng.choice(["a", "b"], 24)}
    added = by_name(parameters, 10 * rate + 2 * size + 0.3 * rng.standard_normal(24))
    either = (rate > 1) ^ (size > 0)
    paired = by_name({"rate": (rate > 1).tolist(), "size": size}, either + 0.1 * rng.standard_normal(24))

    assert added["rate"].share > 0.95
    assert 0.005 < added["size"].share < 0.03
    assert added["size"].p_value == added["rate"].p_value == 0.001
    assert min(added[name].p_value for name in ("kind", "rate:size", "rate:kind", "size:kind")) > 0.05
    assert paired["rate:size"].share > 0.8
    assert paired["rate:size"].p_value == 0.001
    assert paired["size"].p_value > 0.05


def test_noise_explains_nothing() -> None:
    """Of 150 sweeps without any effect 5 % of shares have p < 0.05, on grids, at random and in pairs."""
    rng = np.random.default_rng(0)
    p_values, shares = [], []
    for seed in range(150):
        parameters = {
            "grid": np.tile([1, 2, 3], 8),
            "kind": np.repeat(["a", "b"], 12),
            "drawn": rng.uniform(size=24),
        }
        found = influences(parameters, rng.standard_normal(24), seed=seed)
        p_values += [one.p_value for one in found]
        shares += [one.share for one in found]

    assert 0.03 <= np.mean(np.array(p_values) < 0.05) <= 0.07
    assert np.median(shares) == 0


def test_the_interval_covers_the_true_share_of_an_effect() -> None:
    """Of 200 simulated sweeps with 36 trials, nineteen in twenty intervals hold the share that is true."""
    rng = np.random.default_rng(4)
    level = np.tile([0.0, 1.0, 2.0], 12)
    truth = np.var([0.0, 1.0, 2.0]) / (np.var([0.0, 1.0, 2.0]) + 1)
    hits = 0
    for n in range(200):
        [found] = influences({"p": level}, level + rng.standard_normal(36), seed=n)
        hits += found.low <= truth <= found.high

    assert 0.9 <= hits / 200 <= 0.99


def test_the_shares_are_those_of_fanova() -> None:
    """Optuna's fANOVA of an additive function ranks alike and is within a tenth."""
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rng = np.random.default_rng(3)
    drawn = rng.uniform(size=(200, 3))
    values = 3 * drawn[:, 0] + 1.5 * drawn[:, 1]
    study = optuna.create_study()
    spans = {name: optuna.distributions.FloatDistribution(0, 1) for name in "abc"}
    for point, value in zip(drawn.tolist(), values.tolist(), strict=True):
        params = dict(zip("abc", point, strict=True))
        study.add_trial(optuna.trial.create_trial(params=params, distributions=spans, value=value))
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=16, max_depth=16, seed=0)
    theirs = optuna.importance.get_param_importances(study, evaluator=evaluator)
    ours = by_name(dict(zip("abc", drawn.T, strict=True)), values)

    assert {name: ours[name].share for name in "abc"} == pytest.approx(theirs, abs=0.1)
    assert ours["c"].p_value > 0.05


@pytest.mark.parametrize("swap", [lambda n: n, lambda n: {1: "x", 2: "y", 3: "z"}[n], lambda n: n > 1])
def test_parameters_that_were_changed_together_say_so(swap: Callable[[Any], Any]) -> None:
    """As by zip: each explains all of it, and names the other; a third one stands apart."""
    rate = np.tile([1, 2, 3], 6).tolist()
    other = np.repeat(["a", "b"], 9).tolist()
    metric = [float(n) for n in rate]
    found = by_name({"rate": rate, "size": [swap(n) for n in rate], "other": other}, metric)

    assert (found["rate"].confounded, found["size"].confounded) == (("size",), ("rate",))
    assert found["rate"].share == pytest.approx(1)
    assert found["other"].confounded == ()
    assert "rate:size" not in found


def test_many_values_are_cut_into_bins_by_rank() -> None:
    """A random search tries each value once: five bins of equal count, whatever the scale."""
    rng = np.random.default_rng(2)
    rate = 10 ** rng.uniform(-4, 0, 50)
    loss = (np.log10(rate) + 2) ** 2
    found = explained(rate, loss)

    assert (found.binned, found.levels) == (True, 5)
    assert found.share > 0.75
    assert found.share == explained(np.log(rate), loss).share


@pytest.mark.parametrize(
    ("parameter", "metric", "reason"),
    [
        ([], [], "no trial has both"),
        ([1, 2], [math.nan, math.inf], "no trial has both"),
        ([math.nan, math.nan], [1.0, 2.0], "no trial has both"),
        ([1, 1, 1, 1], [1, 2, 3, 4], "only one value was tried"),
        ([1, 1, 2], [1, 2, 3], "too few trials: 3, at least 4 are needed"),
        (["a", "b", "c", "d"], [1, 2, 3, 4], "most values were tried once: add repeats, or more trials"),
        ([1, 2, 3, 4], [1, 2, 3, 4], "most values were tried once: add repeats, or more trials"),
        ([1, 1, 2, 2], [5, 5, 5, 5], "the metric is the same in all trials"),
    ],
)
def test_what_cannot_be_told_has_a_reason(parameter: Any, metric: Any, reason: str) -> None:
    """No share, no interval, and why."""
    found = explained(parameter, metric)

    assert found.reason == reason
    assert math.isnan(found.share)


def test_a_pair_of_single_cells_has_a_reason() -> None:
    """Of a grid of texts without repeats nobody knows whether one depends on the other."""
    cells = list(itertools.product("abc", "xyz"))
    found = by_name({"a": [a for a, _ in cells], "b": [b for _, b in cells]}, range(9))

    assert found["a:b"].reason == "whether one depends on the other can't be told: add repeats"
    assert found["a"].share > 0.8


def test_lists_are_levels() -> None:
    """A parameter may be a list of layers or a dict."""
    found = explained([[8], [8], [8, 8], [8, 8]], [1.0, 1.1, 2.0, 2.1])

    assert found.levels == 2
    assert found.share > 0.9


def test_none_is_a_level_like_others() -> None:
    """Three levels of four trials each, also where the numbers beside it are cut into bins."""
    parameter = [None, 2, 4] * 4
    metric = [{None: 1.0, 2: 2.0, 4: 3.0}[level] for level in parameter]
    found = explained(parameter, metric)

    assert (found.levels, found.trials, found.share) == (3, 12, pytest.approx(1.0))

    many = [None] * 4 + [n / 10 for n in range(12)]
    binned = explained(many, [9.0] * 4 + [1.0 + n / 100 for n in range(12)])

    assert (binned.binned, binned.levels, binned.trials) == (True, 3, 16)
    assert binned.share > 0.99
