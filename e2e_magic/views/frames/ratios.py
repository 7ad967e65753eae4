"""Runs against a baseline: a row per stage, metric and run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from e2e_magic.derived.comparison import Compared, compared
from e2e_magic.derived.declarations import better_of
from e2e_magic.text import digits, legible
from e2e_magic.views.frames import columns

# Compared unless a metric is named, where there are values.
METRICS = (
    "wall_time_s", "cpu_time_s", "peak_rss_mib", "package_energy_j", "psys_energy_j", "gpu_energy_j", "loss",
    "accuracy", "time_to_accuracy_s", "latency_s", "throughput_per_s",
)  # fmt: skip


def ratios(
    results: pd.DataFrame,
    baseline: str,
    runs: Sequence[str],
    metrics: Sequence[str],
    order: Sequence[str],
    *,
    named: bool = False,
) -> tuple[pd.DataFrame, list[str]]:
    """Compare runs with a baseline in every stage and metric.

    Parameters
    ----------
    results : DataFrame
        The results frame of these runs.
    baseline : str
        The run to compare with.
    runs : sequence of str
        The others.
    metrics : sequence of str
        Columns; those without any value in a stage are left out there unless `named`.
    order : sequence of str
        The columns of the frame, in order.
    named : bool
        The metrics were asked for by name: a row also where neither side has a value.

    Returns
    -------
    DataFrame, list of str
        The rows in order of the stages' first start; what a reader should know besides, in words.
    """
    complete = results[(results["state"] == "complete").to_numpy(dtype=bool)]
    complete = complete.sort_values("started_at", kind="stable")
    labels = settings(complete)
    run = complete["run"].astype(object).to_numpy()
    values = {
        name: pd.to_numeric(complete[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        for name in metrics
        if name in complete
    }
    before = pd.to_numeric(complete["rss_start_mib"], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    rows: list[dict[str, Any]] = []
    held: list[str] = []
    alone = 0
    for stage in dict.fromkeys(labels):
        here = labels == stage
        first = here & (run == baseline)
        for other in runs:
            second = here & (run == other)
            if first.any() != second.any() and parameters(complete[here]):
                alone += 1
                continue
            if not first.any() and not second.any():
                continue  # tried in a third run only
            for name, column in values.items():
                a, b = column[first], column[second]
                if not named and np.isnan(a).all() and np.isnan(b).all():
                    continue
                found = compared(a, b, name, (baseline, other))
                if name == "peak_rss_mib" and _was_there(found, before[first], before[second]):
                    held.append(f"{legible(stage)} of {legible(other)}")
                rows.append(
                    {
                        "stage": stage,
                        "metric": name,
                        "baseline": baseline,
                        "run": other,
                        "better": better_of(name),
                        **_fields(found),
                    }
                )
    notes = _left_out(results, (baseline, *runs))
    if held:
        notes.append(
            "peak memory counts what the process held before the trial, and most of the difference was there "
            f"already: {', '.join(held)}; restart the kernel between runs to compare peaks"
        )
    if alone:
        one = alone == 1
        notes.append(
            f"{alone} setting{'' if one else 's'} of a sweep {'was' if one else 'were'} tried in one of two "
            f"runs only and {'is' if one else 'are'} left out"
        )
    hosts = {
        str(name): set(complete.loc[run == name, "host"].dropna().astype(str)) for name in (baseline, *runs)
    }
    if len(set().union(*hosts.values())) > 1:
        notes.append(
            "measured on different hosts ("
            + "; ".join(
                f"{legible(name)} on {legible(', '.join(sorted(found)))}"
                for name, found in hosts.items()
                if found
            )
            + "): times, memory and energy differ for that alone"
        )
    return _frame(rows, order), notes


def _was_there(found: Compared, baseline: Any, other: Any) -> bool:
    """Tell whether most of a difference in peak memory stood before the trials began: MiB at their starts."""
    if found.verdict not in ("more", "less") or np.isnan(baseline).all() or np.isnan(other).all():
        return False
    moved = float(np.nanmedian(other) - np.nanmedian(baseline))
    return moved / (found.median - found.median_baseline) > 0.5


def _left_out(results: pd.DataFrame, runs: Sequence[str]) -> list[str]:
    """Say how many trials of each run don't count because they came to no end."""
    state = results["state"].astype(object)
    names = results["run"].astype(object)[(state != "complete").to_numpy(dtype=bool)]
    counted = [f"{count} of {legible(name)}" for name in runs if (count := int((names == name).sum()))]
    return [f"trials that failed or were interrupted are left out: {', '.join(counted)}"] if counted else []


def parameters(frame: pd.DataFrame) -> list[str]:
    """Return the columns of parameters that any trial has."""
    names = [str(name) for name in frame.columns if str(name).startswith("param_")]
    return [name for name in names if frame[name].notna().any()]


def settings(frame: pd.DataFrame) -> Any:
    """Return each trial's stage, with its parameters where it has some: ``train (lr=0.1)``."""
    labels = np.array(frame["stage"].astype(object), dtype=object)
    said: list[list[str]] = [[] for _ in range(len(frame))]
    for name in parameters(frame):
        absent = frame[name].isna().to_numpy(dtype=bool)
        for n, (value, gone) in enumerate(zip(frame[name], absent, strict=True)):
            if not gone:
                said[n].append(f"{name.removeprefix('param_')}={_spelled(value)}")
    for n, words in enumerate(said):
        if words:
            labels[n] = f"{labels[n]} ({', '.join(words)})"
    return labels


def _spelled(value: Any) -> str:
    return digits(float(value)) if isinstance(value, float | np.floating) else str(value)


def _fields(found: Compared) -> dict[str, Any]:
    return {
        "n_baseline": found.n_baseline,
        "n": found.n,
        "median_baseline": found.median_baseline,
        "median": found.median,
        "ratio": found.ratio,
        "ratio_low": found.ratio_low,
        "ratio_high": found.ratio_high,
        "p_value": found.p_value,
        "test": found.test or None,
        "verdict": found.verdict,
        "repeats_needed": found.repeats_needed,
        "reason": found.reason or None,
    }


_TEXT = frozenset(("stage", "metric", "baseline", "run", "test", "verdict", "better", "reason"))


def _frame(rows: Sequence[dict[str, Any]], order: Sequence[str]) -> pd.DataFrame:
    made: dict[str, Any] = {}
    for name in order:
        cells = [row[name] for row in rows]
        if name in _TEXT:
            made[name] = columns.text(cells)
        elif name == "repeats_needed":
            made[name] = columns.integers(cells)
        elif name in ("n", "n_baseline"):
            made[name] = np.array(cells, dtype=np.int64)
        else:
            made[name] = np.array(cells, dtype=np.float64)
    return columns.frame(made)
