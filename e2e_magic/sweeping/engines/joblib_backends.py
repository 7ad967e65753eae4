"""Trials on any other backend that joblib knows, through ``joblib.Parallel``, such as threading."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from e2e_magic.measuring import usable
from e2e_magic.measuring.plan import PlanError
from e2e_magic.sweeping.engines import EndsNone
from e2e_magic.sweeping.engines.opening import close_parcels
from e2e_magic.sweeping.engines.remote_trial import captured_in_thread, run_remotely
from e2e_magic.sweeping.engines.shipping import check_values, pack
from e2e_magic.sweeping.engines.tickets import Outcome, Ticket
from e2e_magic.sweeping.jobs import Job
from e2e_magic.sweeping.plan import SweepPlan

# Backends whose workers are threads of this process.
_THREADS = ("threading", "sequential")


class JoblibEngine(EndsNone):
    """Feeds turns to ``joblib.Parallel`` in rounds: what was submitted, and what comes while it runs.

    Parameters
    ----------
    job : Job
    plan : SweepPlan
    """

    depth = 1
    breaks = True

    def __init__(self, job: Job, plan: SweepPlan) -> None:
        self._job = job
        self._plan = plan
        self._backend = plan.where.backend
        # Threads of one process take turns: each is measured alone, and only its own prints are its.
        self._threads = self._backend in _THREADS
        self.here = self._threads
        self.width = 1
        self.concurrent = False
        self._waiting: deque[tuple[Ticket, Future[Outcome | bytes]]] = deque()
        self._begun: dict[int, Future[Outcome | bytes]] = {}
        self._outcomes: Iterator[tuple[int, bytes]] | None = None
        self._folder: Path | None = None
        self._stack = ExitStack()

    def open(self) -> None:
        if not self._threads:
            check_values(self._plan.space)
        parcel = pack(self._job, self._plan.space.names)
        self._set_up()
        if self._threads:
            self._folder = Path(tempfile.mkdtemp(prefix="e2e-sweep-"))
            parcel = parcel.in_file(self._folder / "parcel")
        self._parcel = parcel

    def _set_up(self) -> None:
        from joblib import Parallel, parallel_config
        from joblib.parallel import get_active_backend

        jobs = self._plan.where.workers or (usable.cores() if self._threads else -1)
        try:
            with parallel_config(backend=self._backend, n_jobs=jobs):
                active, _ = get_active_backend()
                self.width = max(int(active.effective_n_jobs(jobs)), 1)
                streams = bool(getattr(active, "supports_return_generator", False))
                kind = "generator_unordered" if streams else "list"
                self._parallel: Any = Parallel(return_as=kind, batch_size=1, pre_dispatch="n_jobs")
                self._stack.enter_context(self._parallel)
        except Exception as error:  # whatever the backend raises where it isn't set up
            raise _cant_run(self._backend, error) from error
        self.concurrent = self.width > 1 and not self._threads

    def submit(self, ticket: Ticket) -> Future[Outcome | bytes]:
        future: Future[Outcome | bytes] = Future()
        self._waiting.append((ticket, future))
        return future

    async def wait(self, seconds: float) -> None:  # noqa: ARG002 - joblib can't wait for less than a turn
        try:
            if self._outcomes is None:
                self._outcomes = iter(self._parallel(self._calls()))
            number, outcome = next(self._outcomes, (0, b""))
        except Exception as error:
            self._outcomes = None
            if not self._begun:  # not a trial's fault: the next try would end likewise
                raise _cant_run(self._backend, error) from error
            for future in self._begun.values():
                future.set_exception(_broken(error))
            self._begun.clear()
            return
        if number:
            self._begun.pop(number).set_result(outcome)
        else:
            self._outcomes = None  # the next turn begins a round

    def _calls(self) -> Iterator[Any]:
        """Yield what joblib shall call; it takes the next one as one ends, perhaps in another thread."""
        from joblib import delayed

        call = delayed(partial(_run, captured=captured_in_thread if self._threads else None))
        while self._waiting:
            ticket, future = self._waiting.popleft()
            self._begun[ticket.turn.number] = future
            yield call(self._parcel, ticket.sealed(report=ticket.report if self._threads else None))

    def victims(self) -> set[int] | None:
        return None

    def begun(self) -> set[int] | None:
        return set(self._begun)

    def mend(self) -> None:
        self._stack.close()
        self._set_up()

    def close(self, *, kill: bool = False) -> None:  # noqa: ARG002 - a backend ends its workers as it does
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of tasks that were cancelled: they have rows
            if isinstance(self._outcomes, Generator):
                self._outcomes.close()
            # A backend of another package keeps what it has started, for the next time.
            self._stack.close()
        if self._folder is not None:
            close_parcels()
            shutil.rmtree(self._folder)


def _run(parcel: Any, ticket: Ticket, captured: Any) -> tuple[int, bytes]:
    return ticket.turn.number, run_remotely(parcel, ticket, captured=captured)


def _broken(error: Exception) -> BrokenExecutor:
    """Return the error that joblib's failure means: a worker died, or couldn't load what it was sent."""
    broken = BrokenExecutor(str(error))
    if isinstance(error, ImportError | AttributeError):
        broken.__cause__ = error
    return broken


def _cant_run(backend: str, reason: BaseException | None) -> PlanError:
    why = f"{type(reason).__name__}: {' '.join(str(reason).split())[:200]}"
    return PlanError(
        f"joblib's backend {backend} can't run trials ({why}); "
        "see its own documentation for how to start it, or use local:N",
        option="engine",
    )
