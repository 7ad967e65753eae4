"""Where trials run beyond this process: processes of this machine (loky), or a Dask cluster's workers."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from e2e_magic.measuring.plan import PlanError
from e2e_magic.sweeping.engines.remote_trial import Ticket, run_remotely
from e2e_magic.sweeping.engines.shipping import Parcel
from e2e_magic.sweeping.engines.watch import Watch, begin_worker
from e2e_magic.sweeping.plan import EngineMissing

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
CONNECT_S = 10.0
# How often, and how far apart, it is looked whether nobody holds a pool's semaphores any more.
_TRIES, _BETWEEN_S = 10, 0.05
LOOK_EVERY_S = 2.0
# A cluster without any worker for so long is given up.
WITHOUT_WORKERS_S = 30.0


class PoolLost(RuntimeError):  # noqa: N818 - it is what happened
    """No worker is left."""


class Pool(Protocol):
    """Runs tickets.

    Attributes
    ----------
    width : int
        How many trials run at a time.
    concurrent : bool
        Whether trials share a machine.
    breaks : bool
        Whether a worker's death ends all that runs.
    """

    width: int
    concurrent: bool
    breaks: bool

    def submit(self, ticket: Ticket) -> Any:
        """Start a trial; return its future."""

    def wait(self, seconds: float) -> None:
        """Wait for a result, or so long."""

    def victims(self) -> set[int] | None:
        """Return the turns whose worker died, after a future failed; None where it may be each of them."""

    def begun(self) -> set[int] | None:
        """Return the turns that workers have begun; None where that can't be known."""

    def restarted(self) -> set[int]:
        """Return the turns that the pool itself has started anew since it was last asked."""

    def mend(self) -> None:
        """Make it work again after a worker died."""

    def close(self, *, kill: bool = False) -> None:
        """End the workers that are ours; with `kill` also those in the middle of a trial."""


class LocalPool:
    """Processes on this machine, each with its own sampler.

    joblib's loky, used through its executor: unlike ``joblib.Parallel`` that leaves this process also for
    one worker, and says when one of them dies.
    """

    def __init__(self, parcel: Parcel, workers: int | None) -> None:
        self.breaks = True
        self.width = workers or os.cpu_count() or 1
        self.concurrent = self.width > 1
        self._tracked = trackers()
        self._folder = Path(tempfile.mkdtemp(prefix="e2e-sweep-", dir=_roomy(parcel.size)))
        try:
            self._parcel = parcel.in_file(self._folder / "parcel")
            self._open()
        except BaseException:
            shutil.rmtree(self._folder)
            raise

    def _open(self) -> None:
        from joblib.externals.loky.process_executor import ProcessPoolExecutor

        pids = Path(tempfile.mkdtemp(prefix="workers-", dir=self._folder))
        self._pids = str(pids)
        self._watch = Watch(pids)
        share = str(max((os.cpu_count() or 1) // self.width, 1))
        env = {name: os.environ.get(name, share) for name in _THREADS}
        self._executor = ProcessPoolExecutor(
            self.width, initializer=begin_worker, initargs=(self._pids,), env=env, timeout=None
        )

    def submit(self, ticket: Ticket) -> Any:
        from dataclasses import replace

        future = self._executor.submit(run_remotely, self._parcel, replace(ticket, folder=self._pids))
        watch = self._watch
        future.add_done_callback(lambda _: watch.wake())
        return future

    def wait(self, seconds: float) -> None:
        self._watch.wait(seconds)

    def victims(self) -> set[int] | None:
        return self._watch.dead_turns()

    def begun(self) -> set[int] | None:
        return {int(path.read_text() or 0) for path in Path(self._pids).iterdir()}

    def restarted(self) -> set[int]:
        return set()

    def mend(self) -> None:
        self._shut(kill=True)
        self._open()

    def close(self, *, kill: bool = False) -> None:
        self._shut(kill=kill)
        shutil.rmtree(self._folder)
        end_trackers(self._tracked)

    def _shut(self, *, kill: bool) -> None:
        self._executor.shutdown(wait=True, kill_workers=kill)
        del self._executor
        self._watch.close()


def trackers() -> list[Any]:
    """Return the processes that watch over semaphores for loky and multiprocessing, where they run."""
    return [tracker for tracker, _ in _watching() if getattr(tracker, "_fd", None) is not None]


def end_trackers(others: Sequence[Any]) -> None:
    """End those that were started since: left alone they would stay until this process ends.

    A semaphore that is forgotten later would start its tracker anew, to say goodbye to it: where one lives
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
    """Tell whether a semaphore of this kind lives: each leaves word what to do when it is forgotten."""
    from multiprocessing import util

    said = getattr(util, "_finalizer_registry", {})
    return any(each._callback is kind._cleanup for each in list(said.values()))


def _roomy(size: int) -> str | None:
    """Return the folder in memory where it has room for the block twice; else the usual one."""
    shared = "/dev/shm"  # noqa: S108 - a folder of its own is made there
    if os.path.isdir(shared) and shutil.disk_usage(shared).free > 2 * size + 2**26:  # noqa: PTH112
        return shared
    return None


def import_distributed() -> Any:
    """Import Dask's scheduler, or say what to install."""
    try:
        import distributed
    except ImportError:
        raise EngineMissing(
            'engine: dask://HOST:PORT needs Dask: pip install "e2e-magic[dask]", or use local:N'
        ) from None
    return distributed


class DaskPool:
    """The workers of a Dask cluster; each process runs one trial at a time."""

    def __init__(self, parcel: Parcel, name: str, address: str, sweep: str) -> None:
        distributed = import_distributed()
        try:
            self._client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
        except OSError as error:
            raise PlanError(
                f"engine: no Dask scheduler answers at {name} within {CONNECT_S:g} s ({error}); "
                "start one with: dask scheduler"
            ) from None
        try:
            self._connect(parcel, name, sweep)
        except BaseException:
            self._client.close()
            raise

    def _connect(self, parcel: Parcel, name: str, sweep: str) -> None:
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_S)
        except TimeoutError:
            raise PlanError(
                f"engine: the Dask scheduler at {name} has no worker; start one with: "
                f"dask worker {name.removeprefix('dask://')} --nthreads 1"
            ) from None
        hosts: dict[str, int] = defaultdict(int)
        for worker in self._workers().values():
            hosts[worker["host"]] += 1
        self.breaks = False
        self.width = sum(hosts.values())
        self.concurrent = max(hosts.values()) > 1
        self._topic = f"e2e-sweep-{sweep}"
        self._starts: dict[int, set[str]] = defaultdict(set)
        self._again: set[int] = set()
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._looked = self._seen = time.monotonic()
        self._client.subscribe_topic(self._topic, self._heard)
        self._parcel = parcel
        self._sent = self._client.scatter(parcel, broadcast=True, hash=False)
        # Weakly: a result that was taken must leave the cluster.
        self._futures: weakref.WeakSet[Any] = weakref.WeakSet()

    def _workers(self) -> dict[str, Any]:
        try:
            info = self._client.scheduler_info(n_workers=-1)
        except TypeError:  # before Dask 2025.2 it told of all
            info = self._client.scheduler_info()
        found: dict[str, Any] = info["workers"]
        return found

    def _heard(self, event: Any) -> None:
        _, message = event
        with self._lock:
            workers = self._starts[message["turn"]]
            if workers and message["worker"] not in workers:
                self._again.add(message["turn"])
            workers.add(message["worker"])

    def submit(self, ticket: Ticket) -> Any:
        from dataclasses import replace

        number = ticket.turn.number
        with self._lock:
            self._starts.pop(number, None)
        future = self._client.submit(
            run_remotely, self._sent, replace(ticket, topic=self._topic), pure=False, priority=-number
        )
        future.add_done_callback(self._ended)
        self._futures.add(future)
        return future

    def _ended(self, _: Any) -> None:
        self._woken.set()

    def wait(self, seconds: float) -> None:
        self._woken.wait(seconds)
        self._woken.clear()
        now = time.monotonic()
        if now - self._looked > LOOK_EVERY_S:
            self._looked = now
            if self._workers():
                self._seen = now
            elif now - self._seen > WITHOUT_WORKERS_S:
                raise PoolLost(
                    f"the Dask cluster has had no worker for {WITHOUT_WORKERS_S:g} s; the rows so far are "
                    "kept: start a worker and run the same line with --resume"
                )

    def victims(self) -> set[int] | None:
        present = set(self._workers())
        with self._lock:
            return {turn for turn, workers in self._starts.items() if workers - present}

    def begun(self) -> set[int] | None:
        with self._lock:
            return set(self._starts)

    def restarted(self) -> set[int]:
        with self._lock:
            found, self._again = self._again, set()
        return found

    def mend(self) -> None:
        """Send the parcel again where it went down with the only worker that had it."""
        if self._sent.status != "finished":
            self._sent = self._client.scatter(self._parcel, broadcast=True, hash=False)

    def close(self, *, kill: bool = False) -> None:
        if kill:  # what a worker is in the middle of goes on there, and nobody takes its result
            self._client.cancel(list(self._futures))
        self._client.close()
