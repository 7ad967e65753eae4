"""The engine of the isolated process: its trial is stopped at any instant, what finished stays."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e_magic.measuring.ending import OverLimit
from e2e_magic.sweeping.engines import OneAtATime
from e2e_magic.sweeping.engines.guard import Guard
from e2e_magic.sweeping.engines.isolated.calls import Isolated
from e2e_magic.sweeping.engines.isolated.process import IsolatedLost
from e2e_magic.sweeping.engines.remote_trial import run_remotely
from e2e_magic.sweeping.engines.reports import Exchange, Line
from e2e_magic.sweeping.engines.shipping import Parcel, check_values, pack
from e2e_magic.sweeping.engines.tickets import Outcome, Ticket
from e2e_magic.sweeping.jobs import Job
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.schedule import Turn

if TYPE_CHECKING:
    from collections.abc import Iterator

# An interrupted trial has this long to hand over what it measured; then its process is ended.
GRACE_S = 0.25
# How often a trial with a limit is looked at from outside.
LOOK_EVERY_S = 0.05
Hear = Callable[[Turn, str, Any], None]


class IsolatedEngine(OneAtATime):
    """Runs turns one after another in one isolated process.

    Parameters
    ----------
    job : Job
    plan : SweepPlan
    isolated : Isolated
        May be warm already; it is left warm, unless the sweep was stopped amid a trial.
    hear : callable
        ``(turn, kind, content)``: takes what a trial prints and displays, as `Isolated.call` hands it on.
    prelude : callable, optional
        Called there before each trial, outside of what is measured.
    """

    def __init__(
        self,
        job: Job,
        plan: SweepPlan,
        isolated: Isolated,
        hear: Hear,
        *,
        prelude: Callable[[], object] | None = None,
    ) -> None:
        self._job = job
        self._plan = plan
        self._isolated = isolated
        self._hear = hear
        self._prelude = prelude
        self._next: tuple[Ticket, Future[Outcome | bytes]] | None = None
        self._idle = threading.Event()
        self._idle.set()
        self._stopped = False
        self._over: dict[int, OverLimit] = {}
        self._exchange: Exchange | None = None
        self._meeting: Path | None = None

    def open(self) -> None:
        check_values(self._plan.space)
        parcel = pack(self._job, self._plan.space.names)
        self._run = partial(run_streamed, parcel, prelude=self._prelude)
        self._isolated.refresh()

    def submit(self, ticket: Ticket) -> Future[Outcome | bytes]:
        future: Future[Outcome | bytes] = Future()
        self._next = ticket, future
        return future

    async def wait(self, seconds: float) -> None:  # noqa: ARG002 - it takes as long as the trial
        if self._next is None:
            return
        ticket, future = self._next
        self._next = None
        self._idle.clear()  # first this, then the question: `stop` sees the one or we see the other
        try:
            if self._stopped:  # before it has begun: it leaves no row
                return
            hear = partial(self._hear, ticket.turn)
            with self._guarded(ticket):
                folder = None if ticket.limit is None else str(self._folder())
                sealed = ticket.sealed(folder=folder, report=self._line(ticket), here=True)
                future.set_result(self._isolated.call(self._run, sealed, hear=hear))
        except KeyboardInterrupt as interrupt:  # before the trial itself had begun, or after its end
            future.set_exception(interrupt)
        except IsolatedLost as lost:
            stopped = lost.killed and ticket.turn.number not in self._over
            future.set_exception(KeyboardInterrupt() if stopped else lost)
        finally:
            self._idle.set()

    def _line(self, ticket: Ticket) -> Line | None:
        """Return the way on which a trial there reports what it logs, where it is asked to."""
        if ticket.report is None:
            return None
        if self._exchange is None:
            self._exchange = Exchange(ticket.report, self._folder())
        return self._exchange.line()

    def _folder(self) -> Path:
        """Return a folder of this sweep, where its process and this one meet."""
        if self._meeting is None:
            self._meeting = Path(tempfile.mkdtemp(prefix="e2e-sweep-"))
        return self._meeting

    @contextmanager
    def _guarded(self, ticket: Ticket) -> Iterator[None]:
        """End the process from outside where a trial is over its limit and can't be ended from inside."""
        limit = ticket.limit
        if limit is None:
            yield
            return
        guard, folder, done = Guard(limit), self._folder(), threading.Event()

        def look() -> None:
            while not done.wait(LOOK_EVERY_S):
                for pid, turn, over in guard.exceeded(folder):
                    self._over[turn] = over
                    self._isolated.kill()
                    (folder / str(pid)).unlink()
                    return

        looking = threading.Thread(target=look, name="e2e-guard", daemon=True)
        looking.start()
        try:
            yield
        finally:
            done.set()
            looking.join()

    def over(self) -> Mapping[int, OverLimit]:
        over, self._over = self._over, {}
        return over

    def begun(self) -> set[int] | None:
        """Return none: a turn that has begun is done when `wait` returns."""
        return set()

    def stop(self) -> None:
        """End the trial that runs, from any thread: within `GRACE_S` and what ending a process takes."""
        self._stopped = True
        if self._idle.is_set():
            return
        self._isolated.interrupt()
        self._idle.wait(GRACE_S)
        self._isolated.kill()

    def close(self, *, kill: bool = False) -> None:  # noqa: ARG002 - `stop` has ended what ran
        """Leave the process warm for the next sweep."""
        if self._exchange is not None:
            self._exchange.close()
        if self._meeting is not None:
            shutil.rmtree(self._meeting)


class _Heard:
    """Stands for what is captured elsewhere: here prints are sent as they come."""

    def text(self) -> str:
        """Return an empty text: the output was sent already."""
        return ""


@contextmanager
def _as_it_comes() -> Iterator[_Heard]:
    yield _Heard()


def run_streamed(parcel: Parcel, ticket: Ticket, *, prelude: Callable[[], object] | None = None) -> bytes:
    """Run one turn in the isolated process, and receive what it prints meanwhile."""
    if prelude is not None:
        prelude()
    return run_remotely(parcel, ticket, captured=_as_it_comes)
