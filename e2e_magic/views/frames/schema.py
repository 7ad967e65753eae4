"""The columns of the results frame: order, kinds and units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from e2e_magic.derived.declarations import declared
from e2e_magic.measuring.collectors.base import BUILT_IN, registered
from e2e_magic.record import Metric
from e2e_magic.text import unit_in_name

IDENTITY = ("run", "stage", "sweep", "trial", "repeat", "state", "error", "started_at")
GROUPS: dict[str, tuple[str, ...]] = {
    "time": ("wall_time_s", "overhead_s", "display_s", "waited_s", "cold", "number"),
    "cpu": ("cpu_time_s", "cpu_user_s", "cpu_system_s", "cpu_percent"),
    "memory": ("rss_start_mib", "peak_rss_mib", "rss_delta_mib", "peak_tree_rss_mib", "peak_tree_pss_mib"),
    "io": ("read_mib", "write_mib"),
    "energy": (
        "package_energy_j",
        "dram_energy_j",
        "gpu_energy_j",
        "mean_power_w",
        "net_energy_j",
        "estimated_energy_j",
        "energy_source",
    ),
    "gpu": ("gpu_time_s", "gpu_percent", "gpu_peak_memory_mib"),
    "rates": ("entries", "latency_s", "throughput_per_s"),
    "quality": (
        "loss",
        "best_loss",
        "accuracy",
        "best_accuracy",
        "epochs",
        "epochs_to_accuracy",
        "time_to_accuracy_s",
        "precision",
        "recall",
        "f1",
        "tp",
        "tn",
        "fp",
        "fn",
    ),
    "sampling": ("samples", "missed_samples"),
}
# The columns that every results frame has between the parameters and the sweeps' own.
CONTRACT = tuple(name for names in GROUPS.values() for name in names)
# How a parameter whose value is None appears in a column: missing means that the trial lacks the parameter.
NONE = "None"
INTEGERS = frozenset(
    ("entries", "epochs", "epochs_to_accuracy", "tp", "tn", "fp", "fn", "samples", "missed_samples", "number")
)
TEXTS = frozenset(("energy_source", "gpu_source", "gc"))
TRUTHS = frozenset(("cold",))
NUMBERS = tuple(name for name in CONTRACT if name not in TEXTS | TRUTHS)


def third_party() -> list[str]:
    """Return the metrics that other packages' collectors declare as columns, in order."""
    return [
        metric.name
        for name, cls in registered().items()
        if name not in BUILT_IN
        for metric in _metrics(cls)
        if not metric.curve
    ]


def _metrics(cls: object) -> Iterable[Metric]:
    return (metric for metric in getattr(cls, "metrics", ()) if isinstance(metric, Metric))


def units(names: Iterable[str]) -> dict[str, str]:
    """Return the unit of each column that has one: as its metric declares it, else as its name implies."""
    metrics = declared()
    each = {name: metrics[name].unit if name in metrics else unit_in_name(name) for name in names}
    return {name: unit for name, unit in each.items() if unit}


def parameters(frame: pd.DataFrame) -> list[str]:
    """Return the columns of parameters that any trial has."""
    return filled(frame, [str(name) for name in frame.columns if str(name).startswith("param_")])


def numbers(frame: pd.DataFrame) -> list[str]:
    """Return the metrics: the columns of numbers that are neither names nor parameters."""
    left_out = {*IDENTITY, "concurrent", *TRUTHS}
    return [
        str(name)
        for name in frame.columns
        if name not in left_out
        and not str(name).startswith("param_")
        and pd.api.types.is_numeric_dtype(frame[name].dtype)
    ]


def filled(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return those of the columns that hold a value."""
    return [name for name in names if bool(frame[name].notna().any())]


def complete(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the complete trials."""
    return frame[(frame["state"] == "complete").to_numpy(dtype=bool)]


def floats(column: pd.Series[Any]) -> Any:
    """Return a column as an array of floats, NaN where it is missing."""
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
