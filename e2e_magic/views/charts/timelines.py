"""The samples of a trial over its time, a small panel per kind of quantity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import finite, thin, trials
from e2e_magic.views.panels import ONE_GPU, PANELS, alone

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from numpy.typing import NDArray

EMPTY = "no samples: the cell was shorter than the interval"
MISSING = "no samples: every reading is missing"

_ROW_PX = 156
_FOOT_PX = 24


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: a metric of one trial."""

    metric: str
    owner: str
    trial: int
    t_s: NDArray[np.float64]
    value: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Panel:
    """The content of one small axes."""

    title: str
    unit: str
    floating: bool
    names: dict[str, str]
    lines: list[Line]


def panels(samples: pd.DataFrame, bins: int = 320) -> list[Panel]:
    """Return the panels of samples, with thinned lines; metrics without a single number are left out.

    Parameters
    ----------
    samples : DataFrame
        Columns ``metric``, ``t_s``, ``value``; ``run``, ``stage`` and ``trial`` if there are several.
    bins : int
        Columns of pixels that a line may fill.
    """
    import pandas as pd

    if samples.empty:
        return []
    units = style.units(samples)
    t_s, values = finite(samples["t_s"]), finite(samples["value"])
    codes, metrics = pd.factorize(samples["metric"].astype(object).to_numpy())
    by_metric: dict[str, list[Line]] = {}
    for n, trial in enumerate(trials(samples)):
        rows = trial.rows[~np.isnan(t_s[trial.rows])]
        rows = rows[np.argsort(t_s[rows], kind="stable")]
        for code in pd.unique(codes[rows]):
            here = rows[codes[rows] == code]
            if not np.isnan(values[here]).all():
                name, line = str(metrics[code]), thin(t_s[here], values[here], bins)
                by_metric.setdefault(name, []).append(Line(name, trial.owner, n, *line))
    _leave_one_memory(by_metric)
    filled = []
    for shared in (*PANELS, *alone(sorted(by_metric))):
        names = shared.with_each_gpu(by_metric)
        here = [metric for metric in names if metric in by_metric]
        if here:
            lines = _seen([line for metric in here for line in by_metric[metric]])
            unit = style.unit_of(here[0], units)
            filled.append(Panel(shared.title, unit, shared.floating, names, lines))
    return filled


def _seen(lines: list[Line]) -> list[Line]:
    """Leave out the memory of a process with its children where it has none: it lies under its own."""
    own = {line.trial: line for line in lines if line.metric == "rss_mib"}
    return [
        line
        for line in lines
        if line.metric != "tree_rss_mib" or line.trial not in own or not _same(line, own[line.trial])
    ]


def _same(line: Line, other: Line) -> bool:
    return line.value.shape == other.value.shape and np.allclose(
        line.value, other.value, rtol=0.002, atol=0, equal_nan=True
    )


def _leave_one_memory(by_metric: dict[str, list[Line]]) -> None:
    """Keep only this process's memory of each GPU, where the driver reports it: both would be clutter."""
    for metric in list(by_metric):
        one = ONE_GPU.match(metric)
        if one and f"gpu_{one['number']}_process_{one['what']}" in by_metric:
            del by_metric[metric]


@style.without_tex()
def timeline(samples: pd.DataFrame, *, figure: Figure | None = None, width_px: float = 640) -> list[Axes]:
    """Draw samples over time as small multiples on one time axis.

    Parameters
    ----------
    samples : DataFrame
        Of one trial, or of several that are laid over each other: columns ``metric``, ``t_s``,
        ``value``, and ``run``, ``stage``, ``trial`` as the samples frame has them.
    figure : Figure, optional
        Where to draw; a new one, unknown to pyplot, when left out.
    width_px : float
        Width of a new figure in CSS px; its height follows from the number of panels.

    Returns
    -------
    list of Axes
        One per panel; metrics without numbers have none. Never empty: with nothing to show, its
        one axes states the reason. Estimated series are dashed.
    """
    filled = panels(samples)
    wide = width_px if figure is None else style.size_px(figure)[0]
    columns = max(1, min(len(filled), round(wide / 310)))
    rows = max(1, math.ceil(len(filled) / columns))
    figure = figure or style.figure(width_px, rows * _ROW_PX + _FOOT_PX)
    engine: Any = figure.get_layout_engine()
    if engine is not None:
        engine.set(h_pad=0.09)  # inches: for layout only the middle of a label counts
    if not filled:
        return [style.say(figure.add_subplot(), EMPTY if samples.empty else MISSING)]
    ends = [line.t_s[-1] for panel in filled for line in panel.lines]
    starts = [line.t_s[0] for panel in filled for line in panel.lines]
    # A single reading gives no span of time: it is placed in the middle of an artificial one.
    low, top = min(0.0, *starts), max(ends)
    if top <= max(starts):
        top = 2 * top if top > 0 else low + 1.0
    drawn: list[Axes] = list(figure.subplots(rows, columns, sharex=True, squeeze=False).flat)
    for ax in drawn[len(filled) :]:
        ax.remove()
    drawn = drawn[: len(filled)]
    for n, (ax, panel) in enumerate(zip(drawn, filled, strict=True)):
        _draw(ax, panel, wide / columns - 50)
        lowest = n + columns >= len(filled)  # nothing stands below it
        style.dress(ax, x="time (s)" if lowest else "", y=_label(panel))
        ax.tick_params(axis="x", labelbottom=lowest)
        style.plain_ticks(ax.yaxis, 3)
        # Read from left to right above the panel, the label takes no width from the curve.
        ax.yaxis.label.set(rotation=0, ha="left", va="bottom")
        ax.yaxis.set_label_coords(0, 1.05)
    drawn[0].set_xlim(low, top)
    style.plain_ticks(drawn[0].xaxis, 5)
    return drawn


def _label(panel: Panel) -> str:
    # Alone, an estimate has no legend that would identify it.
    guessed = all(line.metric.startswith("estimated_") for line in panel.lines)
    return f"{'estimated ' if guessed else ''}{panel.title} ({panel.unit})".removesuffix(" ()")


def _draw(ax: Axes, panel: Panel, width_px: float) -> None:
    owners = list(dict.fromkeys(line.owner for line in panel.lines))
    metrics = list(dict.fromkeys(line.metric for line in panel.lines))
    several = len({line.trial for line in panel.lines}) > len(owners)
    handles: dict[str, Line2D] = {}
    for line in reversed(panel.lines):  # the first metric, the process itself, on top
        colour = owners.index(line.owner) if len(owners) > 1 else metrics.index(line.metric)
        dashes = style.DASHES[metrics.index(line.metric) % 4] if len(owners) > 1 else "-"
        [drawn] = ax.plot(
            line.t_s,
            line.value,
            color=style.PALETTE[colour % len(style.PALETTE)],
            linestyle=style.DASHED if line.metric.startswith("estimated_") else dashes,
            linewidth=1.0 if several else 1.5,
            alpha=0.6 if several else 1.0,
            marker="o" if np.count_nonzero(~np.isnan(line.value)) < 3 else "",
            markersize=4,
            solid_capstyle="round",
        )
        owner = style.shorten(line.owner, 24)
        words = [owner] if len(owners) > 1 else []
        handles[", ".join([*words, panel.names[line.metric]] if len(metrics) > 1 else words or [""])] = drawn
    _span(ax, panel)
    if len(handles) > 1:
        names = list(reversed(handles))[:8]
        style.legend(ax, [handles[name] for name in names], names, **_place(ax, panel, names, width_px))


def _place(ax: Axes, panel: Panel, names: list[str], width_px: float) -> dict[str, Any]:
    """Find room for the names: beside the panel's label, else in a strip above the curves."""
    sizes = [7 * len(name) + 32 for name in names]
    if sum(sizes) + 7 * (len(panel.title) + len(panel.unit) + 3) <= width_px:
        return {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "ncols": len(names)}
    columns = max(1, min(len(names), int(width_px / max(sizes))))
    rows = math.ceil(len(names) / columns)
    if rows > 2:
        return {"loc": "best"}
    low, high = ax.get_ylim()
    ax.set_ylim(low, low + (high - low) / (1 - 0.19 * rows))
    return {"loc": "upper right", "ncols": columns}


def _span(ax: Axes, panel: Panel) -> None:
    values = np.concatenate([line.value for line in panel.lines])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if not panel.floating:
        low = min(low, 0.0)
    # At least a tenth of the value is in view, lest noise looks like a leap.
    span = max(high - low, 0.1 * max(abs(high), abs(low)), 1e-9)
    pad = 0.08 * span
    if panel.floating:
        middle = (high + low) / 2
        low, high = middle - span / 2, middle + span / 2
        ax.set_ylim(low - pad, high + pad)
    else:
        ax.set_ylim(low - pad if low < 0 else 0, (high if high > low else low + 1) + pad)
