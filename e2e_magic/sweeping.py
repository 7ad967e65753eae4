"""``sweep``: a function over a space of parameters, and what comes back of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from e2e_magic import derived
from e2e_magic.collectors.base import Unavailable, registered
from e2e_magic.jobs import FunctionJob, Job, check_arguments
from e2e_magic.plan import Plan, PlanError, nearest
from e2e_magic.record import Better, Metric, Record
from e2e_magic.result import Result
from e2e_magic.runner import Sweep
from e2e_magic.schedule import Progress, Turn, worded
from e2e_magic.session import Session, current
from e2e_magic.space import Space
from e2e_magic.sweep_plan import SweepPlan

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def open_sweep(session: Session, plan: SweepPlan, job: Job, **callbacks: Any) -> Sweep:
    """Make a sweep whose rows the session numbers and keeps; nothing runs yet.

    Parameters
    ----------
    session : Session
    plan : SweepPlan
    job : Job
    **callbacks
        ``stop``, ``abort``, ``on_start``, ``on_record``, ``on_output``, ``warn``, ``warm`` of `Sweep`.

    Raises
    ------
    PlanError
        For a collector or a target that there is not.
    """
    classes = registered()
    stage = plan.plan.stage
    plan.plan.check_collectors(classes)
    plan = replace(plan, plan=session.settle(plan.plan))
    declared = declared_metrics()
    if plan.target is not None and plan.target not in declared:
        raise PlanError(
            f"target: there is no metric {plan.target!r}{nearest(plan.target, declared)}; "
            "%e2e metrics lists them"
        )
    return Sweep(
        plan,
        job,
        classes=classes,
        identify=lambda sweep, params, source, concurrent: replace(
            session.identify(stage, sweep, params, source), concurrent=concurrent
        ),
        keep=session.keep,
        finished=session.finished(stage, job.source) if plan.resume else (),
        better=declared,
        **callbacks,
    )


def declared_metrics() -> dict[str, Better | None]:
    """Return every metric that a trial may have as a number, and which direction is better."""
    found: dict[str, Better | None] = {}
    for cls in registered().values():
        metrics: Sequence[Metric] = () if isinstance(cls, Unavailable) else getattr(cls, "metrics", ())
        found |= {metric.name: metric.better for metric in metrics if not metric.curve}
    return found | {metric.name: metric.better for metric in derived.METRICS}


class SweepResult(Result):
    """The trials of a sweep: a table, best first, and charts.

    Parameters
    ----------
    sweep : Sweep
        Finished or not: the result follows it.
    names : mapping of str to str
        The runs' names by id.
    """

    def __init__(self, sweep: Sweep, names: Mapping[str, str] | None = None, *, brief: bool = False) -> None:
        super().__init__(sweep.records, names, brief=brief)
        self._sweep = sweep

    @property
    def id(self) -> str:
        """The sweep's id, as in the column ``sweep``."""
        return self._sweep.id

    @property
    def space(self) -> Space:
        """The space that was walked."""
        return self._sweep.plan.space

    @property
    def progress(self) -> Progress:
        """How far the sweep got."""
        return self._sweep.progress

    @property
    def trials(self) -> pd.DataFrame:
        """The trials, best first (the columns of ``results``)."""
        from e2e_magic import frames

        goal = self._sweep.schedule.goal
        return frames.trials(self.records, self._names, metric=goal.name, maximize=goal.maximize)

    @property
    def best(self) -> dict[str, Any] | None:
        """The parameters of the best complete trial; None where there is none."""
        best = self._sweep.progress.best
        return None if best is None else dict(best.params)
