"""Runs against a baseline: a row per stage, metric and run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from e2e_magic.derived.comparison import (
    OF_WALL_TIME,
    OPEN,
    Compared,
    compared,
    unless_unvaried,
    unless_waiting,
)
from e2e_magic.derived.declarations import better_of, declared
from e2e_magic.derived.failures import FAILED, Failures
from e2e_magic.derived.many_comparisons import is_share, settled
from e2e_magic.derived.paired import paired
from e2e_magic.measuring.inner_loop import SHORT_S
from e2e_magic.text import digits, legible
from e2e_magic.views.frames import columns, interleaving, schema
from e2e_magic.views.frames.cold_starts import cold_starts

# Where a trial may have come to nothing: its loss diverged, or it never reached its target.
_DIVERGE = ("loss", "accuracy", "val_loss", "val_accuracy")
_TO_TARGET = ("time_to_accuracy_s", "epochs_to_accuracy", "energy_to_accuracy_j")
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
    least: float | None = None,
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
    least : float, optional
        The smallest share that matters: see `verdicts.matters`.

    Returns
    -------
    DataFrame, list of str
        The rows in order of the stages' first start; what a reader should know besides, in words. In
        ``attrs``, a place per row: ``p_adjusted``, and ``change``, the interval of the difference as a share
        of the baseline; ``failures``, by stage and run; ``order``, what is said of the order of the trials;
        ``in_blocks``, whether any were measured in blocks: those are compared block by block.
    """
    complete = schema.complete(results).sort_values("started_at", kind="stable")
    labels = settings(complete)
    run = complete["run"].astype(object).to_numpy()
    values = {name: schema.floats(complete[name]) for name in metrics if name in complete}
    before, waited, wall = (
        schema.floats(complete[name]) for name in ("rss_start_mib", "waited_s", "wall_time_s")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        share = waited / wall
    lost = {name: lost_trials(complete, name) for name in values}
    started, block = complete["started_at"].to_numpy(), interleaving.keys(complete)
    with_parameters = complete[schema.parameters(complete)].notna().to_numpy().any(axis=1)
    rows: list[tuple[dict[str, Any], Compared]] = []
    order_of: list[interleaving.Order] = []
    restates: list[int | None] = []
    held: list[int] = []
    alone = 0
    for stage in dict.fromkeys(labels):
        here = labels == stage
        first = here & (run == baseline)
        for other in runs:
            second = here & (run == other)
            if first.any() != second.any() and (here & with_parameters).any():
                alone += 1
                continue
            if not first.any() and not second.any():
                continue  # tried in a third run only
            tested: dict[str, int] = {}
            blocks = interleaving.in_blocks(block, first, second, started)
            in_order = interleaving.order_of(blocks, first, second, started)
            for name, column in values.items():
                beyond = lost[name]
                a, b = column[first & ~beyond], column[second & ~beyond]
                worst = (int(beyond[first].sum()), int(beyond[second].sum()))
                if not named and np.isnan(a).all() and np.isnan(b).all():
                    continue
                both = first | second
                earlier = (n for one, n in tested.items() if _restates(values[one][both], column[both]))
                restates.append(next(earlier, None) if name in OF_WALL_TIME else None)
                if restates[-1] is None:
                    tested[name] = len(rows)
                if blocks is None:
                    comparison = compared(a, b, name, (baseline, other), worst=worst)
                else:
                    end = -np.inf if better_of(name) == "higher" else np.inf
                    comparison = paired(*blocks.values(column, beyond, end), name, (baseline, other))
                if blocks is None or not interleaving.waited_alike((share[first], share[second])):
                    waits = ((baseline, share[first]), (other, share[second]))
                    comparison = unless_waiting(comparison, name, waits)
                if _of_quality(name) and not any(worst):
                    comparison = unless_unvaried(comparison, a, b)
                if name == "peak_rss_mib" and _was_there(comparison, before[first], before[second]):
                    held.append(len(rows))
                identity = {"stage": stage, "metric": name, "baseline": baseline, "run": other}
                rows.append(({**identity, "better": better_of(name)}, comparison))
                order_of.append(in_order)
    notes = _left_out(results, (baseline, *runs))
    first_note = len(notes)
    if short := _short(complete, wall):
        notes.append(short)
    if cold := cold_starts(complete, dict.fromkeys(identity["metric"] for identity, _ in rows)):
        notes.append(cold)
    if alone:
        one = alone == 1
        notes.append(
            f"{alone} setting{'' if one else 's'} of a sweep {'was' if one else 'were'} tried in one of two "
            f"runs only and {'is' if one else 'are'} left out"
        )
    metrics_of = [identity["metric"] for identity, _ in rows]
    judged, adjusted = settled([comparison for _, comparison in rows], metrics_of, restates, least)
    claimed = [rows[n][0] for n in held if judged[n].verdict not in OPEN]
    there = [(str(identity["stage"]), str(identity["run"])) for identity in claimed]
    if there:
        notes.insert(
            first_note,
            "peak memory counts what the process held before the trial, and most of the difference was there "
            f"already: {', '.join(map(_said, there))}; restart the kernel between runs to compare peaks",
        )
    frame = _frame(
        [{**identity, **_fields(row)} for (identity, _), row in zip(rows, judged, strict=True)], order
    )
    frame.attrs["p_adjusted"] = adjusted
    frame.attrs["order"] = interleaving.said(
        [(row[0]["stage"], row[1], order) for row, order in zip(rows, order_of, strict=True)]
    )
    frame.attrs["in_blocks"] = "blocks" in order_of
    frame.attrs["held"] = there
    frame.attrs["failures"] = _failures(results, (baseline, *runs))
    frame.attrs["change"] = [(row.change_low, row.change_high) for row in judged]
    return frame, notes


def lost_trials(complete: pd.DataFrame, metric: str) -> Any:
    """Return which complete trials are worse than any value of a metric, as an array of bool.

    Those that diverged are, in loss and accuracy; those that missed their target, in what reaching it takes.
    """
    flag = "target_missed" if metric in _TO_TARGET else "diverged" if metric in _DIVERGE else ""
    if flag not in complete:
        return np.zeros(len(complete), dtype=np.bool_)
    return (schema.floats(complete[flag]) == 1) & ~np.isfinite(schema.floats(complete[metric]))


def _failures(results: pd.DataFrame, runs: Sequence[str]) -> dict[tuple[str, str], Failures]:
    """Count the trials that came to nothing, by stage and run."""
    labels = settings(results)
    run, state = (results[name].astype(object).to_numpy() for name in ("run", "state"))
    flags = {
        word: schema.floats(results[name]) == 1 if name in results else np.zeros(len(results), dtype=np.bool_)
        for word, name in (("diverged", "diverged"), ("missed the target", "target_missed"))
    }
    words = {**flags, **{word: state == name for name, word in FAILED.items()}}
    counts_at_all = np.isin(state, ("complete", *FAILED))
    anything = np.logical_or.reduce(list(words.values()))
    counted = {}
    for stage in dict.fromkeys(labels):
        for name in runs:
            here = (labels == stage) & (run == name) & counts_at_all
            counts = {word: int((flag & here).sum()) for word, flag in words.items()}
            counted[str(stage), str(name)] = Failures(int(here.sum()), counts, int((anything & here).sum()))
    return counted


def _said(place: tuple[str, str]) -> str:
    return " of ".join(map(legible, place))


def _restates(first: Any, second: Any) -> bool:
    """Return whether a metric is another one times, or divided into, the same number in all trials."""
    with np.errstate(all="ignore"):
        for each in (second / first, second * first):
            if len(each) and np.isfinite(each).all() and each.max() - each.min() <= 1e-9 * abs(each).max():
                return True
    return False


def newest_cells(
    results: pd.DataFrame, sources: Sequence[object], names: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Leave out the trials of an edited cell's older versions, in these runs.

    Parameters
    ----------
    results : DataFrame
        The results frame.
    sources : sequence
        What stands for each row's source; None where it has none.
    names : sequence of str
        The runs that are compared.

    Returns
    -------
    DataFrame, list of str
        The rows that count: of each stage of a run those of the source that ran last. Which stages have
        others, and of how many trials, in words.
    """
    run, stage = (results[name].astype(object).to_numpy() for name in ("run", "stage"))
    order = np.argsort(results["started_at"].to_numpy(), kind="stable").tolist()
    last = {(run[n], stage[n]): sources[n] for n in order if sources[n] is not None}
    older = np.array(
        [
            sources[n] is not None and sources[n] != last[run[n], stage[n]] and run[n] in names
            for n in range(len(results))
        ],
        dtype=bool,
    )
    counted = Counter(zip(run[older], stage[older], strict=True))
    edited = [f"{legible(str(s))} of {legible(str(r))} ({count})" for (r, s), count in counted.items()]
    notes = [f"the cell was edited, and trials of its older source are left out: {', '.join(edited)}"]
    return results[~older], notes if edited else []


def _of_quality(metric: str) -> bool:
    """Return whether a metric says how good a model is, which one seed decides: no time, no cost."""
    known = declared().get(metric)
    return is_share(metric) or (known is not None and known.group == "quality" and not known.unit)


def _was_there(comparison: Compared, baseline: Any, other: Any) -> bool:
    """Return whether most of a peak memory difference existed before the trials: MiB at their starts."""
    if comparison.verdict not in ("more", "less") or np.isnan(baseline).all() or np.isnan(other).all():
        return False
    moved = float(np.nanmedian(other) - np.nanmedian(baseline))
    return moved / (comparison.median - comparison.median_baseline) > 0.5


def _short(complete: pd.DataFrame, wall: Any) -> str:
    """Return a sentence on the stages too short to be measured by a single execution; empty for none."""
    once = ~(schema.floats(complete["number"]) > 1)
    stages = dict.fromkeys(complete["stage"].astype(object)[once & (wall < SHORT_S)])
    if not stages:
        return ""
    return (
        f"shorter than 1 ms, so that measuring is a part of it: {', '.join(map(legible, stages))}; --number "
        "auto "
        "executes it many times"
    )


def _left_out(results: pd.DataFrame, runs: Sequence[str]) -> list[str]:
    """Return a sentence on how many trials of each run don't count because they did not complete."""
    run, state = (results[name].astype(object).to_numpy() for name in ("run", "state"))
    counted = [
        f"{int(here.sum())} {word} of {legible(name)}"
        for name in runs
        for word in dict.fromkeys(state)
        if word != "complete" and (here := (run == name) & (state == word)).any()
    ]
    return [f"trials that did not complete are left out: {', '.join(counted)}"] if counted else []


def settings(frame: pd.DataFrame) -> Any:
    """Return each trial's stage, with its parameters where it has some: ``train (lr=0.1)``."""
    labels = np.array(frame["stage"].astype(object), dtype=object)
    texts: list[list[str]] = [[] for _ in range(len(frame))]
    for name in schema.parameters(frame):
        absent = frame[name].isna().to_numpy(dtype=bool)
        for n, (value, gone) in enumerate(zip(frame[name], absent, strict=True)):
            if not gone:
                texts[n].append(f"{name.removeprefix('param_')}={spelled(value)}")
    for n, words in enumerate(texts):
        if words:
            labels[n] = f"{labels[n]} ({', '.join(words)})"
    return labels


def spelled(value: Any) -> str:
    """Return a parameter's value as a text."""
    return digits(float(value)) if isinstance(value, float | np.floating) else str(value)


def _fields(comparison: Compared) -> dict[str, Any]:
    return {
        "n_baseline": comparison.n_baseline,
        "n": comparison.n,
        "median_baseline": comparison.median_baseline,
        "median": comparison.median,
        "ratio": comparison.ratio,
        "ratio_low": comparison.ratio_low,
        "ratio_high": comparison.ratio_high,
        "p_value": comparison.p_value,
        "test": comparison.test or None,
        "verdict": comparison.verdict,
        "repeats_needed": comparison.repeats_needed,
        "reason": comparison.reason or None,
    }


_TEXT = frozenset(("stage", "metric", "baseline", "run", "test", "verdict", "better", "reason"))


def _frame(rows: Sequence[dict[str, Any]], order: Sequence[str]) -> pd.DataFrame:
    table: dict[str, Any] = {}
    for name in order:
        cells = [row[name] for row in rows]
        if name in _TEXT:
            table[name] = columns.text(cells)
        elif name == "repeats_needed":
            table[name] = columns.integers(cells)
        elif name in ("n", "n_baseline"):
            table[name] = np.array(cells, dtype=np.int64)
        else:
            table[name] = np.array(cells, dtype=np.float64)
    return columns.frame(table)
