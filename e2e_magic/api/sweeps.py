"""``sweep``: a function over a space of parameters, and what comes back of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from typing import Any

from e2e_magic.api.signatures import divided, taking
from e2e_magic.derived.declarations import declared
from e2e_magic.measuring.checks import PlanError, nearest
from e2e_magic.measuring.collectors.base import registered
from e2e_magic.measuring.identity import Identity
from e2e_magic.measuring.options import OPTIONS, Way, planned, taken_by
from e2e_magic.measuring.plan import Plan
from e2e_magic.measuring.reported.arrays import describe
from e2e_magic.measuring.trial import warn_user
from e2e_magic.record import Better, Record
from e2e_magic.session import Session, current
from e2e_magic.storage import Selection
from e2e_magic.storage.together import together
from e2e_magic.sweeping.endings import died
from e2e_magic.sweeping.jobs import FunctionJob, Job, check_arguments
from e2e_magic.sweeping.options import SWEEP_OPTIONS
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.schedule import Goal, Turn
from e2e_magic.sweeping.space import Space
from e2e_magic.sweeping.sweep import Sweep
from e2e_magic.sweeping.values import CONTENTS, Digests
from e2e_magic.views.sweep_result import SweepResult

# `los` is 0.86 of `loss`, `val_auc` 0.74 of `val_accuracy`.
_SURELY_MEANT = 0.85


def open_sweep(session: Session, plan: SweepPlan, job: Job, **callbacks: Any) -> Sweep:
    """Make a sweep whose rows the session numbers and keeps; nothing runs yet.

    Parameters
    ----------
    session : Session
    plan : SweepPlan
    job : Job
    **callbacks
        ``stop``, ``abort``, ``on_start``, ``on_record``, ``on_output`` and ``warn`` of `Sweep`.

    Raises
    ------
    PlanError
        If a collector or a target doesn't exist, or the content of a value can't be identified.
    """
    classes = registered()
    stage = plan.plan.stage
    plan.plan.check_collectors(classes)
    plan = replace(plan, plan=session.settle(plan.plan))
    if plan.where.kind == "kernel":
        plan.plan.check_here(classes)
    declared = declared_metrics()
    if (
        plan.target is not None
        and plan.target not in declared
        and _misspelt(plan.target, declared, job.source)
    ):
        raise PlanError(
            f"target: there is no metric {plan.target!r}{nearest(plan.target, declared)}; "
            "%e2e metrics lists them"
        )
    about = target_of(plan, declared)
    digests = Digests()
    digests.check(plan.space)

    def identify(sweep: str, params: Mapping[str, Any], source: str, concurrent: bool) -> Identity:
        identity = session.identify(stage, sweep, params, source)
        contents = digests.of(params)
        own = {**about, CONTENTS: contents} if contents else about
        return replace(identity, concurrent=concurrent, settings={**identity.settings, **own})

    return Sweep(
        plan,
        job,
        classes=classes,
        identify=identify,
        keep=partial(session.keep, warn=callbacks.get("warn")),
        together=partial(together, session.writer, warn=callbacks.get("warn")),
        finished=session.finished(stage, job.source) if plan.resume else (),
        better=declared,
        digests=digests,
        **callbacks,
    )


def _misspelt(target: str, declared: Mapping[str, Any], source: str | None) -> bool:
    """Return whether an undeclared name is meant for a declared one: any name may be logged.

    One that the code logs or hands back, or that is far from every declared name, is meant as it stands.
    """
    word = re.escape(target)
    logged = rf"(?<![\"'\w]){word}\s*=|[\"']{word}[\"']\s*[:\]]"
    if target in declared or re.search(logged, source or ""):
        return False
    return bool(get_close_matches(target, declared, n=1, cutoff=_SURELY_MEANT))


def target_of(plan: SweepPlan, declared: Mapping[str, Better | None]) -> dict[str, Any]:
    """Return the raw entry of each trial by which it is ranked: the target of its sweep.

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
    function: Callable[..., Any] | None = None,
    /,
    *,
    stage: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    **space: Any,
) -> SweepResult:
    """Run a function once per combination of parameters and measure each call.

    Parameters
    ----------
    function : callable
        Takes the parameters as keyword arguments. What it returns counts as `measure` says. An argument that
        it can't be called without is a parameter, though its name be an option's.
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
    if function is None and (function := space.pop("function", None)) is None:
        raise PlanError("sweep: expected a function first, such as sweep(train, lr=[0.1, 0.01]), got none")
    if parameters is not None and not isinstance(parameters, Mapping):
        raise PlanError(
            f'parameters: expected a mapping such as {{"loss": ["mse", "mae"]}}, got {describe(parameters)}'
        )
    named = Space.of(dict(parameters or {}))
    options, space = divided(function, space, SWEEP_TAKES, besides=named.names)
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
        warn=warn_user,
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
