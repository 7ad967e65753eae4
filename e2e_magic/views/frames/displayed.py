"""Which columns of a frame a reader sees first, and which fold; the frame itself holds all, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

# Of a row per trial: what it was and what it cost, before everything else that it has.
_WHO = ("stage", "trial")
_COST = ("wall_time_s", "cpu_time_s", "peak_rss_mib", "state")
# What measuring and bookkeeping need, and parts of a whole that is shown.
_MACHINERY = frozenset((
    "sweep", "repeat", "started_at", "overhead_s", "display_s", "waited_s", "cpu_user_s", "cpu_system_s",
    "rss_start_mib", "rss_delta_mib", "peak_tree_rss_mib", "peak_tree_pss_mib", "energy_source",
    "gpu_source", "samples", "missed_samples", "host",
))  # fmt: skip
# Folded where every row has this value.
_USUAL: Mapping[str, object] = {"cold": False, "number": 1, "concurrent": False}
_OF_RUNS = frozenset(("packages", "notebook"))
_NONE_OF = frozenset(("failed", "interrupted", "killed", "over_limit", "pruned"))  # folded where all are 0


def arranged(frame: pd.DataFrame, filled: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the positions of the columns to show, in order, and those to fold.

    Parameters
    ----------
    frame : DataFrame
        Rows of trials or runs are arranged; any other frame is shown as it is.
    filled : sequence of int
        The positions of the columns that hold anything.
    """
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        return list(filled), []
    if _is_of_runs(names):
        idle = {n for n in filled if names[n] in _NONE_OF and not frame.iloc[:, n].any()}
        away = [n for n in filled if names[n] in _OF_RUNS or n in idle]
        return [n for n in filled if n not in away], away
    if not _is_of_trials(names):
        return list(filled), []
    one_run = len(frame) and frame["run"].nunique() == 1 if "run" in names else False
    folded = [
        n
        for n in filled
        if names[n] in _MACHINERY
        or (names[n] == "run" and one_run)
        or (names[n] in _USUAL and bool((frame.iloc[:, n] == _USUAL[names[n]]).all()))
    ]
    order = {name: n for n, name in enumerate(first(frame))}
    shown = [n for n in filled if n not in folded]
    shown.sort(key=lambda n: order.get(names[n], len(order) + (names[n] == "error")))  # the longest: last
    return shown, folded


def is_arranged(frame: pd.DataFrame) -> bool:
    """Return whether a frame's rows are trials or runs, of which a text shows as many columns as fit."""
    names = [str(name) for name in frame.columns]
    return _is_of_trials(names) or _is_of_runs(names)


def _is_of_trials(names: Sequence[str]) -> bool:
    return {"stage", "trial", "state", "wall_time_s"} <= set(names)


def _is_of_runs(names: Sequence[str]) -> bool:
    return {"run", "id", "packages"} <= set(names)


def first(frame: pd.DataFrame) -> list[str]:
    """Return the columns that stand first: stage, parameters, what the sweeps are about, costs and state."""
    parameters = [str(name) for name in frame.columns if str(name).startswith("param_")]
    return list(dict.fromkeys(["run", *_WHO, *parameters, *targets(frame), *_COST]))


def targets(frame: pd.DataFrame) -> list[str]:
    """Return the metrics by which a frame of sweeps is ranked, those of the first rows first; else none."""
    ranked = [frame.attrs.get("metric"), *(frame.attrs.get("targets") or {}).values()]
    return [name for name in dict.fromkeys(ranked) if isinstance(name, str) and name in frame]
