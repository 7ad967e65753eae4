"""A sweep whose trials run in the isolated process: stopped at any instant, what finished stays.

The driver is a thread's work; `IsolatedSweep.stop` comes from any other.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from e2e_magic.record import Record
from e2e_magic.sweeping.engines.isolated import Isolated, IsolatedLost
from e2e_magic.sweeping.engines.remote_trial import Outcome, Ticket, run_remotely
from e2e_magic.sweeping.engines.shipping import Parcel, pack
from e2e_magic.sweeping.engines.workers import Running, take, ticket_of, unfinished, worker_died
from e2e_magic.sweeping.schedule import STOPPED, Turn
from e2e_magic.sweeping.sweep import Sweep

# An interrupted trial has this long to hand over what it measured; then its process is ended.
GRACE_S = 0.25
Hear = Callable[[Turn, str, Any], None]


class _Heard:
    """Stands for what is captured elsewhere: here prints are sent as they come."""

    def text(self) -> str:
        """Return nothing: it was sent."""
        return ""


@contextmanager
def _as_it_comes() -> Iterator[_Heard]:
    yield _Heard()


def run_streamed(parcel: Parcel, ticket: Ticket, *, prelude: Callable[[], object] | None = None) -> Outcome:
    """Run one turn in the isolated process; what it prints is heard meanwhile."""
    if prelude is not None:
        prelude()
    return run_remotely(parcel, ticket, captured=_as_it_comes)


class IsolatedSweep:
    """Runs a sweep's turns one after another in one isolated process.

    Parameters
    ----------
    sweep : Sweep
        Its `abort` must be true once `stop` was called.
    isolated : Isolated
        May be warm already; it is left warm, unless the sweep was stopped amid a trial.
    hear : callable
        ``(turn, kind, content)``: what a trial prints and displays, as `Isolated.call` says it.
    prelude : callable, optional
        Called there before each trial, outside of what is measured.
    """

    def __init__(
        self,
        sweep: Sweep,
        isolated: Isolated,
        hear: Hear,
        *,
        prelude: Callable[[], object] | None = None,
    ) -> None:
        self._sweep = sweep
        self._isolated = isolated
        self._hear = hear
        self._prelude = prelude
        self._idle = threading.Event()
        self._idle.set()

    def run(self) -> Iterator[Record]:
        """Run it and yield each record when it is finished and kept.

        Raises
        ------
        PlanError
            Before the first trial: what can't be sent to the process, with its variable.
        BaseException
            With `fail_fast`, the error of the first failed trial.
        """
        sweep = self._sweep
        function = partial(run_streamed, pack(sweep.job, sweep.plan.space.names), prelude=self._prelude)
        self._isolated.refresh()
        for turn in sweep.turns():
            before = len(sweep.records)
            self._one(turn, function)
            yield from sweep.records[before:]
            sweep.raise_failure()

    def stop(self) -> None:
        """End the trial that runs, within `GRACE_S` and the time that a process takes to end."""
        if self._idle.is_set():
            return
        self._isolated.interrupt()
        self._idle.wait(GRACE_S)
        self._isolated.kill()

    def _one(self, turn: Turn, function: Callable[[Ticket], Outcome]) -> None:
        sweep = self._sweep
        self._idle.clear()  # first this, then the question: `stop` sees the one or we see the other
        try:
            if sweep.aborted():
                return
            running = Running(turn, sweep.start(turn))
            ticket = ticket_of(sweep, turn, running.identity)
            try:
                outcome: Outcome = self._isolated.call(function, ticket, hear=partial(self._hear, turn))
            except KeyboardInterrupt:  # before the trial itself had begun, or after its end
                self._interrupted(running)
            except IsolatedLost as lost:
                if lost.killed:
                    self._interrupted(running)
                else:
                    worker_died(sweep, running, lost)
            else:
                take(sweep, running, outcome)
        finally:
            self._idle.set()

    def _interrupted(self, running: Running) -> None:
        record = unfinished(self._sweep, running, STOPPED)
        self._sweep.finish(running.turn, replace(record, host=platform.node()))
