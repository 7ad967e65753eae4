"""The trials of sweeps, ranked by what each sweep was about."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from e2e_magic.derived.declarations import better_of
from e2e_magic.record import Record
from e2e_magic.views.frames import schema
from e2e_magic.views.frames.rows import results

_NO_NAMES: Mapping[str, str] = {}
_USUAL = ("loss", "accuracy")
_LAST_RESORT = "wall_time_s"


@dataclass(frozen=True, slots=True)
class _About:
    """What a sweep is about, as it was asked for."""

    stage: str
    sweep: str
    metric: str | None = None
    maximize: bool | None = None


def trials(
    records: Iterable[Record],
    names: Mapping[str, str] = _NO_NAMES,
    *,
    metric: str | None = None,
    maximize: bool | None = None,
) -> pd.DataFrame:
    """Return the results of sweeps only, best first.

    Where no `metric` is given, a trial is ranked by the target that its own sweep was given. Trials of one
    stage with the same target are ranked together (a sweep and its resumption, say); stages and targets
    follow one another, the one that was swept last first. Complete trials come before the others, and those
    without the metric last in each.

    Parameters
    ----------
    records : iterable of Record
        Those outside sweeps are left out.
    names : mapping of str to str
        The runs' names by id.
    metric : str, optional
        The column that ranks all of them. When left out: what each sweep says in
        ``Record.reported["sweep_target"]``, else ``loss``, else ``accuracy``, else ``wall_time_s``.
    maximize : bool, optional
        Whether more is better; as the sweep, else the metric says when left out.

    Returns
    -------
    DataFrame
        The columns of ``results``. ``attrs["metric"]`` and ``attrs["maximize"]`` say by what the first
        trial is the best, ``attrs["targets"]`` has the metric of each stage's latest sweep.

    Raises
    ------
    ValueError
        If there is no such column of numbers.
    """
    about: list[_About] = []
    made = results(_noted(records, about), names)
    numbers = [
        name
        for name in made.columns[len(schema.IDENTITY) :]
        if pd.api.types.is_numeric_dtype(made[name].dtype) and name != "concurrent"
    ]
    if metric is not None and metric not in numbers:
        close = difflib.get_close_matches(str(metric), numbers, n=1, cutoff=0.5)
        raise ValueError(
            f"metric: expected a column of numbers, got {metric!r}"
            f"{f' (did you mean {close[0]}?)' if close else ''}; results().columns lists them"
        )
    if metric is not None:
        more = better_of(metric) == "higher" if maximize is None else maximize
        blocks = {("", metric, more): list(range(len(made)))}
    else:
        blocks = _blocks(made, about, numbers, maximize)
    order: list[np.ndarray[Any, Any]] = []
    for (_, by, more), rows in blocks.items():
        order.append(np.array(rows, dtype=np.int64)[_order(made.iloc[rows], by, highest=more)])
    ranked = made.iloc[np.concatenate(order)].reset_index(drop=True) if order else made
    _, by, more = next(iter(blocks), ("", _LAST_RESORT, False))
    targets = {stage: by for stage, by, _ in reversed(blocks)} if metric is None else {}
    ranked.attrs |= {"metric": by, "maximize": more, "targets": targets}
    return ranked


def _blocks(
    made: pd.DataFrame, about: list[_About], numbers: list[str], maximize: bool | None
) -> dict[tuple[str, str, bool], list[int]]:
    """Return which rows are ranked together, by stage, metric and direction; what came last first."""
    sweeps: dict[_About, list[int]] = {}
    for place, one in enumerate(about):
        sweeps.setdefault(one, []).append(place)
    blocks: dict[tuple[str, str, bool], list[int]] = {}
    for one, rows in sweeps.items():
        by = _ranking(one, made.iloc[rows], numbers)
        more = next(
            (said for said in (maximize, one.maximize) if said is not None), better_of(by) == "higher"
        )
        blocks.setdefault((one.stage, by, more), []).extend(rows)
    return dict(sorted(blocks.items(), key=lambda block: -max(block[1])))


def _noted(records: Iterable[Record], about: list[_About]) -> Iterator[Record]:
    """Hand on the records of sweeps, and note of each what its sweep is about."""
    for record in records:
        if record.sweep is None:
            continue
        said = record.reported.get("sweep_target")
        if isinstance(said, Mapping):
            about.append(_About(record.stage, record.sweep, said.get("metric"), said.get("maximize")))
        else:
            about.append(_About(record.stage, record.sweep))
        yield record


def _ranking(about: _About, rows: pd.DataFrame, numbers: list[str]) -> str:
    """Return the column that ranks these trials: their sweep's target where any trial has it."""
    wanted = (about.metric, *_USUAL) if about.metric is not None else _USUAL
    return next((name for name in wanted if name in numbers and rows[name].notna().any()), _LAST_RESORT)


def _order(rows: pd.DataFrame, metric: str, *, highest: bool) -> np.ndarray[Any, Any]:
    rank = rows[metric].astype("float64").to_numpy(na_value=np.nan)
    return np.lexsort((-rank if highest else rank, (rows["state"] != "complete").to_numpy()))
