"""Ray and Spark by hand: 200 trials, Stop amid a trial, a killed worker, --resume.

``pip install "e2e-magic[ray,spark]"`` (Spark needs Java 17), then ``python clusters.py ray:2`` or
``spark:2``, in a folder of its own: its store is the folder's. It ends with an AssertionError where something
doesn't hold.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import e2e_magic as e2e
from e2e_magic.api.sweeps import open_sweep
from e2e_magic.measuring.plan import Plan
from e2e_magic.session import current
from e2e_magic.sweeping.jobs import FunctionJob
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.space import Space

TRIALS = 200


def work(x: int) -> dict[str, int]:
    """Do next to nothing."""
    return {"loss": x}


def trouble(x: int) -> dict[str, int]:
    """Fail, end the worker, or take for ever."""
    import os
    import time

    if x == 2:
        raise ValueError("no")
    if x == 3:
        os._exit(1)
    if x == 5:
        time.sleep(600)
    return {"loss": x}


def states(engine: str, **options: Any) -> list[tuple[int, str]]:
    """Return (x, state) of the trials of `trouble`."""
    frame = e2e.sweep(trouble, x=list(range(7)), engine=engine, quiet=True, **options).frame
    return sorted(zip(frame["param_x"].astype(int), frame["state"].astype(str), strict=True))


def stopped(engine: str) -> list[tuple[int, str]]:
    """Return (x, state) of the trials of `trouble` that is stopped in the one that takes for ever."""
    stop = threading.Event()
    plan = SweepPlan(plan=Plan(stage="stop"), space=Space.of({"x": [0, 5]}), engine=engine)
    sweep = open_sweep(current(), plan, FunctionJob(trouble), abort=stop.is_set)
    thread = threading.Thread(target=lambda: list(sweep.run()))
    thread.start()
    while not sweep.records:
        time.sleep(0.1)
    stop.set()
    thread.join(60)
    assert not thread.is_alive()
    return sorted((record.params["x"], record.state) for record in sweep.records)


def main(engine: str) -> None:
    """Try it all on one engine."""
    for part in (TRIALS // 2, TRIALS):  # the second time half of them are there
        began, cpu = time.perf_counter(), time.process_time()
        result = e2e.sweep(work, x=list(range(part)), engine=engine, quiet=True, resume=True)
        took = (time.perf_counter() - began) / (TRIALS // 2) * 1e3
        print(
            f"{result}: {took:.1f} ms a trial, {(time.process_time() - cpu) / (TRIALS // 2) * 1e3:.1f} of CPU"
        )
    trials = e2e.trials(stage="work")
    assert sorted(trials["param_x"].astype(int)) == list(range(TRIALS)), "each trial once"
    assert set(trials["state"]) == {"complete"}

    found = states(engine, trial_limit="2s")
    assert found == [
        (0, "complete"), (1, "complete"), (2, "failed"), (3, "failed"), (3, "failed"), (4, "complete"),
        (5, "over limit"), (6, "complete"),
    ], found  # fmt: skip
    found = stopped(engine)
    assert found == [(0, "complete"), (5, "interrupted")], found
    print("all of it holds")


if __name__ == "__main__":
    main(*sys.argv[1:])
