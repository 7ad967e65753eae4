"""Runs against a baseline: a bar per stage, metric and run, from no difference to the ratio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from e2e_magic.derived.comparison import amount
from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import finite

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

EMPTY = "nothing to compare: measure the same stage in two runs"
MOST = 40
_ROW_PX, _HEAD_PX, _FOOT_PX = 22, 34, 44
# Candidates for ticks of a ratio: as many of them as there is room for.
_TICKS = (
    (0.01, 0.1, 1, 10, 100), (0.1, 0.2, 0.5, 1, 2, 5, 10), (0.5, 0.7, 1, 1.5, 2, 3),
    (0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4), (0.9, 0.95, 1, 1.05, 1.1), (0.98, 0.99, 1, 1.01, 1.02),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of the chart; NaN where there is no interval."""

    label: str
    ratio: float
    low: float
    high: float
    text: str
    better: bool | None


def bars(frame: pd.DataFrame, most: int = MOST) -> list[Bar]:
    """Take the rows of a comparison that have a ratio, in order."""
    if frame.empty:
        return []
    several = frame["run"].nunique() > 1
    ratio, low, high = (finite(frame[name]) for name in ("ratio", "ratio_low", "ratio_high"))
    found = []
    for n, row in enumerate(frame.itertuples()):
        if not ratio[n] > 0:
            continue
        what = style.words(str(row.metric))
        label = f"{row.stage} · {what}" + (f" · {row.run}" if several else "")
        verdict = str(row.verdict)
        better: bool | None = None
        if verdict not in ("no difference seen", "too few repeats") and row.better in ("lower", "higher"):
            better = (ratio[n] < 1) == (row.better == "lower")
        found.append(Bar(label, ratio[n], low[n], high[n], amount(verdict, ratio[n])[0], better))
    return found[:most]


def comparison(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the ratios of a comparison with their intervals, on a logarithmic axis from 1.

    What is better than the baseline is green, what is worse is red; where no difference was seen, or
    too few repeats can't tell, the bar is grey.

    Parameters
    ----------
    frame : DataFrame
        ``Comparison.frame``.
    ax : Axes, optional
        Where to draw; on a new figure, unknown to pyplot, when left out.
    """
    found = bars(frame)
    if not found:
        ax = ax or style.axes(640, 120)
        few = not frame.empty
        return style.say(ax, "no ratio: too few values, or none above 0, in every row" if few else EMPTY)
    ax = ax or style.axes(700, len(found) * _ROW_PX + _HEAD_PX + _FOOT_PX)
    places = np.arange(len(found))
    ratio = np.array([bar.ratio for bar in found])
    colours = [
        style.INK if bar.better is None else style.PALETTE[2] if bar.better else style.RED for bar in found
    ]
    ax.barh(places, ratio - 1, left=1, height=0.6, color=colours, linewidth=0, alpha=0.45)
    ends = [value for bar in found for value in (bar.ratio, bar.low, bar.high, 1.0) if value > 0]
    # Beyond that matplotlib's own sums overflow.
    low, high = max(float(min(ends)), 1e-100), min(float(max(ends)), 1e100)
    for n, bar in enumerate(found):
        if np.isfinite([bar.low, bar.high]).all():
            ax.plot([bar.low, bar.high], [n, n], color=colours[n], linewidth=1.8, marker="|", markersize=8)
    style.dress(ax, x=f"ratio to {style.literal(frame['baseline'].iloc[0])}, 95 % interval", grid="x")
    _scale(ax, low, high)
    ax.axvline(1, color=style.INK, linewidth=1.0)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(found) - 0.4, -0.6)
    style.name_ticks(ax.yaxis, list(places), [bar.label for bar in found], most=44)
    for n, bar in enumerate(found):
        style.write(ax, 1.01, n, bar.text, va="center", transform=ax.get_yaxis_transform())
    if len(frame) > len(found):
        style.plain(ax.set_title(f"{len(found)} of {len(frame)} rows have a ratio to draw", loc="left"))
    return ax


def _scale(ax: Axes, low: float, high: float) -> None:
    """Make the axis logarithmic: half as long is as far from 1 as twice as long."""
    room = max((math.log(high) - math.log(low)) * 0.06, 0.01)
    ax.set_xscale("log")
    ax.set_xlim(low * math.exp(-room), high * math.exp(room))
    ticks = _ticks(*ax.get_xlim())
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{style.number(value)}x"))


def _ticks(low: float, high: float) -> Sequence[float]:
    inside = [[tick for tick in ticks if low <= tick <= high] for ticks in _TICKS]
    good = [ticks for ticks in inside if 3 <= len(ticks) <= 6]
    if good:
        return good[0]
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    step = max(1, len(decades) // 5)
    wide = [10.0**power for power in decades if power % step == 0 and low <= 10.0**power <= high]
    return wide if len(wide) > 2 else max(inside, key=lambda ticks: min(len(ticks), 6))
