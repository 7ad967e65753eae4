"""What `%%e2ebench` adds to a cell, and what it sees of one: in a kernel's shell, in fresh processes."""

from __future__ import annotations

import statistics
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import fresh
from fresh import row

NOOP_ROUNDS = 200
LOADS = 9
BLOCKS = 30
# So long that what is added once per cell, a figure of its own, is a small part of the target.
BLOCK_S = 1.0


def run() -> list[dict[str, Any]]:
    """Return the figures of measured cells."""
    return fresh.rows_of(_noop, _loading, _nothing, _library, _cpu_bound, _gil, _peak)


def _noop() -> list[dict[str, Any]]:
    noop = fresh.call("bench_cell", "noop", NOOP_ROUNDS)
    first, second = zip(*(fresh.call("bench_cell", "first") for _ in range(LOADS)), strict=True)
    return [
        row("a no-op cell alone", noop["plain"], "ms"),
        row("added to a no-op cell, card off", noop["off"], "ms", "<= 1 ms"),
        row("  CPU time of the kernel alone", noop["off_cpu"], "ms"),
        row("added to a no-op cell, card on", noop["on"], "ms", "<= 3 ms"),
        row("  CPU time of the kernel alone", noop["on_cpu"], "ms"),
        row("added to a cell of 0.5 s with a chart on its card", noop["chart"], "ms", "<= 8 ms"),
        row("  CPU time of the kernel alone", noop["chart_cpu"], "ms"),
        row(
            "the first measured cell over the second, card off",
            statistics.median(a - b for a, b in zip(first, second, strict=True)) * 1e3,
            "ms",
            "<= 40 ms",
        ),
    ]


def _loading() -> list[dict[str, Any]]:
    fresh.call("bench_cell", "load")  # writes the byte code where there is none yet
    walls, cpus = zip(*(fresh.call("bench_cell", "load") for _ in range(LOADS)), strict=True)
    return [
        row("%load_ext e2e_magic after IPython is up", statistics.median(walls) * 1e3, "ms", "<= 45 ms"),
        row("  CPU time of the kernel alone", statistics.median(cpus) * 1e3, "ms"),
    ]


def _nothing() -> list[dict[str, Any]]:
    least, usual, looped = fresh.call("bench_cell", "nothing")
    return [
        row("wall time that a cell of nothing reads, least of 500", least, "µs", "<= 3 µs"),
        row("  their median", usual, "µs"),
        row("CPU time that nothing reads under --number 1000000", looped, "ns"),
    ]


def _library() -> list[dict[str, Any]]:
    fresh.call("bench_cell", "library", 0)  # the files are in memory from now on
    once = [fresh.call("bench_cell", "library", 0) for _ in range(3)]
    later = [fresh.call("bench_cell", "library", 1) for _ in range(3)]
    (cpu, mib), (cpu_later, mib_later) = (map(min, zip(*some, strict=True)) for some in (once, later))
    return [
        row("import pandas in the second measured cell over the first: CPU time", cpu_later / cpu, "x"),
        row("  memory", mib_later / mib, "x"),
    ]


def _cpu_bound() -> list[dict[str, Any]]:
    return [
        row(f"CPU-bound cell, {words}: slower by (+- {noise:.2g} %)", value, "%", target) | {"noise": noise}
        for words, value, noise, target in fresh.call("bench_cell", "cpu_bound", BLOCKS)
    ]


def _gil() -> list[dict[str, Any]]:
    tries = [fresh.call("bench_cell", "gil_held") for _ in range(3)]
    held = sorted(tries, key=lambda one: one["got"] / one["due"])[1]
    call = f"{held['wall_s']:.1f} s of a C call with the GIL, 100 Hz"
    return [
        row(f"samples in {call}, of {held['due']} due", 100 * held["got"] / held["due"], "%", ">= 95 %"),
        row("  what a thread of the kernel would have got", 100 * held["thread"] / held["due"], "%"),
        row("  the longest gap between two samples", held["gap_s"] * 1e3, "ms"),
    ]


def _peak() -> list[dict[str, Any]]:
    peak = fresh.call("bench_cell", "short_peak")
    what = f"a peak of 1 GB for 5 ms on 200 MB ({peak['told']:.1f} of {peak['true']:.1f} MiB)"
    return [row(f"{what}: off by", peak["error"], "%", "<= 1 %")]


def _loaded() -> Any:
    shell = fresh.shell()
    shell.run_line_magic("load_ext", "e2e_magic")
    return shell


_SLEPT, _CHARTED = "time.sleep(0.5)", "%%e2ebench\ntime.sleep(0.5)"
_MEASURED = ("%%e2ebench -q\npass", "%%e2ebench\npass")


def noop(rounds: int) -> dict[str, float]:
    """Return the medians of ms that a cell takes alone, and that is added with the card off and on."""
    shell = _loaded()

    spent: dict[str, list[float]] = {}

    def timed(cell: str) -> Any:
        def once() -> float:
            before = time.process_time()
            seconds = fresh.run_cell(shell, cell)
            spent.setdefault(cell, []).append(time.process_time() - before)
            return seconds

        return once

    cells = [timed(cell) for cell in ("pass", *_MEASURED)]
    fresh.interleaved(cells, 10)  # warm
    spent.clear()
    plain, off, on = fresh.interleaved(cells, rounds, shell.display_pub.outputs.clear)
    plain_cpu, off_cpu, on_cpu = (
        statistics.median(taken) for taken in (spent[cell] for cell in ("pass", *_MEASURED))
    )
    drawn = [timed(_SLEPT), timed(_CHARTED)]
    fresh.run_cell(shell, "import time")
    fresh.interleaved(drawn, 2)
    shell.display_pub.outputs.clear()
    slept, charted = fresh.interleaved(drawn, 10)
    pictures = [out["data"].get("text/html", "") for out in shell.display_pub.outputs]
    if not all("data:image/svg+xml" in page for page in pictures if page) or len(pictures) < 10:
        raise RuntimeError("the cards of a cell of 0.5 s carry no chart: what was timed isn't what is said")
    usual = statistics.median(plain)
    return {
        "plain": usual * 1e3,
        "off": (statistics.median(off) - usual) * 1e3,
        "on": (statistics.median(on) - usual) * 1e3,
        "off_cpu": (off_cpu - plain_cpu) * 1e3,
        "on_cpu": (on_cpu - plain_cpu) * 1e3,
        "chart_cpu": (statistics.median(spent[_CHARTED]) - statistics.median(spent[_SLEPT])) * 1e3,
        "chart": (statistics.median(charted) - statistics.median(slept)) * 1e3,
    }


def load() -> tuple[float, float]:
    """Return the seconds of %load_ext in a shell that is up, and the CPU time of them."""
    shell = fresh.shell()
    cpu, began = time.process_time(), time.perf_counter()
    shell.run_line_magic("load_ext", "e2e_magic")
    return time.perf_counter() - began, time.process_time() - cpu


def first() -> tuple[float, float]:
    """Return the seconds of the first measured cell, in which the sampler is started, and of the second."""
    shell = _loaded()
    fresh.run_cell(shell, "pass")
    once, again = (fresh.run_cell(shell, "%%e2ebench -q\npass") for _ in range(2))
    return once, again


def nothing() -> tuple[float, float, float]:
    """Return what a cell of nothing reads: least and median µs of wall time, and ns of one of a million."""
    shell = _loaded()
    read = []
    for _ in range(10):
        fresh.run_cell(shell, "%%e2ebench -q -o measured --repeat 50\npass")
        read += [float(one.readings["wall_time_s"]) * 1e6 for one in shell.user_ns["measured"].records]
    fresh.run_cell(shell, "%%e2ebench -q -o measured --number 1000000\npass")
    looped = shell.user_ns["measured"].records[-1].readings["cpu_time_s"]
    return min(read), statistics.median(read), float(looped) * 1e9


def library(earlier: int) -> tuple[float, float]:
    """Return CPU seconds and MiB that ``import pandas`` costs in a cell after so many measured ones."""
    shell = _loaded()
    fresh.run_cell(shell, "import time")
    for _ in range(earlier):
        fresh.run_cell(shell, "%%e2ebench -i 0.01\ntime.sleep(0.12)")
    fresh.run_cell(shell, "%%e2ebench -q -o measured\nimport pandas")
    read = shell.user_ns["measured"].records[-1].readings
    return float(read["cpu_time_s"]), float(read["rss_end_mib"]) - float(read["rss_start_mib"])


def cpu_bound(blocks: int) -> list[tuple[str, float, float, str]]:
    """Return how much slower a CPU-bound cell is at 10 and 100 Hz, in %, each against its neighbours.

    A block runs the cell at 10 Hz, at 100 Hz and twice unmeasured, in random order. The ratio of the
    two unmeasured ones is the noise of the pairing. CPU time is given too: a busy machine moves it less.
    """
    shell = _loaded()
    fresh.run_cell(shell, _WORK)
    one = min(fresh.run_cell(shell, "done = work(1000)") for _ in range(5)) / 1000
    body = f"done = work({max(1, round(BLOCK_S / one))})"
    cells = (body, body, f"%%e2ebench -q -i 0.1\n{body}", f"%%e2ebench -q -i 0.01\n{body}")
    cpu: list[list[float]] = [[] for _ in cells]

    def timed(which: int) -> Any:
        def once() -> float:
            before = time.process_time()
            seconds = fresh.run_cell(shell, cells[which])
            cpu[which].append(time.process_time() - before)
            return seconds

        return once

    walls = fresh.interleaved([timed(n) for n in range(4)], blocks)
    found = []
    for which, words, target in (
        (1, "unmeasured again", ""),
        (2, "10 Hz", "<= 0.5 %"),
        (3, "100 Hz", "<= 1.5 %"),
    ):
        for unit, taken, limit in (("", walls, target), (", CPU time", cpu, "")):
            # Against the mean of both unmeasured ones, or against the other one for the noise.
            usual = [a if which == 1 else (a + b) / 2 for a, b in zip(taken[0], taken[1], strict=True)]
            ratios = [100 * (mine / theirs - 1) for mine, theirs in zip(taken[which], usual, strict=True)]
            found.append((words + unit, *fresh.middle(ratios), limit))
    return found


_WORK = """
def work(rounds):
    total = 0
    for n in range(rounds):
        total += sum([i * i % 7 for i in range(200)])
    return total
"""


def gil_held() -> dict[str, float]:
    """Return the samples that were due and got during a C call of 2 s that never gives the GIL away."""
    shell = _loaded()
    began = time.perf_counter()
    sum(range(10_000_000))
    count = round(2 * 10_000_000 / (time.perf_counter() - began))
    call = f"done = sum(range({count}))"  # in C from start to end: no byte code, so no switch
    # The proof that it holds the GIL: a thread that wants to run a hundred times a second.
    ticks: list[float] = []
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(0.01):
            ticks.append(time.perf_counter())

    thread = threading.Thread(target=tick)
    thread.start()
    began = time.perf_counter()
    fresh.run_cell(shell, call)
    ended = time.perf_counter()
    stop.set()
    thread.join()
    fresh.run_cell(shell, f"%%e2ebench -q -i 0.01 -o measured\n{call}")
    record = shell.user_ns["measured"].records[-1]
    wall_s = record.readings["wall_time_s"]
    times = [t for t in record.series["rss_mib"].t_s if 0 <= t <= wall_s]
    edges = [0.0, *times, wall_s]
    return {
        "wall_s": wall_s,
        "due": int(wall_s / 0.01),
        "got": len(times),
        "gap_s": max(b - a for a, b in pairwise(edges)),
        "thread": sum(began + 0.02 < t < ended - 0.02 for t in ticks),
    }


def short_peak() -> dict[str, float]:
    """Return the worst of five: a peak of 1 GB for 5 ms on 200 MB, against the process's own count then."""
    if not Path("/proc/self/statm").exists():
        raise fresh.Skipped("the truth is read from /proc/self/statm")
    shell = _loaded()
    fresh.run_cell(shell, "import os, time\nbase = b'1' * 200_000_000")
    worst = {"error": -1.0, "told": 0.0, "true": 0.0}
    for _ in range(5):
        fresh.run_cell(shell, f"%%e2ebench -q -o measured\n{_HIGH}")
        told = shell.user_ns["measured"].records[-1].readings["peak_rss_mib"]
        true = shell.user_ns["at_peak"] / 2**20
        if true < 1_200_000_000 / 2**20:
            raise RuntimeError(f"the cell held {true:.0f} MiB only: the peak wasn't made")
        error = 100 * abs(told / true - 1)
        if error > worst["error"]:
            worst = {"error": error, "told": told, "true": true}
    return worst


_HIGH = """
high = b'1' * 1_000_000_000
with open('/proc/self/statm', 'rb') as statm:
    at_peak = int(statm.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')
time.sleep(0.005)
del high
"""
