"""The same cells under the other tools: what each adds, slows down and sees.

Needs the extra: ``pip install -e ".[benchmarks]"``. Each figure comes from a fresh process with one tool.
"""

from __future__ import annotations

import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fresh
import psutil
from fresh import row

NOOP_ROUNDS = 30
BLOCKS = 12
BLOCK_S = 0.4
# What the tools with a sampling thread or process are set to, so that they are asked the same.
INTERVAL_S = 0.1


class Tool(ABC):
    """One tool as its documentation says to use it, at a sampling interval of `INTERVAL_S`."""

    name: str
    module: str = ""

    def __init__(self, shell: Any) -> None:
        self.shell = shell

    def load(self) -> None:  # noqa: B027 - some need nothing
        """Make it ready; the time that this takes is one of the figures."""

    def switch(self, on: bool) -> None:  # noqa: B027 - most measure nothing outside of their cells
        """Start or stop what runs beside all cells."""

    @abstractmethod
    def cell(self, body: str) -> str:
        """Return the cell that measures `body`."""

    def peak_mib(self) -> float | None:
        """Return the highest memory of the last cell as the tool tells it; None if it tells none."""
        return None

    def instants(self) -> list[float] | None:
        """Return when samples were taken in the last cell, in s on any clock; None if it tells none."""
        return None


class Ours(Tool):
    """Ours, without its card."""

    name = "e2e_magic"
    module = "e2e_magic"

    def load(self) -> None:
        self.shell.run_line_magic("load_ext", "e2e_magic")

    def cell(self, body: str) -> str:
        return f"%%e2ebench -q -i {INTERVAL_S} -o measured\n{body}"

    def peak_mib(self) -> float | None:
        return float(self._record().readings["peak_rss_mib"])

    def instants(self) -> list[float] | None:
        return list(self._record().series["rss_mib"].t_s)

    def _record(self) -> Any:
        return self.shell.user_ns["measured"].records[-1]


class Time(Tool):
    """IPython's own."""

    name = "%%time"
    module = "IPython"

    def cell(self, body: str) -> str:
        return f"%%time\n{body}"


class MemoryProfiler(Tool):
    """Its ``%%memit``, which runs a process to sample."""

    name = "memory_profiler"
    module = "memory_profiler"

    def load(self) -> None:
        self.shell.run_line_magic("load_ext", "memory_profiler")

    def cell(self, body: str) -> str:
        # As a line in the cell, since what a cell magic returns is displayed, not kept.
        return f"told = get_ipython().run_cell_magic('memit', '-q -o -i {INTERVAL_S}', {body!r})"

    def peak_mib(self) -> float | None:
        return float(max(self.shell.user_ns["told"].mem_usage))


class Pyinstrument(Tool):
    """Its magic, which shows a call tree."""

    name = "pyinstrument"
    module = "pyinstrument"

    def load(self) -> None:
        self.shell.run_line_magic("load_ext", "pyinstrument")

    def cell(self, body: str) -> str:
        return f"%%pyinstrument\n{body}"


class CodeCarbon(Tool):
    """A task per cell of an offline tracker, which estimates power by itself where it can't be read."""

    name = "CodeCarbon"
    module = "codecarbon"

    def load(self) -> None:
        from codecarbon import OfflineEmissionsTracker

        self.shell.user_ns["tracker"] = OfflineEmissionsTracker(
            country_iso_code="DEU", save_to_file=False, measure_power_secs=1, log_level="error"
        )

    def cell(self, body: str) -> str:
        return f"tracker.start_task('cell')\n{body}\ntracker.stop_task() and None"


class MLflow(Tool):
    """A run per cell with the metrics of the machine, on a local SQLite file."""

    name = "MLflow system metrics"
    module = "mlflow"

    def load(self) -> None:
        import mlflow

        mlflow.set_tracking_uri("sqlite:///mlflow.db")
        mlflow.set_system_metrics_sampling_interval(INTERVAL_S)
        mlflow.set_system_metrics_samples_before_logging(1)
        with mlflow.start_run():  # the first one makes the database: 20 s
            pass
        self.shell.user_ns["mlflow"] = mlflow

    def cell(self, body: str) -> str:
        inner = "\n    ".join(body.strip().splitlines())
        return f"with mlflow.start_run(log_system_metrics=True) as told:\n    {inner}"

    def peak_mib(self) -> float | None:
        history = self._history()
        return max((point.value for point in history), default=None)

    def instants(self) -> list[float] | None:
        return [point.timestamp * 1e-3 for point in self._history()]

    def _history(self) -> list[Any]:
        client = self.shell.user_ns["mlflow"].MlflowClient()
        run = self.shell.user_ns["told"].info.run_id
        return list(client.get_metric_history(run, "system/system_memory_usage_megabytes"))


class Jumper(Tool):
    """JUmPER, whose collector runs all the time and knows when cells began and ended."""

    name = "JUmPER"
    module = "jumper_extension"

    def load(self) -> None:
        self.shell.run_line_magic("load_ext", "jumper_extension")
        self.switch(on=True)
        self._ran = (0.0, 0.0)
        self.shell.events.register("pre_run_cell", self._begin)
        self.shell.events.register("post_run_cell", self._end)

    def cell(self, body: str) -> str:
        return body

    def peak_mib(self) -> float | None:
        frame = self._frame()
        # It counts in GB of 1024 ** 3.
        return None if frame.empty else float(frame["memory"].max()) * 1024

    def instants(self) -> list[float] | None:
        return list(self._frame()["time"])

    def switch(self, on: bool) -> None:
        if on:
            self.shell.run_line_magic("perfmonitor_start", str(INTERVAL_S))
        else:
            self.shell.run_line_magic("perfmonitor_stop", "")

    def _begin(self, _info: object) -> None:
        self._ran = (time.perf_counter(), 0.0)

    def _end(self, _result: object) -> None:
        self._ran = (self._ran[0], time.perf_counter())

    def _frame(self) -> Any:
        began, ended = self._ran
        time.sleep(0.5)  # its reader of what the collector wrote
        self.shell.run_line_magic("perfmonitor_export_perfdata", "--level process --name told")
        frame = self.shell.user_ns["told"]
        return frame[frame["time"].between(began, ended)]


TOOLS: dict[str, type[Tool]] = {
    tool.name: tool for tool in (Ours, Time, MemoryProfiler, Pyinstrument, CodeCarbon, MLflow, Jumper)
}


def run() -> list[dict[str, Any]]:
    """Return the figures of each tool that is installed."""
    found: list[dict[str, Any]] = []
    for name, tool in TOOLS.items():
        if find_spec(tool.module) is None:
            found.append(row(name, f"skipped: {tool.module} is not installed (extra: benchmarks)", ""))
            continue
        for part in (_loading, _noop, _cpu_bound, _peak, _gil):
            try:
                found += part(name)
            except (RuntimeError, OSError, fresh.Skipped) as why:
                found.append(row(f"{name}: {part.__name__.strip('_')}", f"failed: {why}", ""))
    return found


def _loading(name: str) -> list[dict[str, Any]]:
    loads = [fresh.call("bench_peers", "load", name)]
    while len(loads) < 3 and loads[0]["seconds"] < 5:  # a slow one is as slow each time
        loads.append(fresh.call("bench_peers", "load", name))
    return [
        row(f"{name}: load", statistics.median(one["seconds"] for one in loads) * 1e3, "ms"),
        row(f"{name}: memory of loading", statistics.median(one["mib"] for one in loads), "MiB"),
    ]


def _noop(name: str) -> list[dict[str, Any]]:
    return [row(f"{name}: added to a no-op cell", fresh.call("bench_peers", "noop", name, NOOP_ROUNDS), "ms")]


def _cpu_bound(name: str) -> list[dict[str, Any]]:
    value, spread = fresh.call("bench_peers", "cpu_bound", name, BLOCKS)
    return [row(f"{name}: CPU-bound cell slower by (+- {spread:.2g} %)", value, "%")]


def _peak(name: str) -> list[dict[str, Any]]:
    told, true = fresh.call("bench_peers", "peak", name)
    said = "no peak" if told is None else f"{told:,.0f} / {true:,.0f}"
    return [
        row(f"{name}: a peak of 1 GB for 5 ms on 200 MB, told / true", said, "" if told is None else "MiB")
    ]


def _gil(name: str) -> list[dict[str, Any]]:
    got, due = fresh.call("bench_peers", "gil", name)
    said = "no samples" if got is None else f"{got} of {due}"
    return [row(f"{name}: samples in 2 s of a C call with the GIL", said, "")]


def _ready(name: str) -> tuple[Any, Tool]:
    shell = fresh.shell()
    tool = TOOLS[name](shell)
    tool.load()
    tool.switch(on=False)
    return shell, tool


def _timed(shell: Any, cell: str) -> Callable[[], float]:
    def once() -> float:
        seconds = fresh.run_cell(shell, cell)
        shell.display_pub.outputs.clear()
        return seconds

    return once


def _switched(tool: Tool, once: Callable[[], float]) -> Callable[[], float]:
    def with_it() -> float:
        tool.switch(on=True)
        try:
            return once()
        finally:
            tool.switch(on=False)

    return with_it


def load(name: str) -> dict[str, float]:
    """Return the seconds and the MiB that making the tool ready takes, processes that it starts included."""
    shell = fresh.shell()
    own = psutil.Process()
    before = own.memory_info().rss
    tool = TOOLS[name](shell)
    began = time.perf_counter()
    tool.load()
    seconds = time.perf_counter() - began
    children = sum(child.memory_info().rss for child in own.children(recursive=True))
    return {"seconds": seconds, "mib": (own.memory_info().rss - before + children) / 2**20}


def noop(name: str, rounds: int) -> float:
    """Return the ms that the tool adds to a cell that does nothing."""
    shell, tool = _ready(name)
    once = _switched(tool, _timed(shell, tool.cell("pass")))
    for _ in range(3):
        once()
    plain, measured = fresh.interleaved([_timed(shell, "pass"), once], rounds)
    return (statistics.median(measured) - statistics.median(plain)) * 1e3


def cpu_bound(name: str, blocks: int) -> tuple[float, float]:
    """Return how much slower a CPU-bound cell is, in %, with half its 95 % interval."""
    shell, tool = _ready(name)
    fresh.run_cell(shell, _WORK)
    one = min(fresh.run_cell(shell, "done = work(1000)") for _ in range(5)) / 1000
    body = f"done = work({max(1, round(BLOCK_S / one))})"
    plain = _timed(shell, body)
    cells = [plain, _switched(tool, _timed(shell, tool.cell(body))), plain]
    before, measured, after = fresh.interleaved(cells, blocks)
    ratios = [
        100 * (mine / ((one + other) / 2) - 1)
        for one, mine, other in zip(before, measured, after, strict=True)
    ]
    return fresh.middle(ratios)


def peak(name: str) -> tuple[float | None, float]:
    """Return the peak that the tool tells and the true one, in MiB."""
    if not Path("/proc/self/statm").exists():
        raise fresh.Skipped("the truth is read from /proc/self/statm")
    shell, tool = _ready(name)
    fresh.run_cell(shell, "import os, time\nbase = b'1' * 200_000_000")
    tool.switch(on=True)
    fresh.run_cell(shell, tool.cell(_HIGH))
    return tool.peak_mib(), shell.user_ns["at_peak"] / 2**20


def gil(name: str) -> tuple[int | None, int]:
    """Return the samples got within a C call of 2 s that holds the GIL, and those due."""
    shell, tool = _ready(name)
    began = time.perf_counter()
    sum(range(10_000_000))
    count = round(2 * 10_000_000 / (time.perf_counter() - began))
    body = f"began = time.perf_counter()\ndone = sum(range({count}))\nlasted = time.perf_counter() - began"
    fresh.run_cell(shell, "import time")
    tool.switch(on=True)
    fresh.run_cell(shell, tool.cell(body))
    instants = tool.instants()
    due = int(shell.user_ns["lasted"] / INTERVAL_S)
    return (None if instants is None else min(len(instants), due)), due


_WORK = """
def work(rounds):
    total = 0
    for n in range(rounds):
        total += sum([i * i % 7 for i in range(200)])
    return total
"""

_HIGH = """
high = b'1' * 1_000_000_000
with open('/proc/self/statm', 'rb') as statm:
    at_peak = int(statm.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')
time.sleep(0.005)
del high
"""
