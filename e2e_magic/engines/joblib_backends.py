"""Run a sweep on any backend that joblib knows, through ``joblib.Parallel``."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from e2e_magic.engines.pools import end_trackers, trackers
from e2e_magic.engines.remote_trial import Outcome, run_remotely
from e2e_magic.engines.shipping import Parcel, check_values, pack
from e2e_magic.engines.workers import Running, Sweep, take, ticket_of, unfinished, worker_died
from e2e_magic.record import Record
from e2e_magic.sweep_plan import EngineMissing

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
    try:
        getattr(importlib.import_module(module), function)()
    except ImportError as error:
        package = module.split(".")[0]
        raise EngineMissing(
            f"engine: {backend} needs the package {package} ({error}): pip install {package}"
        ) from None


class _Feeding:
    """Feeds turns to ``joblib.Parallel`` and takes what comes back."""

    def __init__(self, sweep: Sweep, parcel: Parcel) -> None:
        from joblib import parallel_config
        from joblib.parallel import get_active_backend

        self._sweep = sweep
        self._parcel = parcel
        self._running: dict[int, Running] = {}
        where = sweep.plan.where
        jobs = where.workers or (os.cpu_count() or 1 if where.backend in _HERE else -1)
        self._config: dict[str, Any] = {"backend": where.backend, "n_jobs": jobs}
        with parallel_config(**self._config):
            active, _ = get_active_backend()
            self._width = max(int(active.effective_n_jobs(jobs)), 1)
            self._streams = bool(getattr(active, "supports_return_generator", False))
        # Threads of one process take turns: each is measured alone.
        self._concurrent = self._width > 1 and where.backend not in ("threading", "sequential")

    def run(self) -> Iterator[Record]:
        __tracebackhide__ = True
        sweep = self._sweep
        try:
            while True:
                before = len(sweep.records)
                try:
                    for outcome in self._round():
                        take(sweep, self._running.pop(outcome.turn), outcome)
                        yield from sweep.records[before:]
                        before = len(sweep.records)
                        sweep.raise_failure()
                except PoolBroken as broken:
                    for running in list(self._running.values()):
                        del self._running[running.turn.number]
                        worker_died(sweep, running, broken.__cause__)
                    yield from sweep.records[before:]
                    continue
                if not self._started:
                    return
        finally:
            while self._running:
                _, running = self._running.popitem()
                stopped = "KeyboardInterrupt: the sweep was stopped"
                sweep.finish(running.turn, unfinished(sweep, running, "interrupted", stopped))

    def _round(self) -> Iterator[Outcome]:
        """Run turns: all there are, or as many as there are workers where one waits for all of them."""
        from joblib import Parallel, parallel_config

        self._started = 0
        turns = self._calls()
        if self._sweep.schedule.learns or not self._streams:
            turns = islice(turns, self._width)
        kind = "generator_unordered" if self._streams else "list"
        with parallel_config(**self._config):
            parallel = Parallel(return_as=kind, batch_size=1, pre_dispatch="n_jobs")
            try:
                outcomes = iter(parallel(turns))
            except Exception as error:
                raise PoolBroken from error
        while True:
            try:
                outcome = next(outcomes)
            except StopIteration:
                return
            except Exception as error:  # a trial's own errors come back in its outcome
                raise PoolBroken from error
            yield outcome

    def _calls(self) -> Iterator[Any]:
        from joblib import delayed

        sweep = self._sweep
        while not sweep.ending() and (turn := sweep.schedule.next()) is not None:
            identity = sweep.start(turn, concurrent=self._concurrent)
            self._running[turn.number] = Running(turn, identity)
            self._started += 1
            yield delayed(run_remotely)(self._parcel, ticket_of(sweep, turn, identity))


class PoolBroken(RuntimeError):  # noqa: N818 - it is what happened
    """joblib gave up: a worker died, or couldn't load what it was sent."""
