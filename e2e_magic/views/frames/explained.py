"""What the trials of sweeps say: how much each parameter explains, and which settings nothing beats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from e2e_magic.derived.declarations import better_of
from e2e_magic.derived.influence import explained
from e2e_magic.derived.pareto import unbeaten
from e2e_magic.measuring.plan import PlanError, nearest
from e2e_magic.record import Better
from e2e_magic.views.frames import columns, schema
from e2e_magic.views.frames.ratios import METRICS, parameters

NO_SWEEP = "no trials of a sweep: %%e2esweep STAGE NAME=VALUES makes some"


def influence(
    trials: pd.DataFrame, *, x: str | Sequence[str] | None = None, y: str | Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the share of each metric's spread that each parameter explains.

    Parameters
    ----------
    trials : DataFrame
        The trials frame; only complete trials count. Each stage is taken by itself.
    x, y : str or sequence of str, optional
        Only these parameters (without ``param_``) and metrics.

    Returns
    -------
    DataFrame
        ``stage metric param share share_low share_high chance levels trials binned reason``, per stage
        and metric the largest share first; in words in ``attrs["summary"]``, and by stage
        and metric in ``attrs["sentences"]``. See `derived.influence`
        for what a share is, and what it isn't.

    Raises
    ------
    PlanError
        For a parameter or metric that there is not, with the nearest word.
    """
    chosen = _chosen("parameter", x, [name.removeprefix("param_") for name in parameters(trials)])
    known = numbers(trials)
    wanted = _chosen("metric", y, known, filled(trials, known))
    complete = trials[(trials["state"] == "complete").to_numpy(dtype=bool)]
    if not wanted:
        first = trials.attrs.get("metric")
        names = dict.fromkeys([*([str(first)] if first else []), *METRICS])
        wanted = [name for name in names if name in complete and complete[name].notna().any()]
    rows: list[dict[str, Any]] = []
    sentences: dict[str, dict[str, str]] = {}
    stages = list(dict.fromkeys(complete["stage"].astype(object)))
    for stage in stages:
        some = complete[(complete["stage"].astype(object) == stage).to_numpy(dtype=bool)]
        params = [name.removeprefix("param_") for name in parameters(some)]
        for metric in wanted:
            values = as_numbers(some[metric])
            here: list[dict[str, Any]] = []
            for name in params:
                if chosen and name not in chosen:
                    continue
                found = explained(some[f"param_{name}"].tolist(), values.tolist())
                here.append({"stage": str(stage), "metric": metric, "param": name, "found": found})
            here.sort(key=_least_last)
            rows += here
            if here:
                sentences.setdefault(str(stage), {})[metric] = _sentence(str(stage), metric, here)
    made = _frame(rows)
    made.attrs["sentences"] = sentences
    lines = (sentence for of_stage in sentences.values() for sentence in of_stage.values())
    made.attrs["summary"] = "\n".join(lines) or NO_SWEEP
    return made


def _least_last(row: dict[str, Any]) -> float:
    share: float = row["found"].share
    return 1.0 if math.isnan(share) else -share


def _sentence(stage: str, metric: str, rows: Sequence[dict[str, Any]]) -> str:
    parts = []
    for row in rows:
        found = row["found"]
        if math.isnan(found.share):
            parts.append(f"{row['param']}: {found.reason}")
            continue
        by_chance = f", {100 * found.chance:.0f} % by chance alone" if found.share < 3 * found.chance else ""
        parts.append(
            f"{row['param']} explains {100 * found.share:.0f} % "
            f"({100 * found.low:.0f} to {100 * found.high:.0f} %{by_chance})"
        )
    return f"{stage}, spread of {metric}: {'; '.join(parts)}"


def _frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    made: dict[str, Any] = {
        name: columns.text([row[name] for row in rows]) for name in ("stage", "metric", "param")
    }
    for column, name in (
        ("share", "share"),
        ("share_low", "low"),
        ("share_high", "high"),
        ("chance", "chance"),
    ):
        made[column] = np.array([getattr(row["found"], name) for row in rows], dtype=np.float64)
    for name in ("levels", "trials"):
        made[name] = np.array([getattr(row["found"], name) for row in rows], dtype=np.int64)
    made["binned"] = pd.array([row["found"].binned for row in rows], dtype="boolean")
    made["reason"] = columns.text([row["found"].reason or None for row in rows])
    return columns.frame(made)


def pareto(trials: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """Return the settings of sweeps, marked where nothing beats them in two metrics.

    Parameters
    ----------
    trials : DataFrame
        The trials frame; only complete trials count. Repeats of a setting count as their median.
    x, y : str
        Two metrics, of each of which one direction is better, such as ``package_energy_j`` and ``accuracy``.

    Returns
    -------
    DataFrame
        A row per setting: ``stage``, ``param_NAME`` .., the two metrics, ``repeats``, ``unbeaten``; those
        that nothing beats first, by `x`. In words in ``attrs["summary"]``.

    Raises
    ------
    PlanError
        For a metric that there is not, or of which neither direction is better.
    """
    known = numbers(trials)
    for name in (x, y):
        _chosen("metric", name, known, filled(trials, known))
    if x == y:
        raise PlanError(f"pareto: expected two different metrics, got {x!r} twice")
    better = (direction(x), direction(y))
    settled = settings(trials, [x, y])
    settled["unbeaten"] = unbeaten(settled[x].tolist(), settled[y].tolist(), *better)
    order = np.lexsort((settled[x].to_numpy(), ~settled["unbeaten"].to_numpy(dtype=bool)))
    settled = settled.iloc[order].reset_index(drop=True)
    settled.attrs["units"] = schema.units([x, y])
    settled.attrs |= {"better": dict(zip((x, y), better, strict=True))}
    settled.attrs["summary"] = _beaten_by_none(settled, better, x, y)
    return settled


def _beaten_by_none(settled: pd.DataFrame, better: Sequence[Better], x: str, y: str) -> str:
    if not len(settled):
        return NO_SWEEP
    have = [np.isfinite(settled[name].to_numpy(dtype=float)) for name in (x, y)]
    both = int((have[0] & have[1]).sum())
    if not both:
        nowhere = [name for name, there in zip((x, y), have, strict=True) if not there.any()]
        why = f": no trial has {' or '.join(nowhere)}; %e2e metrics says what isn't measured and why"
        return f"no setting has both {x} and {y}{why if nowhere else ''}"
    best = int(settled["unbeaten"].sum())
    words = {"lower": "less", "higher": "more"}
    lacking = len(settled) - both
    more = f"; {lacking} more lack{'s' * (lacking == 1)} one of the two" if lacking else ""
    return (
        f"{best} of {both} setting{'s' * (both > 1)} {'is' if best == 1 else 'are'} beaten by none "
        f"({words[better[0]]} {x}, {words[better[1]]} {y}){more}"
    )


def settings(trials: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Return the median of metrics over the complete trials of each setting, and how many there were."""
    complete = trials[(trials["state"] == "complete").to_numpy(dtype=bool)]
    names = parameters(complete)
    cells = [complete["stage"].astype(object).tolist(), *(complete[name].tolist() for name in names)]
    keys = [repr(key) for key in zip(*cells, strict=True)]  # a parameter may be a list
    first = {key: n for n, key in reversed(list(enumerate(keys)))}
    order = {key: n for n, key in enumerate(dict.fromkeys(keys))}
    groups = np.array([order[key] for key in keys], dtype=np.int64)
    table = pd.DataFrame({name: as_numbers(complete[name]) for name in metrics})
    medians = table.groupby(groups).median()
    made = complete.iloc[[first[key] for key in order]][["stage", *names]].reset_index(drop=True)
    for name in metrics:
        made[name] = medians[name].to_numpy(dtype=float) if len(medians) else np.empty(0)
    made["repeats"] = np.bincount(groups, minlength=len(order)) if order else np.empty(0, dtype=np.int64)
    made.attrs = {}
    return made


def direction(metric: str) -> Better:
    """Return which direction of a metric is better.

    Raises
    ------
    PlanError
        If neither is, or none is declared.
    """
    better = better_of(metric)
    if better is None:
        raise PlanError(
            f"pareto: of {metric} neither less nor more is known to be better; "
            "take metrics such as accuracy, loss, wall_time_s, peak_rss_mib or package_energy_j"
        )
    return better


def numbers(trials: pd.DataFrame) -> list[str]:
    """Return the metrics of a trials frame: its columns of numbers that are neither names nor parameters."""
    left_out = {*schema.IDENTITY, "concurrent"}
    return [
        str(name)
        for name in trials.columns
        if name not in left_out
        and not str(name).startswith("param_")
        and pd.api.types.is_numeric_dtype(trials[name].dtype)
    ]


def as_numbers(column: pd.Series[Any]) -> Any:
    """Return a column as floats, NaN where it is missing."""
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def _chosen(
    what: str, value: str | Sequence[str] | None, known: Sequence[str], shown: Sequence[str] = ()
) -> list[str]:
    """Return what was named as a list; the error lists `shown`, as a frame has columns without values."""
    if value is None:
        return []
    names = [value] if isinstance(value, str) else list(value)
    for name in names:
        if name not in known:
            raise PlanError(
                f"there is no {what} {name!r}{nearest(str(name), known)}; "
                f"there are {', '.join(shown or known)}"
                if known
                else f"there is no {what} {name!r}: {NO_SWEEP}"
            )
    return names


def filled(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return those of the columns that hold a value."""
    return [name for name in names if bool(frame[name].notna().any())]
