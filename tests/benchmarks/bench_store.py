"""What the store adds to a trial, and how fast 100,000 trials come out of it again.

Each part runs in a process of its own; the one that reads doesn't hold what was written.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fresh import call, row, rows_of

TRIALS = 100_000
RUNS = 500
SAMPLES = 20
ROUNDS = 5
KEPT = 200
LARGE, LARGE_SAMPLES = 300_000, 500
MIB_TARGET = 500e6 / 2**20
_READINGS = (
    *(
        "wall_time_s",
        "overhead_s",
        "cpu_time_s",
        "cpu_user_s",
        "cpu_system_s",
        "rss_start_mib",
        "rss_end_mib",
    ),
    *("peak_rss_mib", "peak_tree_rss_mib", "read_mib", "write_mib"),
)
_ENERGY = ("package_energy_j", "dram_energy_j")


def kept(trials: int) -> dict[str, float]:
    """Measure short blocks into a SQLite file; return the seconds that keeping took."""
    import e2e_magic as e2e
    from e2e_magic.session import current

    writer = current().writer
    writer.set_address(":memory:")
    with e2e.measure("warm", interval=0.01):
        time.sleep(0.03)
    writer.unsaved.drop(lambda _: True)
    costs: list[float] = []
    original = writer.keep

    def timed(*arguments: Any, **more: Any) -> None:
        began = time.perf_counter()
        original(*arguments, **more)
        costs.append(time.perf_counter() - began)

    writer.keep = timed  # type: ignore[method-assign]
    began = time.perf_counter()
    writer.set_address(str(Path.cwd() / "kept.db"))
    opened = time.perf_counter() - began
    for n in range(trials):
        with e2e.measure("train", interval=0.001):
            e2e.log(loss=1 / (n + 1))
            time.sleep(0.02)
    ordered = sorted(costs)
    return {
        "opened": opened,
        "first": costs[0],
        "median": statistics.median(costs),
        "p95": ordered[int(0.95 * len(ordered))],
    }


def fill(path: str, trials: int, energy: bool) -> float:
    """Write the trials of many runs, and return the seconds per trial: in batches, as an import does."""
    from e2e_magic.record import Environment, Reason, Record, Run, Series
    from e2e_magic.storage import Store

    lacking = {"energy": Reason("", "no RAPL counters on this machine"), "gpu": Reason("", "no GPU")}

    chance = random.Random(6)
    times = [n / 10 for n in range(SAMPLES)]
    start = datetime(2026, 8, 1, tzinfo=UTC)
    packages = {f"package_{n}": f"{n}.0" for n in range(60)}
    names = [*_READINGS, *(_ENERGY if energy else ())]
    seconds = 0.0
    with Store(path) as store:
        for r in range(RUNS):
            run = Run(
                f"{r:06x}",
                f"run {r}",
                start + timedelta(hours=r),
                "",
                Environment("bench", packages=packages),
            )
            records = [
                Record(
                    run=run.id,
                    stage="train",
                    trial=n + 1,
                    repeat=1,
                    state="complete",
                    started_at=run.started_at + timedelta(seconds=n),
                    sweep="s1",
                    params={"lr": chance.random(), "batch_size": 2 ** (n % 8)},
                    readings={name: chance.random() * 100 for name in names}
                    | {"samples": SAMPLES, "missed_samples": 0},
                    series={
                        name: Series.of(times, [chance.random() for _ in times])
                        for name in ("rss_mib", "cpu_percent_now")
                    },
                    reported={"entries": 1000, "loss": chance.random(), "accuracy": chance.random()},
                    missing={} if energy else lacking,
                    source="model.fit(X, y)\n" * 20,
                    host="bench",
                )
                for n in range(trials // RUNS)
            ]
            began = time.perf_counter()
            store.append(records, [run])
            seconds += time.perf_counter() - began
    return seconds / trials


def read(path: str) -> dict[str, float | None]:
    """Read it all in a session of its own; the fastest of some rounds, and the first one."""
    os.environ["E2E_MAGIC_STORE"] = path
    import e2e_magic as e2e
    from e2e_magic.session import current
    from e2e_magic.views import frames

    frames.results([])  # pandas and the collectors are imported by now, as in a session
    assert current().store is not None

    def seconds(function: Any) -> list[float]:
        found = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            function()
            found.append(time.perf_counter() - began)
        return found

    results = seconds(lambda: e2e.results(all=True))
    assert len(e2e.results(all=True)) == TRIALS
    status = Path("/proc/self/status")
    peak = None
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        peak = int(line.split()[1]) / 1024
    runs = seconds(lambda: e2e.runs(all=True))
    one = seconds(lambda: e2e.results(run="run 7"))
    return {"results": min(results), "first": results[0], "peak": peak, "runs": min(runs), "one": min(one)}


def fill_large(path: str, trials: int) -> None:
    """Write trials with long curves, each in the order of its own end: rows lie among curves."""
    from e2e_magic.record import Record, Run, Series
    from e2e_magic.storage import packing, rows
    from e2e_magic.storage.local_file import LocalFile

    chance = random.Random(6)
    times = [n / 10 for n in range(LARGE_SAMPLES)]
    curves = [packing.pack_series(Series.of(times, [chance.random() for _ in times])) for _ in range(64)]
    start = datetime(2026, 8, 1, tzinfo=UTC)
    file = LocalFile(Path(path))
    for r in range(RUNS):
        run = rows.run_row(Run(f"{r:06x}", f"run {r}", start + timedelta(hours=r)))
        for n in range(trials // RUNS):
            record = Record(
                run=run["id"],
                stage="train",
                trial=n + 1,
                repeat=1,
                state="complete",
                started_at=start + timedelta(hours=r, seconds=n),
                sweep="s1",
                params={"lr": chance.random(), "batch_size": 2 ** (n % 8)},
                readings={name: chance.random() * 100 for name in _READINGS},
                reported={"entries": 1000, "loss": chance.random(), "accuracy": chance.random()},
                source="model.fit(X, y)\n" * 20,
                host="bench",
            )
            trial = rows.trial_rows(record)
            trial.row["curves"] = packing.written(["rss_mib", "cpu_percent_now"])
            for place, metric in enumerate(("rss_mib", "cpu_percent_now")):
                trial.curves.append({"place": place, "metric": metric, "data": chance.choice(curves)})
            file.append_rows([trial], [run])
    file.close()


def read_large(path: str, what: str) -> dict[str, float]:
    """Read with the file out of the system's cache; seconds, CPU seconds and the process's peak in MB."""
    os.environ["E2E_MAGIC_STORE"] = path
    import scipy.stats  # noqa: F401 - as in a session that has compared before

    import e2e_magic as e2e
    from e2e_magic.views import frames

    frames.results([])
    with Path(path).open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    calls = {
        "results": lambda: e2e.results(all=True),
        "runs": lambda: e2e.runs(all=True),
        "compare": lambda: e2e.compare("run 7", "run 300"),
    }
    began, used = time.perf_counter(), time.process_time()
    calls[what]()
    took, used = time.perf_counter() - began, time.process_time() - used
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return {"took": took, "cpu": used, "peak": int(line.split()[1]) * 1024 / 1e6}


def _large() -> list[dict[str, Any]]:
    title = f"store of {LARGE:,} trials, each with 2 curves of {LARGE_SAMPLES} samples, not cached"
    with tempfile.TemporaryDirectory(prefix="e2e-bench-") as folder:
        path = str(Path(folder, "large.db"))
        call("bench_store", "fill_large", path, LARGE, timeout=3600)
        found = {
            what: call("bench_store", "read_large", path, what) for what in ("results", "runs", "compare")
        }
        size = Path(path).stat().st_size / 1e9
    return [
        row(f"{title}: results(all=True)", found["results"]["took"], "s", "<= 8"),
        row("results(all=True): CPU", found["results"]["cpu"], "s"),
        row("results(all=True): peak of the whole process", found["results"]["peak"], "MB", "<= 400"),
        row(f"{title}: runs(all=True)", found["runs"]["took"], "s", "<= 0.5"),
        row(f"{title}: compare of two runs", found["compare"]["took"], "s", "<= 1"),
        row("size of the file", size, "GB"),
    ]


def _keeping() -> list[dict[str, Any]]:
    found = call("bench_store", "kept", KEPT)
    return [
        row("store: added per trial, median, outside the measured time", found["median"] * 1e3, "ms", "<= 5"),
        row("store: added per trial, 95th percentile", found["p95"] * 1e3, "ms"),
        row("store: opening it, SQLAlchemy's import included", found["opened"] * 1e3, "ms"),
    ]


def _reading() -> list[dict[str, Any]]:
    title = f"store of {TRIALS:,} trials, {RUNS} runs"
    with tempfile.TemporaryDirectory(prefix="e2e-bench-") as folder:
        path = str(Path(folder, "big.db"))
        batched = call("bench_store", "fill", path, TRIALS, False)
        found = call("bench_store", "read", path)
        size = Path(path).stat().st_size / 2**20
    return [
        row(f"{title}: results(all=True)", found["results"], "s", "<= 2"),
        row(f"{title}: results(all=True), the first call", found["first"], "s"),
        row("results(all=True): peak of the whole process", found["peak"], "MiB", f"<= {MIB_TARGET:.0f}"),
        row(f"{title}: runs(all=True)", found["runs"], "s", "<= 0.2"),
        row(f"{title}: results(run=..), one run of {TRIALS // RUNS}", found["one"], "s"),
        row("store: written in batches, per trial", batched * 1e3, "ms"),
        row(
            f"store: size on disk per trial, with 2 curves of {SAMPLES} samples", size / TRIALS * 1024, "KiB"
        ),
    ]


def _reading_energy() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="e2e-bench-") as folder:
        path = str(Path(folder, "big.db"))
        call("bench_store", "fill", path, TRIALS, True)
        found = call("bench_store", "read", path)
    return [row(f"{TRIALS:,} trials with measured energy: results(all=True)", found["results"], "s")]


def run() -> list[dict[str, Any]]:
    """Return the figures as `run_all` takes them."""
    return rows_of(_keeping, _reading, _reading_energy)


if __name__ == "__main__":
    for figure in rows_of(_large) if "large" in sys.argv else run():  # minutes, and 4 GB of disk
        value = figure["value"]
        shown = value if isinstance(value, str) or value is None else f"{value:.3g}"
        print(f"{figure['what']:<72} {shown:>8} {figure['unit']:<4} {figure['target']}")
