"""Where the values of a parameter lie on an axis, and how the axis names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from e2e_magic.views.charts import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from numpy.typing import NDArray


# Of a column that holds a swept parameter.
PREFIX = "param_"
_MOST_OTHERS = 2  # parameters named in a title, of those that a chart doesn't draw


@dataclass(frozen=True, slots=True)
class Scale:
    """Where the values of a parameter lie on an axis.

    Attributes
    ----------
    name : str
    values : list
        The distinct values, numbers in order, others (None too) behind them by first appearance.
    places : array of float
        Where each of them lies: its logarithm or itself, or for words 0, 1, 2 ..
    log, words : bool
    """

    name: str
    values: list[Any]
    places: NDArray[np.float64]
    log: bool = False
    words: bool = False

    def at(self, cells: Sequence[Any]) -> NDArray[np.float64]:
        """Return the places of cells, NaN for one that is missing."""
        where = {_key(value): place for value, place in zip(self.values, self.places, strict=True)}
        return np.array([where.get(_key(cell), np.nan) for cell in cells], dtype=float)

    def spell(self, value: Any) -> str:
        """Return a value as its tick writes it."""
        if _is_number(value):
            return style.digits(float(value))
        text = style.literal(value)
        if not hasattr(value, "isoformat") or len(text) != len("2026-01-01 00:00:00"):
            return text
        return text.removesuffix(":00").removesuffix(" 00:00")  # whole, where there is room for so much


def _key(value: Any) -> Any:
    return float(value) if _is_number(value) else repr(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def scale(name: str, cells: Sequence[Any]) -> Scale:
    """Return where the values of a parameter lie; the axis is logarithmic where they are spaced so.

    They are if they span a factor of 8 and lie more evenly by their ratios than by their differences, as
    ``geomspace`` and ``16, 32, 64, 128`` do. NaN and pandas' NA stand for a trial without the parameter, and
    have no place.
    """
    distinct: dict[Any, Any] = {}
    for cell in cells:
        if not _missing(cell):
            distinct.setdefault(_key(cell), cell)
    counted = {key: cell for key, cell in distinct.items() if _is_number(cell) and np.isfinite(float(cell))}
    values = sorted(counted.values(), key=float)
    if not values or len(values) < len(distinct):
        values += [cell for key, cell in distinct.items() if key not in counted]
        return Scale(name, values, np.arange(len(values), dtype=float), words=True)
    numbers = np.array([float(value) for value in values])
    log = False
    if len(numbers) > 2 and numbers[0] > 0 and numbers[-1] >= 8 * numbers[0]:
        steps, ratios = np.diff(numbers), np.diff(np.log(numbers))
        log = bool(ratios.std() / ratios.mean() < steps.std() / steps.mean())
    return Scale(name, values, np.log10(numbers) if log else numbers, log=log)


def _missing(cell: object) -> bool:
    return type(cell).__name__ in ("NAType", "NaTType") or (isinstance(cell, float) and cell != cell)


def range_of_what(frame: pd.DataFrame, drawn: Sequence[str]) -> str:
    """Return what makes the values at one place of a chart differ: the repeats, or parameters not drawn.

    Parameters
    ----------
    frame : DataFrame
        The trials that are drawn.
    drawn : sequence of str
        The parameters that the chart tells apart, without `PREFIX`.
    """
    params = [str(name) for name in frame.columns if str(name).startswith(PREFIX)]
    cells = frame[params].astype(object).apply(lambda column: column.map(_key))
    of = [PREFIX + name for name in drawn]
    by = cells.groupby(of, dropna=False, sort=False) if of else cells.groupby(lambda _: 0)
    others = [name for name in params if name not in of and (by[name].nunique(dropna=False) > 1).any()]
    if not others:
        return "range of the repeats"
    named = [style.label(name.removeprefix(PREFIX)) for name in others[:_MOST_OTHERS]]
    named += [f"{len(others) - _MOST_OTHERS} more"] if len(others) > _MOST_OTHERS else []
    named += ["the repeats"] if cells.duplicated().any() else []
    return f"range over {' and '.join(filter(None, [', '.join(named[:-1]), named[-1]]))}"


def name_places(ax: Axes, side: Literal["x", "y"], of: Scale, most: int = 9) -> None:
    """Name the values of a parameter on an axis that shows their places: all, or as many as there is room."""
    axis = ax.xaxis if side == "x" else ax.yaxis
    axis.set_minor_locator(NullLocator())
    if of.words or len(of.values) <= most:
        indices = [
            n
            for n in range(len(of.values))
            if len(of.values) <= 2 * most or n % (len(of.values) // most) == 0
        ]
        if not of.words:
            indices = _apart(of.places, indices)
        style.name_ticks(
            axis, [of.places[n] for n in indices], [of.spell(of.values[n]) for n in indices], most=16
        )
        if side == "x":
            style.slant_names(ax)
    elif of.log:
        low, high = int(np.floor(of.places[0])), int(np.ceil(of.places[-1]))
        step = max(1, (high - low) // most)
        axis.set_major_locator(FixedLocator(list(range(low, high + 1, step))))
        axis.set_major_formatter(FuncFormatter(lambda place, _: style.digits(10.0**place)))
    else:
        style.plain_ticks(axis, most - 2)


def name_some(axis: Axis, of: Scale, places: Sequence[float] | NDArray[np.float64], *, most: int) -> None:
    """Name evenly chosen values of a parameter on an axis, `most` at most, each at its place."""
    indices = range(0, len(of.values), max(1, -(-len(of.values) // most)))
    style.name_ticks(axis, [places[n] for n in indices], [of.spell(of.values[n]) for n in indices], most=16)


def _apart(places: NDArray[np.float64], indices: list[int]) -> list[int]:
    """Leave out ticks whose numbers would touch: 16 and 32 before 1024 on a linear axis."""
    room = (places[-1] - places[0]) * 0.05
    kept: list[int] = []
    for n in reversed(indices):
        if not kept or places[kept[-1]] - places[n] >= room:
            kept.append(n)
    return kept[::-1]
