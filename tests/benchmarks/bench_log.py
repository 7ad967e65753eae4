"""What a million calls of `e2e.log` cost: per call, in memory, and to draw."""

from __future__ import annotations

import gc
import statistics
import time
import tracemalloc
from typing import Any

import fresh
from fresh import row

CALLS = 1_000_000
RUNS = 3


def run() -> list[dict[str, Any]]:
    """Return the figures of logging."""
    found = [fresh.call("bench_log", "million", CALLS) for _ in range(RUNS)]
    memory = fresh.call("bench_log", "memory", CALLS)
    usual = {key: statistics.median(one[key] for one in found) for key in found[0]}
    million = f"{CALLS:,} calls of log(loss=.., accuracy=..)"
    return [
        row(f"log(loss=.., accuracy=..) in a trial, of {CALLS:,}", usual["call_us"], "us a call", "<= 5 us"),
        row("the same outside a trial", usual["outside_us"], "us a call"),
        row(f"{million}: memory kept", memory["kept_mib"], "MiB"),
        row(f"{million}: memory at most", memory["peak_mib"], "MiB"),
        row(f"{million}: epochs() frame", usual["frame_s"], "s"),
        row(f"{million}: the chart, drawn as PNG", usual["chart_s"], "s", "<= 1 s"),
        row(f"{million}: the whole card", usual["card_s"], "s"),
    ]


def _trial(calls: int) -> tuple[Any, float]:
    import e2e_magic as e2e

    with e2e.measure("train", metrics="cpu") as trial:
        began = time.perf_counter()
        for n in range(calls):
            e2e.log(loss=1 / (n + 1), accuracy=0.9)
        seconds = time.perf_counter() - began
    return trial, seconds


def million(calls: int) -> dict[str, float]:
    """Return what logging costs, and drawing it, with a short log drawn first so that all is imported."""
    import e2e_magic as e2e
    from e2e_magic.charts.style import png

    short, _ = _trial(100)
    png(short.plot("loss").figure)
    short._repr_html_()
    began = time.perf_counter()
    for _ in range(calls):
        e2e.log(loss=0.5, accuracy=0.9)
    outside = time.perf_counter() - began
    trial, seconds = _trial(calls)
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
        "outside_us": outside / calls * 1e6,
        "frame_s": framed - began,
        "chart_s": drawn - drawing,
        "card_s": time.perf_counter() - drawn,
    }


def memory(calls: int) -> dict[str, float]:
    """Return the MiB that a trial with so many calls keeps, and its peak, as Python allocated them."""
    _trial(100)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    trial, _ = _trial(calls)
    gc.collect()
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    if not trial.records:
        raise RuntimeError("the trial left no record")
    return {"kept_mib": (kept - before) / 2**20, "peak_mib": (peak - before) / 2**20}
