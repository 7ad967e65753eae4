"""The trials of sweeps, ranked by the target of each sweep."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from e2e_magic.derived.blocks import Block
from e2e_magic.derived.declarations import TARGETS, better_of
from e2e_magic.record import Record
from e2e_magic.views.frames import schema
from e2e_magic.views.frames.rows import results

_NO_NAMES: Mapping[str, str] = {}
_LAST_RESORT = TARGETS[-1]


@dataclass(frozen=True, slots=True)
class _About:
    """The stage and id of a sweep, and its target as requested."""

    stage: str
    sweep: str
    metric: str | None = None
    maximize: bool | None = None


def trials(
    records: Iterable[Record | Block],
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
    records : iterable of Record or Block
        Those outside sweeps are left out.
    names : mapping of str to str
        The runs' names by id.
    metric : str, optional
        The column that ranks all of them. When left out: each sweep's own target in
        ``Record.reported["sweep_target"]``, else the first of `declarations.TARGETS` that it has.
    maximize : bool, optional
        Whether more is better; as the sweep, else the metric says when left out.

    Returns
    -------
    DataFrame
        The columns of ``results``. ``attrs["metric"]`` and ``attrs["maximize"]`` are those by which the first
        trial is the best, ``attrs["targets"]`` has the metric of each stage's latest sweep.

    Raises
    ------
    ValueError
        If there is no such column of numbers.
    """
    about: list[_About] = []
    table = results(_noted(records, about), names)
    numbers = schema.numbers(table)
    if metric is not None and metric not in numbers:
        close = difflib.get_close_matches(str(metric), numbers, n=1, cutoff=0.5)
        raise ValueError(
            f"metric: expected a column of numbers, got {metric!r}"
            f"{f' (did you mean {close[0]}?)' if close else ''}; results().columns lists them"
        )
    if metric is not None:
        more = better_of(metric) == "higher" if maximize is None else maximize
        blocks = {("", metric, more): list(range(len(table)))}
    else:
        blocks = _blocks(table, about, numbers, maximize)
    order: list[np.ndarray[Any, Any]] = []
    for (_, by, more), rows in blocks.items():
        order.append(np.array(rows, dtype=np.int64)[_order(table.iloc[rows], by, highest=more)])
    ranked = table.iloc[np.concatenate(order)].reset_index(drop=True) if order else table
    _, by, more = next(iter(blocks), ("", _LAST_RESORT, False))
    targets = {stage: by for stage, by, _ in reversed(blocks)} if metric is None else {}
    ranked.attrs |= {"metric": by, "maximize": more, "targets": targets}
    return ranked


def _blocks(
    table: pd.DataFrame, about: list[_About], numbers: list[str], maximize: bool | None
) -> dict[tuple[str, str, bool], list[int]]:
    """Return which rows are ranked together, by stage, metric and direction; the latest first."""
    sweeps: dict[_About, list[int]] = {}
    for place, one in enumerate(about):
        sweeps.setdefault(one, []).append(place)
    blocks: dict[tuple[str, str, bool], list[int]] = {}
    for one, rows in sweeps.items():
        by = _ranking(one, table.iloc[rows], numbers)
        more = next(
            (given for given in (maximize, one.maximize) if given is not None), better_of(by) == "higher"
        )
        blocks.setdefault((one.stage, by, more), []).extend(rows)
    return dict(sorted(blocks.items(), key=lambda block: -max(block[1])))


def _noted(trials: Iterable[Record | Block], about: list[_About]) -> Iterator[Record | Block]:
    """Yield the trials of sweeps, and note the target of each one's sweep."""
    for one in trials:
        if isinstance(one, Block):
            places = [place for place, sweep in enumerate(one.identity["sweep"]) if sweep is not None]
            if places:
                part = one.at(places)
                identity = zip(part.identity["stage"], part.identity["sweep"], part.reported, strict=True)
                about += [_about(*each) for each in identity]
                yield part
        elif one.sweep is not None:
            about.append(_about(one.stage, one.sweep, one.reported))
            yield one


def _about(stage: str, sweep: str, reported: Mapping[str, Any]) -> _About:
    """Return the stage, id and target of a sweep, as recorded in one of its trials."""
    asked = reported.get("sweep_target")
    if isinstance(asked, Mapping):
        return _About(stage, sweep, asked.get("metric"), asked.get("maximize"))
    return _About(stage, sweep)


def _ranking(about: _About, rows: pd.DataFrame, numbers: list[str]) -> str:
    """Return the column that ranks these trials: their sweep's target where any trial has it."""
    wanted = (about.metric, *TARGETS) if about.metric is not None else TARGETS
    return next((name for name in wanted if name in numbers and rows[name].notna().any()), _LAST_RESORT)


def _order(rows: pd.DataFrame, metric: str, *, highest: bool) -> np.ndarray[Any, Any]:
    rank = rows[metric].astype("float64").to_numpy(na_value=np.nan)
    return np.lexsort((-rank if highest else rank, (rows["state"] != "complete").to_numpy()))
