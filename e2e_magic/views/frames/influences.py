"""What the parameters of a sweep explain of each metric's spread over its trials, alone and in pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from e2e_magic.derived.comparison import LEVEL
from e2e_magic.derived.influence import MOST_IN_PAIRS, Explained, influences
from e2e_magic.text import digits, percent
from e2e_magic.views import naming
from e2e_magic.views.frames import columns, schema
from e2e_magic.views.frames.cold_starts import cold_starts
from e2e_magic.views.frames.comparisons import METRICS

NO_SWEEP = "no trials of a sweep: %%e2esweep STAGE NAME=VALUES makes some"
# With fewer trials than these, that nothing is seen says nothing.
LEAST_TO_TELL = 8


def influence(
    trials: pd.DataFrame, *, x: str | Sequence[str] | None = None, y: str | Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the share of each metric's spread that each parameter explains, and each pair beyond both.

    Parameters
    ----------
    trials : DataFrame
        The trials frame; only complete trials count. Each stage is taken by itself.
    x, y : str or sequence of str, optional
        Only these parameters (without ``param_``) and pairs of them, and metrics.

    Returns
    -------
    DataFrame
        ``stage metric param share share_low share_high p_value p_adjusted levels trials binned confounded
        reason``, per stage and metric the largest share first; a pair's interaction stands in ``param`` as
        ``lr:batch_size``. ``confounded`` names the parameters that were changed together with this one.
        ``p_adjusted`` accounts for the number of rows per stage and metric. In words in
        ``attrs["summary"]``, and by stage and metric in ``attrs["sentences"]``. See
        `derived.influence.influences` for what a share is, and what it isn't.

    Raises
    ------
    PlanError
        For an unknown parameter or metric; the error names the nearest one.
    """
    params = [name.removeprefix("param_") for name in schema.parameters(trials)]
    chosen = naming.chosen("there is no parameter", x, params, f": {NO_SWEEP}")
    numbers = schema.numbers(trials)
    listed = schema.filled(trials, numbers)
    wanted = naming.chosen("there is no metric", y, numbers, f": {NO_SWEEP}", listed=listed)
    complete = schema.complete(trials)
    if not wanted:
        first = trials.attrs.get("metric")
        usual = dict.fromkeys([*([str(first)] if first else []), *METRICS])
        wanted = [name for name in usual if name in complete and complete[name].notna().any()]
    rows: list[dict[str, Any]] = []
    sentences: dict[str, dict[str, str]] = {}
    stages = list(dict.fromkeys(complete["stage"].astype(object)))
    for stage in stages:
        some = complete[(complete["stage"].astype(object) == stage).to_numpy(dtype=bool)]
        names = [name.removeprefix("param_") for name in schema.parameters(some)]
        cells = {name: _cells(some[f"param_{name}"]) for name in names}
        of = [name for name in names if not chosen or name in chosen]
        for metric in wanted if of else ():
            effects = influences(cells, schema.floats(some[metric]).tolist(), of=of)
            effects.sort(key=_least_last)
            adjusted = _adjusted([effect.p_value for effect in effects])
            rows += [
                {"stage": str(stage), "metric": metric, "effect": effect, "p_adjusted": p_value}
                for effect, p_value in zip(effects, adjusted, strict=True)
            ]
            parts = [
                *map(_worded, effects, adjusted),
                *_confounded(effects),
                f"pairs of more than {MOST_IN_PAIRS} parameters are not looked at: name some with -x"
                if len(of) > MOST_IN_PAIRS
                else "",
                cold_starts(some, [metric]),
            ]
            words = "; ".join(filter(None, parts))
            sentences.setdefault(str(stage), {})[metric] = f"{stage}, spread of {metric}: {words}"
    table = _frame(rows)
    table.attrs["sentences"] = sentences
    lines = (sentence for of_stage in sentences.values() for sentence in of_stage.values())
    table.attrs["summary"] = "\n".join(lines) or NO_SWEEP
    return table


def _cells(column: pd.Series[Any]) -> list[Any]:
    """Return a parameter's values: None where that was its value, NaN where a trial hasn't the parameter."""
    absent = column.isna().to_numpy(dtype=bool)
    return [
        math.nan if gone else None if isinstance(value, str) and value == schema.NONE else value
        for value, gone in zip(column.tolist(), absent, strict=True)
    ]


def _least_last(effect: Explained) -> tuple[float, int]:
    return 1.0 if math.isnan(effect.share) else -effect.share, len(effect.params)


def _adjusted(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number (Benjamini and Hochberg, 1995); NaN stays."""
    adjusted = list(p_values)
    places = [n for n, p_value in enumerate(p_values) if not math.isnan(p_value)]
    if len(places) > 1 and min(p_values[n] for n in places) < LEVEL:
        from scipy.stats import false_discovery_control

        for n, p_value in zip(places, false_discovery_control([p_values[n] for n in places]), strict=True):
            adjusted[n] = float(p_value)
    return adjusted


def _worded(effect: Explained, p_value: float) -> str:
    """Return what a parameter or a pair explains, in words; empty for a pair of which nothing is seen."""
    name = " and ".join(effect.params)
    pair = len(effect.params) > 1
    if effect.reason:
        return "" if pair else f"{name}: {effect.reason}"
    # Sums of squares are off in the last digits: rounded, 0 and 1 don't read as a trace or nearly all.
    share, low, high = (percent(round(value, 9)) for value in (effect.share, effect.low, effect.high))
    chance = f"p = {digits(p_value)}"
    if p_value < LEVEL and effect.share > 0:
        interval = f"({low.removesuffix(' %')} to {high}, {chance})"
        return f"{name} {f'together explain {share} more' if pair else f'explains {share}'} {interval}"
    if pair:
        return ""
    if effect.share > 0 and effect.trials < LEAST_TO_TELL:
        few = f"{effect.trials} trials are too few to tell it from chance"
        return f"{name} explains {share}, but {few} ({chance})"
    return f"no influence of {name} seen ({chance})"


def _confounded(effects: Sequence[Explained]) -> list[str]:
    """Return a sentence on each group of parameters that were changed together."""
    groups = dict.fromkeys(
        tuple(sorted((*effect.params, *effect.confounded))) for effect in effects if effect.confounded
    )
    return [f"{', '.join(group)} were changed together: nothing tells them apart" for group in groups]


def _frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    effects: list[Explained] = [row["effect"] for row in rows]
    table: dict[str, Any] = {name: columns.text([row[name] for row in rows]) for name in ("stage", "metric")}
    table["param"] = columns.text([":".join(effect.params) for effect in effects])
    for column, name in (
        ("share", "share"),
        ("share_low", "low"),
        ("share_high", "high"),
        ("p_value", "p_value"),
    ):
        table[column] = np.array([getattr(effect, name) for effect in effects], dtype=np.float64)
    table["p_adjusted"] = np.array([row["p_adjusted"] for row in rows], dtype=np.float64)
    for name in ("levels", "trials"):
        table[name] = np.array([getattr(effect, name) for effect in effects], dtype=np.int64)
    table["binned"] = pd.array([effect.binned for effect in effects], dtype="boolean")
    table["confounded"] = columns.text([", ".join(effect.confounded) or None for effect in effects])
    table["reason"] = columns.text([effect.reason or None for effect in effects])
    return columns.frame(table)
