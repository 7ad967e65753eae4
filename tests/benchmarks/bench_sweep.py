"""What a sweep costs per trial: over a bare loop, over joblib, over Dask's own ``submit``."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import fresh
from fresh import row

TRIALS = 200
RUNS = 3
ARRAY_MB = 50
OBJECTS = 2_000_000
ROOT = Path(__file__).resolve().parents[2]


def run() -> list[dict[str, Any]]:
    """Return the figures of sweeps."""
    return fresh.rows_of(_kernel, _local, _stop, _dask)


def _usual(function: str, *arguments: Any) -> dict[str, float]:
    found = [fresh.call("bench_sweep", function, *arguments) for _ in range(RUNS)]
    return {key: statistics.median(one[key] for one in found) for key in found[0]}


def _kernel() -> list[dict[str, Any]]:
    usual = _usual("in_kernel", TRIALS)
    return [
        row(
            f"sweep of {TRIALS} no-op trials, kernel, quiet: over a bare loop",
            usual["over_ms"],
            "ms a trial",
            "<= 2 ms",
        ),
        row("  with one collector (cpu)", usual["cpu_over_ms"], "ms a trial"),
    ]


def _local() -> list[dict[str, Any]]:
    return _compared("local:2", "joblib's", "on_local")


def _stop() -> list[dict[str, Any]]:
    usual = _usual("stopped", OBJECTS)
    return [
        row(
            "Stop in the middle of trials, local:2: until their rows are there",
            usual["rows_s"],
            "s",
            "<= 0.5 s",
        ),
        row(
            f"  until no worker is left, {OBJECTS / 1e6:g} million objects in the kernel",
            usual["ended_s"],
            "s",
            "<= 0.5 s",
        ),
    ]


def _dask() -> list[dict[str, Any]]:
    return _compared("dask, 2 workers", "client.submit's", "on_dask")


def _compared(engine: str, theirs: str, function: str) -> list[dict[str, Any]]:
    usual = _usual(function, TRIALS, 0)
    large = _usual(function, TRIALS, ARRAY_MB)
    return [
        row(
            f"sweep, {engine}, no-op trial: over {theirs} own",
            usual["ours"] - usual["theirs"],
            "ms",
            "<= 2 ms",
        ),
        row(f"  {theirs} own", usual["theirs"], "ms a trial"),
        row(
            f"  with {ARRAY_MB} MB in the namespace: over {theirs} own",
            large["ours"] / large["theirs"],
            "x",
            "<= 2 x",
        ),
        row(f"  {theirs} own with {ARRAY_MB} MB", large["theirs"], "ms a trial"),
    ]


def noop(x: int) -> None:
    """Do nothing."""


def use(data: Any, x: int) -> float:
    """Touch the array."""
    return float(data["X"][x]) if "X" in data else 0.0


def in_kernel(trials: int) -> dict[str, float]:
    """Return what a trial costs in this process over calling the function."""
    import e2e_magic as e2e

    e2e.store(":memory:")
    e2e.sweep(noop, x=range(5), quiet=True)

    def timed(act: Callable[[], Any]) -> float:
        began = time.perf_counter()
        act()
        return (time.perf_counter() - began) * 1e3 / trials

    bare = timed(lambda: [noop(x) for x in range(trials)])
    return {
        "over_ms": timed(lambda: e2e.sweep(noop, x=range(trials), quiet=True)) - bare,
        "cpu_over_ms": timed(lambda: e2e.sweep(noop, x=range(trials), quiet=True, metrics="cpu")) - bare,
    }


def _paced(results: Iterable[Any], settle: int = 20) -> float:
    """Return the ms between two results, once all is warm."""
    stamps = [time.perf_counter() for _ in results][settle:]
    return (stamps[-1] - stamps[0]) * 1e3 / (len(stamps) - 1)


def _job(megabytes: int) -> tuple[Any, dict[str, Any]]:
    import numpy as np

    from e2e_magic.measuring.cell import Cell
    from e2e_magic.sweeping.jobs import CellJob

    data = {"X": np.ones(megabytes * 10**6 // 8)} if megabytes else {}
    source = "float(X[x])" if megabytes else "x"
    return CellJob(Cell.of(source), source, source, {"__name__": "__main__", **data}), data


def _ours(engine: str, trials: int, megabytes: int) -> float:
    import e2e_magic as e2e
    from e2e_magic.api.sweeps import open_sweep
    from e2e_magic.measuring.plan import Plan
    from e2e_magic.session import current
    from e2e_magic.sweeping.plan import SweepPlan
    from e2e_magic.sweeping.space import Space

    e2e.store(":memory:")
    job, _ = _job(megabytes)
    plan = SweepPlan(plan=Plan(stage="noop"), space=Space.of({"x": range(trials)}), engine=engine)
    return _paced(open_sweep(current(), plan, job).run())


def stopped(objects: int) -> dict[str, float]:
    """Return how long it takes from Stop, in the middle of two trials, in a kernel with much in it."""
    import e2e_magic as e2e
    from e2e_magic.api.sweeps import open_sweep
    from e2e_magic.measuring.cell import Cell
    from e2e_magic.measuring.plan import Plan
    from e2e_magic.session import current
    from e2e_magic.sweeping.jobs import CellJob
    from e2e_magic.sweeping.plan import SweepPlan
    from e2e_magic.sweeping.space import Space

    e2e.store(":memory:")
    kept = [[n] for n in range(objects)]
    stamps: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        source = "import pathlib, time\npathlib.Path(folder, str(x)).touch()\ntime.sleep(600)"
        job = CellJob(Cell.of(source), source, source, {"__name__": "__main__", "folder": folder})
        began: list[float] = []

        def abort() -> bool:
            if not began and len(list(Path(folder).iterdir())) == 2:
                began.append(time.perf_counter())
            return bool(began)

        plan = SweepPlan(plan=Plan(stage="sleep"), space=Space.of({"x": [1, 2]}), engine="local:2")
        sweep = open_sweep(
            current(), plan, job, abort=abort, on_record=lambda *_: stamps.append(time.perf_counter())
        )
        for _ in sweep.run():
            pass
        ended = time.perf_counter()
    del kept
    return {"rows_s": stamps[-1] - began[0], "ended_s": ended - began[0]}


def on_local(trials: int, megabytes: int) -> dict[str, float]:
    """Return ms a trial on two processes: plain joblib, and a sweep."""
    from joblib import Parallel, delayed

    _, data = _job(megabytes)
    parallel = Parallel(2, return_as="generator_unordered", batch_size=1)
    theirs = _paced(parallel(delayed(use)(data, x) for x in range(trials)))
    return {"theirs": theirs, "ours": _ours("local:2", trials, megabytes)}


def on_dask(trials: int, megabytes: int) -> dict[str, float]:
    """Return ms a trial on two Dask workers: plain submit, two at a time, and a sweep."""
    from distributed import Client, as_completed

    # `tests` may be another package's folder here.
    sys.path.insert(0, str(ROOT / "tests"))
    from cluster import cluster

    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder)) as started:
        _, data = _job(megabytes)
        with Client(f"tcp://127.0.0.1:{started.port}", set_as_default=False) as client:
            # As a whole: `scatter` would take a dict apart.
            sent = client.scatter([data], broadcast=True, hash=False)[0] if megabytes else data

            def use_it(data: Any, x: int) -> float:  # the workers don't have this file
                return float(data["X"][x]) if "X" in data else 0.0

            def submitted() -> Iterable[Any]:
                waiting = as_completed(
                    [client.submit(use_it, sent, x, pure=False) for x in range(2)], loop=client.loop
                )
                left = iter(range(2, trials))
                for future in waiting:
                    yield future.result()
                    for x in [next(left, None)]:
                        if x is not None:
                            waiting.add(client.submit(use_it, sent, x, pure=False))

            theirs = _paced(submitted())
        return {"theirs": theirs, "ours": _ours(started.engine, trials, megabytes)}
