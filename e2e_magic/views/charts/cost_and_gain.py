"""Cost against gain: what each run takes, and what it reaches for that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from e2e_magic.derived.declarations import better_of
from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import finite

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

EMPTY = "no cost against gain: it needs a run with both, such as wall time and accuracy"
GAINS = ("accuracy", "loss", "throughput_per_s")
# A level doesn't add up over stages: of those the highest counts.
_LEVELS = ("_mib", "_w", "_percent")


@dataclass(frozen=True, slots=True)
class Point:
    """One run: the median of its cost and gain, and the least and the greatest of both."""

    run: str
    cost: tuple[float, float, float]
    gain: tuple[float, float, float]


def points(results: pd.DataFrame, x: str, y: str) -> list[Point]:
    """Sum each run's cost over its stages, and take the gain of the last stage that has one.

    Least and greatest are those of the repeats: of a sum, the sums of the stages' least and greatest.
    """
    if results.empty or x not in results or y not in results:
        return []
    done = results[(results["state"] == "complete").to_numpy(dtype=bool)] if "state" in results else results
    cost, gain = finite(done[x]), finite(done[y])
    runs, stages = (done[name].astype(object).to_numpy() for name in ("run", "stage"))
    found = []
    for run in dict.fromkeys(runs):
        here = runs == run
        sums = []
        reached: tuple[float, float, float] | None = None
        for stage in dict.fromkeys(stages[here]):
            both = here & (stages == stage)
            taken, got = cost[both & ~np.isnan(cost)], gain[both & ~np.isnan(gain)]
            if len(taken):
                sums.append((np.median(taken), taken.min(), taken.max()))
            if len(got):
                reached = (float(np.median(got)), float(got.min()), float(got.max()))
        if sums and reached is not None:
            table = np.array(sums)
            total = table.max(axis=0) if x.endswith(_LEVELS) else table.sum(axis=0)
            found.append(Point(str(run), (float(total[0]), float(total[1]), float(total[2])), reached))
    return found


def gain(
    results: pd.DataFrame, *, x: str = "wall_time_s", y: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw a point per run: its cost across, its gain upwards, with whiskers over the repeats.

    Parameters
    ----------
    results : DataFrame
        The results frame.
    x : str
        The cost's column, summed over a run's stages; of memory, power and shares the highest.
    y : str, optional
        The gain's column; by default the first of accuracy, loss and throughput that has numbers.
    ax : Axes, optional
        Where to draw; on a new figure, unknown to pyplot, when left out.
    """
    ax = ax or style.axes(560, 340)
    if y is None:
        y = next((name for name in GAINS if name in results and results[name].notna().any()), GAINS[0])
    found = points(results, x, y)
    if not found:
        return style.say(ax, EMPTY)
    units = style.units(results)
    for n, point in enumerate(found):
        colour = style.PALETTE[n % len(style.PALETTE)]
        (at, least, most), (up, low, high) = point.cost, point.gain
        ax.plot([least, most], [up, up], color=colour, linewidth=1.2, alpha=0.7, marker="")
        ax.plot([at, at], [low, high], color=colour, linewidth=1.2, alpha=0.7, marker="")
        ax.plot([at], [up], color=colour, linestyle="none", marker="os^Dv"[n % 5], markersize=7)
        note = ax.annotate(style.shorten(style.literal(point.run), 30), (at, up), xytext=(8, 6),
                           textcoords="offset points", annotation_clip=False)  # fmt: skip
        style.plain(note)
    style.dress(
        ax, x=style.label(x, style.unit_of(x, units)), y=style.label(y, style.unit_of(y, units)), grid="both"
    )
    across = [value for point in found for value in point.cost]
    upward = [value for point in found for value in point.gain]
    room = (max(across) - min(0.0, *across)) * 0.25 or 1.0
    ax.set_xlim(min(0.0, *across), max(across) + room)
    spread = (max(upward) - min(upward)) * 0.15 or abs(upward[0]) * 0.1 or 1.0
    ax.set_ylim(min(upward) - spread, max(upward) + spread)
    style.plain_ticks(ax.xaxis, 6)
    style.plain_ticks(ax.yaxis, 5)
    better = {"lower": "to the lower left", "higher": "to the upper left", None: "to the left"}[better_of(y)]
    style.plain(ax.set_title(f"better is {better}", loc="left"))
    return ax
