"""The stages of a run side by side: what each takes, its share of the whole, the bottleneck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from e2e_magic.derived import pipeline as shares
from e2e_magic.record import Record
from e2e_magic.views.diagnosis import Diagnosis
from e2e_magic.views.frames import columns, schema
from e2e_magic.views.frames.rows import results

_NO_NAMES: Mapping[str, str] = {}
_METRICS = (
    "wall_time_s",
    "cpu_time_s",
    "peak_rss_mib",
    "package_energy_j",
    "dram_energy_j",
    "gpu_energy_j",
    "estimated_energy_j",
)
# Only where it was measured: it stands in for the package.
_PLATFORM = "psys_energy_j"


def own_executions(results: pd.DataFrame) -> pd.DataFrame:
    """Leave out the trials of sweeps where a stage also ran by itself: they are not its repeats."""
    swept = results["sweep"].notna().to_numpy(dtype=bool)
    run, stage = (results[name].astype(object).to_numpy() for name in ("run", "stage"))
    single = set(zip(run[~swept], stage[~swept], strict=True))
    kept = [not s or key not in single for s, key in zip(swept, zip(run, stage, strict=True), strict=True)]
    return results[np.array(kept, dtype=bool)]


def told_apart(records: Sequence[Record]) -> list[Record]:
    """Return the trials with each cell of a stage as a stage of its own: ``train``, ``train, cell 2``.

    Different cells are no repeats of each other. Cells count by the first execution of their source within
    a run; trials without a source belong to the first.
    """
    cells: dict[tuple[str, str], dict[str, int]] = {}
    apart = []
    for record in sorted(records, key=lambda record: record.started_at):
        sources = cells.setdefault((record.run, record.stage), {})
        if record.source is not None:
            sources.setdefault(record.source, len(sources) + 1)
    for record in records:
        number = cells[record.run, record.stage].get(record.source or "", 1)
        apart.append(record if number == 1 else replace(record, stage=f"{record.stage}, cell {number}"))
    return apart


def pipeline(records: Sequence[Record], names: Mapping[str, str] = _NO_NAMES) -> pd.DataFrame:
    """Return a row per stage, in the order of first execution, each run by itself.

    Parameters
    ----------
    records : sequence of Record
    names : mapping of str to str
        The runs' names by id.

    Returns
    -------
    DataFrame
        ``run stage trials state``; ``wall_time_s cpu_time_s peak_rss_mib package_energy_j
        dram_energy_j gpu_energy_j estimated_energy_j`` (and ``psys_energy_j`` where that is all) as the
        median over the stage's complete trials (over all of them where none is: ``state`` says which);
        ``share`` of the run's summed wall time, 0 to 1; ``bottleneck``; ``finding``, the strongest of the
        stage's last execution (see `derived.findings`). ``attrs["summary"]`` has it in words: a line per run.
    """
    # By id, for two runs may share a name.
    apart = told_apart(records)
    table = own_executions(results(apart))
    metrics = [*_METRICS, *([_PLATFORM] if _PLATFORM in table else [])]
    keys, rows = _medians(table, metrics)
    share: dict[tuple[str, str], float] = {}
    slowest: set[tuple[str, str]] = set()
    sentences = []
    ids = list(dict.fromkeys(run for run, _ in keys))
    for run in ids:
        seconds = {stage: rows[run, stage]["wall_time_s"] for r, stage in keys if r == run}
        summary = shares.summary(seconds)
        share |= {(run, stage): part for stage, part in summary.shares.items()}
        if summary.bottleneck is not None:
            slowest.add((run, summary.bottleneck))
        sentences.append(summary.sentence if len(ids) == 1 else f"{names.get(run, run)}: {summary.sentence}")
    found = {
        (each.run, each.stage): each.found[0].sentence for each in Diagnosis.of(apart).stages if each.found
    }
    cells: dict[str, Any] = {
        "run": columns.text([names.get(run, run) for run, _ in keys]),
        "stage": columns.text([stage for _, stage in keys]),
        "trials": np.array([rows[key]["trials"] for key in keys], dtype=np.int64),
        "state": columns.text([rows[key]["state"] for key in keys]),
        **{name: columns.floats([rows[key][name] for key in keys]) for name in metrics},
        "share": columns.floats([share.get(key) for key in keys]),
        "bottleneck": pd.array([key in slowest for key in keys], dtype="boolean"),
        "finding": columns.text([found.get(key) for key in keys]),
    }
    frame = columns.frame(cells, schema.units(metrics))
    frame.attrs["summary"] = "\n".join(sentences)
    return frame


def _medians(
    frame: pd.DataFrame, metrics: Sequence[str]
) -> tuple[list[tuple[str, str]], dict[tuple[str, str], dict[str, Any]]]:
    """Compute each stage's medians over its complete trials, else over all its trials.

    Returns
    -------
    list of (run's id, stage), and what each of them takes
        Runs, and the stages within them, in the order of their first start.
    """
    frame = frame.sort_values("started_at", kind="stable")
    rows = {}
    for key, trials in frame.groupby(["run", "stage"], sort=False):
        complete = trials["state"] == "complete"
        chosen = trials[complete] if complete.any() else trials
        rows[str(key[0]), str(key[1])] = {
            "trials": len(trials),
            "state": str(chosen["state"].iloc[-1]),
            **{name: _median(chosen[name]) for name in metrics},
        }
    runs = {run: n for n, run in enumerate(dict.fromkeys(run for run, _ in rows))}
    return sorted(rows, key=lambda key: runs[key[0]]), rows


def _median(column: pd.Series[Any]) -> float:
    """Return the median of the values present; missing for no values, without calling numpy."""
    values = schema.floats(column)
    present = values[~np.isnan(values)]
    with np.errstate(over="ignore"):  # at the end of what floats can hold
        return float(np.median(present)) if len(present) else np.nan
