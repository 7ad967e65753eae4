"""Which settings of a sweep nothing beats in two to four metrics at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from e2e_magic.derived.declarations import better_of
from e2e_magic.derived.pareto import unbeaten
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Better
from e2e_magic.views import naming
from e2e_magic.views.frames import schema
from e2e_magic.views.frames.cold_starts import cold_starts
from e2e_magic.views.frames.influences import NO_SWEEP

MOST_METRICS = 4


def pareto(trials: pd.DataFrame, *metrics: str) -> pd.DataFrame:
    """Return the settings of sweeps, marked where nothing beats them in two to four metrics at once.

    Parameters
    ----------
    trials : DataFrame
        The trials frame; only complete trials count. Repeats of a setting count as their median.
    *metrics : str
        Two to four, of each of which one direction is better, such as ``package_energy_j`` and ``accuracy``.

    Returns
    -------
    DataFrame
        A row per setting: ``stage``, ``param_NAME`` .., the metrics, ``repeats``, ``unbeaten``; those that
        nothing beats first, by the first metric. ``attrs["summary"]`` has it in words.

    Raises
    ------
    PlanError
        For an unknown metric, one of which neither direction is better, one named twice, or too many.
    """
    numbers = schema.numbers(trials)
    listed = schema.filled(trials, numbers)
    if not 2 <= len(metrics) <= MOST_METRICS:
        raise PlanError(f"pareto: expected two to four metrics, got {len(metrics)}")
    naming.chosen("there is no metric", list(metrics), numbers, f": {NO_SWEEP}", listed=listed)
    for name in metrics:
        if metrics.count(name) > 1:
            raise PlanError(f"pareto: expected different metrics, got {name!r} twice")
    better = [direction(name) for name in metrics]
    front = settings(trials, metrics)
    front["unbeaten"] = unbeaten([front[name].tolist() for name in metrics], better)
    order = np.lexsort((front[metrics[0]].to_numpy(), ~front["unbeaten"].to_numpy(dtype=bool)))
    front = front.iloc[order].reset_index(drop=True)
    front.attrs["units"] = schema.units(metrics)
    front.attrs |= {"better": dict(zip(metrics, better, strict=True))}
    cold = cold_starts(schema.complete(trials), metrics)
    front.attrs["summary"] = _beaten_by_none(front, front.attrs["better"]) + (f"; {cold}" if cold else "")
    return front


def _beaten_by_none(front: pd.DataFrame, better: Mapping[str, Better]) -> str:
    if not len(front):
        return NO_SWEEP
    have = {name: np.isfinite(front[name].to_numpy(dtype=float)) for name in better}
    whole = int(np.logical_and.reduce(list(have.values())).sum())
    if not whole:
        nowhere = [name for name, there in have.items() if not there.any()]
        why = f": no trial has {' or '.join(nowhere)}; %e2e metrics says what isn't measured and why"
        *some, last = better
        listed = f"{'both ' if len(some) == 1 else ''}{', '.join(some)} and {last}"
        return f"no setting has {listed}{why if nowhere else ''}"
    best = int(front["unbeaten"].sum())
    words = {"lower": "less", "higher": "more"}
    wanted = ", ".join(f"{words[direction]} {name}" for name, direction in better.items())
    lacking = len(front) - whole
    count = {2: "two", 3: "three", 4: "four"}[len(better)]
    more = f"; {lacking} more lack{'s' * (lacking == 1)} one of the {count}" if lacking else ""
    return (
        f"{best} of {whole} setting{'s' * (whole > 1)} {'is' if best == 1 else 'are'} beaten by none "
        f"({wanted}){more}"
    )


def settings(trials: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Return the median of metrics over the complete trials of each setting, and how many there were."""
    complete = schema.complete(trials)
    names = schema.parameters(complete)
    cells = [complete["stage"].astype(object).tolist(), *(complete[name].tolist() for name in names)]
    keys = [repr(key) for key in zip(*cells, strict=True)]  # a parameter may be a list
    first = {key: n for n, key in reversed(list(enumerate(keys)))}
    order = {key: n for n, key in enumerate(dict.fromkeys(keys))}
    groups = np.array([order[key] for key in keys], dtype=np.int64)
    table = pd.DataFrame({name: schema.floats(complete[name]) for name in metrics})
    medians = table.groupby(groups).median()
    rows = complete.iloc[[first[key] for key in order]][["stage", *names]].reset_index(drop=True)
    for name in metrics:
        rows[name] = medians[name].to_numpy(dtype=float) if len(medians) else np.empty(0)
    rows["repeats"] = np.bincount(groups, minlength=len(order)) if order else np.empty(0, dtype=np.int64)
    rows.attrs = {}
    return rows


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
