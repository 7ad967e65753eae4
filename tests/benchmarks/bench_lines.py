"""What `--lines` costs and how true it is, beside line_profiler and memray on the same cell.

The truth about time is the same cell without it; about memory, the arrays' own sizes. The other tools need
the extra ``benchmarks``. Figures are CPU time, so that another program on the machine adds little.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fresh
from fresh import row

ROUNDS = 7
HITS = 1_000_000
LOOP = f"for n in range({HITS // 2}):\n    m = n\n"
# A hundred steps of some ms with a few short lines beside each, as a training has.
STEPS = (
    "import numpy as np\n"
    "from sklearn.linear_model import SGDClassifier\n"
    "X = np.random.default_rng(0).random((12_000, 200))\n"
    "y = X[:, 0] > 0.5\n"
    "model = SGDClassifier(random_state=0)\n"
)
TRAINING = (
    "losses = []\n"
    "for step in range(100):\n"
    "    model.partial_fit(X, y, classes=[False, True])\n"
    "    score = model.score(X, y)\n"
    "    losses.append(1 - score)\n"
    "    best = min(losses)\n"
)
MIXED = (
    "import numpy as np\n"
    "def work(n):\n    total = 0\n    for k in range(n):\n        total += k\n    return total\n"
    "a = work(60_000)\n"
    "b = sum(range(6_000_000))\n"
    "c = np.sort(np.random.default_rng(0).random(2_000_000))\n"
)
MIB = 50_000_000 / 2**20
ARRAYS = (
    "import numpy as np\nbase = np.ones(10)\n"
    "held = np.ones(50_000_000, 'u1')\ntotal = np.ones(200_000_000, 'u1').sum()\n"
)


def run() -> list[dict[str, Any]]:
    """Return the figures of counted lines."""
    return fresh.rows_of(_cost, _truth, _peers)


def _cost() -> list[dict[str, Any]]:
    training = fresh.call("bench_lines", "beside", STEPS, TRAINING)
    loop = fresh.call("bench_lines", "beside", "", LOOP)
    return [
        row(
            "--lines on a training of 100 steps, CPU time over without",
            training["share"] * 100,
            "%",
            "<= 1 %",
        ),
        row("  its lines' sum against wall time less the counting", training["sum"] * 100, "%"),
        row(
            f"--lines on {HITS:,} hits of nothing, CPU time a hit",
            loop["added_s"] / HITS * 1e6,
            "µs",
            "<= 1 µs",
        ),
        row("  its lines' sum off wall time less the counting", loop["off"] * 100, "%", "<= 2 %"),
        row("  what it says that the counting took, of what it did", loop["said"] * 100, "%"),
    ]


def _truth() -> list[dict[str, Any]]:
    found = fresh.call("bench_lines", "memory")
    return [
        row("peak of a line that makes 50 MB and keeps them, off", found["kept"], "%", "<= 1 %"),
        row("peak of a line that makes 200 MB and lets them go, off", found["passing"], "%", "<= 1 %"),
    ]


def _peers() -> list[dict[str, Any]]:
    rows = []
    for tool in ("--lines", "line_profiler", "memray"):
        try:
            found = fresh.call("bench_lines", "peer", tool)
        except fresh.Skipped as why:
            rows.append(row(f"a cell of three loops under {tool}: {why}", None, ""))
            continue
        rows += [
            row(f"a cell of three loops under {tool}, CPU time over without", found["factor"], "x"),
            row("  its slowest line's share, as it tells it", found["share"], "%"),
            row("  a line's peak of 200 MB, as it tells it", found["peak_mib"], "MiB"),
        ]
    return rows


def _cpu(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def beside(setup: str, body: str) -> dict[str, float]:
    """Return what the counting adds to a cell, run with and without it in turn."""
    shell = _shell()
    shell.run_cell(setup).raise_error()
    plain, watched, offs, saids = [], [], [], []
    for _ in range(ROUNDS):
        plain.append(_cpu(lambda: shell.run_cell(f"%%e2ebench -q -m cpu -o kept\n{body}").raise_error()))
        watched.append(
            _cpu(lambda: shell.run_cell(f"%%e2ebench -q -m cpu --lines -o kept\n{body}").raise_error())
        )
        record = shell.user_ns["kept"].records[-1]
        wall = record.readings["wall_time_s"]
        offs.append(sum(record.lines.wall_s) / (wall - record.lines.counting_s))
        busy = record.readings["cpu_time_s"] / wall  # the rest of the time other programs had the core
        saids.append(record.lines.counting_s * busy)
    added = statistics.median(b - a for a, b in zip(plain, watched, strict=True))
    return {
        "added_s": added,
        "share": added / statistics.median(plain),
        "sum": statistics.median(offs),
        "off": abs(1 - statistics.median(offs)),
        "said": statistics.median(saids) / added if added > 0 else float("nan"),
    }


def memory() -> dict[str, float]:
    """Return by how many percent two lines' peaks are off the arrays' sizes."""
    frame = _counted(_shell(), ARRAYS)
    before, kept, passing = frame["peak_rss_mib"].tolist()[1:4]
    return {
        "kept": abs((kept - before) / MIB - 1) * 100,
        "passing": abs((passing - kept) / (4 * MIB) - 1) * 100,
    }


def peer(tool: str) -> dict[str, float | None]:
    """Return what one tool adds to a cell, and what it sees: of a fresh process."""
    if tool != "--lines" and find_spec(tool) is None:
        raise fresh.Skipped("not installed (pip install -e '.[benchmarks]')")
    shell = _shell()
    shell.run_cell(MIXED).raise_error()
    plain = min(_cpu(lambda: shell.run_cell(MIXED)) for _ in range(3))
    see = {"--lines": _ours, "line_profiler": _line_profiler, "memray": _memray}[tool]
    return see(shell, plain)


def _ours(shell: Any, plain: float) -> dict[str, float | None]:
    cost = min(_cpu(lambda: shell.run_cell(f"%%e2ebench -q --lines\n{MIXED}")) for _ in range(3))
    frame = shell.run_line_magic("e2e", "lines")
    last = frame[frame["trial"] == frame["trial"].max()]
    peaks = _counted(shell, ARRAYS)["peak_rss_mib"].tolist()
    share = float(last["wall_time_s"].max() / last["wall_time_s"].sum() * 100)
    return {"factor": cost / plain, "share": share, "peak_mib": peaks[3] - peaks[2]}


def _line_profiler(_shell: Any, plain: float) -> dict[str, float | None]:
    """Return what it adds and sees: it knows the lines of functions, so the cell becomes one."""
    from line_profiler import LineProfiler

    space: dict[str, Any] = {}
    exec(f"def cell():\n{_indented(MIXED)}", space)
    profiler = LineProfiler()
    cell = profiler(space["cell"])
    cost = min(_cpu(cell) for _ in range(3))
    spent = [each[2] for timing in profiler.get_stats().timings.values() for each in timing]
    return {"factor": cost / plain, "share": max(spent) / sum(spent) * 100, "peak_mib": None}


def _memray(shell: Any, plain: float) -> dict[str, float | None]:
    """Return what it adds and sees: bytes at the peak of the whole cell, by what allocated them."""
    import memray

    def tracked(body: str, file: Path) -> None:
        with memray.Tracker(file):
            shell.run_cell(body)

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        cost = min(_cpu(lambda n=n: tracked(MIXED, Path(folder, f"{n}.bin"))) for n in range(3))
        tracked(ARRAYS, arrays := Path(folder, "arrays.bin"))
        sizes = [each.size for each in memray.FileReader(arrays).get_high_watermark_allocation_records()]
    return {"factor": cost / plain, "share": None, "peak_mib": max(sizes) / 2**20}


def _indented(body: str) -> str:
    return "".join(f"    {line}" for line in body.splitlines(keepends=True))


def _counted(shell: Any, body: str) -> Any:
    shell.run_cell(f"%%e2ebench -q --lines -o counted\n{body}").raise_error()
    return shell.user_ns["counted"].lines


def _shell() -> Any:
    shell = fresh.shell()
    shell.run_line_magic("load_ext", "e2e_magic")
    shell.run_line_magic("e2e", "store :memory:")
    return shell
