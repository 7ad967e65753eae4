"""``sweep``: a function over a space of parameters, and what comes back of it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from e2e_magic.derived.declarations import declared
from e2e_magic.measuring.collectors.base import registered
from e2e_magic.measuring.plan import Plan, PlanError, nearest
from e2e_magic.measuring.trial import Identity
from e2e_magic.record import Better, Record
from e2e_magic.session import Session, current
from e2e_magic.storage import Selection
from e2e_magic.sweeping.jobs import FunctionJob, Job, check_arguments
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


def sweep(
    function: Callable[..., Any],
    *,
    stage: str | None = None,
    target: str | None = None,
    maximize: bool | None = None,
    search: str = "grid",
    trials: int | None = None,
    seed: Any = None,
    shuffle: bool = False,
    budget: float | None = None,
    fail_fast: bool = False,
    engine: str = "kernel",
    resume: bool = False,
    repeat: int = 1,
    warmup: int = 0,
    metrics: Any = None,
    interval: float = 0.1,
    target_accuracy: float | None = None,
    estimate_power: Any = None,
    entries: Any = None,
    loss: Any = None,
    accuracy: Any = None,
    confusion: Any = None,
    classes: Any = None,
    y_true: Any = None,
    y_pred: Any = None,
    quiet: bool = False,
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
    target : str, optional
        The metric that the sweep is about; ``loss``, else ``accuracy``, else ``wall_time_s``.
    maximize : bool, optional
        Whether more is better; as the metric says when left out.
    search : {"grid", "random", "tpe"}
        How the space is walked; tpe is Optuna's sampler (``pip install "e2e-magic[optuna]"``).
    trials : int, optional
        Combinations at most: all of a grid, 20 for random and tpe, when left out.
    seed : int, optional
        Of the search. Given, it also seeds Python's random, numpy and torch before each trial, with seed
        + the trial's number within the sweep. A list of seeds is a parameter of the function's.
    shuffle : bool
        The grid in random order.
    budget : float, optional
        Seconds after which no further trial is started.
    fail_fast : bool
        Stop at the first failed trial and raise its error; else its row is kept and the sweep goes on.
    engine : str
        ``kernel`` (here, one after another), ``local:N`` (N processes), ``dask://HOST:PORT``, or a backend
        of joblib.
    resume : bool
        Leave out the trials of this stage, code and parameters that are complete already.
    repeat, warmup : int
        Trials per combination that are kept, and trials thrown away before them.
    metrics, interval, target_accuracy, estimate_power, entries, loss, accuracy, confusion, classes, \
y_true, y_pred
        As for `measure`.
    quiet : bool
        Print no prints of trials in workers, no warnings of failed ones, and show the result in one line.
    parameters : mapping, optional
        Parameters by name, for names that are options here (``loss``) and for zipped ones:
        ``{"lr, batch_size": [(0.1, 16), (0.01, 32)]}``.
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
    given = {
        "entries": entries,
        "loss": loss,
        "accuracy": accuracy,
        "confusion": confusion,
        "classes": classes,
        "y_true": y_true,
        "y_pred": y_pred,
    }
    expressions = {name: value for name, value in given.items() if value is not None}
    if seed is not None and not hasattr(seed, "__index__"):
        space, seed = {**space, "seed": seed}, None
    walked = Space.of({**(parameters or {}), **space})
    check_arguments(function, walked.names, [*inspect.signature(sweep).parameters][1:-1])
    plan = SweepPlan(
        plan=Plan(
            stage=stage or str(getattr(function, "__name__", type(function).__name__)),
            metrics=metrics,
            repeat=repeat,
            warmup=warmup,
            interval=interval,
            target_accuracy=target_accuracy,
            estimate_power=estimate_power,
            options=expressions,
        ),
        space=walked,
        target=target,
        maximize=maximize,
        search=search,
        trials=trials,
        seed=seed,
        shuffle=shuffle,
        budget=budget,
        fail_fast=fail_fast,
        engine=engine,
        resume=resume,
    )
    job = FunctionJob(function, expressions)
    if job.is_async and plan.where.kind == "kernel":
        raise PlanError(
            f"sweep: {plan.plan.stage}() is async, and sweep() can't wait for it here; "
            'hand over lambda **params: asyncio.run(function(**params)), or use engine="local:1"'
        )
    session = current()
    opened = open_sweep(
        session,
        plan,
        job,
        on_output=None if quiet else _show,
        on_record=None if quiet or fail_fast else _say_failed,
    )
    for _ in opened.run():
        pass
    return SweepResult(opened, session.names(Selection(everything=resume)), brief=quiet)


def _show(turn: Turn, text: str) -> None:
    """Show what a trial in a worker printed."""
    ending = "" if text.endswith("\n") else "\n"
    sys.stdout.write(f"{turn.label}\n{text}{ending}")


def _say_failed(turn: Turn, record: Record) -> None:
    if record.state == "failed" and record.error and not died(record):
        sys.stderr.write(f"e2e_magic: {turn.label} failed: {record.error.splitlines()[0]}\n")
