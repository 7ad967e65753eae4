"""`e2e.latency` beside MLPerf's LoadGen, on the same call: ``python tests/benchmarks/bench_loadgen.py``.

LoadGen is ``mlcommons-loadgen`` of the extra ``benchmarks``.
"""

from __future__ import annotations

import math
import re
import statistics
import tempfile
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import e2e_magic as e2e

CALL_S = 0.004
RATE_PER_S = 100.0
DURATION_S = 20.0


def work(_batch: object) -> None:
    """Take as long as a small model; asleep, so that other programs disturb it less."""
    time.sleep(CALL_S)


def loadgen(scenario: str) -> dict[str, float]:
    """Run LoadGen over the call, one after another in a thread; return its p50, p90 and p99 in seconds."""
    import mlperf_loadgen as lg  # a package of the extra, which is seldom there

    waiting: SimpleQueue[Any] = SimpleQueue()

    def serve() -> None:
        while (sample := waiting.get()) is not None:
            work(None)
            lg.QuerySamplesComplete([lg.QuerySampleResponse(sample, 0, 0)])

    server = threading.Thread(target=serve)
    server.start()
    settings = lg.TestSettings()
    settings.scenario = getattr(lg.TestScenario, scenario)
    settings.mode = lg.TestMode.PerformanceOnly
    settings.min_duration_ms = settings.max_duration_ms = round(DURATION_S * 1000)
    settings.min_query_count = 662
    settings.server_target_qps = RATE_PER_S
    settings.server_target_latency_ns = 10**9
    settings.single_stream_expected_latency_ns = round(CALL_S * 1e9)

    def issue(samples: Any) -> None:
        for sample in samples:
            waiting.put(sample.id)

    under_test = lg.ConstructSUT(issue, lambda: None)
    library = lg.ConstructQSL(64, 64, lambda _: None, lambda _: None)
    with tempfile.TemporaryDirectory() as folder:
        output = lg.LogOutputSettings()
        output.outdir, output.copy_summary_to_stdout = folder, False
        logs = lg.LogSettings()
        logs.log_output, logs.enable_trace = output, False
        lg.StartTestWithLogSettings(under_test, library, settings, logs)
        summary = Path(folder, "mlperf_log_summary.txt").read_text()
    waiting.put(None)
    server.join()
    lg.DestroyQSL(library)
    lg.DestroySUT(under_test)
    found = re.findall(r"(\d\d)\.00 percentile latency \(ns\)\s*:\s*(\d+)", summary)
    return {f"p{q}": int(ns) * 1e-9 for q, ns in found}


def ours(options: dict[str, Any]) -> Any:
    """Run `e2e.latency` over the call, handed to a thread as LoadGen hands it; return its only row."""
    waiting: SimpleQueue[Any] = SimpleQueue()
    done: SimpleQueue[Any] = SimpleQueue()

    def serve() -> None:
        while (batch := waiting.get()) is not None:
            work(batch)
            done.put(batch)

    def handed(batch: object) -> None:
        waiting.put(batch)
        done.get()

    server = threading.Thread(target=serve)
    server.start()
    try:
        found = e2e.latency(handed, range(64), batch_size=1, duration=DURATION_S, **options)
    finally:
        waiting.put(None)
        server.join()
    return found.frame.iloc[0]


def run() -> list[dict[str, Any]]:
    """Measure both in the order ABBA, one scenario after the other; takes three minutes.

    The p99 of one run of LoadGen has an error of its own, as large as ours: the two of them are to lie around
    or in our intervals together, not each in each.
    """
    rows = []
    scenarios: dict[str, dict[str, Any]] = {
        "SingleStream": {},
        "Server": {"scenario": "server", "rate": RATE_PER_S},
    }
    for scenario, options in scenarios.items():
        theirs = [loadgen(scenario)]
        mine = [ours(options), ours(options)]
        theirs.append(loadgen(scenario))
        p50 = [
            statistics.median(one[name] for one in some) for some, name in ((mine, "p50_s"), (theirs, "p50"))
        ]
        low = min(one["p99_low_s"] for one in mine)
        high = max(math.inf if math.isnan(one["p99_high_s"]) else one["p99_high_s"] for one in mine)
        rows += [
            {
                "what": f"LoadGen's {scenario}: p50 beside ours, {1e3 * p50[0]:.3g} ms",
                "value": round(100 * abs(p50[0] / p50[1] - 1), 2),
                "unit": "% apart",
                "target": "<= 5",
            },
            {
                "what": f"LoadGen's {scenario}: p99; ours {1e3 * low:.3g} to {1e3 * high:.3g} ms",
                "value": round(1e3 * statistics.median(one["p99"] for one in theirs), 3),
                "unit": "ms",
                "target": f"<= {1e3 * high:.3f}",
            },
        ]
    return rows


if __name__ == "__main__":
    for figure in run():
        print(figure)
