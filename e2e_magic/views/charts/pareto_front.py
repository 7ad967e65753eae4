"""Cost against gain over the settings of a sweep: those that nothing beats are marked and joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from e2e_magic.derived.declarations import lower_is_better
from e2e_magic.derived.pareto import unbeaten
from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import complete, finite
from e2e_magic.views.charts.scales import PREFIX, Scale

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from e2e_magic.record import Better

EMPTY = "no trials of a sweep: %%e2esweep STAGE NAME=VALUES makes some"
MOST_NAMED = 8


@style.without_tex()
def pareto(frame: pd.DataFrame, x: str, y: str, *more: str, ax: Axes | None = None) -> Any:
    """Draw every setting of a sweep by its metrics; mark those that none beats.

    Parameters
    ----------
    frame : DataFrame
        What `frames.pareto` returns, or the trials frame, of which each complete trial counts by itself.
    x, y, *more : str
        The metrics. Of two the unbeaten are joined; of three or four every pair has a plane of its own, and
        the marks and numbers are those of all metrics together.
    ax : Axes, optional
        Where to draw two metrics; on a new figure, unknown to pyplot, when left out.

    Returns
    -------
    Axes, or list of Axes of three and four metrics
    """
    metrics = (x, y, *more)
    if "unbeaten" not in frame:
        frame = _marked(frame, metrics)
    values = {name: finite(frame[name]) for name in metrics}
    measured: NDArray[np.bool_] = ~np.any(np.isnan(list(values.values())), axis=0)
    if not measured.any():
        lacking = "no setting has all: " if more else "no setting has both: "
        listed = " and ".join(map(style.words, metrics))
        empty = style.say(ax, EMPTY if frame.empty else lacking + listed)
        return style.Panels([empty]) if more else empty
    best = measured & frame["unbeaten"].to_numpy(dtype=bool)
    order = np.flatnonzero(best)[np.argsort(values[x][best], kind="stable")]
    if not more:
        ax = ax or style.axes(760, 360)
        steps = _steps(frame, x)
        _plane(ax, frame, (x, y), values, measured, order, steps=steps)
        _name(ax, frame, order, loc="upper left", bbox_to_anchor=(1.01, 1.0))
        _headline(ax, frame, metrics)
        return ax
    size = len(metrics) - 1
    figure = style.figure(120 + 250 * size + 160, 60 + 210 * size)
    grid = figure.subplots(size, size, squeeze=False, sharex="col", sharey="row")
    panels = style.Panels()
    for (row, column), plane in np.ndenumerate(grid):
        if column > row:
            plane.set_axis_off()
            continue
        pair = metrics[column], metrics[row + 1]
        _plane(plane, frame, pair, values, measured, order)
        if row < size - 1:
            plane.set_xlabel("")
        if column:
            plane.set_ylabel("")
        panels.append(plane)
    # The names stand in the corner that has no plane.
    _name(grid[0, -1], frame, order, loc="upper left", bbox_to_anchor=(0.0, 1.0))
    _headline(grid[0, 0], frame, metrics)
    return panels


def _plane(
    ax: Axes,
    frame: pd.DataFrame,
    pair: tuple[str, str],
    values: Mapping[str, NDArray[np.float64]],
    measured: NDArray[np.bool_],
    order: NDArray[np.int64],
    *,
    steps: str = "",
) -> None:
    """Draw the settings by two metrics; `order` are the unbeaten, joined where `steps` says how."""
    across, up = (values[name] for name in pair)
    rest = measured.copy()
    rest[order] = False
    ax.plot(across[rest], up[rest], linestyle="none", marker="o", markersize=5, color=style.INK, alpha=0.55)
    if steps:
        ax.plot(across[order], up[order], color=style.RED, linewidth=1.4, drawstyle=steps, marker="")
    ax.plot(across[order], up[order], linestyle="none", marker="D", markersize=7, color=style.RED)
    style.dress(ax, x=style.label_in(frame, pair[0]), y=style.label_in(frame, pair[1]), grid="both")
    style.plain_ticks(ax.xaxis, 6 if steps else 4)
    style.plain_ticks(ax.yaxis, 6 if steps else 4)
    ax.margins(0.12)
    for place, n in enumerate(_named(order), 1):
        style.note(ax, str(place), (across[n], up[n]), (7, 7), color=style.RED)


def _steps(frame: pd.DataFrame, x: str) -> str:
    # No better setting lies between two of them: the line follows the measured settings in steps.
    better = frame.attrs.get("better", {})
    return "steps-post" if better.get(x, "lower") == "lower" else "steps-pre"


def _named(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return those of the unbeaten that are named: all, or the ends and some between."""
    if len(order) <= MOST_NAMED:
        return order
    some: NDArray[np.int64] = order[np.linspace(0, len(order) - 1, MOST_NAMED).round().astype(int)]
    return some


def _name(ax: Axes, frame: pd.DataFrame, order: NDArray[np.int64], **place: Any) -> None:
    """Write what the numbers beside the points stand for."""
    names, ends = _labels(frame), _named(order)
    marks: list[object] = [
        Line2D([], [], linestyle="none", marker="D", markersize=5, color=style.RED) for _ in ends
    ]
    captions = [f"{number}  {names[n] or 'the only setting'}" for number, n in enumerate(ends, 1)]
    if len(order) > len(ends):
        marks.append(Line2D([], [], linestyle="none", marker=""))
        captions.append(f"and {len(order) - len(ends)} more between them")
    style.legend(ax, marks, captions, most=len(captions), **place)


def _headline(ax: Axes, frame: pd.DataFrame, metrics: Sequence[str]) -> None:
    arrow = {"lower": "less", "higher": "more"}
    better = frame.attrs.get("better", {})
    goal = ", ".join(f"{arrow[better[name]]} {style.words(name)}" for name in metrics if name in better)
    style.title(ax, f"red: beaten by none{f' ({goal} is better)' if goal else ''}")


def _marked(trials: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Mark the complete trials that none beats."""
    done = complete(trials)
    better: dict[str, Better] = {name: "lower" if lower_is_better(name) else "higher" for name in metrics}
    marked = done.assign(
        unbeaten=unbeaten([finite(done[name]).tolist() for name in metrics], [*better.values()])
    )
    marked.attrs = {**trials.attrs, "better": better}
    return marked


def _labels(frame: pd.DataFrame) -> list[str]:
    """Return the parameters of each setting: only those of which several values were tried."""
    varied = [
        name
        for name in frame.columns
        if str(name).startswith(PREFIX) and len({repr(value) for value in frame[name].tolist()}) > 1
    ]
    parts: list[list[str]] = [[] for _ in range(len(frame))]
    for name in varied:
        cells = frame[name].tolist()
        for n, (value, gone) in enumerate(zip(cells, frame[name].isna(), strict=True)):
            if not gone:
                number = isinstance(value, int | float) and not isinstance(value, bool)
                spelled = Scale("", [], np.empty(0), words=not number).spell(value)
                parts[n].append(f"{str(name).removeprefix(PREFIX)}={style.shorten(spelled, 16)}")
    return [style.shorten(", ".join(words), 48) for words in parts]
