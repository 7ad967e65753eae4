"""A row per trial: the results frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from e2e_magic.derived.blocks import Block
from e2e_magic.derived.declarations import declared
from e2e_magic.record import STATES, Record
from e2e_magic.views.frames import columns, schema
from e2e_magic.views.frames.gathering import Table, gather

_NO_NAMES: Mapping[str, str] = {}


def results(records: Iterable[Record | Block], names: Mapping[str, str] = _NO_NAMES) -> pd.DataFrame:
    """Return a row per trial: identity, parameters, every metric; all columns always there.

    Parameters
    ----------
    records : iterable of Record or Block
        In the order of the rows. They are gone through once, and none is held. A store gives blocks.
    names : mapping of str to str
        The runs' names by id; a run that is not in it appears by its id.

    Returns
    -------
    DataFrame
        Columns as in the contract's section 5. Metrics that it doesn't list (another package's,
        say) follow at the end, as ``metric_NAME`` where the name is taken. Times are UTC.
    """
    plain, params, values = gather(records)
    state = pd.Index(list(STATES), dtype=columns.CATEGORY)
    made: dict[str, Any] = {
        "run": columns.text([names.get(run, run) for run in plain["run"]]),
        "stage": columns.text(plain["stage"]),
        "sweep": columns.text(plain["sweep"]),
        "trial": np.array(plain["trial"], dtype=np.int64),
        "repeat": np.array(plain["repeat"], dtype=np.int64),
        "state": pd.Categorical(plain["state"], categories=state),
        "error": columns.text(plain["error"]),
        "started_at": columns.times(plain["started_at"]),
    }
    for name in params.names():
        made[f"param_{columns.printable(name)}"] = columns.inferred(params.cells(name))
    misfits = []
    for name in schema.CONTRACT:
        made[name], fits = _column(name, values)
        if not fits:
            misfits.append(name)
    made["host"] = columns.text([host or None for host in plain["host"]])
    made["concurrent"] = pd.array(plain["concurrent"], dtype="boolean")
    others = [*_others(values.names()), *misfits]
    units = schema.units([*schema.CONTRACT, *others])
    for name in others:
        cells = values.cells(name)
        column = name if name not in made else f"metric_{name}"
        made[column] = columns.inferred(cells)
        units[column] = units.get(name, "")
    return columns.frame(made, units)


def _column(name: str, values: Table) -> tuple[Any, bool]:
    """Make a column of the contract, always of its kind, and tell whether all of it fits.

    Text that a collector hands back for a number doesn't: it is missing here and stands in a
    ``metric_NAME`` beside.
    """
    if name in schema.TEXTS:
        cells = values.cells(name)
        if isinstance(cells, np.ndarray):  # no text in it at all
            cells = [None if cell != cell else cell for cell in cells.tolist()]
        return columns.text(cells), True
    plain = values.numbers(name)
    cells = values.cells(name) if plain is None else plain
    column = columns.integers(cells) if name in schema.INTEGERS else None
    if column is None:
        column = columns.floats(cells)
    if column is not None:
        return column, True
    numbers = [_number(cell) for cell in cells]
    return columns.floats(numbers), all(
        (n is None) == (c is None) for n, c in zip(numbers, cells, strict=True)
    )


def _number(value: Any) -> Any:
    """Return a value that is a number, None for another; a whole one too large for a float is infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _others(values: Iterable[str]) -> list[str]:
    """Return the metrics outside the contract: declared by other packages, then those that were read."""
    known = {name: n for n, name in enumerate(declared())}
    read = sorted(values, key=lambda name: (known.get(name, len(known)), name))
    contract = set(schema.CONTRACT)
    return [name for name in dict.fromkeys([*schema.third_party(), *read]) if name not in contract]
