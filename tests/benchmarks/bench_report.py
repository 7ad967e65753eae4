"""How long a report of 200 trials takes and how large it is: many stages, and one sweep.

Run by itself: ``python tests/benchmarks/bench_report.py``.
"""

from __future__ import annotations

import math
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fresh
from fresh import row

TRIALS = 200
SAMPLES = 600
_GAUGES = ("rss_mib", "tree_rss_mib", "cpu_percent_now", "package_power_w", "gpu_percent_now")


def run() -> list[dict[str, Any]]:
    """Return the figures of a report."""
    return fresh.rows_of(_figures)


def _figures() -> list[dict[str, Any]]:
    rows = []
    for words, stages, swept in (
        ("200 stages of one trial", TRIALS, 0),
        ("4 stages, 4 runs, one stage a sweep of 100", 4, 100),
        ("10 stages, repeated", 10, 0),
    ):
        found = fresh.call("bench_report", "page", stages, swept)
        rows += [
            row(f"report of {TRIALS} trials, {words}", found["seconds"], "s", "<= 20 s"),
            row("  its size", found["mb"], "MB", "<= 5 MB"),
        ]
    return rows


def page(stages: int, swept: int) -> dict[str, float]:
    """Write a report in this process, imports included."""
    from e2e_magic.record import Environment, Run
    from e2e_magic.views import report as html_report

    began_at = datetime(2026, 8, 1, tzinfo=UTC)
    host = Environment("bench", "Linux", "3.11", "a processor", 8, 8, 16_000.0)
    runs = [Run(f"r{n}", f"run {n}", began_at, "", host) for n in range(4 if swept else 1)]
    records = [_record(runs[n % len(runs)].id, n, f"stage {n % stages}", None) for n in range(TRIALS - swept)]
    records += [_record("r0", TRIALS + n, "train", "s1") for n in range(swept)]
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        written = html_report.write(Path(folder) / "report.html", runs, records)
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "mb": written.stat().st_size / 1e6}


def _record(run_id: str, n: int, stage: str, sweep: str | None) -> Any:
    """Make a trial with everything that a card shows: curves, a log, a matrix of ten classes."""
    from e2e_magic.record import Events, Record, Series

    times = [k / 10 for k in range(SAMPLES)]
    losses = [1 / (k + 1) for k in range(50)]
    return Record(
        run=run_id,
        stage=stage,
        trial=n + 1,
        repeat=1 if sweep else n // 10 + 1,
        state="complete",
        started_at=datetime(2026, 8, 1, tzinfo=UTC) + timedelta(minutes=n),
        sweep=sweep,
        params={"lr": 10 ** -(n % 5), "batch_size": 2 ** (n % 8)} if sweep else {},
        readings={"wall_time_s": 60 + n / 7, "cpu_time_s": 55.0, "peak_rss_mib": 900 + n, "samples": SAMPLES},
        series={
            name: Series.of(
                times, [100 + 50 * math.sin(k / 9 + n + m) + (k * 7919 % 13) for k in range(SAMPLES)]
            )
            for m, name in enumerate(_GAUGES)
        },
        events=Events(
            Series.of([float(k) for k in range(50)], losses).t_s,
            Series.of([float(k + 1) for k in range(50)], losses).t_s,
            {
                "loss": Series.of(losses, losses).value,
                "accuracy": Series.of(losses, [1 - v for v in losses]).value,
            },
        ),
        reported={
            "confusion": [[(i * j + n) % 17 + 90 * (i == j) for j in range(10)] for i in range(10)],
            "classes": [f"class {k}" for k in range(10)],
            "entries": 1000,
        },
        source="model.fit(X, y)\n" * 20,
        host="bench",
    )


if __name__ == "__main__":
    for figure in run():
        print(f"{figure['what']:<66} {figure['value']:>8.3g} {figure['unit']:<4} {figure['target']}")
