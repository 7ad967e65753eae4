"""How long single calls took: from the fastest to the slowest, the slow tail drawn out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from e2e_magic.text import quantity
from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import finite, span

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

EMPTY = 'no single calls: time them with --latency "model.predict(X[:1])"'
MARKED = (50, 90, 95, 99)
_TICKS = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
_SCALES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_NAMED = 8  # curves that a legend names


@dataclass(frozen=True, slots=True)
class Calls:
    """The single calls of one trial, ascending."""

    name: str
    calls: int
    share: NDArray[np.float64]
    latency_s: NDArray[np.float64]

    def at(self, q: float) -> float | None:
        """Return the latency that `q` % of the calls did not exceed; None from too few calls for it."""
        if self.calls * (100 - q) < 100:
            return None
        return float(np.interp(q / 100, self.share, self.latency_s))


def taken_apart(frame: pd.DataFrame) -> list[Calls]:
    """Take a frame of call times apart into its trials, named by what tells them apart."""
    if frame.empty:
        return []
    keys = [key for key in ("run", "stage", "trial") if key in frame.columns]
    named = [key for key in keys if frame[key].nunique() > 1]
    grouped = frame.groupby(keys, sort=False, observed=True).indices if keys else {(): np.arange(len(frame))}
    found = []
    for key, rows in grouped.items():
        whole = dict(zip(keys, key if isinstance(key, tuple) else (key,), strict=True))
        words = [f"trial {whole[key]}" if key == "trial" else str(whole[key]) for key in named]
        part = frame.iloc[rows]
        latency = finite(part["latency_s"])
        good = ~np.isnan(latency)
        if good.any():
            count = int(part["calls"].iloc[0])
            found.append(Calls(" · ".join(words), count, finite(part["share"])[good], latency[good]))
    return found


def latency_distribution(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the latency of single calls over the share of calls that took less.

    The scale of the share is that of ``log10(1 - share)``, so that 90, 99 and 99.9 % are equally far
    apart and the slow tail can be read (as HdrHistogram draws it, Tene, How NOT to measure latency, 2015).

    Parameters
    ----------
    frame : DataFrame
        Columns ``share``, ``latency_s``, ``calls``, and ``run``, ``stage``, ``trial`` that tell curves apart.
    ax : Axes, optional
        Where to draw; on a new figure, unknown to pyplot, when left out.
    """
    found = taken_apart(frame)
    ax = ax or style.axes(640, 300)
    if not found:
        return style.say(ax, EMPTY)
    middle = max(float(np.median(one.latency_s)) for one in found)
    size, unit = next(((s, u) for s, u in _SCALES if middle >= s), _SCALES[-1])
    style.dress(ax, x="share of calls that took less (%)", y=f"latency ({unit})", grid="both")
    handles = []
    for n, one in enumerate(found):
        colour = style.PALETTE[n % len(style.PALETTE)]
        dashes = style.DASHES[n // len(style.PALETTE) % 4]
        # The slowest call has no share above it: it stands where one more call would.
        share = np.minimum(one.share, 1 - 1 / (one.calls + 1))
        [handle] = ax.plot(
            _place(share), one.latency_s / size, color=colour, linestyle=dashes, linewidth=1.6, marker=""
        )
        handles.append(handle)
        at = [(q, value) for q in MARKED if (value := one.at(q)) is not None]
        ax.plot(
            [_place(q / 100) for q, _ in at], [value / size for _, value in at], linestyle="none",
            marker="o", markersize=5, color=colour,
        )  # fmt: skip
        if len(found) == 1:
            # The middle and the end of what is known: more words are cut on a narrow card.
            said = "   ".join(
                f"p{q} {quantity(value, 's')}" for q, value in dict([*at[:1], *at[-1:]]).items()
            )
            style.plain(ax.set_title(said or "too few calls for p50", loc="left"))
    last = max(1 - 1 / (one.calls + 1) for one in found)
    ticks = [tick for tick in _TICKS if tick <= last]
    style.name_ticks(ax.xaxis, [float(_place(tick)) for tick in ticks], [f"{100 * t:g}" for t in ticks])
    ax.set_xlim(-0.05, 1.03 * float(_place(last)))
    span(ax, "y", np.concatenate([one.latency_s for one in found]) / size)
    if len(found) > 1:
        more = len(found) - _NAMED
        names = [one.name for one in found[:_NAMED]] + ([f"and {more} more"] if more > 0 else [])
        style.legend(ax, [*handles[:_NAMED], *handles[_NAMED : _NAMED + 1]], names, loc="best")
    return ax


def _place(share: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where a share stands on the axis: 0 for none, 1 for 90 %, 2 for 99 %."""
    placed: NDArray[np.float64] = -np.log10(1 - np.asarray(share, dtype=np.float64))
    return placed
