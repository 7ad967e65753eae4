"""The engine ``kernel``: trials run in this process, one after another, where the user's objects are."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext

from e2e_magic.measuring.collectors.base import Classes
from e2e_magic.measuring.ending import TrialEnd
from e2e_magic.sweeping.engines import OneAtATime
from e2e_magic.sweeping.engines.tickets import Outcome, Ticket
from e2e_magic.sweeping.execution import Wait, execute
from e2e_magic.sweeping.jobs import Job
from e2e_magic.sweeping.schedule import Turn
from e2e_magic.sweeping.values import copied

Around = Callable[[Turn], AbstractContextManager[object]]


def _unadorned(_: Turn) -> AbstractContextManager[None]:
    return nullcontext()


class KernelEngine(OneAtATime):
    """Runs each turn in `wait`; an async job needs the event loop that runs it.

    Parameters
    ----------
    job : Job
    classes : mapping
        The collectors to choose from.
    warn : callable, optional
        Takes sentences for the user.
    around : callable, optional
        Makes a context manager for a turn: the hook of who shows what it prints.
    wait : callable, optional
        Wraps the coroutine of an async job.
    """

    def __init__(
        self,
        job: Job,
        *,
        classes: Classes,
        warn: Callable[[str], None] | None = None,
        around: Around = _unadorned,
        wait: Wait | None = None,
    ) -> None:
        self._job = job
        self._classes = classes
        self._warn = warn
        self._around = around
        self._wait = wait
        self._next: tuple[Ticket, Future[Outcome | bytes]] | None = None

    def open(self) -> None:
        """Open nothing: this process is there."""

    def submit(self, ticket: Ticket) -> Future[Outcome | bytes]:
        future: Future[Outcome | bytes] = Future()
        self._next = ticket, future
        return future

    async def wait(self, seconds: float) -> None:  # noqa: ARG002 - it takes as long as the trial
        __tracebackhide__ = True
        if self._next is None:
            return
        ticket, future = self._next
        self._next = None
        execution = await execute(
            self._job,
            ticket.turn,
            lambda: copied(ticket.turn.params),
            plan=ticket.plan,
            classes=self._classes,
            identity=ticket.identity,
            seed=ticket.seed,
            limit=ticket.limit,
            report=ticket.report,
            warn=self._warn,
            around=lambda: self._around(ticket.turn),
            wait=self._wait,
        )
        error = execution.error
        future.set_result(Outcome(ticket.turn.number, execution.record, error=error))
        if error is not None and not isinstance(error, Exception | SystemExit | TrialEnd):
            raise error

    def begun(self) -> set[int] | None:
        """Return none: a turn that has a record is done, and one that has none was ended before its trial."""
        return set()

    def close(self, *, kill: bool = False) -> None:
        """Close nothing: the objects that the code created stay."""
