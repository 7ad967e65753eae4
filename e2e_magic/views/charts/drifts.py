"""Values in the order in which they were measured: whether the machine drifted, and who met the drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from e2e_magic.text import scaled
from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import WIDE, complete, finite, span
from e2e_magic.views.charts.run_colours import run_colours

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

EMPTY = "nothing to draw: no trial has a value"
_MARKERS = ("o", "s", "^", "D", "v", "P")
_LONGEST, _MOST = 40, 5
_USUAL = ("wall_time_s", "cpu_time_s", "peak_rss_mib")


@style.without_tex()
def drift(
    frame: pd.DataFrame, runs: list[str] | None = None, *, y: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw each trial's value over the order of the trials, coloured by what is compared.

    A line joins the trials of each side: where both bend alike the machine drifted, where they stay apart the
    sides differ. Sides are told apart by colour and by shape.

    Parameters
    ----------
    frame : DataFrame
        Results: ``run started_at`` and metrics; of several stages the first is drawn.
    runs : list of str, optional
        The sides in their order; in the order of their first trials when left out.
    y : str, optional
        A metric; the first of wall time, CPU time and peak memory that has values when left out.
    ax : Axes, optional
        Where to draw; on a new figure, unknown to pyplot, when left out.
    """
    import pandas as pd

    from e2e_magic.views.frames.comparisons import settings

    if frame.empty:
        return style.say(ax or style.axes(700, 240), EMPTY)
    rows = complete(frame).sort_values("started_at", kind="stable")
    stages = settings(rows)
    rows = rows[stages == stages[0]] if len(stages) else rows
    y = y or next((name for name in _USUAL if name in rows and np.isfinite(finite(rows[name])).any()), None)
    values = np.full(len(rows), np.nan) if y is None else finite(rows[y])
    ax = ax or style.axes(700, 240)
    if y is None or not np.isfinite(values).any():
        return style.say(ax, EMPTY)
    import seaborn as sns

    unit = style.unit_of(y)
    size, unit = scaled(float(np.nanmedian(np.abs(values))), unit) if unit == "s" else (1.0, unit)
    sides = list(dict.fromkeys(runs or rows["run"].astype(object)))
    drawn = pd.DataFrame(
        {
            "order": np.arange(1, len(rows) + 1),
            "value": values / size,
            "side": list(rows["run"].astype(object)),
        }
    )
    before = len(ax.lines)
    colours = run_colours(frame, sides)
    sns.lineplot(
        drawn, x="order", y="value", hue="side", hue_order=sides, palette=colours, style="side",
        style_order=sides, markers=[_MARKERS[n % len(_MARKERS)] for n in range(len(sides))], dashes=False,
        estimator=None, errorbar=None, linewidth=1.0, markersize=5, markeredgewidth=0, legend=False, ax=ax,
    )  # fmt: skip
    style.dress(ax, x="order of measurement", y=style.label(y, unit))
    ax.set_xlim(0.5, len(rows) + 0.5)
    style.plain_ticks(ax.xaxis, 8, integer=True)
    shown = values[np.isfinite(values)] / size
    if shown.min() > 0 and shown.max() / shown.min() > WIDE:
        span(ax, "y", shown)
    else:  # not from 0: a drift of a few percent is what is looked for
        style.plain_ticks(ax.yaxis, 5)
    lines = list(ax.lines)[before:]
    # Long names stand below each other, cut: what is above the axes takes from their height.
    named = style.distinct([style.literal(name) for name in sides], _LONGEST)
    style.legend(ax, lines, named, most=_MOST, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
    if len(set(stages)) > 1:
        several = len(set(stages))
        style.write(
            ax, 1, 1.02, f"{stages[0]}, the first of {several}", ha="right", va="bottom",
            transform=ax.transAxes,
        )  # fmt: skip
    return ax
