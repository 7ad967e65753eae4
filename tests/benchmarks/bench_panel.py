"""How long the sweep panel's table and charts take to update with 10,000 finished trials, and its Stop.

Run by itself: ``python tests/benchmarks/bench_panel.py``. `run` measures in a process of its own.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

TRIALS = 10_000
ROUNDS = 7


def records(count: int) -> list[Any]:
    """Make the trials of a sweep over three parameters, one in a hundred failed."""
    from e2e_magic.record import Record

    start = datetime(2026, 8, 1, tzinfo=UTC)
    return [
        Record(
            run="ab12cd",
            stage="train",
            trial=n + 1,
            repeat=1,
            state="failed" if n % 100 == 99 else "complete",
            error="ValueError: loss is nan" if n % 100 == 99 else None,
            started_at=start + timedelta(seconds=n),
            sweep="s1",
            params={"lr": 10 ** (n % 50 / 12 - 4), "batch_size": 2 ** (n % 6), "layers": (8, n % 4)},
            readings={"wall_time_s": 1 + n * 1e-5, "cpu_time_s": 1.0, "peak_rss_mib": 100.0, "samples": 10},
            reported={"loss": 1 / (1 + n % 977), "accuracy": n % 977 / 977},
            host="bench",
        )
        for n in range(count)
    ]


def _row(what: str, value: float, unit: str, target: str = "") -> dict[str, Any]:
    return {"what": what, "value": value, "unit": unit, "target": target}


def measured() -> list[dict[str, Any]]:
    """Measure in this process: the fastest and the middle of some rounds."""
    from e2e_magic.jupyter.panel.ledger import Ledger
    from e2e_magic.jupyter.panel.page import load_charts, page
    from e2e_magic.sweeping.schedule import Goal
    from e2e_magic.sweeping.space import Space

    load_charts()
    axes = Space.parse("lr=geomspace(1e-4,1,50) batch_size=[1,2,4,8,16,32] layers=[(8, 0), (8, 1)]").axes
    trials = records(TRIALS + ROUNDS)
    ledger = Ledger(Goal("loss", None, {"loss": "lower"}))
    began = time.perf_counter()
    for record in trials[:TRIALS]:
        ledger.add(record)
    added = time.perf_counter() - began
    took = []
    for record in trials[TRIALS:]:  # one more trial has come each time, as in a sweep
        began = time.perf_counter()
        ledger.add(record)
        made = page("train", ledger, axes, TRIALS)
        took.append(time.perf_counter() - began)
    title = f"panel, {TRIALS:,} trials:"
    return [
        _row(f"{title} table and both charts anew", statistics.median(took), "s", "<= 0.5"),
        _row(f"{title} the slowest of {ROUNDS} updates", max(took), "s", "<= 0.5"),
        _row(f"{title} taking one trial in", added / TRIALS * 1e6, "µs"),
        _row(f"{title} size of the page", len(made["text/html"]) / 1024, "KiB"),
        *_stops(),
    ]


# A trial that ends at an interrupt, and one that can't hear it.
STOPPED = {
    "sleeping": "import time\ntime.sleep(600)",
    "deep in C": "import itertools\nsum(itertools.repeat(1, 10**12))",
}


def _stops() -> list[dict[str, Any]]:
    """Return how long Stop takes in the middle of a trial of the isolated process, its row included."""
    return [
        _row(f"panel, Stop in a trial that is {how}", max(_stop(code) for _ in range(3)), "s", "<= 0.5")
        for how, code in STOPPED.items()
    ]


def _stop(code: str) -> float:
    import tempfile
    from pathlib import Path

    import e2e_magic as e2e
    from e2e_magic.api.sweeps import open_sweep
    from e2e_magic.measuring.cell import Cell
    from e2e_magic.measuring.plan import Plan
    from e2e_magic.session import current
    from e2e_magic.sweeping.engines.isolated.calls import Isolated
    from e2e_magic.sweeping.engines.isolated.engine import IsolatedEngine
    from e2e_magic.sweeping.jobs import CellJob
    from e2e_magic.sweeping.plan import SweepPlan
    from e2e_magic.sweeping.space import Space

    e2e.store(":memory:")
    stopping = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        begun = Path(folder, "begun")
        source = f"import pathlib\npathlib.Path(begun).touch()\n{code}\nx"
        job = CellJob(Cell.of(source), source, source, {"__name__": "__main__", "begun": str(begun)})
        plan = SweepPlan(plan=Plan(stage="stop"), space=Space.of({"x": [1]}))
        sweep = open_sweep(current(), plan, job, abort=stopping.is_set)
        isolated = Isolated()
        running = IsolatedEngine(sweep.job, sweep.plan, isolated, lambda *_: None)
        thread = threading.Thread(target=lambda: list(sweep.run(running)))
        thread.start()
        while not begun.exists():
            time.sleep(0.01)
        time.sleep(0.2)
        asked = time.perf_counter()
        stopping.set()
        running.stop()
        thread.join()
        took = time.perf_counter() - asked
        isolated.kill()
    if [record.state for record in sweep.records] != ["interrupted"]:
        raise RuntimeError("the trial wasn't interrupted: what was timed isn't what is said")
    return took


def run() -> list[dict[str, Any]]:
    """Measure in a process of its own and return the rows: what, value, unit, target."""
    done = subprocess.run(
        [sys.executable, __file__, "--json"], capture_output=True, text=True, check=True, timeout=300
    )
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def main() -> None:
    """Print the table, or the rows as JSON for `run`."""
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(measured()))
        return
    for row in run():
        print(f"{row['what']:<66} {row['value']:>8.3g} {row['unit']:<4} {row['target']}")


if __name__ == "__main__":
    main()
