"""Two parameters: a heat map of the medians, points where values were drawn at random, a surface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from e2e_magic.derived.declarations import lower_is_better
from e2e_magic.views.charts import style
from e2e_magic.views.charts.scales import Scale, name_places, name_some

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

MAP = "cividis"  # its lightness rises evenly, and it looks alike to the colour-blind
_MOST_TOLD = 64  # cells whose number fits in them


def table(
    scales: list[Scale], places: list[NDArray[np.float64]], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the median of each pair of values, rows for the second parameter; NaN where none was tried."""
    medians = np.full((len(scales[1].values), len(scales[0].values)), np.nan)
    for row, up in enumerate(scales[1].places):
        for column, across in enumerate(scales[0].places):
            some = values[(places[0] == across) & (places[1] == up)]
            if len(some):
                medians[row, column] = np.median(some)
    return medians


def draw_heat(
    scales: list[Scale],
    places: list[NDArray[np.float64]],
    values: NDArray[np.float64],
    metric: str,
    label: str,
    ax: Axes | None,
) -> Axes:
    """Draw cells of equal size, named by their values; the best is framed."""
    ax = ax or style.axes(600, 360)
    sparse = min(len(one.values) for one in scales) > 6 and len(values) < 0.5 * np.prod(
        [len(o.values) for o in scales]
    )
    if sparse:
        return _points(scales, places, values, label, ax)
    cells = table(scales, places, values)
    image = ax.imshow(cells, cmap=MAP, aspect="auto", origin="lower", interpolation="nearest")
    style.dress(ax, x=style.label(scales[0].name), y=style.label(scales[1].name), grid="")
    for axis, one in ((ax.xaxis, scales[0]), (ax.yaxis, scales[1])):
        name_some(axis, one, range(len(one.values)), most=12)
    style.slant_names(ax)
    best = np.nanargmin(cells) if lower_is_better(metric) else np.nanargmax(cells)
    row, column = divmod(int(best), cells.shape[1])
    if cells.size <= _MOST_TOLD:
        middle = (np.nanmin(cells) + np.nanmax(cells)) / 2
        for (up, across), value in np.ndenumerate(cells):
            text, colour = style.digits(value) if np.isfinite(value) else "-", style.INK
            if np.isfinite(value):
                colour = "#000000" if value > middle else "#FFFFFF"
            style.write(ax, across, up, text, ha="center", va="center", color=colour)
    ax.plot(
        [column - 0.47, column + 0.47, column + 0.47, column - 0.47, column - 0.47],
        [row - 0.47, row - 0.47, row + 0.47, row + 0.47, row - 0.47],
        color=style.RED, linewidth=2, marker="",
    )  # fmt: skip
    ax.set_xlim(-0.5, cells.shape[1] - 0.5)
    ax.set_ylim(-0.5, cells.shape[0] - 0.5)
    style.title(ax, "medians; framed: the best")
    style.colour_bar(ax, image, label)
    return ax


def _points(
    scales: list[Scale], places: list[NDArray[np.float64]], values: NDArray[np.float64], label: str, ax: Axes
) -> Axes:
    image = ax.scatter(
        places[0], places[1], c=values, cmap=style.RAMP, s=36, edgecolors=style.INK, linewidths=0.6
    )
    style.dress(ax, x=style.label(scales[0].name), y=style.label(scales[1].name), grid="both")
    name_places(ax, "x", scales[0])
    name_places(ax, "y", scales[1])
    style.colour_bar(ax, image, label)
    return ax


def draw_surface(
    scales: list[Scale],
    places: list[NDArray[np.float64]],
    values: NDArray[np.float64],
    metric: str,  # noqa: ARG001 - as `draw_heat`
    label: str,
    ax: Axes | None,
) -> Axes:
    """Draw the medians as a surface over both parameters, with a point for each.

    Raises
    ------
    ValueError
        If the axes are not 3-D, or with fewer than two values of a parameter.
    """
    few = [one.name for one in scales if len(one.values) < 2]
    if few:
        raise ValueError(f"kind: a surface needs two values at least of {few[0]}: take kind='line'")
    axes: Any = ax if ax is not None else style.axes(600, 420, fitted=False, solid=True)
    if not hasattr(axes, "plot_surface"):
        raise ValueError("ax: a surface needs 3-D axes, as figure.add_subplot(projection='3d') makes them")
    cells = table(scales, places, values)
    across, up = np.meshgrid(scales[0].places, scales[1].places)
    if np.isfinite(cells).all():
        axes.plot_surface(across, up, cells, cmap=MAP, alpha=0.85, linewidth=0.4, edgecolor=style.INK,
                          rstride=1, cstride=1)  # fmt: skip
    tried = np.isfinite(cells)
    axes.scatter(across[tried], up[tried], cells[tried], color=style.RED, s=14, depthshade=False)
    axes.set_facecolor("none")
    for axis, text in ((axes.xaxis, style.label(scales[0].name)), (axes.yaxis, style.label(scales[1].name)),
                       (axes.zaxis, label)):  # fmt: skip
        axis.set_label_text(text)
        axis.labelpad = 8
        style.plain(axis.label, px=style.LABEL_PX)
        axis.set_pane_color((0.5, 0.5, 0.5, 0.06))
        axis.line.set_color(style.INK)
        axis._axinfo["grid"].update(color=(0.5, 0.5, 0.5, 0.3), linewidth=0.6)
    axes.tick_params(colors=style.INK, labelsize=style.TICK_PX * 0.72)
    for axis, one in ((axes.xaxis, scales[0]), (axes.yaxis, scales[1])):
        name_some(axis, one, one.places, most=6)
    style.plain_ticks(axes.zaxis, 5)
    if ax is None:
        axes.set_position((0.0, 0.04, 0.92, 0.96))
        axes.set_box_aspect((4, 4, 3), zoom=0.92)
    surface: Axes = axes
    return surface
