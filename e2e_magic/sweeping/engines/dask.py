"""Trials on the workers of a Dask cluster: the engine ``dask://HOST:PORT``."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from functools import partial
from typing import Any

from e2e_magic.measuring.ending import OverLimit
from e2e_magic.measuring.plan import PlanError
from e2e_magic.sweeping.endings import cant_load
from e2e_magic.sweeping.engines import EngineLost, worker_died
from e2e_magic.sweeping.engines.dask_reports import Line, deliver
from e2e_magic.sweeping.engines.remote_trial import run_several
from e2e_magic.sweeping.engines.shipping import check_values, pack
from e2e_magic.sweeping.engines.tickets import Outcome, Ticket
from e2e_magic.sweeping.jobs import Job
from e2e_magic.sweeping.plan import EngineMissing, SweepPlan
from e2e_magic.sweeping.pruning import Report

CONNECT_S = 10.0
LOOK_EVERY_S = 2.0
# A cluster without any worker for so long is given up.
WITHOUT_WORKERS_S = 30.0
# How long a finished task's result may take to come, before it is looked for again.
FETCH_S = 1.0

Batch = Sequence[tuple[Ticket, "Future[Outcome | bytes]"]]


def import_distributed() -> Any:
    """Import Dask's scheduler, or raise the error that names what to install."""
    try:
        import distributed
    except ImportError:
        raise EngineMissing(
            'dask://HOST:PORT needs Dask: pip install "e2e-magic[dask]", or use local:N', option="engine"
        ) from None
    return distributed


class DaskEngine:
    """Runs turns on the workers of a Dask cluster; each process runs one trial at a time.

    Parameters
    ----------
    job : Job
    plan : SweepPlan
    sweep : str
        The sweep's id, which names its topic on the scheduler.
    warn : callable, optional
        Takes sentences for the user.
    """

    depth = 48
    breaks = False
    here = False

    def __init__(
        self, job: Job, plan: SweepPlan, sweep: str, *, warn: Callable[[str], None] | None = None
    ) -> None:
        self._job = job
        self._plan = plan
        self._topic = f"e2e-sweep-{sweep}"
        self._warn = warn
        self.width = 1
        self.concurrent = False

    def open(self) -> None:
        check_values(self._plan.space)
        self._parcel = pack(self._job, self._plan.space.names)
        where = self._plan.where
        distributed = import_distributed()
        try:
            self._client = distributed.Client(where.address, timeout=CONNECT_S, set_as_default=False)
        except OSError as error:
            raise PlanError(
                f"no Dask scheduler answers at {where.name} within {CONNECT_S:g} s ({error}); "
                "start one with: dask scheduler",
                option="engine",
            ) from None
        try:
            self._connect(where.name)
        except BaseException:
            self._client.close()
            raise

    def _connect(self, name: str) -> None:
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_S)
        except TimeoutError:
            raise PlanError(
                f"the Dask scheduler at {name} has no worker; start one with: "
                f"dask worker {name.removeprefix('dask://')} --nthreads 1",
                option="engine",
            ) from None
        hosts: dict[str, int] = defaultdict(int)
        for worker in self._workers().values():
            hosts[worker["host"]] += 1
        self.width = sum(hosts.values())
        self.concurrent = max(hosts.values()) > 1
        self._begun: set[int] = set()
        self._again: set[int] = set()
        # Turns whose worker died in their middle, until Dask has begun them anew.
        self._died: set[int] = set()
        # What workers tell and what is told of them, in its order; a thread of Dask's adds to it.
        self._events: deque[tuple[str, Mapping[str, Any]]] = deque()
        self._woken = threading.Event()
        self._reported: deque[Mapping[str, Any]] = deque()
        self._report: Report | None = None
        self._looked = self._seen = time.monotonic()
        self._client.subscribe_topic(self._topic, self._heard)
        self._watched: set[str] = set()
        self._removed: set[str] = set()  # ids of removals: a worker may get a dead one's address
        self._client.sync(self._watch, self._workers())
        self._sent = self._scattered()
        self._new: deque[tuple[Ticket, Future[Outcome | bytes]]] = deque()
        self._alone: deque[tuple[Ticket, Future[Outcome | bytes]]] = deque()  # each needs a task of its own
        # What a task has is forgotten with it: a result that was taken must leave the cluster.
        self._tasks: dict[Any, Batch] = {}
        self._done: deque[Any] = deque()
        # The turn that each worker began last, and whether it has lasted.
        self._last: dict[str, tuple[int, bool]] = {}
        self._ending: set[str] = set()  # workers that end themselves, as what they run is over its limit
        self._over: dict[int, OverLimit] = {}

    def _scattered(self) -> Any:
        """Send the parcel to all workers: one that lacks this package can't open it."""
        try:
            return self._client.scatter(self._parcel, broadcast=True, hash=False)
        except Exception as error:
            if "ModuleNotFoundError" in f"{type(error).__name__}: {error}":  # Dask sends its text
                raise cant_load(error) from error
            raise

    def _workers(self) -> dict[str, Any]:
        try:
            info = self._client.scheduler_info(n_workers=-1)
        except TypeError:  # before Dask 2025.2 it reported all
            info = self._client.scheduler_info()
        workers: dict[str, Any] = info["workers"]
        return workers

    async def _heard(self, event: Any) -> None:
        _, message = event
        self._events.append((message["worker"], message))
        if "row" in message or "over" in message:
            self._woken.set()
        await self._watch([message["worker"]])  # before anything later is heard

    async def _watch(self, workers: Iterable[str]) -> None:
        """Ask the scheduler to tell when one of these workers is gone."""
        for worker in set(workers) - self._watched:
            self._watched.add(worker)
            self._client.subscribe_topic(worker, partial(self._noticed, worker))
            for event in await self._client.get_events(worker):  # it may be gone by now
                self._noticed(worker, event)

    def _noticed(self, worker: str, event: Any) -> None:
        _, message = event
        if message.get("action") == "remove-worker" and message["stimulus_id"] not in self._removed:
            self._removed.add(message["stimulus_id"])
            self._events.append((worker, message))
            self._woken.set()

    def _hear(self) -> None:
        """Take in what was told meanwhile."""
        while self._events:
            worker, message = self._events.popleft()
            if "row" in message:
                self._reported.append(message)
            elif "over" in message:
                self._over[message["turn"]] = OverLimit(message["over"])
                self._ending.add(worker)
            elif "action" in message:
                self._take_apart(worker, set(message["processing-tasks"]))
            else:
                turn = {message["turn"]}
                self._again |= turn & self._died
                self._died -= turn
                self._begun |= turn
                self._last[worker] = message["turn"], message["lasts"]

    def submit(self, ticket: Ticket) -> Future[Outcome | bytes]:
        future: Future[Outcome | bytes] = Future()
        self._report = ticket.report
        self._new.append((ticket, future))
        return future

    async def wait(self, seconds: float) -> None:
        self._send()
        self._woken.wait(seconds)
        self._woken.clear()
        if self._client.status != "running":  # Dask has cancelled all tasks, as if their workers had died
            raise EngineLost(
                f"the Dask scheduler at {self._plan.where.name} is gone; the rows so far are kept: start it "
                "and its workers, and run the same line with --resume"
            )
        ended = len(self._done)  # of what has ended by now, the deaths before are told too
        self._hear()
        self._fetch(ended)
        self._answer()
        if self._over:  # their workers are about to end: nobody shall begin them anew
            self._client.cancel([task for task in self._tasks if set(self._over) & self._turns(task)])
        now = time.monotonic()
        if now - self._looked > LOOK_EVERY_S:
            self._looked = now
            if workers := self._workers():
                self._seen = now
                self._client.sync(self._watch, workers)
            elif now - self._seen > WITHOUT_WORKERS_S:
                raise EngineLost(
                    f"the Dask cluster has had no worker for {WITHOUT_WORKERS_S:g} s; the rows so far are "
                    "kept: start a worker and run the same line with --resume"
                )

    def _send(self) -> None:
        """Send what was submitted: a task for each turn, or for several where many wait.

        A worker has two tasks, so that it never waits for the next; what is left makes larger ones.
        """
        if self._sent.status != "finished":  # the only worker that had the parcel is gone
            if not self._workers():
                return
            with suppress(TimeoutError):  # that one is gone too
                self._sent = self._scattered()
        while self._alone:
            self._task([self._alone.popleft()])
        while self._new and (free := 2 * self.width - len(self._tasks)) > 0:
            size = min(-(-len(self._new) // free), self.depth // 2)
            self._task([self._new.popleft() for _ in range(size)])

    def _task(self, batch: Batch) -> None:
        numbers = {ticket.turn.number for ticket, _ in batch}
        self._begun -= numbers
        self._died -= numbers
        report = Line(self._topic)
        sealed = [ticket.sealed(topic=self._topic, report=report) for ticket, _ in batch]
        task = self._client.submit(run_several, self._sent, sealed, pure=False, priority=-min(numbers))
        self._tasks[task] = batch
        task.add_done_callback(self._ended)

    def _ended(self, task: Any) -> None:
        self._done.append(task)
        self._woken.set()

    def _turns(self, task: Any) -> set[int]:
        return {ticket.turn.number for ticket, _ in self._tasks[task]}

    def _fetch(self, ended: int) -> None:
        """Take in what came of the tasks that have ended; a result that doesn't come is asked for later."""
        for _ in range(ended):
            task = self._done.popleft()
            if task not in self._tasks:
                continue
            try:
                outcomes = task.result(timeout=FETCH_S)
            except TimeoutError:
                self._done.append(task)
                continue
            except Exception as error:  # noqa: BLE001 - Dask's own, and what can't be opened in a worker
                self._failed(self._tasks.pop(task), error)
                continue
            except CancelledError as error:
                self._failed(self._tasks.pop(task), error)
                continue
            for (_, future), outcome in zip(self._tasks.pop(task), outcomes, strict=True):
                future.set_result(outcome)

    def _take_apart(self, worker: str, keys: set[str]) -> None:
        """Learn which turn a worker died in, and send the others of its tasks, which have these keys, anew.

        It is the turn that it began last, if that has lasted or was all that it had: of one that ends its
        worker at once, what the worker said of it goes down too. Else each turn that it had may be it: they
        are sent one by one, and which of them ends a worker is seen then.
        """
        lost = [task for task in self._tasks if task.key in keys]
        if not lost:
            return
        last, lasted = self._last.pop(worker, (None, False))
        turns = [number for task in lost for number in self._turns(task)]
        if last is not None and last in turns and (lasted or len(turns) == 1):
            lost = [task for task in lost if last in self._turns(task)]
            (self._died if len(self._tasks[lost[0]]) == 1 else self._again).add(last)
        elif worker not in self._ending:
            self._warn_of_death(len(turns))
        # Dask itself begins those anew that have a task of their own, some times.
        lost = [task for task in lost if len(self._tasks[task]) > 1 and not task.done()]
        if lost:
            self._client.cancel(lost)
            self._one_by_one([each for task in lost for each in self._tasks.pop(task)])

    def _warn_of_death(self, turns: int) -> None:
        many = f"amid {turns} brief trials, and which of them it was in is not known: they are run again"
        sentence = f"{many} one by one" if turns > 1 else "as a trial began, or before: it is run again"
        if self._warn is not None:
            self._warn(f"a worker died {sentence}, and the sweep goes on")

    def _one_by_one(self, batch: Batch) -> None:
        """Send these turns as tasks of their own."""
        numbers = {ticket.turn.number for ticket, _ in batch}
        self._last = {worker: last for worker, last in self._last.items() if last[0] not in numbers}
        self._alone.extend(batch)

    def _failed(self, batch: Batch, error: BaseException) -> None:
        if len(batch) > 1 and worker_died(error):
            # The worker that died was told of before; if it alone had the parcel, all tasks fail with it.
            over = [each for each in batch if each[0].turn.number in self._over]
            self._one_by_one([each for each in batch if each not in over])
            batch = over
        for _, future in batch:
            future.set_exception(error)

    def _answer(self) -> None:
        """Tell each trial that has logged a row, and waits, whether it is to end."""
        while self._reported and self._report is not None:
            message = self._reported.popleft()
            ends = self._report(message["turn"], message["row"])
            worker = message["worker"]
            with suppress(OSError):  # it died meanwhile
                self._client.run(deliver, self._topic, message["turn"], ends, workers=[worker], wait=False)

    def over(self) -> Mapping[int, OverLimit]:
        over, self._over = self._over, {}
        return over

    def victims(self) -> set[int] | None:
        return set(self._died)

    def begun(self) -> set[int] | None:
        told = {message["turn"] for _, message in list(self._events) if "lasts" in message}
        return self._begun | told

    def restarted(self) -> set[int]:
        self._again, again = set(), self._again
        return again

    def mend(self) -> None:
        """Do nothing: a parcel that is lost is sent again before the next task is."""

    def close(self, *, kill: bool = False) -> None:
        # What a worker is in the middle of goes on there, and nobody takes its result.
        if kill and self._client.status == "running":
            self._client.cancel(list(self._tasks))
        self._client.close()
