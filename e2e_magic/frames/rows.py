"""A row per trial: the results frame, and the trials of sweeps ranked."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from e2e_magic.derived import derive
from e2e_magic.frames import columns, schema
from e2e_magic.record import STATES, Record

_NO_NAMES: Mapping[str, str] = {}


def results(records: Sequence[Record], names: Mapping[str, str] = _NO_NAMES) -> pd.DataFrame:
    """Return a row per trial: identity, parameters, every metric; all columns always there.

    Parameters
    ----------
    records : sequence of Record
        In the order of the rows.
    names : mapping of str to str
        The runs' names by id; a run that is not in it appears by its id.

    Returns
    -------
    DataFrame
        Columns as in the contract's section 5. Metrics that it doesn't list (another package's,
        say) follow at the end, as ``metric_NAME`` where the name is taken. Times are UTC.
    """
    params, values = _gather(records)
    state = pd.Index(list(STATES), dtype=columns.TEXT)
    made: dict[str, Any] = {
        "run": columns.text([names.get(record.run, record.run) for record in records]),
        "stage": columns.text([record.stage for record in records]),
        "sweep": columns.text([record.sweep for record in records]),
        "trial": np.array([record.trial for record in records], dtype=np.int64),
        "repeat": np.array([record.repeat for record in records], dtype=np.int64),
        "state": pd.Categorical([record.state for record in records], categories=state),
        "error": columns.text([record.error for record in records]),
        "started_at": columns.times([record.started_at for record in records]),
    }
    made |= {f"param_{columns.printable(name)}": columns.inferred(cells) for name, cells in params.items()}
    made |= {name: _column(name, values.get(name), len(records)) for name in schema.CONTRACT}
    # A collector that hands back text for a number: the column keeps its kind, the text is not lost.
    misfits = [name for name in schema.NUMBERS if any(isinstance(v, str) for v in values.get(name, ()))]
    made["host"] = columns.text([record.host or None for record in records])
    made["concurrent"] = pd.array([record.concurrent for record in records], dtype="boolean")
    units = schema.units(schema.CONTRACT)
    for name in [*_others(values), *misfits]:
        cells = values.get(name)
        column = name if name not in made else f"metric_{name}"
        made[column] = columns.inferred(cells) if cells else np.full(len(records), np.nan)
        units[column] = schema.units([name]).get(name, "")
    return columns.frame(made, units)


def _gather(records: Sequence[Record]) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Turn rows into columns: parameters and metrics, None where a record has none."""
    size = len(records)
    params: dict[str, list[Any]] = {}
    values: dict[str, list[Any]] = {}
    for row, record in enumerate(records):
        # What was read wins over what was derived from it.
        for found, target in (
            (record.params, params),
            (derive(record).values, values),
            (record.readings, values),
        ):
            for name, value in found.items():
                cells = target.get(name)
                if cells is None:
                    cells = target[name] = [None] * size
                cells[row] = value
    return params, values


def _column(name: str, cells: list[Any] | None, size: int) -> Any:
    """Make a column of the contract, always of its kind."""
    cells = cells or [None] * size
    if name in schema.TEXTS:
        return columns.text(cells)
    column = columns.integers(cells) if name in schema.INTEGERS else None
    if column is None:
        column = columns.floats(cells)
    return columns.floats([_number(cell) for cell in cells]) if column is None else column


def _number(value: Any) -> Any:
    """Return a value that is a number, None for another; a whole one too large for a float is infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _others(values: Mapping[str, object]) -> list[str]:
    """Return the metrics outside the contract: declared by other packages, then those that were read."""
    declared = list(schema.declared())
    known = {name: n for n, name in enumerate(declared)}
    read = sorted(values, key=lambda name: (known.get(name, len(known)), name))
    contract = set(schema.CONTRACT)
    return [name for name in dict.fromkeys([*schema.third_party(), *read]) if name not in contract]


def trials(
    records: Sequence[Record],
    names: Mapping[str, str] = _NO_NAMES,
    *,
    metric: str | None = None,
    maximize: bool | None = None,
) -> pd.DataFrame:
    """Return the results of sweeps only, best first.

    Complete trials come before the others, and those without the metric last in each.

    Parameters
    ----------
    records : sequence of Record
        Those outside sweeps are left out.
    names : mapping of str to str
        The runs' names by id.
    metric : str, optional
        The column that ranks: ``loss``, else ``accuracy``, else ``wall_time_s`` when left out.
    maximize : bool, optional
        Whether more is better; as the metric says when left out.

    Raises
    ------
    ValueError
        If there is no such column of numbers.
    """
    made = results([record for record in records if record.sweep is not None], names)
    if metric is None:
        metric = next((name for name in ("loss", "accuracy") if made[name].notna().any()), "wall_time_s")
    numbers = [
        name
        for name in made.columns[len(schema.IDENTITY) :]
        if pd.api.types.is_numeric_dtype(made[name].dtype) and name != "concurrent"
    ]
    if metric not in numbers:
        close = difflib.get_close_matches(str(metric), numbers, n=1, cutoff=0.5)
        raise ValueError(
            f"metric: expected a column of numbers, got {metric!r}"
            f"{f' (did you mean {close[0]}?)' if close else ''}; results().columns lists them"
        )
    if maximize is None:
        known = schema.declared().get(metric)
        maximize = known is not None and known.better == "higher"
    rank = made[metric].astype("float64").to_numpy()
    order = np.lexsort((-rank if maximize else rank, (made["state"] != "complete").to_numpy()))
    ranked = made.iloc[order].reset_index(drop=True)
    ranked.attrs |= {"metric": metric, "maximize": bool(maximize)}
    return ranked
