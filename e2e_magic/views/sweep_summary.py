"""A sweep's trials by combination: a table of medians with their spread, best first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from e2e_magic.derived.statistics import HALF_WIDTH, half_width, mad, median
from e2e_magic.text import counted, digits
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
        ``param_NAME`` .., ``repeats``, ``failed``, ``over limit`` and ``pruned`` where there are some, and
        for the target and wall time ``METRIC`` (median of the complete trials), ``METRIC_mad`` and
        ``METRIC_half`` (half the width of the median's 95 % interval).
    """
    import pandas as pd

    params = [name for name in frame.columns if name.startswith(_PREFIX)]
    metrics = list(dict.fromkeys(name for name in (target, _BESIDE) if name in frame.columns))
    groups: dict[str, list[int]] = {}
    for place, cells in enumerate(frame[params].itertuples(index=False, name=None)):
        groups.setdefault(repr(cells), []).append(place)
    rows: list[dict[str, Any]] = []
    cut = [state for state in ("over limit", "pruned") if bool((frame["state"] == state).any())]
    for places in groups.values():
        part = frame.iloc[places]
        complete = part[part["state"] == "complete"]
        row: dict[str, Any] = {name: part[name].iloc[0] for name in params}
        row |= {"repeats": len(complete), "failed": int(part["state"].isin(["failed", "killed"]).sum())}
        row |= {state: int((part["state"] == state).sum()) for state in cut}
        for name in metrics:
            values = complete[name].astype("float64").dropna().tolist()
            row |= {name: median(values), f"{name}_mad": mad(values), f"{name}_half": half_width(values)}
        rows.append(row)
    combinations = pd.DataFrame(rows, columns=[*params, "repeats", "failed", *cut, *_columns_of(metrics)])
    if metrics:
        combinations = combinations.sort_values(
            metrics[0], ascending=not maximize, na_position="last", kind="stable"
        )
    combinations = combinations.reset_index(drop=True)
    units = frame.attrs.get("units", {})
    combinations.attrs["units"] = {
        name: units.get(name.removesuffix("_mad").removesuffix("_half"), "") for name in combinations.columns
    }
    return combinations


def _columns_of(metrics: Sequence[str]) -> list[str]:
    return [column for name in metrics for column in (name, f"{name}_mad", f"{name}_half")]


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
    """Return headline, table and chart (an HTML image) as a self-contained HTML block."""
    heads, rows = _cells(table)
    return markup.block(
        markup.heading(headline)
        + markup.table(heads, ([markup.cell(text) for text in row] for row in rows))
        + image
        + "".join(markup.note(note) for note in [*_more(table), *notes]),
        name="e2e-card e2e-sweep-card",
    )


def _more(table: pd.DataFrame) -> list[str]:
    more = counted(len(table) - SHOWN, "more row")
    repeated = bool(len(table)) and int(table["repeats"].max()) > 1
    return [
        *([HALF_WIDTH] if repeated else []),
        *([f"{more}: .summary has all"] if len(table) > SHOWN else []),
    ]


def _cells(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return the column heads and the cells for display: median and spread in one."""
    params = [name for name in table.columns if name.startswith(_PREFIX)]
    metrics = [name for name in table.columns if f"{name}_mad" in table.columns]
    repeated = bool(len(table)) and int(table["repeats"].max()) > 1
    counts = (["repeats"] if repeated else []) + [
        state for state in ("failed", "over limit", "pruned") if state in table and table[state].any()
    ]
    rows = []
    for _, row in table.head(SHOWN).iterrows():
        cells = [_worded(row[name]) for name in params]
        cells += [str(int(row[name])) for name in counts]
        for name in metrics:
            cell = digits(float(row[name]))  # in the unit that the column's name says, as in the frames
            if repeated and int(row["repeats"]) > 1:
                cell += f" ± {digits(float(row[f'{name}_half']))}"
            cells.append(cell)
        rows.append(cells)
    return [*(name.removeprefix(_PREFIX) for name in params), *counts, *metrics], rows


def _worded(value: Any) -> str:
    return digits(value) if isinstance(value, float) else str(value)
