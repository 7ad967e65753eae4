"""Run one turn where its code is: its warm-ups and its trial. The only place that executes a sweep's code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from e2e_magic.measuring.collectors.base import Classes
from e2e_magic.measuring.ending import OverLimit
from e2e_magic.measuring.identity import Identity
from e2e_magic.measuring.plan import Plan, Step
from e2e_magic.measuring.trial import Trial
from e2e_magic.record import Record
from e2e_magic.sweeping.jobs import Job
from e2e_magic.sweeping.limits import Limit
from e2e_magic.sweeping.pruning import Report, judging
from e2e_magic.sweeping.schedule import Turn
from e2e_magic.sweeping.seeding import seeded

Result = TypeVar("Result")
Around = Callable[[], AbstractContextManager[object]]
Wait = Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]


@dataclass(frozen=True)
class Execution:
    """How a turn ended.

    Attributes
    ----------
    record : Record
        Of its trial, or of the warm-up that failed.
    error : BaseException or None
        What ended it early.
    """

    record: Record
    error: BaseException | None = None


async def execute(
    job: Job,
    turn: Turn,
    params: Callable[[], Mapping[str, Any]],
    *,
    plan: Plan,
    classes: Classes,
    identity: Identity,
    seed: int | None = None,
    cold: bool = False,
    limit: Limit | None = None,
    give_up: Callable[[OverLimit], None] | None = None,
    mark: Callable[[int], None] | None = None,
    report: Report | None = None,
    warn: Callable[[str], None] | None = None,
    around: Around = nullcontext,
    wait: Wait | None = None,
) -> Execution:
    """Run the warm-ups of a turn, then its trial.

    Nothing is awaited unless the job is async: `run_now` runs the others.

    Parameters
    ----------
    job : Job
    turn : Turn
    params : callable
        Makes the parameters anew for each execution: what one changes in them, the next doesn't see.
    plan : Plan
    classes : mapping
        The collectors to choose from.
    identity : Identity
        Whose trial it is.
    seed : int, optional
        Of the sweep; each execution is seeded anew with it and the turn's number.
    cold : bool, optional
        Whether the trial is the first of its process; its record reports it.
    limit : Limit, optional
        What each execution may take.
    give_up, mark : callable, optional
        As `Enforcer` says; called where there is a limit.
    report : callable, optional
        Takes what the trial logs, and returns whether it is to end; what warm-ups log is nobody's.
    warn : callable, optional
        Takes sentences for the user; a `MeasurementWarning` when left out.
    around : callable, optional
        Makes a context manager that is entered once around the executions: who shows or keeps what they
        print. Errors of the code pass through it.
    wait : callable, optional
        Wraps the coroutine of an async job.

    Raises
    ------
    BaseException
        What went wrong before a trial began: it has no record.
    """
    __tracebackhide__ = True
    records: list[Record] = []
    box = identity.black_box
    if box is not None and box.known is None:
        box = box.of_sweep(identity.known())
    with seeded(seed, turn.number) as sow:
        try:
            with around(), ExitStack() as watched:
                armed: Around = nullcontext
                marked: Around = nullcontext
                if limit is not None:
                    from e2e_magic.sweeping.enforcing import Enforcer

                    enforcer = watched.enter_context(Enforcer(limit, give_up, mark))
                    armed, marked = enforcer.armed, enforcer.marked
                warmups = [Step(n + 1, warmup=True) for n in range(turn.warmups)]
                for step in [*warmups, Step(turn.repeat, warmup=False)]:
                    sow()  # each anew: a warm-up must not decide what the trial after it draws
                    trial = Trial(
                        plan,
                        step,
                        classes=classes,
                        options=job.options,
                        identity=lambda: identity,
                        keep=records.append,
                        warn=warn,
                        black_box=box,
                    )
                    if report is not None and not step.warmup:
                        trial.events.on_row = judging(turn.number, report)
                    values = params()
                    if plan.lines is not None:
                        trial.watch(job.codes, job.names, text=job.source)
                    with marked(), job.around(values), trial, armed():
                        value = job.call(values, trial.loop)
                        if job.is_async:
                            value = await (value if wait is None else wait(value))
                        trial.value = value
        except BaseException as error:  # the caller decides whether it ends the sweep
            if not records:  # not the user's code: ours must not be taken for a trial's failure
                raise
            return Execution(_with_cold(records[-1], cold), error)
    return Execution(_with_cold(records[-1], cold))


def _with_cold(record: Record, cold: bool) -> Record:
    return replace(record, reported={**record.reported, "cold": cold})


def run_now(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine that waits for nothing, without an event loop."""
    __tracebackhide__ = True
    try:
        work.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    work.close()
    raise RuntimeError("this code waits for something: run it on an event loop")
