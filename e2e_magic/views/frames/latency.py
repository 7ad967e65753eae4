"""Frames of the single calls that ``--latency`` timed: a row per trial, and their distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from e2e_magic.derived.latency import METRICS, latency
from e2e_magic.record import Record
from e2e_magic.views.frames import columns

_NO_NAMES: Mapping[str, str] = {}
_PREFIX = "latency_"


def latencies(records: Sequence[Record], names: Mapping[str, str] = _NO_NAMES) -> pd.DataFrame:
    """Return a row per trial whose single calls were timed.

    Columns: ``run stage trial repeat calls p50_s p90_s p95_s p99_s mean_s throughput_per_s
    energy_per_call_j``, and between ``p50_low_s`` and ``p50_high_s`` .. the true percentile, with 95 %
    probability; the throughput counts calls. The results frame has the same numbers as ``latency_p50_s``
    and so on.
    """
    timed = [record for record in records if record.reported.get("latency")]
    rows = [latency(record)[0] for record in timed]
    frame: dict[str, Any] = {
        "run": columns.text([names.get(record.run, record.run) for record in timed]),
        "stage": columns.text([record.stage for record in timed]),
        "trial": np.array([record.trial for record in timed], dtype=np.int64),
        "repeat": np.array([record.repeat for record in timed], dtype=np.int64),
    }
    units = {}
    for metric in METRICS:
        name = metric.name.removeprefix(_PREFIX)
        cells = [row.get(metric.name) for row in rows]
        frame[name] = np.array(cells, dtype=np.int64 if name == "calls" else np.float64)
        units[name] = metric.unit
    return columns.frame(frame, units)


def latency_distribution(records: Sequence[Record], names: Mapping[str, str] = _NO_NAMES) -> pd.DataFrame:
    """Return the latencies of single calls, ascending: ``run stage trial calls share latency_s``.

    ``share`` is that of the calls which took less: 0 for the fastest, 1 for the slowest one.
    """
    timed = [(record, raw) for record in records if (raw := record.reported.get("latency"))]
    lengths = np.array([len(raw["laps_s"]) for _, raw in timed], dtype=np.int64)
    return columns.frame(
        {
            "run": columns.labels([names.get(record.run, record.run) for record, _ in timed], lengths),
            "stage": columns.labels([record.stage for record, _ in timed], lengths),
            "trial": np.repeat(np.array([record.trial for record, _ in timed], dtype=np.int64), lengths),
            "calls": np.repeat(np.array([raw["calls"] for _, raw in timed], dtype=np.int64), lengths),
            "share": columns.joined(np.linspace(0.0, 1.0, int(size)) for size in lengths),
            "latency_s": columns.joined(raw["laps_s"] for _, raw in timed),
        },
        {"latency_s": "s"},
    )
