"""Run a sweep on any backend that joblib knows, through ``joblib.Parallel``."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Record
from e2e_magic.sweeping.engines.pools import end_trackers, trackers
from e2e_magic.sweeping.engines.remote_trial import Outcome, captured_in_thread, run_remotely
from e2e_magic.sweeping.engines.shipping import Parcel, check_values, pack
from e2e_magic.sweeping.engines.workers import Running, Sweep, take, ticket_of, unfinished, worker_died
from e2e_magic.sweeping.plan import EngineMissing
from e2e_magic.sweeping.schedule import STOPPED

# Backends whose workers see this machine's files; to the others the parcel is sent.
_HERE = ("multiprocessing", "threading", "sequential")
# What another package has to register with joblib first.
_REGISTERED_BY = {"ray": ("ray.util.joblib", "register_ray"), "spark": ("joblibspark", "register_spark")}


def run_on_joblib(sweep: Sweep) -> Iterator[Record]:
    """Run a sweep on the joblib backend that its plan names; yields as `Sweep.run`."""
    backend = sweep.plan.where.backend
    _register(backend)
    if backend not in ("threading", "sequential"):
        check_values(sweep.plan.space)
    parcel = pack(sweep.job, sweep.plan.space.names)
    folder = Path(tempfile.mkdtemp(prefix="e2e-sweep-")) if backend in _HERE else None
    others = trackers()
    try:
        if folder is not None:
            parcel = parcel.in_file(folder / "parcel")
        yield from _Feeding(sweep, parcel).run()
    finally:
        if folder is not None:  # else the backend keeps what it has started, for the next time
            shutil.rmtree(folder)
            end_trackers(others)


def _register(backend: str) -> None:
    if backend not in _REGISTERED_BY:
        return
    import importlib

    module, function = _REGISTERED_BY[backend]
    package = module.split(".")[0]
    try:
        getattr(importlib.import_module(module), function)()
    except ImportError as error:
        raise EngineMissing(
            f"engine: {backend} needs the package {package} ({error}): pip install {package}"
        ) from None
    if backend == "ray":
        _begin_ray(importlib.import_module(package))


def _begin_ray(ray: Any) -> None:
    """Connect to the cluster that RAY_ADDRESS names, or start one here: joblib asks how many CPUs it has."""
    if not ray.is_initialized():
        try:
            ray.init()
        except Exception as error:  # whatever it raises where the cluster doesn't answer
            raise _cant_run("ray", error) from error


def _cant_run(backend: str, reason: BaseException | None) -> PlanError:
    why = f"{type(reason).__name__}: {' '.join(str(reason).split())[:200]}"
    return PlanError(
        f"engine: joblib's backend {backend} can't run trials ({why}); "
        "see its own documentation for how to start it, or use local:N"
    )


class _Feeding:
    """Feeds turns to ``joblib.Parallel`` and takes what comes back."""

    def __init__(self, sweep: Sweep, parcel: Parcel) -> None:
        from joblib import delayed, parallel_config
        from joblib.parallel import get_active_backend

        self._sweep = sweep
        self._parcel = parcel
        self._running: dict[int, Running] = {}
        where = sweep.plan.where
        jobs = where.workers or (os.cpu_count() or 1 if where.backend in _HERE else -1)
        self._config: dict[str, Any] = {"backend": where.backend, "n_jobs": jobs}
        try:
            with parallel_config(**self._config):
                active, _ = get_active_backend()
                self._width = max(int(active.effective_n_jobs(jobs)), 1)
        except Exception as error:  # whatever the backend raises where it isn't set up
            raise _cant_run(where.backend, error) from error
        self._streams = bool(getattr(active, "supports_return_generator", False))
        # Threads of one process take turns: each is measured alone, and only its own prints are its.
        threads = where.backend in ("threading", "sequential")
        self._concurrent = self._width > 1 and not threads
        self._run = delayed(partial(run_remotely, captured=captured_in_thread) if threads else run_remotely)

    def run(self) -> Iterator[Record]:
        __tracebackhide__ = True
        sweep = self._sweep
        where = sweep.plan.where
        self._started = 1
        try:
            while self._started:
                try:
                    yield from self._rounds()
                except PoolBroken as broken:
                    if not self._running:  # not a trial's fault: the next try would end likewise
                        raise _cant_run(where.backend, broken.__cause__) from broken.__cause__
                    before = len(sweep.records)
                    for number in list(self._running):
                        worker_died(sweep, self._running.pop(number), broken.__cause__)
                    yield from sweep.records[before:]
        finally:
            for number in list(self._running):
                running = self._running.pop(number)
                sweep.finish(running.turn, unfinished(sweep, running, STOPPED))

    def _rounds(self) -> Iterator[Record]:
        """Run turns until none is left, on one set of workers: some backends take seconds to start them."""
        from joblib import Parallel, parallel_config

        sweep = self._sweep
        kind = "generator_unordered" if self._streams else "list"
        with ExitStack() as stack:
            with parallel_config(**self._config), _breaks():
                parallel = Parallel(return_as=kind, batch_size=1, pre_dispatch="n_jobs")
                stack.enter_context(parallel)
            while self._started:
                self._started = 0
                for outcome in self._round(parallel):
                    before = len(sweep.records)
                    take(sweep, self._running.pop(outcome.turn), outcome)
                    yield from sweep.records[before:]
                    sweep.raise_failure()

    def _round(self, parallel: Any) -> Iterator[Outcome]:
        """Run turns: all there are, or as many as there are workers where one waits for all of them."""
        turns = self._calls()
        if self._sweep.schedule.learns or not self._streams:
            turns = islice(turns, self._width)
        with _breaks():
            outcomes = iter(parallel(turns))
        while True:
            with _breaks():
                outcome = next(outcomes, None)
            if outcome is None:
                return
            yield outcome

    def _calls(self) -> Iterator[Any]:
        sweep = self._sweep
        while not sweep.ending() and (turn := sweep.schedule.next()) is not None:
            identity = sweep.start(turn, concurrent=self._concurrent)
            self._running[turn.number] = Running(turn, identity)
            self._started += 1
            yield self._run(self._parcel, ticket_of(sweep, turn, identity))


@contextmanager
def _breaks() -> Iterator[None]:
    """Tell joblib's giving up from the errors of a trial, which come back in its outcome."""
    try:
        yield
    except Exception as error:
        raise PoolBroken from error


class PoolBroken(RuntimeError):  # noqa: N818 - it is what happened
    """joblib gave up: a worker died, or couldn't load what it was sent."""
