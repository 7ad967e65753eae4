"""The same cell twice beside a busy core: ``python tests/benchmarks/bench_ab.py --pairs 60``.

How many pairs of ten repeats the real magics call different: as two runs, one after the other, and in
balanced blocks. There is no difference: every verdict that claims one is false.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PAIRS = 60
REPEATS = 10
METRICS = ("wall_time_s", "cpu_time_s", "peak_rss_mib")
_CELL = "values = [n * n % 1009 for n in range(120_000)]\nvalues.sort()"
_OPEN = ("no difference seen", "no difference that matters", "too few repeats", "can't tell")


def _busy() -> None:
    """Keep a core busy for times that nobody knows beforehand, with pauses."""
    source = random.Random()
    while True:
        until = time.perf_counter() + source.uniform(0.2, 3.0)
        while time.perf_counter() < until:
            sum(range(1000))
        time.sleep(source.uniform(0.1, 1.5))


@contextmanager
def busy_core() -> Iterator[None]:
    """Return a context beside which another process keeps a core busy."""
    process = multiprocessing.get_context("spawn").Process(target=_busy, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def false_verdicts(pairs: int) -> dict[str, Counter[str]]:
    """Return how many pairs are called different, by order and metric; ``any`` is any of them."""
    os.environ["E2E_MAGIC_STORE"] = ":memory:"
    from IPython.core.interactiveshell import InteractiveShell

    import e2e_magic as e2e

    shell: Any = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "e2e_magic")
    shell.run_cell(f"%%e2ebench warm --repeat 3 -q\n{_CELL}").raise_error()
    false: dict[str, Counter[str]] = {"sequential": Counter(), "balanced": Counter()}
    for pair in range(pairs):
        for side in ("a", "b"):
            e2e.run(f"{side}{pair}")
            shell.run_cell(f"%%e2ebench work --repeat {REPEATS} -m cpu,memory -q\n{_CELL}").raise_error()
        compared = shell.run_line_magic(
            "e2e", f"compare a{pair} b{pair} --stage work --metric {','.join(METRICS)}"
        )
        _count(false["sequential"], compared)
        e2e.run(f"c{pair}")
        shell.run_cell(
            f"%%e2esweep work variant=0,1 --repeat {REPEATS} --order balanced -m cpu,memory -q\n"
            f"variant\n{_CELL}"
        ).raise_error()
        compared = shell.run_line_magic(
            "e2e", f"compare c{pair} --by variant --stage work --metric {','.join(METRICS)}"
        )
        _count(false["balanced"], compared)
    return false


def _count(counter: Counter[str], compared: Any) -> None:
    claimed = [row.metric for row in compared.frame.itertuples() if row.verdict not in _OPEN]
    undecided = [row.metric for row in compared.frame.itertuples() if row.verdict == "can't tell"]
    counter.update(claimed)
    counter.update(f"{metric} can't tell" for metric in undecided)
    counter["any"] += bool(claimed)


def run(pairs: int = PAIRS) -> list[dict[str, Any]]:
    """Measure, and return the rows of the table."""
    with busy_core():
        false = false_verdicts(pairs)
    rows = []
    for order, counter in false.items():
        for metric in (*METRICS, "any"):
            undecided = counter[f"{metric} can't tell"]
            also = f", {undecided} can't tell" if undecided else ""
            rows.append(
                {
                    "what": f"{order}, {pairs} pairs of {REPEATS}: false verdicts in {metric}{also}",
                    "value": 100 * counter[metric] / pairs,
                    "unit": "%",
                    "target": "< 6" if order == "balanced" and metric != "any" else "",
                }
            )
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"comparisons of each kind ({PAIRS})")
    asked = parser.parse_args()
    sys.stdout.write(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    for row in run(asked.pairs):
        sys.stdout.write(f"{row['what']}: {row['value']:.1f} {row['unit']} {row['target']}\n")
