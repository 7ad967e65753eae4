"""The panel's two charts while a sweep grows: the target by a parameter, and the best so far.

They are drawn from the ledger's own numbers, without a data frame and without fitting the layout, since
they are drawn up to twice a second. The full set of charts is made from the `trials` frame.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.ticker import NullLocator

from e2e_magic.charts import style
from e2e_magic.jupyter.sweep_ledger import Entry, Ledger
from e2e_magic.space import Axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_PX, HEIGHT_PX = 364, 230
# Room for the axes' words, in px: left, right, bottom, top. Fitting the layout would take 60 ms.
_LEFT, _RIGHT, _BOTTOM, _TOP = 68, 12, 44, 30
_MOST_COLOURS = 6
_LOG_FROM = 30.0


def by_parameter(ledger: Ledger, axes: Sequence[Axis]) -> Figure | None:
    """Draw the target against the first axis, a colour per value of the second.

    Returns
    -------
    Figure or None
        None as long as nothing can be drawn.
    """
    entries = ledger.ranked()
    if not entries or not axes or ledger.goal.name is None:
        return None
    first, colours = axes[0], _coloured(entries, axes[1:])
    figure, ax = _framed(first.name, style.label(ledger.goal.name))
    place, names = _places(entries, first)
    groups: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for entry in entries:
        key = "" if colours is None else _text(entry.record.params.get(colours))
        value = ledger.value(entry)
        if value is not None:
            groups[key].append((place[_text(_of(entry, first))], value))
    handles = []
    for n, (_, points) in enumerate(groups.items()):
        colour = style.PALETTE[n % len(style.PALETTE)]
        ax.plot(*zip(*points, strict=True), "o", color=colour, markersize=3.5, alpha=0.55, markeredgewidth=0)
        middles = _medians(points)
        handles.append(ax.plot(*zip(*middles, strict=True), "-", color=colour, linewidth=1.6)[0])
    if names is None and _logarithmic(list(place.values()), first.kind):
        ax.set_xscale("log")
        ax.xaxis.set_minor_locator(NullLocator())
    elif names is None:
        whole = all(number.is_integer() for number in place.values())
        style.plain_ticks(ax.xaxis, 5, integer=whole)
    _scales(ax, [value for points in groups.values() for _, value in points])
    if names is not None:
        style.name_ticks(ax.xaxis, list(range(len(names))), names, most=max(4, 44 // max(len(names), 1)))
    if colours is not None:
        title = f"{colours} = "
        texts = [f"{title if not n else ''}{name}" for n, name in enumerate(groups)]
        style.legend(ax, handles, texts, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=len(groups))
    return figure


def over_trials(ledger: Ledger) -> Figure | None:
    """Draw the target of each trial in their order, and the best so far."""
    entries = ledger.ranked()
    if not entries or ledger.goal.name is None:
        return None
    figure, ax = _framed("trials, in their order", style.label(ledger.goal.name))
    values = [value for entry in entries if (value := ledger.value(entry)) is not None]
    numbers = range(1, len(values) + 1)
    points = ax.plot(numbers, values, "o", color=style.INK, markersize=3.5, alpha=0.55, markeredgewidth=0)[0]
    best = ax.step(numbers, ledger.best_so_far[: len(values)], where="post", color=style.BLUE, linewidth=1.8)[
        0
    ]
    _scales(ax, values)
    style.plain_ticks(ax.xaxis, 5, integer=True)
    legend = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "ncols": 2}
    style.legend(ax, [best, points], ["best so far", "a trial"], **legend)
    return figure


def empty() -> Figure:
    """Return axes without data, to have the fonts loaded."""
    return _framed("x", "y")[0]


def _framed(x: str, y: str) -> tuple[Figure, Axes]:
    figure = style.figure(WIDTH_PX, HEIGHT_PX, fitted=False)
    ax = figure.add_axes(
        (
            _LEFT / WIDTH_PX,
            _BOTTOM / HEIGHT_PX,
            1 - (_LEFT + _RIGHT) / WIDTH_PX,
            1 - (_BOTTOM + _TOP) / HEIGHT_PX,
        )
    )
    style.dress(ax, x=style.literal(x), y=y)
    return figure, ax


def _scales(ax: Axes, values: Sequence[float]) -> None:
    if values and min(values) > 0 and max(values) / min(values) >= _LOG_FROM:
        ax.set_yscale("log")
        ax.yaxis.set_minor_locator(NullLocator())
    else:
        style.plain_ticks(ax.yaxis, 5)


def _logarithmic(places: Sequence[float], kind: str) -> bool:
    return kind in ("geometric", "loguniform") and min(places) > 0


def _of(entry: Entry, axis: Axis) -> Any:
    values = [entry.record.params.get(name) for name in axis.names]
    return values[0] if len(values) == 1 else tuple(values)


def _places(entries: Sequence[Entry], axis: Axis) -> tuple[dict[str, float], list[str] | None]:
    """Return where each value stands on the axis, and the values' names where they are no numbers."""
    found = {_text(value): value for value in (_of(entry, axis) for entry in entries)}
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in found.values()):
        numbers = {text: float(value) for text, value in found.items()}
        if all(math.isfinite(number) for number in numbers.values()):
            return numbers, None
    listed = [_text(value) for value in axis.values]
    order = {text: n for n, text in enumerate(dict.fromkeys([*listed, *found]))}
    names = [text for text in order if text in found]
    return {text: float(n) for n, text in enumerate(names)}, names


def _coloured(entries: Sequence[Entry], axes: Sequence[Axis]) -> str | None:
    """Return the parameter whose values are few enough to be told apart by colour."""
    for axis in axes:
        for name in axis.names:
            few = len({_text(entry.record.params.get(name)) for entry in entries})
            if 1 < few <= _MOST_COLOURS:
                return name
    return None


def _medians(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    columns: dict[float, list[float]] = defaultdict(list)
    for x, y in points:
        columns[x].append(y)
    found = []
    for x in sorted(columns):
        ys = sorted(columns[x])
        half = len(ys) // 2
        found.append((x, ys[half] if len(ys) % 2 else (ys[half - 1] + ys[half]) / 2))
    return found


def _text(value: Any) -> str:
    return (
        f"{value:.6g}" if isinstance(value, float) else repr(value) if not isinstance(value, str) else value
    )
