"""Trials as tasks of a Ray cluster: the engine ``ray``."""

from __future__ import annotations

import os
from concurrent.futures import BrokenExecutor, CancelledError, Future
from functools import partial
from typing import Any

from e2e_magic.measuring.plan import PlanError
from e2e_magic.sweeping.engines import Cluster
from e2e_magic.sweeping.engines.remote_trial import run_remotely
from e2e_magic.sweeping.engines.shipping import check_values, pack
from e2e_magic.sweeping.engines.tickets import Outcome, Ticket
from e2e_magic.sweeping.jobs import Job
from e2e_magic.sweeping.plan import EngineMissing, SweepPlan

# Ray gives a node 30 s to start, which is too little beside a busy core; the next try finds its files read.
_TRIES, _TIMED_OUT = 3, "timed out during startup"


class RayEngine(Cluster):
    """Runs each turn as a task that takes one CPU: on the cluster of RAY_ADDRESS, or on Ray started here.

    Parameters
    ----------
    job : Job
    plan : SweepPlan
    """

    depth = 2

    def __init__(self, job: Job, plan: SweepPlan) -> None:
        super().__init__()
        self._job = job
        self._plan = plan
        self._tasks: dict[int, Any] = {}
        self._began = False

    def open(self) -> None:
        check_values(self._plan.space)
        parcel = pack(self._job, self._plan.space.names)
        self._ray = ray = import_ray()
        workers = self._plan.where.workers
        self._begin(workers)
        try:
            cores = int(ray.cluster_resources().get("CPU", 1))
            self.width = max(min(workers or cores, cores, self._plan.total), 1)
            self.concurrent = self.width > 1
            self.here = len(ray.nodes()) == 1
            self._sent = ray.put(parcel)
            # A worker that dies is our affair: its trial has a row, and is tried once more.
            self._task = ray.remote(num_cpus=1, max_retries=0)(run_remotely)
        except BaseException:
            self.close(kill=True)
            raise

    def _begin(self, workers: int | None) -> None:
        ray = self._ray
        if ray.is_initialized():
            return
        settings: dict[str, Any] = {"log_to_driver": False, "include_dashboard": False}
        if "RAY_ADDRESS" in os.environ:
            settings = {"log_to_driver": False}
        elif workers is not None:
            settings["num_cpus"] = workers
        for tries in range(_TRIES, 0, -1):
            try:
                ray.init(**settings)
            except Exception as error:  # noqa: BLE001 - whatever it raises where the cluster doesn't answer
                ray.shutdown()
                if tries > 1 and _TIMED_OUT in str(error):
                    continue
                raise PlanError(
                    f"ray can't start ({type(error).__name__}: {' '.join(str(error).split())[:160]}); start "
                    "it first (ray start --head, RAY_ADDRESS=auto), or use local:N",
                    option="engine",
                ) from None
            break
        self._began = True

    def submit(self, ticket: Ticket) -> Future[Outcome | bytes]:
        number = ticket.turn.number
        future: Future[Outcome | bytes] = Future()
        self._tasks[number] = task = self._task.remote(self._sent, ticket.sealed())
        task.future().add_done_callback(partial(self._ended, number, future))
        return future

    def _ended(self, number: int, future: Future[Outcome | bytes], ended: Any) -> None:
        """Hand on what came of a task, its errors in the words of `Future`; in a thread of Ray's."""
        errors = self._ray.exceptions
        self._tasks.pop(number, None)
        try:
            outcome = ended.result()
        except (errors.TaskCancelledError, CancelledError):
            future.set_exception(CancelledError())
        except (errors.WorkerCrashedError, errors.OutOfMemoryError, errors.NodeDiedError) as error:
            self.died.add(number)
            future.set_exception(BrokenExecutor(str(error)))
        except Exception as error:  # noqa: BLE001 - what stands in the way of the task, in Ray's words
            future.set_exception(error)
        else:
            future.set_result(outcome)
        self.woken.set()

    def begun(self) -> set[int] | None:
        return None

    def close(self, *, kill: bool = False) -> None:
        if kill:
            for task in list(self._tasks.values()):
                self._ray.cancel(task, force=True)
        if self._began:
            self._ray.shutdown()


def import_ray() -> Any:
    """Import Ray, or raise the error that names what to install."""
    try:
        import ray
    except ImportError:
        raise EngineMissing(
            'ray needs Ray: pip install "e2e-magic[ray]", or use local:N', option="engine"
        ) from None
    return ray
