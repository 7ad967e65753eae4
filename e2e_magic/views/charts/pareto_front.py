"""Cost against gain over the settings of a sweep: those that nothing beats are marked and joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D

from e2e_magic.derived.declarations import lower_is_better
from e2e_magic.derived.pareto import unbeaten
from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import finite
from e2e_magic.views.charts.scales import PREFIX, Scale

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from e2e_magic.record import Better

EMPTY = "no trials of a sweep: %%e2esweep STAGE NAME=VALUES makes some"
MOST_NAMED = 8


def pareto(frame: pd.DataFrame, x: str, y: str, *, ax: Axes | None = None) -> Axes:
    """Draw every setting of a sweep by two metrics; mark and join those that none beats.

    Parameters
    ----------
    frame : DataFrame
        What `frames.pareto` gives, or the trials frame, of which each complete trial counts by itself.
    x, y : str
        The metrics.
    ax : Axes, optional
        Where to draw; on a new figure, unknown to pyplot, when left out.
    """
    ax = ax or style.axes(760, 360)
    if "unbeaten" not in frame:
        frame = _marked(frame, x, y)
    across, up = finite(frame[x]), finite(frame[y])
    known = ~(np.isnan(across) | np.isnan(up))
    if not known.any():
        return style.say(
            ax, EMPTY if frame.empty else "no setting has both: " + f"{style.words(x)} and {style.words(y)}"
        )
    best = known & frame["unbeaten"].to_numpy(dtype=bool)
    rest = known & ~best
    ax.plot(across[rest], up[rest], linestyle="none", marker="o", markersize=5, color=style.INK, alpha=0.55)
    order = np.flatnonzero(best)[np.argsort(across[best], kind="stable")]
    better = frame.attrs.get("better", {})
    # Between two of them nothing better was found: the line goes along what is known, in steps.
    steps = "steps-post" if better.get(x, "lower") == "lower" else "steps-pre"
    ax.plot(across[order], up[order], color=style.RED, linewidth=1.4, drawstyle=steps, marker="")
    ax.plot(across[order], up[order], linestyle="none", marker="D", markersize=7, color=style.RED)
    units = style.units(frame)
    style.dress(
        ax, x=style.label(x, style.unit_of(x, units)), y=style.label(y, style.unit_of(y, units)), grid="both"
    )
    style.plain_ticks(ax.xaxis, 6)
    style.plain_ticks(ax.yaxis, 6)
    ax.margins(0.12)
    names = _labels(frame)
    ends = (
        order
        if len(order) <= MOST_NAMED
        else order[np.linspace(0, len(order) - 1, MOST_NAMED).round().astype(int)]
    )
    marks: list[object] = []
    for place, n in enumerate(ends, 1):
        note = ax.annotate(
            str(place), (across[n], up[n]), xytext=(7, 7), textcoords="offset points", annotation_clip=False
        )
        style.plain(note, color=style.RED)
        marks.append(Line2D([], [], linestyle="none", marker="D", markersize=5, color=style.RED))
    told = [f"{place}  {names[n] or 'the only setting'}" for place, n in enumerate(ends, 1)]
    if len(order) > len(ends):
        marks.append(Line2D([], [], linestyle="none", marker=""))
        told.append(f"and {len(order) - len(ends)} more between them")
    style.legend(ax, marks, told, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    arrow = {"lower": "less", "higher": "more"}
    goal = ", ".join(f"{arrow[better[name]]} {style.words(name)}" for name in (x, y) if name in better)
    style.plain(ax.set_title(f"red: beaten by none{f' ({goal} is better)' if goal else ''}", loc="left"))
    return ax


def _marked(trials: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """Mark the complete trials that none beats."""
    done = trials[(trials["state"] == "complete").to_numpy(dtype=bool)] if "state" in trials else trials
    better: dict[str, Better] = {name: "lower" if lower_is_better(name) else "higher" for name in (x, y)}
    marks = unbeaten(finite(done[x]).tolist(), finite(done[y]).tolist(), better[x], better[y])
    made = done.assign(unbeaten=marks)
    made.attrs = {**trials.attrs, "better": better}
    return made


def _labels(frame: pd.DataFrame) -> list[str]:
    """Return the parameters of each setting: only those of which several values were tried."""
    varied = [
        name
        for name in frame.columns
        if str(name).startswith(PREFIX) and len({repr(value) for value in frame[name].tolist()}) > 1
    ]
    said: list[list[str]] = [[] for _ in range(len(frame))]
    for name in varied:
        cells = frame[name].tolist()
        for n, (value, gone) in enumerate(zip(cells, frame[name].isna(), strict=True)):
            if not gone:
                number = isinstance(value, int | float) and not isinstance(value, bool)
                spelled = Scale("", [], np.empty(0), words=not number).spell(value)
                said[n].append(f"{str(name).removeprefix(PREFIX)}={style.shorten(spelled, 16)}")
    return [style.shorten(", ".join(words), 48) for words in said]
