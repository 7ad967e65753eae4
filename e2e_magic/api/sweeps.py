"""``sweep``: a function over a space of parameters, and what comes back of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from e2e_magic.api.signatures import taking
from e2e_magic.derived.declarations import declared
from e2e_magic.measuring.checks import PlanError, nearest
from e2e_magic.measuring.collectors.base import registered
from e2e_magic.measuring.options import OPTIONS, Way, planned, taken_by
from e2e_magic.measuring.plan import Plan
from e2e_magic.measuring.trial import Identity
from e2e_magic.record import Better, Record
from e2e_magic.session import Session, current
from e2e_magic.storage import Selection
from e2e_magic.sweeping.jobs import FunctionJob, Job, check_arguments
from e2e_magic.sweeping.options import SWEEP_OPTIONS
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.schedule import Goal, Turn, died
from e2e_magic.sweeping.space import Space
from e2e_magic.sweeping.sweep import Sweep
from e2e_magic.views.sweep_result import SweepResult


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
    about = target_of(plan, declared)

    def identify(sweep: str, params: Mapping[str, Any], source: str, concurrent: bool) -> Identity:
        found = session.identify(stage, sweep, params, source)
        return replace(found, concurrent=concurrent, settings={**found.settings, **about})

    return Sweep(
        plan,
        job,
        classes=classes,
        identify=identify,
        keep=partial(session.keep, warn=callbacks.get("warn")),
        finished=session.finished(stage, job.source) if plan.resume else (),
        better=declared,
        **callbacks,
    )


def target_of(plan: SweepPlan, declared: Mapping[str, Better | None]) -> dict[str, Any]:
    """Return what each trial carries raw, so that it is ranked by what its sweep was about.

    ``sweep_target``: the metric and whether more of it is better; empty where the line says neither.
    """
    if plan.target is None and plan.maximize is None:
        return {}
    maximize = Goal(plan.target, plan.maximize, declared).maximize
    return {"sweep_target": {"metric": plan.target, "maximize": maximize}}


def declared_metrics() -> dict[str, Better | None]:
    """Return every metric that a trial may have as a number, and which direction is better."""
    return {name: metric.better for name, metric in declared().items() if not metric.curve}


SWEEP_TAKES = taken_by(Way.SWEEP, SWEEP_OPTIONS + OPTIONS)


@taking(SWEEP_TAKES.values())
def sweep(
    function: Callable[..., Any],
    *,
    stage: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    **space: Any,
) -> SweepResult:
    """Run a function once per combination of parameters and measure each call.

    Parameters
    ----------
    function : callable
        Takes the parameters as keyword arguments. What it returns counts as `measure` says.
    stage : str, optional
        The label; the function's name when left out.
    parameters : mapping, optional
        Parameters by name, for names that are options here (``loss``) and for zipped ones:
        ``{"lr, batch_size": [(0.1, 16), (0.01, 32)]}``.
    {options}
    **space
        The parameters: a list, tuple, range or array of values, or a distribution of
        `e2e_magic.sweeping.space`; anything else is one fixed value.

    Returns
    -------
    SweepResult
        ``.frame`` (its trials), ``.trials`` (best first), ``.summary``, ``.samples``, ``.epochs``,
        ``.best`` and ``.plot()``.

    Raises
    ------
    PlanError
        Before the first trial: names the parameter, what came and what is allowed.
    BaseException
        With `fail_fast`, the error of the first failed trial; ``KeyboardInterrupt`` always.

    Examples
    --------
    >>> import e2e_magic as e2e
    >>> def train(lr, epochs):
    ...     return {"loss": [lr * n for n in range(epochs, 0, -1)]}
    >>> e2e.sweep(train, lr=[0.1, 0.01], epochs=5).best
    {'lr': 0.01, 'epochs': 5}
    """
    __tracebackhide__ = True
    seed = space.get("seed")
    several_seeds = seed is not None and not hasattr(seed, "__index__")  # then it is the function's
    options = {n: space.pop(n) for n in SWEEP_TAKES if n in space and not (n == "seed" and several_seeds)}
    walked = Space.of({**(parameters or {}), **space})
    check_arguments(function, walked.names, ["stage", "parameters", *SWEEP_TAKES])
    plan = SweepPlan(
        plan=Plan.of(stage or str(getattr(function, "__name__", type(function).__name__)), planned(options)),
        space=walked,
        **planned(options, SWEEP_OPTIONS),
    )
    job = FunctionJob(function, plan.plan.options)
    if job.is_async and plan.where.kind == "kernel":
        raise PlanError(
            f"sweep: {plan.plan.stage}() is async, and sweep() can't wait for it here; "
            'hand over lambda **params: asyncio.run(function(**params)), or use engine="local:1"'
        )
    session = current()
    quiet = options.get("quiet", False)
    opened = open_sweep(
        session,
        plan,
        job,
        on_output=None if quiet else _show,
        on_record=None if quiet or plan.fail_fast else _say_failed,
    )
    for _ in opened.run():
        pass
    return SweepResult(opened, session.names(Selection(everything=plan.resume)), brief=quiet)


def _show(turn: Turn, text: str) -> None:
    """Show what a trial in a worker printed."""
    ending = "" if text.endswith("\n") else "\n"
    sys.stdout.write(f"{turn.label}\n{text}{ending}")


def _say_failed(turn: Turn, record: Record) -> None:
    if record.state == "failed" and record.error and not died(record):
        sys.stderr.write(f"e2e_magic: {turn.label} failed: {record.error.splitlines()[0]}\n")
