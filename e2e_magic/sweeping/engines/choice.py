"""The engine that a plan names."""

from __future__ import annotations

from collections.abc import Callable

from e2e_magic.measuring.collectors.base import Classes
from e2e_magic.sweeping.engines import Engine
from e2e_magic.sweeping.engines.kernel import KernelEngine
from e2e_magic.sweeping.jobs import Job
from e2e_magic.sweeping.plan import SweepPlan


def engine_of(
    plan: SweepPlan,
    job: Job,
    *,
    sweep: str,
    classes: Classes,
    warn: Callable[[str], None] | None = None,
) -> Engine:
    """Return the engine that `plan.where` names, not yet open; what it needs is imported then.

    Parameters
    ----------
    plan : SweepPlan
    job : Job
    sweep : str
        The sweep's id.
    classes : mapping
        The collectors to choose from, for trials in this process.
    warn : callable, optional
        Takes sentences for the user.
    """
    kind = plan.where.kind
    if kind == "kernel":
        return KernelEngine(job, classes=classes, warn=warn)
    if kind == "dask":
        from e2e_magic.sweeping.engines.dask import DaskEngine

        return DaskEngine(job, plan, sweep, warn=warn)
    if kind == "spark":
        from e2e_magic.sweeping.engines.spark import SparkEngine

        return SparkEngine(job, plan, sweep)
    if kind == "ray":
        from e2e_magic.sweeping.engines.ray import RayEngine

        return RayEngine(job, plan)
    if kind == "joblib" and plan.where.backend != "multiprocessing":
        from e2e_magic.sweeping.engines.joblib_backends import JoblibEngine

        return JoblibEngine(job, plan)
    from e2e_magic.sweeping.engines.local import LocalEngine

    return LocalEngine(job, plan)
