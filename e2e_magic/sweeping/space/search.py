"""How a space is walked: every combination, random ones, or those that Optuna's TPE proposes.

A search proposes the next parameters and receives their results; with one seed it proposes the same
(tpe where the results come in the same order: concurrent trials finish in any order).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Protocol

from e2e_magic.measuring.plan import PlanError
from e2e_magic.sweeping.space import Axis, Space

SEARCHES = ("grid", "random", "tpe")
DEFAULT_TRIALS = 20
_ORDERED = ("geometric", "integers", "linear", "numbers")


class Search(Protocol):
    """Proposes the combinations to try."""

    def ask(self) -> Mapping[str, Any] | None:
        """Return the next parameters; None when there are no more."""

    def tell(self, params: Mapping[str, Any], value: float | None, *, pruned: bool = False) -> None:
        """Learn the result of a combination (lower is better), None where it failed.

        Of one that was pruned it is the last value that it logged.
        """


class Walk:
    """A search that doesn't learn: grid and random."""

    def __init__(self, combinations: Iterator[Mapping[str, Any]]) -> None:
        self._combinations = combinations

    def ask(self) -> Mapping[str, Any] | None:
        return next(self._combinations, None)

    def tell(self, params: Mapping[str, Any], value: float | None, *, pruned: bool = False) -> None:
        """Learn nothing."""


class Tpe:
    """Optuna's tree-structured Parzen estimator, through its ask and tell.

    Parameters
    ----------
    space : Space
    trials : int
        How many combinations to ask for.
    seed : int

    Raises
    ------
    ImportError
        If Optuna is not there; names the pip command.
    """

    def __init__(self, space: Space, trials: int, seed: int) -> None:
        optuna = import_optuna()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            # constant_liar, which keeps trials side by side apart, is marked as experimental.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._study = optuna.create_study(direction="minimize", sampler=sampler)
        self._states = optuna.trial.TrialState
        self._space = space
        self._left = trials
        self._asked: list[tuple[Mapping[str, Any], Any]] = []

    def ask(self) -> Mapping[str, Any] | None:
        if self._left <= 0:
            return None
        self._left -= 1
        trial = self._study.ask()
        params: dict[str, Any] = {}
        for axis in self._space.axes:
            params |= _suggested(trial, axis)
        self._asked.append((params, trial))
        return params

    def tell(self, params: Mapping[str, Any], value: float | None, *, pruned: bool = False) -> None:
        for n, (asked, trial) in enumerate(self._asked):
            if asked is params:
                del self._asked[n]
                if value is None or value != value:
                    self._study.tell(trial, state=self._states.FAIL)
                elif pruned:
                    trial.report(value, 1)
                    self._study.tell(trial, state=self._states.PRUNED)
                else:
                    self._study.tell(trial, value)
                return


def _suggested(trial: Any, axis: Axis) -> dict[str, Any]:
    if axis.distribution is None:
        if axis.kind in _ORDERED:  # a place in the order, so that neighbours are near to each other
            order = sorted(range(len(axis.values)), key=axis.values.__getitem__)
            return axis.at(order[trial.suggest_int(axis.name, 0, len(order) - 1)])
        return axis.at(trial.suggest_categorical(axis.name, list(range(len(axis.values)))))
    drawn = axis.distribution
    if drawn.how == "randint":
        return {axis.name: trial.suggest_int(axis.name, int(drawn.low), int(drawn.high))}
    return {axis.name: trial.suggest_float(axis.name, drawn.low, drawn.high, log=drawn.how == "loguniform")}


def import_optuna(what: str = "search: tpe", instead: str = "or use --search random") -> Any:
    """Import Optuna for `what`, or raise the error that names what to install, and what else there is."""
    try:
        import optuna
    except ImportError:
        raise ImportError(f'{what} needs Optuna: pip install "e2e-magic[optuna]", {instead}') from None
    return optuna


def make_search(
    space: Space,
    how: str,
    trials: int | None,
    seed: int | None,
    *,
    shuffle: bool = False,
) -> Search:
    """Return the search that a plan names."""
    number = 0 if seed is None else seed
    if how == "tpe":
        return Tpe(space, trials or DEFAULT_TRIALS, number)
    if how == "random":
        return Walk(islice(space.drawn(number), trials or DEFAULT_TRIALS))
    if how == "grid":
        return Walk(islice(space.shuffled(number) if shuffle else space.grid(), trials))
    raise PlanError(f"search: expected one of {', '.join(SEARCHES)}, got {how!r}")
