"""Frames as the package makes them, and a guard: a chart leaves no figure and no setting behind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Compare the global state of matplotlib before and after each test."""
    before = dict(mpl.rcParams)
    yield
    assert before == dict(mpl.rcParams)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


@pytest.fixture
def samples() -> Callable[..., pd.DataFrame]:
    """Make a samples frame: each metric's values at t_s = 0.1, 0.2, .."""

    def make(run: str = "r", stage: str = "train", trial: int = 1, **metrics: Any) -> pd.DataFrame:
        parts = [
            pd.DataFrame(
                {
                    "run": run,
                    "stage": stage,
                    "trial": trial,
                    "metric": name,
                    "t_s": 0.1 * np.arange(1, len(values) + 1),
                    "value": values,
                }
            )
            for name, values in metrics.items()
        ]
        return pd.concat(parts, ignore_index=True)

    return make


@pytest.fixture
def results() -> Callable[..., pd.DataFrame]:
    """Make a results frame, one complete trial per stage, a minute apart."""

    def make(stages: list[str], **columns: Any) -> pd.DataFrame:
        n = len(stages)
        frame = pd.DataFrame(
            {
                "run": "r",
                "stage": stages,
                "trial": 1,
                "repeat": 1,
                "state": "complete",
                "started_at": pd.date_range("2026-01-01", periods=n, freq="min", tz="UTC"),
                "wall_time_s": np.arange(1.0, n + 1),
                "cpu_time_s": np.arange(1.0, n + 1) / 2,
                "peak_rss_mib": 100.0 * np.arange(1, n + 1),
            }
        )
        return frame.assign(**columns)

    return make


@pytest.fixture
def epochs() -> Callable[..., pd.DataFrame]:
    """Make an epochs frame of one trial; an epoch takes 2 s."""

    def make(run: str = "r", stage: str = "train", trial: int = 1, **logged: Any) -> pd.DataFrame:
        n = len(next(iter(logged.values())))
        epoch = np.arange(1, n + 1)
        return pd.DataFrame(
            {"run": run, "stage": stage, "trial": trial, "epoch": epoch, "t_s": 2.0 * epoch, **logged}
        )

    return make


@pytest.fixture
def confusions() -> Callable[..., pd.DataFrame]:
    """Make a confusions frame from a square of counts."""

    def make(classes: Any, counts: Any, trial: int = 1) -> pd.DataFrame:
        n = len(classes)
        return pd.DataFrame(
            {
                "run": "r",
                "stage": "validate",
                "trial": trial,
                "true": np.repeat(np.asarray(classes, dtype=object), n),
                "predicted": np.tile(np.asarray(classes, dtype=object), n),
                "count": np.ravel(counts),
            }
        )

    return make


@pytest.fixture
def latencies() -> pd.DataFrame:
    """Give the frame of a latency measurement over four batch sizes."""
    return pd.DataFrame(
        {
            "scenario": "single_stream",
            "batch_size": [1, 8, 32, 128],
            "p50_s": [0.001, 0.003, 0.009, np.nan],
            "p90_s": [0.0012, 0.0035, 0.01, np.nan],
            "p95_s": [0.0013, 0.004, 0.011, np.nan],
            "p99_s": [0.002, 0.005, np.nan, np.nan],
            "mean_s": [0.0011, 0.0031, 0.0091, 0.04],
            "throughput_per_s": [900.0, 2500.0, 3500.0, 3300.0],
        }
    )
