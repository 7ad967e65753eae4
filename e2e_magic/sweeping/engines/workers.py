"""Run a sweep on workers: hand out its turns, take in what comes back, survive what dies."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from e2e_magic.measuring.plan import PlanError
from e2e_magic.measuring.trial import Identity
from e2e_magic.record import Code, Reason, Record
from e2e_magic.sweeping.engines.pools import DaskPool, LocalPool, Pool
from e2e_magic.sweeping.engines.remote_trial import Outcome, Ticket, sent_error
from e2e_magic.sweeping.engines.shipping import ShippingError, check_values, pack
from e2e_magic.sweeping.jobs import Job
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.schedule import DIED, STOPPED, Progress, Schedule, Turn

MOST_TRIES = 2
# A trial that takes less is brief (seconds).
BRIEF_S = 0.02
# How often it is asked whether to stop while trials run.
ASK_EVERY_S = 0.05
# How long a finished trial's result may take to come, once the sweep is stopped.
FETCH_S = 1.0


class Sweep(Protocol):
    """What an engine asks of a sweep: see `runner.Sweep`."""

    @property
    def id(self) -> str: ...
    @property
    def plan(self) -> SweepPlan: ...
    @property
    def job(self) -> Job: ...
    @property
    def schedule(self) -> Schedule: ...
    @property
    def progress(self) -> Progress: ...
    @property
    def records(self) -> Sequence[Record]: ...
    @property
    def warn(self) -> Callable[[str], None] | None: ...

    def start(self, turn: Turn, *, concurrent: bool = False) -> Identity: ...
    def finish(self, turn: Turn, record: Record) -> None: ...
    def lost(self, turn: Turn, record: Record, *, again: bool) -> None: ...
    def give_back(self, turn: Turn) -> None: ...
    def said(self, turn: Turn, text: str) -> None: ...
    def failed(self, error: BaseException) -> None: ...
    def ending(self) -> bool: ...
    def aborted(self) -> bool: ...
    def raise_failure(self) -> None: ...


@dataclass
class Running:
    """A turn that a worker has."""

    turn: Turn
    identity: Identity
    future: Any = None
    since: datetime = field(default_factory=lambda: datetime.now(UTC))


def run_on_workers(sweep: Sweep) -> Iterator[Record]:
    """Run a sweep on the engine that its plan names; yields as `Sweep.run`."""
    check_values(sweep.plan.space)
    parcel = pack(sweep.job, sweep.plan.space.names)
    engine = sweep.plan.where
    pool: Pool = (
        DaskPool(parcel, engine.name, engine.address, sweep.id)
        if engine.kind == "dask"
        else LocalPool(parcel, _fewest(engine.workers, sweep.plan.total))
    )
    yield from _Handing(sweep, pool).run()


def _fewest(workers: int | None, trials: int) -> int | None:
    return None if workers is None else min(workers, trials)


class _Handing:
    """Hands turns to a pool."""

    def __init__(self, sweep: Sweep, pool: Pool) -> None:
        self._sweep = sweep
        self._pool = pool
        self._running: dict[int, Running] = {}
        # Brief trials are handed out two to a worker, so that none waits for the next.
        self._brief = False

    def run(self) -> Iterator[Record]:
        __tracebackhide__ = True
        sweep, pool = self._sweep, self._pool
        kill = True
        try:
            while self._hand_out():
                pool.wait(ASK_EVERY_S)
                yield from self._noted(self._take)
                if sweep.aborted():
                    yield from self._noted(self._give_up)
                    break
                sweep.raise_failure()
            else:
                kill = False
        finally:
            # Interrupted, failed fast, or the consumer has had enough: what runs has a row at once, and
            # then is ended.
            kill = kill or bool(self._running)
            try:
                self._give_up()
            finally:
                pool.close(kill=kill)

    def _noted(self, act: Callable[[], None]) -> Iterator[Record]:
        """Yield the records that something adds."""
        before = len(self._sweep.records)
        act()
        yield from self._sweep.records[before:]

    def _hand_out(self) -> bool:
        """Start what may start, and tell whether anything runs."""
        sweep = self._sweep
        # A search that learns is asked when all it asked for is told: the same seed, the same trials.
        room = self._pool.width * (2 if self._brief else 1) - len(self._running)
        if sweep.schedule.learns and self._running:
            room = 0
        for _ in range(room):
            if sweep.ending() or (turn := sweep.schedule.next()) is None:
                break
            identity = sweep.start(turn, concurrent=self._pool.concurrent)
            running = Running(turn, identity)
            self._running[turn.number] = running
            running.future = self._pool.submit(ticket_of(sweep, turn, identity))
        return bool(self._running)

    def _take(self) -> None:
        for number in self._pool.restarted():
            if (running := self._running.get(number)) is not None:
                self._started_anew(running)
        lost: list[Running] = []
        done = [running for running in self._running.values() if running.future.done()]
        if self._pool.breaks and any(failure_of(running.future) is not None for running in done):
            done = list(self._running.values())  # all go down together, within milliseconds
        for running in done:
            number = running.turn.number
            if number in self._running:
                error = failure_of(running.future)
                if error is None:
                    del self._running[number]
                    outcome = running.future.result()  # once: from a cluster it is fetched each time
                    if outcome.record is None:
                        self._running.clear()  # the others can't be opened either
                    take(self._sweep, running, outcome)
                    self._brief = outcome.record.readings["wall_time_s"] < BRIEF_S
                else:
                    lost.append(running)
        if lost:
            self._mend(lost)

    def _mend(self, lost: list[Running]) -> None:
        """Keep the rows of the trials whose worker died; what ran beside them starts anew."""
        victims = self._pool.victims()
        for running in lost:
            del self._running[running.turn.number]
            reason = failure_of(running.future)
            killed = type(reason).__name__ == "KilledWorker"  # Dask's word for: too often
            if not killed and not isinstance(reason, _Beside):
                raise cant_load(reason) from reason
            if killed or victims is None or running.turn.number in victims:
                worker_died(self._sweep, running, reason)
            else:
                self._sweep.give_back(running.turn)
        self._pool.mend()

    def _started_anew(self, running: Running) -> None:
        """Keep the row of a trial that a cluster has given to another worker, as the first one is gone."""
        sweep, turn = self._sweep, running.turn
        say_died(sweep, running, again=True)
        sweep.lost(turn, unfinished(sweep, running, DIED), again=True)
        running.identity = sweep.start(turn, concurrent=self._pool.concurrent)

    def _give_up(self) -> None:
        """Keep a row of each trial that is ended in its middle, and what has come back meanwhile."""
        begun = self._pool.begun()
        for number in list(self._running):
            running = self._running.pop(number)
            if (outcome := _come_back(running.future)) is not None:
                take(self._sweep, running, outcome)
                continue
            if begun is not None and number not in begun:  # it was next
                self._sweep.give_back(running.turn)
                continue
            self._sweep.finish(running.turn, unfinished(self._sweep, running, STOPPED))


def ticket_of(sweep: Sweep, turn: Turn, identity: Identity) -> Ticket:
    """Return what a worker needs besides the parcel."""
    # The parcel has the source and the options; the row gets the source when it is back.
    plan = replace(sweep.plan.plan, options={})
    return Ticket(turn, plan, replace(identity, source=None), sweep.plan.seed, sweep.plan.fail_fast)


def failure_of(future: Any) -> BaseException | None:
    """Return why a future has no result; None where it has one."""
    if getattr(future, "status", None) == "finished":  # Dask would ask its event loop for the error
        return None
    if future.cancelled():
        return CancelledError()
    error: BaseException | None = future.exception()
    return error


def _come_back(future: Any) -> Outcome | None:
    """Return what a worker has sent, where it has; None too where a cluster doesn't hand it over soon."""
    try:
        if future is None or not future.done():
            return None
        outcome: Outcome = future.result(timeout=FETCH_S)
    except Exception:  # noqa: BLE001 - it failed, or was lost on the way
        return None
    return None if outcome.record is None else outcome


# What a trial meets that ran beside one whose worker died: loky gives up all, Dask what can't be computed.
_Beside = (BrokenExecutor, CancelledError)


def take(sweep: Sweep, running: Running, outcome: Outcome) -> None:
    """Take in what a worker sent back."""
    turn = running.turn
    sweep.said(turn, outcome.output)
    for sentence in dict.fromkeys(outcome.warned):
        if sweep.warn is not None:
            sweep.warn(sentence)
    if outcome.record is None:
        sweep.progress.running -= 1
        raise ShippingError(f"engine: {outcome.problem}")
    if (error := sent_error(outcome)) is not None:
        sweep.failed(error)
    identity = running.identity
    # The parameters as they are here: a copy of an object is another one, and so would be its row.
    record = replace(outcome.record, trial=identity.trial, params=identity.params, source=sweep.job.source)
    sweep.finish(turn, record)


def worker_died(sweep: Sweep, running: Running, reason: BaseException | None) -> None:
    """Keep the row of a trial that its worker didn't survive; it is tried once more."""
    if isinstance(reason, ImportError | AttributeError):
        raise cant_load(reason) from reason
    again = running.turn.tries < MOST_TRIES and not sweep.ending()
    say_died(sweep, running, again=again)
    sweep.lost(running.turn, unfinished(sweep, running, DIED), again=again)
    if again:
        sweep.schedule.again(running.turn)


def cant_load(reason: BaseException | None) -> PlanError:
    """Say that workers fail before a trial begins: they are not what this process is."""
    why = f"{type(reason).__name__}: {' '.join(str(reason).split())[:200]}"
    return PlanError(
        f"engine: the workers can't load what they were sent ({why}); install the same e2e-magic and the "
        "notebook's packages where they run"
    )


def say_died(sweep: Sweep, running: Running, *, again: bool) -> None:
    """Tell the user that a worker died."""
    if sweep.warn is not None:
        then = "it is tried once more" if again else "it is not tried again"
        sweep.warn(
            f"{running.turn.label}: its worker process died (killed, or out of memory); {then}. "
            "The row says failed, and the sweep goes on"
        )


def unfinished(sweep: Sweep, running: Running, end: Reason) -> Record:
    """Return the row of a trial of which nothing came back; `end` is `DIED` or `STOPPED`."""
    identity = running.identity
    return Record(
        run=identity.run,
        stage=sweep.plan.plan.stage,
        trial=identity.trial,
        repeat=running.turn.repeat,
        state="failed" if end.code == Code.WORKER_DIED else "interrupted",
        started_at=running.since,
        error=end.text,
        sweep=identity.sweep,
        params=identity.params,
        reported=dict(identity.settings),
        missing={"wall_time_s": Reason(end.code, "nothing came back from the worker")},
        source=identity.source,
        host=platform.node() if sweep.plan.where.kind == "local" else "",
        concurrent=identity.concurrent,
    )
