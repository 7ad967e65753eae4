"""Run a sweep: from its plan to records as they finish, here or on an engine beyond this process.

`Sweep` is one sweep; ``for record in sweep.run()`` runs it. What is shown of it follows by callbacks.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from e2e_magic.measuring.collectors.base import Classes
from e2e_magic.measuring.plan import PlanError, Step
from e2e_magic.measuring.trial import Identity, Trial
from e2e_magic.record import Better, Record
from e2e_magic.sweeping.jobs import Job
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.schedule import Progress, Schedule, Turn
from e2e_magic.sweeping.seeding import seeded

_NOTHING: Mapping[str, Any] = {}


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
    finished : iterable of Record
        What is complete already: skipped, where the plan says `resume`.
    better : mapping of str to "lower", "higher" or None
        Which direction of each metric is an improvement.
    stop : callable, optional
        Asked before each trial; True ends the sweep when what runs is done.
    abort : callable, optional
        Asked 20 times a second while workers run; True ends them, also in the middle of a trial, whose
        row then says ``interrupted``. Without workers it is asked between trials.
    on_start : callable, optional
        Takes each `Turn` when it starts. With joblib's own backends it is called in another thread.
    on_record : callable, optional
        Takes the `Turn` and its `Record`.
    on_output : callable, optional
        Takes the `Turn` and what its trial printed, where that ran in a worker.
    warn : callable, optional
        Takes sentences for the user.

    Attributes
    ----------
    id : str
        In every row's ``sweep``.
    records : list of Record
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
        finished: Iterable[Record] = (),
        better: Mapping[str, Better | None] = _NOTHING,
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
        self.records: list[Record] = []
        self.classes = classes
        self.schedule = Schedule(plan, finished, better)
        self.ended = ""
        self._identify = identify
        self._keep = keep
        self._stop = stop
        self._abort = abort
        self._on_start = on_start
        self._on_record = on_record
        self._on_output = on_output
        self.warn = warn
        self._failure: BaseException | None = None
        self._own = Identity()
        self._sow: Callable[[], None] = _nothing_to_sow
        self._seen: Record | None = None

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self.schedule.progress

    def run(self) -> Iterator[Record]:
        """Run it and yield each record when it is finished and kept.

        Raises
        ------
        PlanError
            Before the first trial: what can't be sent to the engine, with its variable.
        BaseException
            With `fail_fast`, the error of the first failed trial; ``KeyboardInterrupt`` always.
        """
        __tracebackhide__ = True
        self.progress.began = time.monotonic()
        if self.plan.where.kind == "joblib":
            from e2e_magic.sweeping.engines.joblib_backends import run_on_joblib

            yield from run_on_joblib(self)
            return
        if self.plan.where.kind != "kernel":
            from e2e_magic.sweeping.engines.workers import run_on_workers

            yield from run_on_workers(self)
            return
        if self.job.is_async:
            raise PlanError(
                "engine: code that awaits at its top level runs here on the kernel's own event loop; "
                "use run_async(), or engine local:1"
            )
        for turn in self.turns():
            with self.here(turn):
                for trial in self.trials(turn):
                    with trial:
                        trial.value = self.job.call(turn.params)
            yield self.records[-1]
            self.raise_failure()

    async def run_async(self) -> AsyncIterator[Record]:
        """Run a sweep of awaiting code on the running event loop, in this process."""
        __tracebackhide__ = True
        self.progress.began = time.monotonic()
        for turn in self.turns():
            with self.here(turn):
                for trial in self.trials(turn):
                    with trial:
                        trial.value = await self.job.call(turn.params)
            yield self.records[-1]
            self.raise_failure()

    def turns(self) -> Iterator[Turn]:
        """Yield what is to be run in this process, until all is done or something says stop."""
        while not self.ending() and (turn := self.schedule.next()) is not None:
            yield turn

    def ending(self) -> bool:
        """Tell whether no further trial shall start; `ended` then says why."""
        if self.ended:
            return True
        budget = self.plan.budget
        if budget is not None and self.progress.elapsed_s >= budget:
            self.ended = f"the budget of {budget:g} s is used up"
        elif (self._stop is not None and self._stop()) or self.aborted():
            self.ended = "it was stopped"
        elif self._failure is not None:
            self.ended = "a trial failed"
        return bool(self.ended)

    def aborted(self) -> bool:
        """Tell whether what runs shall be ended too."""
        return self._abort is not None and self._abort()

    @contextmanager
    def here(self, turn: Turn) -> Iterator[None]:
        """Run a turn in this process: its parameters in place, its failure kept as a row."""
        __tracebackhide__ = True
        identity = self.start(turn)
        self._own = identity
        self._seen = None
        with self.job.around(turn.params), seeded(self.plan.seed, turn.number) as self._sow:
            try:
                yield
            except (Exception, SystemExit) as error:
                if self._seen is None:  # not the user's code: ours must not be taken for a trial's failure
                    raise
                self.failed(error)
            finally:
                record = self._seen
                if record is None:
                    self.progress.running -= 1
                else:
                    self.finish(turn, record)

    def trials(self, turn: Turn) -> Iterator[Trial]:
        """Yield the executions of a turn that runs in this process, each to be entered once."""
        steps = [Step(n + 1, warmup=True) for n in range(turn.warmups)]
        for step in [*steps, Step(turn.repeat, warmup=False)]:
            self._sow()  # each anew: a warm-up must not decide what the trial after it draws
            yield Trial(
                self.plan.plan,
                step,
                classes=self.classes,
                options=self.job.options,
                identity=lambda: self._own,
                keep=self._see,
                warn=self.warn,
            )

    def _see(self, record: Record) -> None:
        self._seen = record

    def start(self, turn: Turn, *, concurrent: bool = False) -> Identity:
        """Give a turn's trial its number and say that it starts."""
        identity = self._identify(self.id, turn.params, self.job.source, concurrent)
        turn.trial = identity.trial
        turn.tries += 1
        self.progress.running += 1
        if self._on_start is not None:
            self._on_start(turn)
        return identity

    def finish(self, turn: Turn, record: Record) -> None:
        """Keep a turn's record, learn from it and say so."""
        self.progress.running -= 1
        self._keep(record)
        self.records.append(record)
        self.schedule.tell(turn, record)
        if self._on_record is not None:
            self._on_record(turn, record)

    def lost(self, turn: Turn, record: Record, *, again: bool) -> None:
        """Keep the row of a trial whose worker died: its last, or one that is followed by another try."""
        if not again:
            self.finish(turn, record)
            return
        self.progress.running -= 1
        self.progress.retried += 1
        self._keep(record)
        self.records.append(record)
        if self._on_record is not None:
            self._on_record(turn, record)

    def give_back(self, turn: Turn) -> None:
        """Take back a turn that was ended through no fault of its own: it will start anew."""
        self.progress.running -= 1
        turn.tries -= 1
        self.schedule.again(turn)

    def said(self, turn: Turn, text: str) -> None:
        """Hand on what a trial in a worker printed."""
        if text and self._on_output is not None:
            self._on_output(turn, text)

    def failed(self, error: BaseException) -> None:
        """Take a trial's error: with `fail_fast` it ends the sweep."""
        if self.plan.fail_fast and self._failure is None:
            self._failure = error

    def raise_failure(self) -> None:
        """Raise the error that ended the sweep, if one did."""
        __tracebackhide__ = True
        if self._failure is not None:
            raise self._failure


def _nothing_to_sow() -> None:
    """Seed nothing: no turn runs."""
