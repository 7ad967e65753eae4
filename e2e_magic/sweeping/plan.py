"""The plan of a sweep: a plan over a space of parameters, and how the space is walked. It checks itself."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

from e2e_magic.measuring.plan import Plan, PlanError, nearest
from e2e_magic.sweeping.space import Space
from e2e_magic.sweeping.space.search import DEFAULT_TRIALS, SEARCHES, import_optuna

_DASK = re.compile(r"dask://\S+:\d+$")
# joblib's name for processes of this machine means the same.
_LOCAL = re.compile(r"(?:local|loky)(?::(\d+))?$")
_OTHER = re.compile(r"([A-Za-z_]\w*)(?::(\d+))?$")


class EngineMissing(PlanError, ImportError):  # noqa: N818 - it is what happened
    """The package of an engine isn't installed: names the pip command."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Where trials run: read from ``kernel``, ``local:N``, ``dask://HOST:PORT``, ``BACKEND[:N]``.

    Attributes
    ----------
    kind : {"kernel", "local", "dask", "joblib"}
    name : str
        As it was written.
    workers : int or None
        N, where it was given.
    backend : str
        joblib's name of the backend, for ``joblib``.
    """

    kind: str
    name: str
    workers: int | None = None
    backend: str = ""

    @classmethod
    def parse(cls, text: object) -> Engine:
        """Read an engine's name, or raise `PlanError`."""
        if isinstance(text, str):
            if text == "kernel":
                return cls("kernel", text)
            local, other = _LOCAL.match(text), _OTHER.match(text)
            if local and local[1] != "0":
                return cls("local", text, int(local[1]) if local[1] else None)
            if _DASK.match(text):
                return cls("dask", text)
            known = _backends() if other else []
            if other and other[1] in known and other[2] != "0":
                return cls("joblib", text, int(other[2]) if other[2] else None, other[1])
            names = ["kernel", "local", *known]
            word = text.split(":")[0]
            near = nearest(word, names) if other and word not in names else ""
        else:
            near = ""
        raise PlanError(
            f"engine: expected kernel, local:N (N processes), dask://HOST:PORT or a backend of joblib "
            f"such as ray, got {text!r}{near}"
        )

    @property
    def address(self) -> str:
        """The scheduler's address, for Dask."""
        return "tcp://" + self.name.removeprefix("dask://")


def _backends() -> list[str]:
    from joblib import parallel

    return sorted({*parallel.BACKENDS, *parallel.EXTERNAL_BACKENDS, "ray", "spark"} - {"dask"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """What a sweep asks for.

    Parameters
    ----------
    plan : Plan
        What one combination is: stage, collectors, repeats, warm-ups, options.
    space : Space
        The parameters and their values.
    target : str, optional
        The metric that the sweep is about; ``loss``, else ``accuracy``, else ``wall_time_s``.
    maximize : bool, optional
        Whether more is better; as the metric says when left out.
    search : {"grid", "random", "tpe"}
    trials : int, optional
        At most so many combinations; all of a grid, 20 for random and tpe, when left out.
    seed : int, optional
        Of the search and of `shuffle` (0 when left out). Where it is given, Python's random, numpy and
        torch are seeded before each trial too, with seed + the trial's number within the sweep; what the
        trial imports first, when it does.
    shuffle : bool
        Walk a grid in random order.
    budget : float, optional
        Seconds after which no further trial is started.
    fail_fast : bool
        Stop at the first failed trial and raise its error.
    engine : str
        ``kernel``, ``local:N``, ``dask://HOST:PORT`` or a backend of joblib.
    resume : bool
        Leave out what is complete already.

    Raises
    ------
    PlanError
        Names the parameter, what came and what is allowed.
    """

    plan: Plan
    space: Space
    target: str | None = None
    maximize: bool | None = None
    search: str = "grid"
    trials: int | None = None
    seed: int | None = None
    shuffle: bool = False
    budget: float | None = None
    fail_fast: bool = False
    engine: str = "kernel"
    resume: bool = False
    where: Engine = field(init=False)

    def __post_init__(self) -> None:
        if not self.space.axes:
            raise PlanError("parameters: a sweep needs at least one, NAME=VALUES such as lr=0.1,0.01")
        if self.search not in SEARCHES:
            near = nearest(str(self.search), SEARCHES)
            raise PlanError(f"search: expected one of {', '.join(SEARCHES)}, got {self.search!r}{near}")
        object.__setattr__(self, "trials", _whole("trials", self.trials, 1))
        object.__setattr__(self, "seed", _whole("seed", self.seed, 0))
        object.__setattr__(self, "budget", _seconds(self.budget))
        object.__setattr__(self, "where", Engine.parse(self.engine))
        if self.search == "grid":
            self.space.grid_size()  # says which parameter has no end
        if self.search == "tpe":
            import_optuna()
        self._check_target()

    def _check_target(self) -> None:
        if self.target is None:
            return
        if not isinstance(self.target, str) or not self.target.strip():
            raise PlanError(
                f"target: expected a metric such as loss, accuracy or wall_time_s, got {self.target!r}"
            )

    @property
    def combinations(self) -> int:
        """How many combinations are walked at most."""
        size, limit = self.space.size, self.trials
        if self.search != "grid" and limit is None:
            limit = DEFAULT_TRIALS
        if self.search == "tpe":
            size = None  # it may ask for one twice
        return min(n for n in (size, limit) if n is not None)

    @property
    def total(self) -> int:
        """How many trials that makes with the repeats; warm-ups are not counted."""
        return self.combinations * self.plan.repeat

    def described(self) -> str:
        """Say in words how many trials there are to run."""
        repeats = f" x {self.plan.repeat} repeats" if self.plan.repeat > 1 else ""
        drawn = f", {self.search} search" if self.search != "grid" else ""
        usual = f" (--trials {DEFAULT_TRIALS} when left out)" if drawn and self.trials is None else ""
        several = "s" if self.combinations != 1 else ""
        return f"{self.combinations} combination{several}{repeats}{drawn}{usual}"


def _whole(name: str, value: Any, least: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value.__index__()) < least:
        raise PlanError(f"{name}: expected a whole number of at least {least}, got {value!r}")
    return int(value.__index__())


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool | str) or not hasattr(value, "__float__") or not 0 < float(value) < math.inf:
        raise PlanError(f"budget: expected seconds above 0, got {value!r}")
    return float(value)
