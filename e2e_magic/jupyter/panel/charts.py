"""The panel's two charts while a sweep grows: the target by a parameter, and the best so far.

They are drawn from the ledger's own numbers, without a data frame and without fitting the layout, since
they are drawn up to twice a second. The full set of charts is made from the `trials` frame.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FuncFormatter, NullLocator

from e2e_magic.jupyter.panel.ledger import MOST_MARKS, Column, Ledger, text_of
from e2e_magic.sweeping.space import Axis
from e2e_magic.views.charts import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis as MplAxis
    from matplotlib.figure import Figure

WIDTH_PX, HEIGHT_PX = 364, 190
# Room for the axes' words, in px: left, right, bottom, top. Fitting the layout would take 60 ms.
_LEFT, _RIGHT, _BOTTOM, _TOP = 68, 12, 44, 30
_MOST_COLOURS = 6
# Names below the horizontal axis: so many characters fit side by side; slanted, so many names, of such a
# length, in so many px more.
_CHARACTERS, _MOST_SLANTED, _LONGEST, _SLANTED = 48, 16, 14, 52
_CHARACTER_PX, _MARGIN = 6.5, 0.05
_LOG_FROM = 30.0
_MOST_POINTS = 1500
_DOTS: dict[str, Any] = {
    "linestyle": "", "marker": "o", "markersize": 3.5, "alpha": 0.55, "markeredgewidth": 0
}  # fmt: skip
_Point = tuple[float, float]


def by_parameter(ledger: Ledger, axes: Sequence[Axis]) -> Figure | None:
    """Draw the target against the first axis, a colour per value of another.

    Returns
    -------
    Figure or None
        None as long as nothing can be drawn.
    """
    points = ledger.points()
    if not points or not axes or ledger.goal.name is None:
        return None
    column, colours = ledger.column(axes[0].names), _coloured(ledger, axes[1:])
    place, names = _places(column, axes[0])
    slanted = names is not None and _too_long(axes[0], names)
    figure, ax = _framed(axes[0].name, style.label(ledger.goal.name), below=_SLANTED if slanted else 0)
    groups: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for number, value in points:
        key = "" if colours is None else colours.texts[number]
        groups[key].append((place[column.texts[number]], value))
    handles = []
    for n, group in enumerate(groups.values()):
        colour = style.PALETTE[n % len(style.PALETTE)]
        ax.plot(*zip(*_thinned(group, _MOST_POINTS // len(groups)), strict=True), color=colour, **_DOTS)
        handles.append(ax.plot(*zip(*_medians(group), strict=True), "-", color=colour, linewidth=1.6)[0])
    if names is not None:
        _name(ax, names, slanted=slanted)
    else:
        _number(ax, axes[0], sorted(set(place.values())))
    _scale(ax, [value for _, value in points])
    if colours is not None:
        title = f"{colours.names[0]} = "
        texts = [f"{title if not n else ''}{name}" for n, name in enumerate(groups)]
        style.legend(ax, handles, texts, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=len(groups))
    return figure


def over_trials(ledger: Ledger) -> Figure | None:
    """Draw the target of each trial in their order, and the best so far."""
    values = [value for _, value in ledger.points()]
    if not values or ledger.goal.name is None:
        return None
    figure, ax = _framed("trials, in their order", style.label(ledger.goal.name))
    numbered = list(enumerate(values, start=1))
    points = ax.plot(*zip(*_thinned(numbered, _MOST_POINTS), strict=True), color=style.INK, **_DOTS)[0]
    steps = [numbered[0]]
    for number, value in numbered:
        if ledger.goal.cost(value) < ledger.goal.cost(steps[-1][1]):
            steps.append((number, value))
    steps.append((len(values), steps[-1][1]))
    best = ax.step(*zip(*steps, strict=True), where="post", color=style.BLUE, linewidth=1.8)[0]
    _scale(ax, values)
    style.plain_ticks(ax.xaxis, 5, integer=True)
    legend: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "ncols": 2}
    style.legend(ax, [best, points], ["best so far", "a trial"], **legend)
    return figure


def empty() -> Figure:
    """Return axes without data, to have the fonts loaded."""
    return _framed("x", "y")[0]


def _framed(x: str, y: str, below: int = 0) -> tuple[Figure, Axes]:
    """Return a figure and its axes, with `below` px more below them."""
    height = HEIGHT_PX + below
    figure = style.figure(WIDTH_PX, height, fitted=False)
    ax = figure.add_axes(
        (
            _LEFT / WIDTH_PX,
            (_BOTTOM + below) / height,
            1 - (_LEFT + _RIGHT) / WIDTH_PX,
            1 - (_BOTTOM + below + _TOP) / height,
        )
    )
    style.dress(ax, x=style.literal(x), y=y)
    return figure, ax


def _too_long(axis: Axis, so_far: Sequence[str]) -> bool:
    """Return whether the names of all values, also of those to come, are too long to stand side by side."""
    names = [text_of(value) for value in axis.values] or so_far
    return len(names) * (max(map(len, names)) + 1) > _CHARACTERS


def _name(ax: Axes, names: Sequence[str], *, slanted: bool) -> None:
    """Put names below an axis; where they are long, slanted, and no more of them than can be read."""
    every = max(1, -(-len(names) // (_MOST_SLANTED if slanted else len(names))))
    places = list(range(0, len(names), every))
    style.name_ticks(ax.xaxis, places, [names[place] for place in places], most=_LONGEST)
    if slanted:
        for text in ax.get_xticklabels():
            text.set(rotation=40, horizontalalignment="right", rotation_mode="anchor")


def _number(ax: Axes, axis: Axis, values: Sequence[float]) -> None:
    """Scale the horizontal axis of numbers; few swept values have a tick each, and a name where it fits."""
    if axis.kind in ("geometric", "loguniform") and values[0] > 0:
        ax.set_xscale("log")
        _plain_powers(ax.xaxis)
    else:
        style.plain_ticks(ax.xaxis, 5, integer=all(value.is_integer() for value in values))
    if not 0 < len(axis.values) <= MOST_MARKS:
        return
    swept = sorted({float(value) for value in axis.values})
    ax.set_xticks(swept)  # also those to come: the axis is the same from the first trial on
    low, high = swept[0], swept[-1]
    if ax.get_xscale() == "log":
        ax.set_xlim(low / (high / low) ** _MARGIN, high * (high / low) ** _MARGIN)
    elif low < high:
        ax.set_xlim(low - (high - low) * _MARGIN, high + (high - low) * _MARGIN)
    free, names = -math.inf, []
    for value, (place, _) in zip(
        swept, ax.transData.transform([(value, 0.5) for value in swept]), strict=True
    ):
        name = f"{value:.4g}"
        half = len(name) * _CHARACTER_PX / 2
        names.append(name if place - half >= free else "")
        free = place + half if names[-1] else free
    ax.set_xticklabels(names)


def _scale(ax: Axes, values: Sequence[float]) -> None:
    if min(values) > 0 and max(values) / min(values) >= _LOG_FROM:
        ax.set_yscale("log")
        _plain_powers(ax.yaxis)
    else:
        style.plain_ticks(ax.yaxis, 5)


def _plain_powers(axis: MplAxis) -> None:
    """Write a logarithmic axis' ticks plainly: setting formulas would take 300 ms."""
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _places(column: Column, axis: Axis) -> tuple[dict[str, float], list[str] | None]:
    """Return the position of each value on the axis, and the values' names where they are not numbers."""
    values = column.values
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values.values()):
        numbers = {text: float(value) for text, value in values.items()}
        if all(math.isfinite(number) for number in numbers.values()):
            return numbers, None
    order = dict.fromkeys([*map(text_of, axis.values), *values])
    names = [text for text in order if text in values]
    return {text: float(n) for n, text in enumerate(names)}, names


def _coloured(ledger: Ledger, axes: Sequence[Axis]) -> Column | None:
    """Return the parameter whose values are few enough to be told apart by colour."""
    for axis in axes:
        for name in axis.names:
            column = ledger.column((name,))
            if 1 < len(column.values) <= _MOST_COLOURS:
                return column
    return None


def _thinned(points: Sequence[_Point], most: int) -> Sequence[_Point]:
    """Return at most `most` of the points, evenly spaced: more would lie on top of each other."""
    return points[:: max(1, -(-len(points) // max(most, 1)))]


def _medians(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    columns: dict[float, list[float]] = defaultdict(list)
    for x, y in points:
        columns[x].append(y)
    medians = []
    for x in sorted(columns):
        ys = sorted(columns[x])
        half = len(ys) // 2
        medians.append((x, ys[half] if len(ys) % 2 else (ys[half - 1] + ys[half]) / 2))
    return medians
