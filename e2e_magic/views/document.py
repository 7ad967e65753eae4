"""A frame or a comparison as one JSON document, for other programs: CI, dashboards, assistants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from e2e_magic.views.writers.data import objects

if TYPE_CHECKING:
    import pandas as pd

    from e2e_magic.views.comparison import Comparison

# Raised when a key changes its meaning or goes; a new key doesn't raise it.
SCHEMA = 1


def of_frame(kind: str, frame: pd.DataFrame) -> dict[str, Any]:
    """Return a frame as plain data.

    Parameters
    ----------
    kind : str
        The frame's name.
    frame : DataFrame
        With its units in ``attrs["units"]``.

    Returns
    -------
    dict
        ``schema kind units columns rows``, and ``summary`` where the frame has one. Each row has all
        columns; what was not measured is None.
    """
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": kind,
        "units": {str(name): unit for name, unit in frame.attrs.get("units", {}).items()},
        "columns": [str(name) for name in frame.columns],
        "rows": list(objects(frame)),
    }
    if "summary" in frame.attrs:
        document["summary"] = str(frame.attrs["summary"])
    return document


def of_comparison(comparison: Comparison, guard: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a comparison as plain data: as `of_frame`, with its words.

    Parameters
    ----------
    comparison : Comparison
    guard : dict, optional
        What its guard was asked and answered.

    Returns
    -------
    dict
        Besides the frame's keys: ``baseline runs sentences unlike order notes guard``. A row's unit is that
        of its metric, so ``units`` is by metric.
    """
    from e2e_magic.views.frames import schema

    return of_frame("compare", comparison.frame) | {
        "units": schema.units(dict.fromkeys(comparison.frame["metric"].astype(object))),
        "baseline": comparison.baseline,
        "runs": list(comparison.runs),
        "sentences": comparison.sentences(),
        "unlike": list(comparison.unlike),
        "order": comparison.order,
        "notes": list(comparison.notes),
        "guard": guard,
    }
