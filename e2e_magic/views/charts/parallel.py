"""More than two parameters: parallel axes, a line per setting, coloured by the metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection

from e2e_magic.derived.declarations import lower_is_better
from e2e_magic.views.charts import style
from e2e_magic.views.charts.scales import Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_NAMED = 6  # values of a parameter that are written on its axis


def draw_parallel(
    scales: list[Scale],
    places: list[NDArray[np.float64]],
    values: NDArray[np.float64],
    metric: str,
    label: str,
    ax: Axes | None,
) -> Axes:
    """Draw an axis per parameter and one for the metric; the best setting is drawn thick."""
    ax = ax or style.axes(max(560, 130 * (len(scales) + 1)), 360)
    keys = np.column_stack(places)
    spots, group = np.unique(keys, axis=0, return_inverse=True)
    group = group.ravel()
    medians = np.array([np.median(values[group == n]) for n in range(len(spots))])
    heights = [_height(spots[:, n], one.places) for n, one in enumerate(scales)]
    heights.append(_height(medians, medians))
    lines = np.stack([np.column_stack([np.arange(len(heights)), row]) for row in np.column_stack(heights)])
    lower = lower_is_better(metric)
    order = np.argsort(-medians if lower else medians, kind="stable")  # the best on top
    shade = style.RAMP(heights[-1][order])
    shade[:, 3] = 0.8 if len(lines) <= 60 else 0.35
    ax.add_collection(LineCollection(list(lines[order]), colors=shade, linewidths=1.2))
    best = lines[order[-1]]
    ax.plot(best[:, 0], best[:, 1], color=style.RED, linewidth=2.4, marker="o", markersize=5)
    style.dress(ax, grid="")
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_xlim(-0.4, len(heights) - 0.6)
    ax.set_ylim(-0.06, 1.08)
    ax.set_yticks([])
    names = [style.label(one.name) for one in scales]
    style.name_ticks(ax.xaxis, range(len(heights)), [*names, label], most=22)
    ax.tick_params(axis="x", length=0)
    for n, one in enumerate(scales):
        step = -(-len(one.values) // _NAMED)
        indices = sorted(
            {*range(0, len(one.values), step), len(one.values) - 1} if step > 1 else range(len(one.values))
        )
        _axis(ax, n, _height(one.places[indices], one.places), [one.spell(one.values[k]) for k in indices])
    ends = np.unique([medians.min(), np.median(medians), medians.max()])
    _axis(ax, len(scales), _height(ends, medians), [style.digits(value) for value in ends])
    style.title(ax, f"red: the {'lowest' if lower else 'highest'} {style.words(metric)}")
    return ax


def _height(values: NDArray[np.float64], of: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values between 0 and 1 along their axis; in its middle where all are alike."""
    low, high = float(of.min()), float(of.max())
    heights: NDArray[np.float64] = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    return heights


def _axis(ax: Axes, place: int, heights: NDArray[np.float64], names: list[str]) -> None:
    ax.axvline(place, color=style.INK, linewidth=0.9, alpha=0.7)
    last = -1.0
    for height, name in zip(heights, names, strict=True):
        if height - last < 0.05:
            continue  # the numbers would lie on each other
        last = float(height)
        note = style.write(
            ax, place, height, style.shorten(name, 14), va="center", ha="center", color="#FFFFFF"
        )
        # On a ground of its own: behind it run the lines, on white or on black.
        note.set_bbox({"facecolor": style.INK, "edgecolor": "none", "boxstyle": "round,pad=0.2"})
