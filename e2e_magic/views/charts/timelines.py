"""The samples of a trial over its time, a small panel per kind of quantity."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import finite, thin

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from numpy.typing import NDArray

EMPTY = "no samples: the cell was shorter than the interval"
MISSING = "no samples: every reading is missing"

# What shares a panel, by its title; the words say which is which. Other metrics stand alone.
_PANELS = {
    "CPU": {"cpu_percent_now": "CPU"},
    "memory": {"rss_mib": "RSS", "tree_rss_mib": "with children"},
    "power": {
        "package_power_w": "package",
        "psys_power_w": "platform",
        "dram_power_w": "DRAM",
        "gpu_power_w": "GPU",
        "estimated_power_w": "estimate",
    },
    "IO": {"read_mib_now": "read", "write_mib_now": "written"},
    "GPU use": {"gpu_percent_now": "GPU use"},
    "GPU memory": {"gpu_memory_mib": "all programs", "gpu_process_memory_mib": "this process"},
    "GPU temperature": {"gpu_temperature_c": "GPU temperature"},
}
_ONE_GPU = re.compile(r"gpu_(?P<number>\d+)_(?P<what>\w+)$")
# Memory and temperature never come near zero: their curves are shown where they are.
_FLOATING = {"memory", "GPU temperature"}
_ROW_PX = 156
_FOOT_PX = 24


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: a metric of one trial."""

    metric: str
    owner: str
    trial: tuple[object, ...]
    t_s: NDArray[np.float64]
    value: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Panel:
    """What one small axes shows."""

    title: str
    unit: str
    names: dict[str, str]
    lines: list[Line]


def panels(samples: pd.DataFrame, bins: int = 320) -> list[Panel]:
    """Sort samples into panels of thinned lines; metrics without a single number are left out.

    Parameters
    ----------
    samples : DataFrame
        Columns ``metric``, ``t_s``, ``value``; ``run``, ``stage`` and ``trial`` if there are several.
    bins : int
        Columns of pixels that a line may fill.
    """
    if samples.empty:
        return []
    units = style.units(samples)
    keys = [key for key in ("run", "stage", "trial") if key in samples.columns]
    owners = [key for key in ("run", "stage") if key in keys and samples[key].nunique() > 1]
    found: dict[str, list[Line]] = {}
    for key, part in samples.groupby(["metric", *keys], sort=False, observed=True, dropna=False):
        t, value = finite(part["t_s"]), finite(part["value"])
        order = np.argsort(t[~np.isnan(t)], kind="stable")
        t, value = t[~np.isnan(t)][order], value[~np.isnan(t)][order]
        if np.isnan(value).all():
            continue
        metric, who = str(key[0]), dict(zip(keys, key[1:], strict=True))
        line = Line(metric, " · ".join(str(who[o]) for o in owners), tuple(key[1:]), *thin(t, value, bins))
        found.setdefault(metric, []).append(line)
    _leave_one_memory(found)
    made = []
    for title, known in _PANELS.items():
        names = known | _of_each(known, found)
        here = [metric for metric in names if metric in found]
        if here:
            lines = _seen([line for metric in here for line in found.pop(metric)])
            made.append(Panel(title, style.unit_of(here[0], units), names, lines))
    for metric in sorted(found):
        word = style.words(metric)
        made.append(Panel(word, style.unit_of(metric, units), {metric: word}, found[metric]))
    return made


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


def _of_each(known: dict[str, str], found: Iterable[str]) -> dict[str, str]:
    """Name the curves of single GPUs (``gpu_0_power_w``), which share the panel of all of them."""
    names = {}
    for metric in sorted(found):
        one = _ONE_GPU.match(metric)
        if one and (whole := f"gpu_{one['what']}") in known:
            names[metric] = f"GPU {one['number']}"
            if known[whole].startswith("GPU"):
                names[whole] = "hottest" if whole == "gpu_temperature_c" else "all GPUs"
    return names


def _leave_one_memory(found: dict[str, list[Line]]) -> None:
    """Of each GPU's memory leave this process's, where the driver tells it: both would be a thicket."""
    for metric in list(found):
        one = _ONE_GPU.match(metric)
        if one and f"gpu_{one['number']}_process_{one['what']}" in found:
            del found[metric]


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
        one axes says why. Estimated series are dashed.
    """
    shown = panels(samples)
    wide = width_px if figure is None else style.size_px(figure)[0]
    columns = max(1, min(len(shown), round(wide / 310)))
    rows = max(1, math.ceil(len(shown) / columns))
    figure = figure or style.figure(width_px, rows * _ROW_PX + _FOOT_PX, fitted=False)
    if not shown:
        return [style.say(figure.add_subplot(), EMPTY if samples.empty else MISSING)]
    wide, high = style.size_px(figure)
    ends = [line.t_s[-1] for panel in shown for line in panel.lines]
    starts = [line.t_s[0] for panel in shown for line in panel.lines]
    # A single reading gives no span of time: it stands in the middle of a made-up one.
    low, top = min(0.0, *starts), max(ends)
    if top <= max(starts):
        top = 2 * top if top > 0 else low + 1.0
    made: list[Axes] = []
    cell, tall = wide / columns, (high - _FOOT_PX) / rows
    for n, panel in enumerate(shown):
        ax = figure.add_axes((0, 0, 1, 1), sharex=made[0] if made else None)
        _draw(ax, panel, cell - 50)
        lowest = n + columns >= len(shown)  # nothing stands below it
        style.dress(ax, x="time (s)" if lowest else "", y=_label(panel))
        style.plain_ticks(ax.yaxis, 3)
        made.append(ax)
    # Panels that stand below each other begin at the same place, so that their times do too.
    lefts = [max(map(_ticks_px, made[column::columns])) for column in range(min(columns, len(made)))]
    for n, ax in enumerate(made):
        row, column = divmod(n, columns)
        left = lefts[column]
        ax.set_position(
            (
                (column * cell + left) / wide,
                (_FOOT_PX + (rows - 1 - row) * tall + 20) / high,
                (cell - left - 14) / wide,
                (tall - 46) / high,
            )
        )
        # Read from left to right above the panel, the label takes no width from the curve.
        ax.yaxis.label.set(rotation=0, ha="left", va="bottom")
        ax.yaxis.set_label_coords(0, 1 + 6 / (tall - 46))
        ax.tick_params(axis="x", labelbottom=n + columns >= len(shown))
    made[0].set_xlim(low, top)
    style.plain_ticks(made[0].xaxis, 5)
    return made


def _label(panel: Panel) -> str:
    # Alone, an estimate has no legend that would say what it is.
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


def _place(ax: Axes, panel: Panel, names: list[str], width_px: float) -> dict[str, object]:
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
    if panel.title not in _FLOATING:
        low = min(low, 0.0)
    # At least a tenth of the value is in view, lest noise looks like a leap.
    span = max(high - low, 0.1 * max(abs(high), abs(low)), 1e-9)
    pad = 0.08 * span
    if panel.title in _FLOATING:
        middle = (high + low) / 2
        low, high = middle - span / 2, middle + span / 2
        ax.set_ylim(low - pad, high + pad)
    else:
        ax.set_ylim(low - pad if low < 0 else 0, (high if high > low else low + 1) + pad)


def _ticks_px(ax: Axes) -> float:
    # Measuring drawn text would cost more than drawing the chart; digits are of one width.
    low, high = ax.get_ylim()
    at = [t for t in ax.yaxis.get_majorticklocs() if low <= t <= high]
    longest = max((len(text) for text in ax.yaxis.get_major_formatter().format_ticks(at)), default=1)
    return 16 + 7 * longest
