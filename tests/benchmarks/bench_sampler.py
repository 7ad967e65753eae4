"""What the sampler costs and gets: ``python tests/benchmarks/bench_sampler.py``."""

from __future__ import annotations

import ctypes
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from e2e_magic.measuring.collectors.base import Probe
from e2e_magic.measuring.sampler import Sampler, Samples

# The probes of the collectors that every Linux machine has.
PROBES = tuple(Probe(kind, kind) for kind in ("rss", "tree_rss", "tree_pss", "cpu", "io_read", "io_write"))


def row(what: str, value: float, unit: str, target: str) -> dict[str, Any]:
    """One figure and what it should be."""
    return {"what": what, "value": round(value, 4), "unit": unit, "target": target}


def cpu_s(pid: int) -> float:
    """CPU seconds of a process, by its own clock: /proc/PID/stat counts in 10 ms."""
    return time.clock_gettime((~pid << 3) | 2)


def rss_mib(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def holding_the_gil(seconds: int) -> None:
    """One C call that lets no other thread of this process run."""
    ctypes.PyDLL(None).sleep(seconds)


def started(sampler: Sampler) -> int:
    """Start the process, if need be, and return its id."""
    sampler.start(PROBES, 1.0).stop()
    if sampler.pid is None:
        raise RuntimeError(
            "the sampler has no process after a recording: see e2e_magic/measuring/sampler/launch.py"
        )
    return sampler.pid


def share(samples: Samples) -> float:
    """Percent of the due instants at which a sample was taken."""
    return 100 * samples.samples / (samples.samples + samples.missed)


def run() -> list[dict[str, Any]]:
    """Measure, on a machine that is otherwise idle; takes 12 s."""
    rows: list[dict[str, Any]] = []
    launches, boots = [], []
    for _ in range(7):
        sampler = Sampler()
        begin = time.perf_counter()
        sampler.launch()
        launches.append(time.perf_counter() - begin)
        sampler.start(PROBES, 1.0).stop()
        boots.append(time.perf_counter() - begin)
        sampler.close()
    rows.append(row("launch, in the kernel", 1e3 * statistics.median(launches), "ms", "a few"))
    rows.append(row("launch to first samples", 1e3 * statistics.median(boots), "ms", "< 50"))

    sampler = Sampler()
    pid = started(sampler)
    pairs = []
    for _ in range(300):
        begin = time.perf_counter()
        recording = sampler.start(PROBES, 0.1)
        middle = time.perf_counter()
        time.sleep(0.002)
        end = time.perf_counter()
        recording.stop()
        pairs.append((middle - begin) + (time.perf_counter() - end))
    rows.append(row("start + stop", 1e3 * statistics.median(pairs), "ms", "about 0.15"))
    before = cpu_s(pid)
    time.sleep(2)
    rows.append(row("CPU, idle", 50 * (cpu_s(pid) - before), "%", "0"))
    for hertz, target in ((10, "0.3"), (100, "2"), (1000, "5 (two probes)")):
        recording = sampler.start(PROBES, 1 / hertz)
        before, begin = cpu_s(pid), time.perf_counter()
        time.sleep(2)
        used = 100 * (cpu_s(pid) - before) / (time.perf_counter() - begin)
        rows.append(row(f"CPU at {hertz} Hz", used, "% of a core", target))
        rows.append(row(f"samples got at {hertz} Hz", share(recording.stop()), "%", "> 95"))
    recording = sampler.start(PROBES, 0.01)
    holding_the_gil(2)
    samples = recording.stop()
    rows.append(row("samples in 2 s of a C call with the GIL, 100 Hz", samples.samples, "", "> 190"))
    rows.append(row("RSS", rss_mib(pid), "MiB", "< 12"))
    begin = time.perf_counter()
    sampler.close()
    rows.append(row("close", 1e3 * (time.perf_counter() - begin), "ms", "< 100"))
    return rows


if __name__ == "__main__":
    for line in run():
        sys.stdout.write(
            f"{line['what']:<50}{line['value']:>10.3f} {line['unit']:<12} target {line['target']}\n"
        )
