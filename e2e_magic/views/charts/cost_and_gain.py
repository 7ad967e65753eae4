"""Cost against gain: the cost of each run, and what it reaches for that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from e2e_magic.derived.declarations import better_of
from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import complete, finite
from e2e_magic.views.charts.run_colours import run_colours

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
    cost: tuple[float, ...]
    gain: tuple[float, ...]


def points(results: pd.DataFrame, x: str, y: str) -> list[Point]:
    """Return each run's cost, summed over its stages, and the gain of the last stage that has one.

    Least and greatest are those of the repeats: of a sum, the sums of the stages' least and greatest.
    """
    if results.empty or x not in results or y not in results:
        return []
    import pandas as pd

    done = complete(results)
    numbers = pd.DataFrame({"cost": finite(done[x]), "gain": finite(done[y])})
    keys = [done[name].astype(object).to_numpy() for name in ("run", "stage")]
    run_points = []
    spread = numbers.groupby(keys, sort=False).agg(["median", "min", "max"])
    for run, stages in spread.groupby(level=0, sort=False):
        cost, reached = (stages[name].dropna().to_numpy() for name in ("cost", "gain"))
        if len(cost) and len(reached):
            total = cost.max(axis=0) if x.endswith(_LEVELS) else cost.sum(axis=0)
            run_points.append(Point(str(run), tuple(total), tuple(reached[-1])))
    return run_points


@style.without_tex()
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
    run_points = points(results, x, y)
    if not run_points:
        return style.say(ax, EMPTY)
    colours = run_colours(results, [point.run for point in run_points])
    for n, (point, colour) in enumerate(zip(run_points, colours, strict=True)):
        (at, least, most), (up, low, high) = point.cost, point.gain
        ax.plot([least, most], [up, up], color=colour, linewidth=1.2, alpha=0.7, marker="")
        ax.plot([at, at], [low, high], color=colour, linewidth=1.2, alpha=0.7, marker="")
        ax.plot([at], [up], color=colour, linestyle="none", marker="os^Dv"[n % 5], markersize=7)
        style.note(ax, style.shorten(point.run, 30), (at, up), (8, 6))
    style.dress(ax, x=style.label_in(results, x), y=style.label_in(results, y), grid="both")
    across = [value for point in run_points for value in point.cost]
    upward = [value for point in run_points for value in point.gain]
    room = (max(across) - min(0.0, *across)) * 0.25 or 1.0
    ax.set_xlim(min(0.0, *across), max(across) + room)
    spread = (max(upward) - min(upward)) * 0.15 or abs(upward[0]) * 0.1 or 1.0
    ax.set_ylim(min(upward) - spread, max(upward) + spread)
    style.plain_ticks(ax.xaxis, 6)
    style.plain_ticks(ax.yaxis, 5)
    better = {"lower": "to the lower left", "higher": "to the upper left", None: "to the left"}[better_of(y)]
    style.title(ax, f"better is {better}")
    return ax
