"""The plan of a sweep: a plan over a space of parameters, and how the space is walked. It checks itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from e2e_magic.measuring.options import Use
from e2e_magic.measuring.plan import Plan, PlanError, nearest
from e2e_magic.sweeping.options import SWEEP_OPTIONS
from e2e_magic.sweeping.space import Space
from e2e_magic.sweeping.space.search import DEFAULT_TRIALS, import_optuna

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
    target, maximize, search, trials, seed, shuffle, budget, fail_fast, engine, resume
        As the table `options.SWEEP_OPTIONS` says.

    Attributes
    ----------
    where : Engine
        What `engine` names.

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
        for option in SWEEP_OPTIONS:
            if option.use is Use.PLAN:
                object.__setattr__(self, option.name, option.checked(getattr(self, option.name)))
        object.__setattr__(self, "where", Engine.parse(self.engine))
        if self.search == "grid":
            self.space.grid_size()  # says which parameter has no end
        if self.search == "tpe":
            import_optuna()

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
