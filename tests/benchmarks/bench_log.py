"""What a million calls of `e2e.log` cost: per call, in memory, and to draw."""

from __future__ import annotations

import gc
import statistics
import time
from typing import Any

import fresh
import psutil
from fresh import row

CALLS = 1_000_000
RUNS = 3


def run() -> list[dict[str, Any]]:
    """Return the figures of logging."""
    return fresh.rows_of(_logging, _memory)


def _logging() -> list[dict[str, Any]]:
    found = [fresh.call("bench_log", "million", CALLS) for _ in range(RUNS)]
    usual = {key: statistics.median(one[key] for one in found) for key in found[0]}
    return [
        row(f"log(loss=.., accuracy=..) in a trial, of {CALLS:,}", usual["call_us"], "us a call", "<= 5 us"),
        row("  CPU time alone", usual["cpu_us"], "us a call"),
        row("  outside a trial", usual["outside_us"], "us a call"),
        row(f"{CALLS:,} calls of log: the epochs frame", usual["frame_s"], "s"),
        row(f"{CALLS:,} calls of log: the chart, drawn as PNG", usual["chart_s"], "s", "<= 1 s"),
        row(f"{CALLS:,} calls of log: the whole card", usual["card_s"], "s"),
    ]


def _memory() -> list[dict[str, Any]]:
    memory = fresh.call("bench_log", "memory", CALLS)
    return [
        row(f"{CALLS:,} calls of log, two keys: memory kept", memory["kept_mib"], "MiB"),
        row(f"{CALLS:,} calls of log, two keys: memory at most", memory["peak_mib"], "MiB"),
    ]


def _trial(calls: int, metrics: str = "cpu") -> tuple[Any, float, float]:
    import e2e_magic as e2e

    with e2e.measure("train", metrics=metrics) as trial:
        cpu, began = time.process_time(), time.perf_counter()
        for n in range(calls):
            e2e.log(loss=1 / (n + 1), accuracy=0.9)
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    return trial, seconds, cpu_s


def million(calls: int) -> dict[str, float]:
    """Return what logging costs, and drawing it, with a short log drawn first so that all is imported."""
    import e2e_magic as e2e
    from e2e_magic.views.charts.style import png

    short, _, _ = _trial(100)
    png(short.plot("loss").figure)
    short._repr_html_()
    began = time.perf_counter()
    for _ in range(calls):
        e2e.log(loss=0.5, accuracy=0.9)
    outside = time.perf_counter() - began
    trial, seconds, cpu_s = _trial(calls)
    if len(trial.epochs) != calls:
        raise RuntimeError(f"{len(trial.epochs):,} rows of {calls:,} calls were kept")
    began = time.perf_counter()
    frame = trial.epochs
    framed = time.perf_counter()
    del frame
    drawing = time.perf_counter()
    png(trial.plot("loss").figure)
    drawn = time.perf_counter()
    trial._repr_html_()
    return {
        "call_us": seconds / calls * 1e6,
        "cpu_us": cpu_s / calls * 1e6,
        "outside_us": outside / calls * 1e6,
        "frame_s": framed - began,
        "chart_s": drawn - drawing,
        "card_s": time.perf_counter() - drawn,
    }


def memory(calls: int) -> dict[str, float]:
    """Return the MiB of resident memory that a trial with so many calls keeps, and adds at most."""
    _trial(100)
    gc.collect()
    own = psutil.Process()
    before = own.memory_info().rss
    trial, _, _ = _trial(calls, "cpu,memory")
    gc.collect()
    kept = own.memory_info().rss - before
    return {"kept_mib": kept / 2**20, "peak_mib": trial.records[-1].readings["peak_rss_mib"] - before / 2**20}
