"""Latency against throughput by batch size: the gain and the cost of a larger batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import finite, span

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

EMPTY = "no latency: call latency(call, inputs, batch_size=[1, 8, 32])"


@dataclass(frozen=True, slots=True)
class Scenario:
    """The points of one scenario, in order of batch size."""

    name: str
    batch: list[str]
    throughput: NDArray[np.float64]
    latency_ms: NDArray[np.float64]
    p99_ms: NDArray[np.float64]
    typical: NDArray[np.bool_]


def scenarios(frame: pd.DataFrame) -> list[Scenario]:
    """Return the scenarios of a latency frame: p50, or the mean where it is missing, in milliseconds.

    Rows without a throughput or any latency can't be placed and are left out.
    """
    import pandas as pd

    if frame.empty:
        return []
    absent = pd.Series(np.nan, index=frame.index)
    take = {
        name: finite(frame.get(name, absent))
        for name in ("batch_size", "p50_s", "p99_s", "mean_s", "throughput_per_s")
    }
    names = frame["scenario"].astype(object) if "scenario" in frame else pd.Series("", index=frame.index)
    typical = ~np.isnan(take["p50_s"])
    latency = 1e3 * np.where(typical, take["p50_s"], take["mean_s"])
    good = ~(np.isnan(latency) | np.isnan(take["throughput_per_s"]))
    series = []
    for name in dict.fromkeys(names[good]):
        rows = np.flatnonzero(good & (names == name).to_numpy(dtype=bool))
        rows = rows[np.argsort(take["batch_size"][rows], kind="stable")]
        batch = ["?" if np.isnan(b) else style.digits(b) for b in take["batch_size"][rows]]
        throughput, p99_ms = take["throughput_per_s"][rows], 1e3 * take["p99_s"][rows]
        series.append(Scenario(str(name), batch, throughput, latency[rows], p99_ms, typical[rows]))
    return series


@style.without_tex()
def latency(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the latency of a call against throughput, a point per batch size, a line per scenario.

    Parameters
    ----------
    frame : DataFrame
        Columns ``scenario``, ``batch_size``, ``p50_s``, ``p99_s``, ``mean_s``,
        ``throughput_per_s``; any may be missing. A whisker reaches up to the p99. Where there were
        too few calls for a p50, the mean stands in as a hollow point.
    ax : Axes, optional
        Where to draw; on a new figure, unknown to pyplot, when left out.
    """
    series = scenarios(frame)
    ax = ax or style.axes(640, 320)
    if not series:
        why = "no latency: throughput, p50 and mean are missing in every row"
        return style.say(ax, EMPTY if frame.empty else why)
    handles = [_draw(ax, one, style.PALETTE[n % len(style.PALETTE)]) for n, one in enumerate(series)]
    whiskers = any(np.isfinite(one.p99_ms).any() for one in series)
    means = any(not one.typical.all() for one in series)
    what = ("p50, whisker to p99" if whiskers else "p50") + ("; hollow: mean" if means else "")
    if not any(one.typical.any() for one in series):
        what = "mean"
    style.dress(ax, x="throughput (entries/s)", y="latency (ms)", grid="both")
    style.title(ax, what)
    across = np.concatenate([one.throughput for one in series])
    up = np.concatenate([*(one.latency_ms for one in series), *(one.p99_ms for one in series)])
    span(ax, "x", across)
    span(ax, "y", up[np.isfinite(up)])
    if any(one.name for one in series) and len(series) > 1:
        style.legend(ax, handles, [one.name for one in series], loc="best")
    return ax


def _draw(ax: Axes, one: Scenario, colour: str) -> object:
    [handle] = ax.plot(one.throughput, one.latency_ms, color=colour, linewidth=1.4, linestyle="-", marker="")
    far = np.isfinite(one.p99_ms)
    ax.vlines(
        one.throughput[far], one.latency_ms[far], one.p99_ms[far], color=colour, linewidth=1.2, alpha=0.7
    )
    ax.plot(one.throughput[far], one.p99_ms[far], linestyle="none", marker="_", markersize=8, color=colour)
    for which, fill in ((one.typical, colour), (~one.typical, "none")):
        ax.plot(
            one.throughput[which], one.latency_ms[which], linestyle="none", marker="o", markersize=6,
            color=colour, markerfacecolor=fill, markeredgewidth=1.5,
        )  # fmt: skip
    for x, y, batch in zip(one.throughput, one.latency_ms, one.batch, strict=True):
        style.note(ax, f"batch {batch}", (x, y), (6, -4), va="top")
    return handle
