"""The durations of single calls: from the fastest to the slowest, the slow tail drawn out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from e2e_magic.derived.percentiles import needed
from e2e_magic.text import quantity, scaled
from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import finite, span, trials

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

EMPTY = 'no single calls: time them with --latency "model.predict(X[:1])"'
MARKED = (50, 90, 95, 99)
_TICKS = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)


@dataclass(frozen=True, slots=True)
class Calls:
    """The single calls of one trial, ascending."""

    name: str
    calls: int
    share: NDArray[np.float64]
    latency_s: NDArray[np.float64]

    def at(self, q: float) -> float | None:
        """Return the latency that `q` % of the calls did not exceed; None from too few calls for it."""
        if self.calls < needed(q):
            return None
        return float(np.interp(q / 100, self.share, self.latency_s))


def taken_apart(frame: pd.DataFrame) -> list[Calls]:
    """Return the call times of each trial of a frame."""
    if frame.empty:
        return []
    latency, share, calls = (finite(frame[name]) for name in ("latency_s", "share", "calls"))
    taken = []
    for trial in trials(frame):
        rows = trial.rows[~np.isnan(latency[trial.rows])]
        if len(rows):
            taken.append(Calls(trial.name, int(calls[rows[0]]), share[rows], latency[rows]))
    return taken


@style.without_tex()
def latency_distribution(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the latency of single calls over the share of calls that took less.

    The scale of the share is that of ``log10(1 - share)``, so that 90, 99 and 99.9 % are equally far
    apart and the slow tail can be read (as HdrHistogram draws it, Tene, How NOT to measure latency, 2015).

    Parameters
    ----------
    frame : DataFrame
        Columns ``share``, ``latency_s``, ``calls``, and ``run``, ``stage``, ``trial`` that name a curve.
    ax : Axes, optional
        Where to draw; on a new figure, unknown to pyplot, when left out.
    """
    distributions = taken_apart(frame)
    ax = ax or style.axes(640, 300)
    if not distributions:
        return style.say(ax, EMPTY)
    import pandas as pd
    import seaborn as sns

    middle = max(float(np.median(one.latency_s)) for one in distributions)
    size, unit = scaled(middle, "s")
    before = len(ax.lines)
    drawn = pd.concat(
        # The slowest call has no share above it: it stands where one more call would.
        pd.DataFrame({"place": _place(np.minimum(one.share, 1 - 1 / (one.calls + 1))),
                      "latency": one.latency_s / size, "trial": n})
        for n, one in enumerate(distributions)
    )  # fmt: skip
    colours = [style.PALETTE[n % len(style.PALETTE)] for n in range(len(distributions))]
    sns.lineplot(
        drawn, x="place", y="latency", hue="trial", palette=colours, estimator=None, errorbar=None,
        linewidth=1.6, legend=False, ax=ax,
    )  # fmt: skip
    handles = list(ax.lines)[before:]
    for n, (one, colour) in enumerate(zip(distributions, colours, strict=True)):
        handles[n].set_linestyle(style.DASHES[n // len(style.PALETTE) % 4])
        at = [(q, value) for q in MARKED if (value := one.at(q)) is not None]
        ax.plot(
            [_place(q / 100) for q, _ in at], [value / size for _, value in at], linestyle="none",
            marker="o", markersize=5, color=colour,
        )  # fmt: skip
        if len(distributions) == 1:
            # The middle and the end of the percentiles: more words are cut on a narrow card.
            percentiles = [f"p{q} {quantity(value, 's')}" for q, value in dict([*at[:1], *at[-1:]]).items()]
            style.title(ax, "   ".join(percentiles) or "too few calls for p50")
    style.dress(ax, x="share of calls that took less (%)", y=f"latency ({unit})", grid="both")
    last = max(1 - 1 / (one.calls + 1) for one in distributions)
    ticks = [tick for tick in _TICKS if tick <= last]
    style.name_ticks(ax.xaxis, [float(_place(tick)) for tick in ticks], [f"{100 * t:g}" for t in ticks])
    ax.set_xlim(-0.05, 1.03 * float(_place(last)))
    span(ax, "y", np.concatenate([one.latency_s for one in distributions]) / size)
    if len(distributions) > 1:
        style.legend(ax, handles, [one.name for one in distributions], loc="best")
    return ax


def _place(share: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where a share stands on the axis: 0 for none, 1 for 90 %, 2 for 99 %."""
    placed: NDArray[np.float64] = -np.log10(1 - np.asarray(share, dtype=np.float64))
    return placed
