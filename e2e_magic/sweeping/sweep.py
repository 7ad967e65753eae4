"""Run a sweep: from its plan to records as they finish, on any engine.

`Sweep` is one sweep; ``for record in sweep.run()`` runs it. Displays follow it by callbacks.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from e2e_magic.measuring.collectors.base import Classes
from e2e_magic.measuring.identity import Identity
from e2e_magic.measuring.plan import PlanError
from e2e_magic.measuring.records import Records
from e2e_magic.record import Better, Reason, Record
from e2e_magic.sweeping.endings import (
    DIED,
    NOT_FETCHED,
    STOPPED,
    Running,
    cant_load,
    death_of,
    over_limit,
    unreadable,
)
from e2e_magic.sweeping.engines import Engine, failure_of, worker_died
from e2e_magic.sweeping.engines.choice import engine_of
from e2e_magic.sweeping.engines.shipping import ShippingError
from e2e_magic.sweeping.engines.tickets import Ticket, outcome_of
from e2e_magic.sweeping.execution import run_now
from e2e_magic.sweeping.jobs import Job
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.pruning import Pruner
from e2e_magic.sweeping.schedule import Progress, Schedule, Turn
from e2e_magic.sweeping.stopping import Stopping
from e2e_magic.sweeping.values import Digests

_NOTHING: Mapping[str, Any] = {}
MOST_TRIES = 2
# A trial that takes less is brief (seconds).
BRIEF_S = 0.02
# How often it is asked whether to stop while trials run.
ASK_EVERY_S = 0.05
# How long a finished trial's result may take to come, once the sweep is stopped.
FETCH_S = 1.0


class Sweep:
    """One sweep: the trials of a stage over a space of parameters.

    Parameters
    ----------
    plan : SweepPlan
    job : Job
        What is run per combination.
    classes : mapping
        The collectors to choose from.
    identify : callable
        ``(sweep id, params, source, concurrent) -> Identity``; numbers the trial.
    keep : callable
        Takes each finished record at once: memory, store.
    together : callable, optional
        Makes a context manager around the records that came back together.
    finished : iterable of Record
        What is complete already: skipped, where the plan says `resume`.
    better : mapping of str to "lower", "higher" or None
        Which direction of each metric is an improvement.
    digests : Digests, optional
        The digests of the parameters' values that are computed already.
    stop : callable, optional
        Asked before each trial; True ends the sweep when what runs is done.
    abort : callable, optional
        Asked 20 times a second while workers run; True ends them, also in a trial, whose row then says
        ``interrupted``. Without workers it is asked between trials.
    on_start, on_record, on_output, warn : callable, optional
        Take each `Turn` when it is handed to the engine; the `Turn` and its `Record`; the `Turn` and what its
        trial printed, where that ran in a worker; sentences for the user.

    Attributes
    ----------
    id : str
        In every row's ``sweep``.
    records : Records
        As they finished.
    """

    def __init__(
        self,
        plan: SweepPlan,
        job: Job,
        *,
        classes: Classes,
        identify: Callable[[str, Mapping[str, Any], str, bool], Identity],
        keep: Callable[[Record], None],
        together: Callable[[], AbstractContextManager[object]] = nullcontext,
        finished: Iterable[Record] = (),
        better: Mapping[str, Better | None] = _NOTHING,
        digests: Digests | None = None,
        stop: Callable[[], bool] | None = None,
        abort: Callable[[], bool] | None = None,
        on_start: Callable[[Turn], None] | None = None,
        on_record: Callable[[Turn, Record], None] | None = None,
        on_output: Callable[[Turn, str], None] | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.plan = plan
        self.job = job
        self.id = os.urandom(8).hex()
        self.records = Records()
        self.classes = classes
        self.schedule = Schedule(plan, finished, better, digests)
        self.stopping = Stopping(self.schedule, stop, abort)
        self.pruner = None if plan.prune is None else Pruner(plan, self.schedule.goal.maximizes)
        self._identify = identify
        self._keep = keep
        self._together = together
        self._on_start = on_start
        self._on_record = on_record
        self._on_output = on_output
        self.warn = warn
        self._running: dict[int, Running] = {}
        self._brief = False

    @property
    def ended(self) -> str:
        """Why it ended before its last trial; empty where it didn't."""
        return self.stopping.reason

    @property
    def progress(self) -> Progress:
        """The progress of the sweep."""
        return self.schedule.progress

    def run(self, engine: Engine | None = None) -> Iterator[Record]:
        """Run it and yield each record when it is finished and kept; parameters and errors as `run_async`."""
        __tracebackhide__ = True
        if self.job.is_async and engine is None and self.plan.where.kind == "kernel":
            raise PlanError(
                "code that awaits at its top level runs here on the kernel's own event loop; "
                "use run_async(), or engine local:1",
                option="engine",
            )
        records = self.run_async(engine)
        try:
            while True:
                yield run_now(records.asend(None))
        except StopAsyncIteration:
            return
        finally:
            run_now(records.aclose())

    async def run_async(self, engine: Engine | None = None) -> AsyncGenerator[Record, None]:
        """Run it on the running event loop: the one loop that executes a sweep's trials.

        Only the kernel's engine waits on that loop, for code that awaits.

        Parameters
        ----------
        engine : Engine, optional
            Where the trials run; the one that the plan names, when left out.

        Raises
        ------
        PlanError
            Before the first trial: what can't be sent to the engine, with its variable.
        BaseException
            With `fail_fast`, the error of the first failed trial; ``KeyboardInterrupt`` always.
        """
        __tracebackhide__ = True
        self.progress.began = time.monotonic()
        engine = engine or engine_of(self.plan, self.job, sweep=self.id, classes=self.classes, warn=self.warn)
        engine.open()
        kill = True
        try:
            while self._hand_out(engine):
                before = len(self.records)
                await engine.wait(ASK_EVERY_S)
                with self._together() if engine.width > 1 else nullcontext():
                    self._take(engine)
                if aborted := self.stopping.aborted():
                    self.stopping.due()
                    self._give_up(engine)
                for record in self.records[before:]:
                    yield record
                if aborted:
                    break
                self.stopping.raise_failure()
            else:
                kill = False
                if self.pruner is not None and self.warn is not None and self.records:
                    self.pruner.say_unheard(self.warn)
        finally:
            # Interrupted, failed fast, or the consumer has had enough: what runs has a row at once, and
            # then is ended.
            kill = kill or bool(self._running)
            try:
                self._give_up(engine)
            finally:
                engine.close(kill=kill)

    def _hand_out(self, engine: Engine) -> bool:
        """Start the turns that may start, and return whether any runs."""
        # A search that learns is asked once it has all results that it waits for: same seed, same trials.
        room = engine.width * (self._depth(engine) if self._brief else 1) - len(self._running)
        if self.schedule.learns and self._running:
            room = 0
        for _ in range(room):
            if self.stopping.due() or (turn := self.schedule.next()) is None:
                break
            running = Running(turn, self._start(turn, engine))
            self._running[turn.number] = running
            running.future = engine.submit(Ticket.of(self.plan, turn, running.identity, self.pruner))
        return bool(self._running)

    def _depth(self, engine: Engine) -> int:
        """Return how many brief turns a worker may have: more in a long sweep, whose end is far."""
        return min(engine.depth, 2 + len(self.records) // 50)

    def _take(self, engine: Engine) -> None:
        """Take in what has ended."""
        for number in engine.restarted():
            if (running := self._running.get(number)) is not None:
                self._lose(running, engine, again=True)
                running.identity = self._start(running.turn, engine)
        done = [running for running in self._running.values() if running.future.done()]
        if engine.breaks and any(failure_of(running.future) is not None for running in done):
            done = list(self._running.values())  # all go down together, within milliseconds
        lost: list[tuple[Running, BaseException]] = []
        for running in done:
            error = failure_of(running.future)
            if error is None:
                self._returned(running, engine)
            elif isinstance(error, KeyboardInterrupt):
                del self._running[running.turn.number]
                self._finish(running.turn, self._unfinished(running, STOPPED, engine))
            else:
                lost.append((running, error))
        if lost:
            self._mend(lost, engine)

    def _returned(self, running: Running, engine: Engine) -> None:
        """Take in what came back from a turn."""
        del self._running[running.turn.number]
        try:
            outcome = outcome_of(running.future.result(timeout=FETCH_S if self.ended else None))
        except TimeoutError:
            self._finish(running.turn, self._unfinished(running, NOT_FETCHED, engine))
            return
        except Exception as reason:  # noqa: BLE001 - whatever the user's classes raise as they are unpickled
            self._finish(running.turn, self._unfinished(running, unreadable(reason), engine))
            return
        if outcome.output and self._on_output is not None:
            self._on_output(running.turn, outcome.output)
        for sentence in dict.fromkeys(outcome.warned):
            if self.warn is not None:
                self.warn(sentence)
        if outcome.record is None:
            self.progress.running -= 1 + len(self._running)
            self._running.clear()  # the others can't be opened either
            raise ShippingError(f"engine: {outcome.problem}")
        error = outcome.raised
        if self.plan.fail_fast and isinstance(error, Exception | SystemExit):
            self.stopping.failure = self.stopping.failure or error
        self._brief = float(outcome.record.readings.get("wall_time_s", 0.0)) < BRIEF_S
        self._finish(running.turn, running.returned(outcome.record, self.job.source))

    def _mend(self, lost: Sequence[tuple[Running, BaseException]], engine: Engine) -> None:
        """Keep the rows of the trials whose worker died; what ran beside them starts anew."""
        victims, over = engine.victims(), engine.over()
        for running, error in lost:
            del self._running[running.turn.number]
            if (limit := over.get(running.turn.number)) is not None:
                self._finish(running.turn, self._unfinished(running, over_limit(limit), engine))
            elif not worker_died(error):
                self.progress.running -= 1
                raise cant_load(error) from error
            elif victims is None or running.turn.number in victims or type(error).__name__ == "KilledWorker":
                again = running.turn.tries < MOST_TRIES and not self.stopping.due()
                self._lose(running, engine, again=again)
                if again:
                    self.schedule.again(running.turn)
            else:
                self._give_back(running.turn)
        engine.mend()

    def _lose(self, running: Running, engine: Engine, *, again: bool) -> None:
        """Keep the row of a trial whose worker died: its last, or one that is followed by another try."""
        row = self._unfinished(running, DIED, engine)
        if self.warn is not None:
            self.warn(death_of(running.turn, row, again=again))
        self._finish(running.turn, row, again=again)

    def _give_up(self, engine: Engine) -> None:
        """Keep a row of each trial that is ended in its middle, and what has come back meanwhile."""
        begun = engine.begun()
        for number, running in list(self._running.items()):
            if running.future is not None and running.future.done():
                error = failure_of(running.future)
                if error is None:
                    self._returned(running, engine)
                    continue
                if worker_died(error):
                    del self._running[number]
                    self._lose(running, engine, again=False)
                    continue
            del self._running[number]
            if begun is not None and number not in begun:  # it was next
                self._give_back(running.turn)
            else:
                self._finish(running.turn, self._unfinished(running, STOPPED, engine))

    def _start(self, turn: Turn, engine: Engine) -> Identity:
        """Assign a turn's trial its number and call `on_start`."""
        identity = self._identify(self.id, turn.params, self.job.source, engine.concurrent)
        turn.trial = identity.trial
        turn.tries += 1
        self.progress.running += 1
        if self._on_start is not None:
            self._on_start(turn)
        return identity

    def _finish(self, turn: Turn, record: Record, *, again: bool = False) -> None:
        """Keep a turn's record, learn from it where it isn't tried again, and call `on_record`."""
        self.progress.running -= 1
        self._keep(record)
        self.records.append(record)
        if again:
            self.progress.retried += 1
        else:
            self.schedule.tell(turn, record)
        if self.pruner is not None:
            self.pruner.ended(turn.number, record)
        if self._on_record is not None:
            self._on_record(turn, record)

    def _give_back(self, turn: Turn) -> None:
        """Requeue a turn that was ended through no fault of its own: it will start anew."""
        self.progress.running -= 1
        turn.tries -= 1
        self.schedule.again(turn)

    def _unfinished(self, running: Running, end: Reason, engine: Engine) -> Record:
        return running.unfinished(end, self.plan.plan.stage, here=engine.here)
