"""Runs against a baseline: a bar per stage, metric and run, from no difference to the ratio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from e2e_magic.derived.comparison import OPEN, amount
from e2e_magic.derived.comparison_headlines import headlines, ordered, restating
from e2e_magic.text import distinct
from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import finite
from e2e_magic.views.charts.run_colours import run_colours

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

EMPTY = "nothing to compare: measure the same stage in two runs"
MOST = 40
# Rows without a claimed difference fill a chart up to this many.
ENOUGH = 12
_HEAD_CHARACTERS = 104  # of a line above the chart
_ROW_PX, _LINE_PX, _HEAD_PX, _FOOT_PX = 22, 18, 12, 44
_ROW_LINE_PX, _BETWEEN_PX = 14, 8  # of a row whose label has several lines
_LABEL_CHARACTERS = 44  # of a line of a row's label
_MOST_CHARACTERS = 4 * _LABEL_CHARACTERS
MOST_LINES = 6  # of runs, above the chart
# Candidates for ticks of a ratio: as many as there is room for.
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
    run: str = ""


def bars(frame: pd.DataFrame, most: int = MOST) -> list[Bar]:
    """Return a bar for each row of a comparison that has a ratio, the largest differences first.

    Where no difference is claimed a row is left out beyond `ENOUGH`.
    """
    if frame.empty:
        return []
    several = frame["run"].nunique() > 1
    ratio_bars: list[Bar] = []
    rows = list(frame.itertuples())
    again = {row.Index for row in restating(rows)}
    for row in ordered(rows):
        ratio, low, high = finite([row.ratio, row.ratio_low, row.ratio_high])
        verdict = str(row.verdict)
        if not ratio > 0 or ((verdict in OPEN or row.Index in again) and len(ratio_bars) >= ENOUGH):
            continue
        what = style.words(str(row.metric))
        label = f"{row.stage} · {what}" + (f" · {row.run}" if several else "")
        better: bool | None = None
        if verdict not in OPEN and row.better in ("lower", "higher"):
            better = (ratio < 1) == (row.better == "lower")
        ratio_bars.append(Bar(label, ratio, low, high, amount(verdict, ratio)[0], better, str(row.run)))
    return ratio_bars[:most]


def finding(frame: pd.DataFrame, shown: int, *, headed: bool) -> list[str]:
    """Return what stands above the chart: a line per run, and how many rows are drawn."""
    runs = list(dict.fromkeys(frame["run"].astype(object)))
    failures = frame.attrs.get("failures", {})
    said = headlines(list(frame.itertuples()), runs, failures, frame.attrs.get("held", ())) if headed else []
    lines = [part for line in said[:MOST_LINES] for part in wrap(style.literal(line), _HEAD_CHARACTERS)]
    if len(said) > MOST_LINES:
        lines.append(f"and {len(said) - MOST_LINES} more runs")
    return [*lines, *([f"{shown} of {len(frame)} shown"] if shown < len(frame) else [])]


@style.without_tex()
def comparison(frame: pd.DataFrame, *, ax: Axes | None = None, headed: bool = True) -> Axes:
    """Draw the ratios of a comparison with their intervals, on a logarithmic axis from 1.

    Above it stands a line per run. Differences come first, the largest of them first; of the other rows only
    as many as fill the chart. What is better than the baseline is green, what is worse is red; where no
    difference was seen, or too few repeats can't tell, the bar is grey.

    Parameters
    ----------
    frame : DataFrame
        ``Comparison.frame``.
    ax : Axes, optional
        Where to draw; on a new figure, unknown to pyplot, when left out.
    headed : bool
        Whether a line per run stands above; where a page says it already it needs none.
    """
    ratio_bars = bars(frame)
    if not ratio_bars:
        ax = ax or style.axes(640, 120)
        few = not frame.empty
        return style.say(ax, "no ratio: too few values, or none above 0, in every row" if few else EMPTY)
    import seaborn as sns

    lines, alone = finding(frame, len(ratio_bars), headed=headed), ax is None
    head = _HEAD_PX + len(lines) * _LINE_PX
    names = distinct([style.literal(bar.label) for bar in ratio_bars], _MOST_CHARACTERS)
    labels = ["\n".join(wrap(name, _LABEL_CHARACTERS)) for name in names]
    row = max(_ROW_PX, _ROW_LINE_PX * max(label.count("\n") + 1 for label in labels) + _BETWEEN_PX)
    ax = ax or style.axes(700, len(ratio_bars) * row + head + _FOOT_PX)
    places = np.arange(len(ratio_bars))
    ratio = np.array([bar.ratio for bar in ratio_bars])
    colours = [
        style.INK if bar.better is None else style.PALETTE[2] if bar.better else style.RED
        for bar in ratio_bars
    ]
    sns.barplot(
        x=ratio - 1, y=places, hue=places, palette=colours, orient="y", native_scale=True, errorbar=None,
        left=1, width=0.6, saturation=1, linewidth=0, alpha=0.45, legend=False, ax=ax,
    )  # fmt: skip
    ends = [value for bar in ratio_bars for value in (bar.ratio, bar.low, bar.high, 1.0) if value > 0]
    # Beyond that matplotlib's own sums overflow.
    low, high = max(float(min(ends)), 1e-100), min(float(max(ends)), 1e100)
    for n, bar in enumerate(ratio_bars):
        if np.isfinite([bar.low, bar.high]).all():
            ax.plot([bar.low, bar.high], [n, n], color=colours[n], linewidth=1.8, marker="|", markersize=8)
    runs = list(dict.fromkeys(bar.run for bar in ratio_bars))
    if len(runs) > 1:  # a point at the ratio, in the colour that the run has in every chart
        of = dict(zip(runs, run_colours(frame, runs), strict=True))
        for n, bar in enumerate(ratio_bars):
            ax.plot([bar.ratio], [n], color=of[bar.run], marker="o", markersize=6, linestyle="none", zorder=4)
    style.dress(ax, x=f"ratio to {style.literal(frame['baseline'].iloc[0])}, 95 % interval", grid="x")
    _scale(ax, low, high)
    ax.axvline(1, color=style.INK, linewidth=1.0)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(ratio_bars) - 0.4, -0.6)
    ax.set_yticks(places, labels)
    for text in ax.get_yticklabels():
        style.plain(text)
    for n, bar in enumerate(ratio_bars):
        style.write(ax, 1.01, n, bar.text, va="center", transform=ax.get_yaxis_transform())
    if alone:
        style.plain(ax.figure.figure.suptitle("\n".join(lines), x=0.01, ha="left"), px=style.LABEL_PX)
    else:
        style.title(ax, "\n".join(lines))
    return ax


def _scale(ax: Axes, low: float, high: float) -> None:
    """Make the axis logarithmic: half as long is as far from 1 as twice as long."""
    room = max((math.log(high) - math.log(low)) * 0.06, 0.01)
    ax.set_xscale("log")
    ax.set_xlim(low * math.exp(-room), high * math.exp(room))
    ticks = _ticks(*ax.get_xlim())
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{style.digits(value)}x"))


def _ticks(low: float, high: float) -> Sequence[float]:
    inside = [[tick for tick in ticks if low <= tick <= high] for ticks in _TICKS]
    good = [ticks for ticks in inside if 3 <= len(ticks) <= 6]
    if good:
        return good[0]
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    step = max(1, len(decades) // 5)
    wide = [10.0**power for power in decades if power % step == 0 and low <= 10.0**power <= high]
    return wide if len(wide) > 2 else max(inside, key=lambda ticks: min(len(ticks), 6))
