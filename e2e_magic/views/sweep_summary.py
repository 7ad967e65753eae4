"""A sweep's trials by combination: a table of medians with their spread, best first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from e2e_magic.derived.statistics import mad, median
from e2e_magic.text import digits, quantity
from e2e_magic.views import markup

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 20
_PREFIX = "param_"
_BESIDE = "wall_time_s"


def summary(frame: pd.DataFrame, target: str, *, maximize: bool) -> pd.DataFrame:
    """Return a row per combination of the results of one sweep, best first.

    Parameters
    ----------
    frame : DataFrame
        The columns of ``results``.
    target : str
        The column that ranks.
    maximize : bool
        Whether more of it is better.

    Returns
    -------
    DataFrame
        ``param_NAME`` .., ``repeats``, ``failed``, and ``METRIC`` (median of the complete trials) and
        ``METRIC_mad`` for the target and wall time.
    """
    import pandas as pd

    params = [name for name in frame.columns if name.startswith(_PREFIX)]
    metrics = list(dict.fromkeys(name for name in (target, _BESIDE) if name in frame.columns))
    groups: dict[str, list[int]] = {}
    for place, cells in enumerate(frame[params].itertuples(index=False, name=None)):
        groups.setdefault(repr(cells), []).append(place)
    rows: list[dict[str, Any]] = []
    for places in groups.values():
        part = frame.iloc[places]
        complete = part[part["state"] == "complete"]
        row: dict[str, Any] = {name: part[name].iloc[0] for name in params}
        row |= {"repeats": len(complete), "failed": len(part) - len(complete)}
        for name in metrics:
            values = complete[name].astype("float64").dropna().tolist()
            row |= {name: median(values), f"{name}_mad": mad(values)}
        rows.append(row)
    made = pd.DataFrame(rows, columns=[*params, "repeats", "failed", *_pairs(metrics)])
    if metrics:
        made = made.sort_values(metrics[0], ascending=not maximize, na_position="last", kind="stable")
    made = made.reset_index(drop=True)
    units = frame.attrs.get("units", {})
    made.attrs["units"] = {name: units.get(name.removesuffix("_mad"), "") for name in made.columns}
    return made


def _pairs(metrics: Sequence[str]) -> list[str]:
    return [column for name in metrics for column in (name, f"{name}_mad")]


def text(table: pd.DataFrame) -> str:
    """Return the table as text: the best combinations, in columns."""
    heads, rows = _cells(table)
    widths = [max(len(row[n]) for row in [heads, *rows]) for n in range(len(heads))]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in [heads, *rows]
    ]
    return "\n".join(lines + _more(table))


def html(table: pd.DataFrame, headline: str, *, image: str = "", notes: Sequence[str] = ()) -> str:
    """Return headline, table and chart (an HTML image) as an HTML block that needs nothing from elsewhere."""
    heads, rows = _cells(table)
    return markup.block(
        markup.heading(headline)
        + markup.table(heads, ([markup.cell(text) for text in row] for row in rows))
        + image
        + "".join(markup.note(note) for note in [*_more(table), *notes]),
        name="e2e-card e2e-sweep-card",
    )


def _more(table: pd.DataFrame) -> list[str]:
    return [f"{len(table) - SHOWN} more rows: .summary has all"] if len(table) > SHOWN else []


def _cells(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return the heads and the cells as people read them: median and spread in one."""
    params = [name for name in table.columns if name.startswith(_PREFIX)]
    metrics = [name for name in table.columns if f"{name}_mad" in table.columns]
    repeated = bool(len(table)) and int(table["repeats"].max()) > 1
    counts = (["repeats"] if repeated else []) + (["failed"] if table["failed"].any() else [])
    units = table.attrs.get("units", {})
    rows = []
    for _, row in table.head(SHOWN).iterrows():
        cells = [_worded(row[name]) for name in params]
        cells += [str(int(row[name])) for name in counts]
        for name in metrics:
            shown = quantity(float(row[name]), units.get(name, ""))
            if repeated and int(row["repeats"]) > 1:
                shown += f" ± {quantity(float(row[f'{name}_mad']), units.get(name, ''))}"
            cells.append(shown)
        rows.append(cells)
    return [*(name.removeprefix(_PREFIX) for name in params), *counts, *metrics], rows


def _worded(value: Any) -> str:
    return digits(value) if isinstance(value, float) else str(value)
