"""The plan of a sweep: a plan over a space of parameters, and how the space is walked. It checks itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from e2e_magic.measuring.options import Use
from e2e_magic.measuring.plan import Plan, PlanError, nearest
from e2e_magic.sweeping.limits import Limit
from e2e_magic.sweeping.options import SWEEP_OPTIONS
from e2e_magic.sweeping.order import FEW_VALUES
from e2e_magic.sweeping.space import Space
from e2e_magic.sweeping.space.search import DEFAULT_TRIALS, import_optuna

_DASK = re.compile(r"dask://\S+:\d+$")
# joblib's name for processes of this machine means the same.
_LOCAL = re.compile(r"(?:local|loky)(?::(\d+))?$")
# Clusters with an engine of their own here, and a name instead of an address.
_OWN = ("ray", "spark")
_OTHER = re.compile(r"([A-Za-z_]\w*)(?::(\d+))?$")
# What is known of a trial at its end only.
_MEASURED = ("_s", "_j", "_mib", "_percent", "_w", "entries", "epochs", "epochs_to_accuracy")
# Those of joblib's backends that are processes or threads of this machine.
_PRUNED = ("multiprocessing", "threading", "sequential")


class EngineMissing(PlanError, ImportError):  # noqa: N818 - it is what happened
    """The package of an engine isn't installed; the text names the pip command."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Where trials run: read from ``kernel``, ``local:N``, ``dask://HOST:PORT``, ``ray``, ``BACKEND[:N]`` ..

    Attributes
    ----------
    kind : {"kernel", "local", "dask", "ray", "spark", "joblib"}
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
            if other and other[1] in _OWN and other[2] != "0":
                return cls(other[1], text, int(other[2]) if other[2] else None)
            backends = _backends() if other else []
            if other and other[1] in backends and other[2] != "0":
                return cls("joblib", text, int(other[2]) if other[2] else None, other[1])
            names = ["kernel", "local", *_OWN, *backends]
            word = text.split(":")[0]
            near = nearest(word, names) if other and word not in names else ""
        else:
            near = ""
        raise PlanError(
            f"expected kernel, local:N (N processes), dask://HOST:PORT, ray, spark or a backend of joblib, "
            f"got {text!r}{near}",
            option="engine",
        )

    @property
    def address(self) -> str:
        """The scheduler's address, for Dask."""
        return "tcp://" + self.name.removeprefix("dask://")


def _backends() -> list[str]:
    from joblib import parallel

    return sorted({*parallel.BACKENDS, *parallel.EXTERNAL_BACKENDS} - {"dask", *_OWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """What a sweep asks for.

    Parameters
    ----------
    plan : Plan
        What one combination is: stage, collectors, repeats, warm-ups, options.
    space : Space
        The parameters and their values.
    target, maximize, search, trials, seed, order, shuffle, budget, fail_fast, fail_after, trial_limit, prune,
    engine, resume
        As the table `options.SWEEP_OPTIONS` says; afterwards `order` is the one that is walked.

    Attributes
    ----------
    where : Engine
        What `engine` names.
    bare : Plan
        What one combination is, without the options, as it is sent to workers: its parcel has them.

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
    order: str | None = None
    shuffle: bool = False
    budget: float | None = None
    fail_fast: bool = False
    fail_after: int | None = None
    trial_limit: Limit | None = None
    prune: str | None = None
    engine: str = "kernel"
    resume: bool = False
    where: Engine = field(init=False)
    bare: Plan = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.space.axes:
            raise PlanError("parameters: a sweep needs at least one, NAME=VALUES such as lr=0.1,0.01")
        for option in SWEEP_OPTIONS:
            if option.use is Use.PLAN:
                object.__setattr__(self, option.name, option.checked(getattr(self, option.name)))
        object.__setattr__(self, "where", Engine.parse(self.engine))
        object.__setattr__(self, "bare", replace(self.plan, options={}))
        if self.search == "grid":
            self.space.grid_size()  # says which parameter has no end
        object.__setattr__(self, "order", self._order())
        if self.search == "tpe":
            import_optuna()
        if self.prune is not None:
            self._check_prune()

    def _check_prune(self) -> None:
        """Raise what stands in the way of pruning: Optuna, the target, the engine."""
        import_optuna(f"prune: {self.prune}", "or leave it out")
        if self.target is not None and self.target.endswith(_MEASURED):
            raise PlanError(
                "prune: needs a target that the code logs while it runs, such as loss or accuracy, "
                f"got {self.target}"
            )
        where = self.where
        if where.kind in _OWN or (where.kind == "joblib" and where.backend not in _PRUNED):
            raise PlanError(
                f"prune: the engine {self.where.name} can't hear what a trial logs while it runs; "
                "use kernel, local:N or dask://HOST:PORT"
            )

    def _order(self) -> str:
        """Return the order that is walked; the default where none was asked for."""
        if self.shuffle and self.order not in (None, "shuffle"):
            raise PlanError(f"shuffle: it means order shuffle, got order {self.order} too; take one of them")
        if self.search == "tpe":
            if self.order not in (None, "sequential"):
                raise PlanError(
                    f"order: tpe chooses each combination by the results before it, got order {self.order}; "
                    "leave it out, or use --search grid"
                )
            return "sequential"
        if self.order is not None or self.shuffle:
            return self.order or "shuffle"
        few = len(self.space.axes) == 1 and self.search == "grid" and 2 <= self.combinations <= FEW_VALUES
        return "balanced" if few and self.plan.repeat > 1 else "sequential"

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
        """Return in words how many trials there are to run."""
        repeats = f" x {self.plan.repeat} repeats" if self.plan.repeat > 1 else ""
        drawn = f", {self.search} search" if self.search != "grid" else ""
        usual = f" (--trials {DEFAULT_TRIALS} when left out)" if drawn and self.trials is None else ""
        several = "s" if self.combinations != 1 else ""
        order = ", in balanced order" if self.order == "balanced" else ""
        return f"{self.combinations} combination{several}{repeats}{order}{drawn}{usual}"
