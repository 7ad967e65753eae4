"""Where the values of a parameter lie on an axis, and how the axis names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from e2e_magic.views.charts import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray


# Of a column that holds a swept parameter.
PREFIX = "param_"


@dataclass(frozen=True, slots=True)
class Scale:
    """Where the values of a parameter lie on an axis.

    Attributes
    ----------
    name : str
    values : list
        The distinct values, numbers in order, others by first appearance.
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
        """Return a value as its tick says it."""
        return style.literal(value) if self.words else style.number(float(value))


def _key(value: Any) -> Any:
    return float(value) if _is_number(value) else repr(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def scale(name: str, cells: Sequence[Any]) -> Scale:
    """Sort out the values of a parameter; the axis is logarithmic where they are spaced so.

    Numbers that span a factor of 8 and lie more evenly by their ratios than by their differences, as
    ``geomspace`` and ``16, 32, 64, 128`` do, are.
    """
    found: dict[Any, Any] = {}
    for cell in cells:
        if not _missing(cell):
            found.setdefault(_key(cell), cell)
    values = list(found.values())
    if not values or not all(_is_number(value) and np.isfinite(float(value)) for value in values):
        return Scale(name, values, np.arange(len(values), dtype=float), words=True)
    values.sort(key=float)
    numbers = np.array([float(value) for value in values])
    log = False
    if len(numbers) > 2 and numbers[0] > 0 and numbers[-1] >= 8 * numbers[0]:
        steps, ratios = np.diff(numbers), np.diff(np.log(numbers))
        log = bool(ratios.std() / ratios.mean() < steps.std() / steps.mean())
    return Scale(name, values, np.log10(numbers) if log else numbers, log=log)


def _missing(cell: object) -> bool:
    return cell is None or type(cell).__name__ == "NAType" or (isinstance(cell, float) and cell != cell)


def name_places(ax: Axes, side: Literal["x", "y"], of: Scale, most: int = 9) -> None:
    """Put the values of a parameter on an axis that shows their places: all, or as many as there is room."""
    axis = ax.xaxis if side == "x" else ax.yaxis
    axis.set_minor_locator(NullLocator())
    if of.words or len(of.values) <= most:
        shown = [
            n
            for n in range(len(of.values))
            if len(of.values) <= 2 * most or n % (len(of.values) // most) == 0
        ]
        if not of.words:
            shown = _apart(of.places, shown)
        style.name_ticks(
            axis, [of.places[n] for n in shown], [of.spell(of.values[n]) for n in shown], most=16
        )
        if side == "x":
            style.slant_names(ax)
    elif of.log:
        low, high = int(np.floor(of.places[0])), int(np.ceil(of.places[-1]))
        step = max(1, (high - low) // most)
        axis.set_major_locator(FixedLocator(list(range(low, high + 1, step))))
        axis.set_major_formatter(FuncFormatter(lambda place, _: style.number(10.0**place)))
    else:
        style.plain_ticks(axis, most - 2)


def _apart(places: NDArray[np.float64], shown: list[int]) -> list[int]:
    """Leave out ticks whose numbers would touch: 16 and 32 before 1024 on a linear axis."""
    room = (places[-1] - places[0]) * 0.05
    kept: list[int] = []
    for n in reversed(shown):
        if not kept or places[kept[-1]] - places[n] >= room:
            kept.append(n)
    return kept[::-1]
