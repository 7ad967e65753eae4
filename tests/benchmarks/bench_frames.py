"""How fast 10,000 trials with 100 samples each become frames, and in how much memory.

Run by itself: ``python tests/benchmarks/bench_frames.py``. The memory is that of this process, so
`run` measures in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

TRIALS = 10_000
SAMPLES = 100
ROUNDS = 5
_READINGS = (
    "wall_time_s overhead_s cpu_time_s cpu_user_s cpu_system_s cpu_percent rss_start_mib peak_rss_mib "
    "rss_delta_mib peak_tree_rss_mib read_mib write_mib package_energy_j dram_energy_j mean_power_w"
)


def records(epochs: int = 0) -> list[Any]:
    """Make the trials of a sweep: every built-in reading, a curve, entries, and a log if asked for."""
    from e2e_magic.record import Events, Record, Series

    start = datetime(2026, 8, 1, tzinfo=UTC)
    times = [n / 10 for n in range(SAMPLES)]
    log = [n / 10 for n in range(epochs)]
    return [
        Record(
            run="ab12cd",
            stage="train",
            trial=n + 1,
            repeat=1,
            state="complete",
            started_at=start + timedelta(seconds=n),
            sweep="s1",
            params={"lr": n * 1e-6, "batch_size": 2 ** (n % 8), "layers": (8, n % 4)},
            readings=dict.fromkeys(_READINGS.split(), n + 0.5)
            | {"energy_source": "rapl", "samples": SAMPLES, "missed_samples": 0},
            series={"rss_mib": Series.of(times, times)},
            events=Events(
                Series.of(log, log).value,
                Series.of(log, log).value,
                {"loss": Series.of(log, log).value, "accuracy": Series.of(log, log).value},
            ),
            reported={"entries": 1000} | ({"target_accuracy": 0.8} if epochs else {}),
            host="bench",
        )
        for n in range(TRIALS)
    ]


def _mib(key: str) -> float | None:
    """Read ``VmRSS`` or ``VmHWM`` of this process; None where the kernel keeps none."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    line = next(line for line in status.read_text("ascii").splitlines() if line.startswith(key))
    return int(line.split()[1]) / 1024


def _seconds(make: Callable[[Sequence[Any]], object], trials: Sequence[Any]) -> float:
    """Return the fastest of some rounds: the others had the machine's other work in them."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        make(trials)
        best = min(best, time.perf_counter() - began)
    return best


def _row(what: str, value: float | None, unit: str, target: str = "") -> dict[str, Any]:
    return {"what": what, "value": value, "unit": unit, "target": target}


def measured() -> list[dict[str, Any]]:
    """Measure in this process."""
    from e2e_magic.views import frames

    trials = records()
    frames.results(trials[:10])  # pandas and the collectors are imported by now, as in a session
    title = f"{TRIALS:,} trials, {SAMPLES} samples each"
    before = _mib("VmRSS")
    if before is not None:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    began = time.perf_counter()
    made = frames.results(trials)
    first = time.perf_counter() - began
    peak = _mib("VmHWM")
    size = float(made.memory_usage(deep=True).sum()) / 2**20
    logged = records(epochs=10)
    return [
        _row(f"{title}: results()", _seconds(frames.results, trials), "s", "<= 0.3"),
        _row(f"{title}: results(), the first call", first, "s"),
        _row("results(): peak of the whole process, records included", peak, "MiB", "<= 190.7"),
        _row(
            "results(): added at its peak", None if peak is None or before is None else peak - before, "MiB"
        ),
        _row("results(): size of the frame", size, "MiB"),
        _row(f"{title}: samples()", _seconds(frames.samples, trials), "s"),
        _row(f"{title}, 10 logged epochs: results()", _seconds(frames.results, logged), "s"),
        _row(f"{title}, 10 logged epochs: epochs()", _seconds(frames.epochs, logged), "s"),
        _row(f"{title}: trials()", _seconds(frames.trials, trials), "s"),
        _row(f"{title}: pipeline()", _seconds(frames.pipeline, trials), "s"),
    ]


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
        value = "-" if row["value"] is None else f"{row['value']:.3g}"
        print(f"{row['what']:<66} {value:>8} {row['unit']:<4} {row['target']}")


if __name__ == "__main__":
    main()
