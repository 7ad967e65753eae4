"""Trials on processes of this machine: the engines ``local`` and ``multiprocessing``."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import get_start_method
from pathlib import Path
from typing import Any

from e2e_magic.measuring import usable
from e2e_magic.measuring.ending import OverLimit
from e2e_magic.sweeping.engines import Future
from e2e_magic.sweeping.engines.guard import Guard
from e2e_magic.sweeping.engines.remote_trial import run_remotely
from e2e_magic.sweeping.engines.reports import Exchange
from e2e_magic.sweeping.engines.shipping import check_values, pack
from e2e_magic.sweeping.engines.tickets import Ticket
from e2e_magic.sweeping.engines.watch import Watch, announced, begin_worker
from e2e_magic.sweeping.jobs import Job
from e2e_magic.sweeping.plan import SweepPlan

# What limits the threads of the numerical libraries, which would get in each other's way.
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
# How often, and at what interval, to check whether a pool's semaphores are all released.
_TRIES, _BETWEEN_S = 10, 0.05


class LocalEngine:
    """Runs turns on processes of this machine.

    Those of ``local`` are joblib's loky, used through its executor: unlike ``joblib.Parallel`` that leaves
    this process also for one worker, and reports when one of them dies. Those of ``multiprocessing`` are
    Python's own, started as the platform does (a fork on Linux): ``multiprocessing.Pool``, which joblib uses,
    waits for ever for a worker that was killed.

    Parameters
    ----------
    job : Job
    plan : SweepPlan
    """

    depth = 2
    breaks = True
    here = True

    def __init__(self, job: Job, plan: SweepPlan) -> None:
        workers = plan.where.workers
        self.width = min(workers, plan.total) if workers else usable.cores()
        self.concurrent = self.width > 1
        self._job = job
        self._plan = plan
        self._loky = plan.where.kind == "local"
        self._guard = None if plan.trial_limit is None else Guard(plan.trial_limit)
        self._over: dict[int, OverLimit] = {}
        self._exchange: Exchange | None = None

    def open(self) -> None:
        check_values(self._plan.space)
        parcel = pack(self._job, self._plan.space.names)
        self._tracked = trackers()
        self._folder = Path(tempfile.mkdtemp(prefix="e2e-sweep-", dir=_roomy(parcel.size)))
        try:
            self._parcel = parcel.in_file(self._folder / "parcel")
            self._start()
        except BaseException:
            shutil.rmtree(self._folder)
            raise

    def _start(self) -> None:
        pids = Path(tempfile.mkdtemp(prefix="workers-", dir=self._folder))
        self._pids = str(pids)
        self._watch = Watch(pids)
        begin: dict[str, Any] = {
            "initializer": begin_worker,
            "initargs": (self._pids, get_start_method(allow_none=True)),
        }
        if self._loky:
            from joblib.externals.loky.process_executor import ProcessPoolExecutor as Loky

            share = str(max(usable.cores() // self.width, 1))
            env = {name: os.environ.get(name, share) for name in _THREADS}
            self._executor: Any = Loky(self.width, env=env, timeout=None, **begin)
        else:
            from concurrent.futures import ProcessPoolExecutor

            self._executor = ProcessPoolExecutor(self.width, **begin)

    def submit(self, ticket: Ticket) -> Future:
        if ticket.report is not None and self._exchange is None:
            self._exchange = Exchange(ticket.report, self._folder)
        report = None if self._exchange is None else self._exchange.line()
        sealed = ticket.sealed(folder=self._pids, report=report, here=True)
        future: Future = self._executor.submit(run_remotely, self._parcel, sealed)
        watch = self._watch
        future.add_done_callback(lambda _: watch.wake())  # type: ignore[attr-defined]
        return future

    async def wait(self, seconds: float) -> None:
        self._watch.wait(seconds)
        if self._guard is not None:
            self._end_those_over(self._guard)

    def _end_those_over(self, guard: Guard) -> None:
        """End the workers that are over their limit and didn't end their code themselves."""
        for pid, turn, over in guard.exceeded(Path(self._pids)):
            self._over.setdefault(turn, over)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def over(self) -> Mapping[int, OverLimit]:
        over, self._over = self._over, {}
        return over

    def victims(self) -> set[int] | None:
        return self._watch.dead_turns()

    def begun(self) -> set[int] | None:
        return {announced(path)[0] for path in Path(self._pids).iterdir()}

    def restarted(self) -> set[int]:
        return set()

    def mend(self) -> None:
        self._shut(kill=True)
        self._start()

    def close(self, *, kill: bool = False) -> None:
        self._shut(kill=kill)
        if self._exchange is not None:
            self._exchange.close()
        shutil.rmtree(self._folder)
        end_trackers(self._tracked)

    def _shut(self, *, kill: bool) -> None:
        if self._loky:
            self._executor.shutdown(wait=True, kill_workers=kill)
        else:
            if kill:
                for path in Path(self._pids).iterdir():
                    with suppress(ProcessLookupError):
                        os.kill(int(path.name), signal.SIGKILL)
            self._executor.shutdown(wait=True, cancel_futures=kill)
        del self._executor
        self._watch.close()


def trackers() -> list[Any]:
    """Return the processes that watch over semaphores for loky and multiprocessing, where they run."""
    return [tracker for tracker, _ in _watching() if getattr(tracker, "_fd", None) is not None]


def end_trackers(others: Sequence[Any]) -> None:
    """End the trackers that were started since.

    Left alone, two processes of 51 MiB stay from the first sweep of ``local:2`` until this process ends, and
    ``%unload_ext`` would leave them behind; neither library ends its own.

    A semaphore that is forgotten later would start its tracker anew, to unregister from it: where one lives
    on (in the frames of an error, say), its tracker stays.
    """
    from multiprocessing import active_children

    active_children()  # which lets go of those that have ended and that nobody waited for
    started = [
        (tracker, kind)
        for tracker, kind in _watching()
        if tracker not in others and getattr(tracker, "_fd", None) is not None
    ]
    if any(_lives(kind) for _, kind in started):
        gc.collect()  # a second in a kernel with much in it: only where something may hang in a cycle
    for _ in range(_TRIES):
        if not any(_lives(kind) for _, kind in started):
            break
        time.sleep(_BETWEEN_S)
    for tracker, kind in started:
        if not _lives(kind):
            tracker._stop()


def _watching() -> list[tuple[Any, Any]]:
    """Return each tracker, of loky and of Python, and the kind of semaphore that it watches over."""
    from multiprocessing import resource_tracker as python
    from multiprocessing import synchronize as pythons

    from joblib.externals.loky.backend import resource_tracker as loky
    from joblib.externals.loky.backend import synchronize as lokys

    return [(loky._resource_tracker, lokys.SemLock), (python._resource_tracker, pythons.SemLock)]


def _lives(kind: Any) -> bool:
    """Return whether a semaphore of this kind lives: each registers a finalizer for its removal."""
    from multiprocessing import util

    finalizers = getattr(util, "_finalizer_registry", {})
    return any(each._callback is kind._cleanup for each in list(finalizers.values()))


def _roomy(size: int) -> str | None:
    """Return the folder in memory where it has room for the block twice; else the usual one."""
    shared = "/dev/shm"  # noqa: S108 - a folder of its own is created there
    if os.path.isdir(shared) and shutil.disk_usage(shared).free > 2 * size + 2**26:  # noqa: PTH112
        return shared
    return None
