"""Loss and accuracy over epochs or seconds, and where a target was reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from e2e_magic.derived.declarations import lower_is_better
from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import finite, thin, trials
from e2e_magic.views.charts.run_colours import run_colours

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

MANY = 5  # more trials than this are drawn as their median and spread
_GRID = 400
_NARROW_PX = 400  # where the sentence about a target would lie on the curves


@dataclass(frozen=True, slots=True)
class Curve:
    """One trial's values of one logged quantity; a legend has an entry per owner."""

    owner: str
    x: NDArray[np.float64]
    value: NDArray[np.float64]


def curves(epochs: pd.DataFrame, y: str, x: str) -> list[Curve]:
    """Return a logged column of each trial that has numbers, in order of `x`.

    The owner is the run if there are several, and the stage; the trial where run and stage are the same and
    there are no more than `MANY`.
    """
    if y not in epochs.columns or x not in epochs.columns or epochs.empty:
        return []
    at, value = finite(epochs[x]), finite(epochs[y])
    good = ~(np.isnan(at) | np.isnan(value))
    apart = [(trial, trial.rows[good[trial.rows]]) for trial in trials(epochs)]
    apart = [(trial, rows[np.argsort(at[rows], kind="stable")]) for trial, rows in apart if len(rows)]
    numbered = len(apart) <= MANY and not any(trial.owner for trial, _ in apart)
    return [Curve(trial.name if numbered else trial.owner, at[rows], value[rows]) for trial, rows in apart]


def first_reached(curve: Curve, target: float, *, lower: bool) -> tuple[float, float] | None:
    """Return x and value where a raw curve first meets a target; None where it never does."""
    met = np.flatnonzero(curve.value <= target if lower else curve.value >= target)
    return (float(curve.x[met[0]]), float(curve.value[met[0]])) if len(met) else None


def spread(
    of: list[Curve], points: int = _GRID
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return x, lower quartile, median and upper quartile over several trials.

    Between its own readings a trial is interpolated linearly; outside of them it doesn't count.
    """
    xs = np.unique(np.concatenate([c.x for c in of]))
    if len(xs) > points:
        xs = np.linspace(xs[0], xs[-1], points)
    table = np.vstack([np.interp(xs, c.x, c.value, left=np.nan, right=np.nan) for c in of])
    low, middle, high = np.nanquantile(table, (0.25, 0.5, 0.75), axis=0)
    return xs, low, middle, high


@style.without_tex()
def learning(
    epochs: pd.DataFrame,
    *,
    y: str = "loss",
    x: Literal["epoch", "t_s"] = "epoch",
    target: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a logged quantity, and its ``val_`` twin dashed, over epochs or seconds.

    Trials lie over each other from a common zero, the start of each. More than five of one kind
    are drawn as their median with the band of the middle half.

    Parameters
    ----------
    epochs : DataFrame
        The epochs frame: ``run``, ``stage``, ``trial``, ``epoch``, ``t_s`` and what was logged.
    y : str
        The logged column.
    x : {"epoch", "t_s"}
        Over epochs, or over seconds since the trial's start.
    target : float, optional
        Draws a line and marks where each raw curve first meets it: from above for losses and
        errors, else from below.
    ax : Axes, optional
        Where to draw; on a new figure, unknown to pyplot, when left out.

    Raises
    ------
    ValueError
        If `x` is neither of the two.
    """
    if x not in ("epoch", "t_s"):
        raise ValueError(
            f"x must be 'epoch' or 't_s', got {x!r}: take 'epoch' for a curve over epochs, "
            "'t_s' for one over seconds"
        )
    ax = ax or style.axes(640, 300)
    own, twin = curves(epochs, y, x), curves(epochs, f"val_{y}", x)
    if not own and not twin:
        if x == "t_s" and (curves(epochs, y, "epoch") or curves(epochs, f"val_{y}", "epoch")):
            return style.say(ax, f"no seconds of {style.words(y)}: call log({y}=...) while it trains")
        return style.say(ax, f"no {style.words(y)}: call log({y}=...) once per epoch in the cell")
    owners = list(dict.fromkeys(c.owner for c in (*own, *twin)))
    handles = {}
    colours = run_colours(epochs, owners)
    for dashed, group in ((False, own), (True, twin)):
        for n, owner in enumerate(owners):
            some = [c for c in group if c.owner == owner]
            colour = colours[n]
            dashes = style.DASHED if dashed else style.DASHES[n // len(style.PALETTE) % 4]
            if some:
                handle = _draw(ax, some, colour, dashes)
                handles[(owner, dashed)] = handle
    ends = [c.x[-1] for c in (*own, *twin)]
    starts = [c.x[0] for c in (*own, *twin)]
    low, high = (min(starts) if x == "epoch" else min(0.0, *starts)), max(ends)
    room = (high - low) * 0.02 or 0.5
    ax.set_xlim(low - room, high + room)
    # As time to accuracy is: on the validation where there is one.
    validated = {c.owner for c in twin}
    judged = [*twin, *(c for c in own if c.owner not in validated)]
    line, reached = (
        _target(ax, judged, dict(zip(owners, colours, strict=True)), y, x, target)
        if target is not None
        else (None, {})
    )
    style.dress(ax, x="epoch" if x == "epoch" else "time (s)", y=style.label(y, style.units(epochs).get(y)))
    style.plain_ticks(ax.xaxis, 8, integer=x == "epoch")
    style.plain_ticks(ax.yaxis, 5)
    lines, names = _names(handles, owners, y, reached)
    if target is not None:
        lines.append(line)
        names.append(f"target {style.digits(target)}")
    if names:
        narrow = target is not None and style.size_px(ax.figure)[0] < _NARROW_PX  # type: ignore[arg-type]
        place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1)} if narrow else {"loc": "best"}
        style.legend(ax, lines, names, most=len(names), **place)
    return ax


def _draw(ax: Axes, some: list[Curve], colour: str, dashes: object) -> object:
    if len(some) > MANY:
        xs, low, middle, high = spread(some)
        ax.fill_between(xs, low, high, color=colour, alpha=0.22, linewidth=0)
        [handle] = ax.plot(xs, middle, color=colour, linestyle=dashes, linewidth=1.6, marker="")
        return handle
    for curve in some:
        few, dense = len(curve.x) <= 30, len(curve.x) > 4000
        [handle] = ax.plot(
            *thin(curve.x, curve.value), color=colour, linestyle=dashes, linewidth=0.8 if dense else 1.6,
            alpha=1.0 if len(some) == 1 else 0.7, marker="o" if few else "", markersize=3.5,
        )  # fmt: skip
    return handle


def _target(
    ax: Axes, judged: list[Curve], colours: dict[str, str], y: str, x: str, target: float
) -> tuple[object, dict[str, str]]:
    """Draw the line and the marks; return the line, and by owner where the target was reached."""
    lower = lower_is_better(y)
    line = ax.axhline(target, color=style.INK, linewidth=1.0, linestyle=style.DASHES[2], marker="")
    reached = {}
    for owner, colour in colours.items():
        some = [c for c in judged if c.owner == owner]
        hits = [hit for c in some if (hit := first_reached(c, target, lower=lower)) is not None]
        at = [place for place, _ in hits]
        if not at:
            reached[owner] = "target not reached"
            continue
        middle = float(np.median(at))
        where = f"epoch {style.digits(middle)}" if x == "epoch" else f"{style.digits(middle)} s"
        if len(some) > 1:
            reached[owner] = f"target reached by {len(at)} of {len(some)}, median {where}"
        else:
            reached[owner] = f"target reached at {where}"
        if len(some) <= MANY:
            ax.plot(
                at, [value for _, value in hits], linestyle="none", marker="D", markersize=7, zorder=5,
                color=colour, markeredgecolor=style.INK,
            )  # fmt: skip
    return line, reached


def _names(
    handles: dict[tuple[str, bool], object], owners: list[str], y: str, reached: dict[str, str]
) -> tuple[list[object], list[str]]:
    from matplotlib.lines import Line2D

    twins = any(dashed for _, dashed in handles)
    alone = len(owners) == 1 and (owners[0], True) in handles and (owners[0], False) in handles
    lines: list[object] = []
    names: list[str] = []
    for owner in owners[: style.MOST_NAMED]:
        key = (owner, False) if (owner, False) in handles else (owner, True)
        what = style.words(y) if key == (owner, False) else f"val {style.words(y)}"
        name = style.shorten(owner, 30) or (what if twins or reached else "")
        if name:
            lines.append(handles[key])
            outcome = reached.get(owner, "")
            if outcome and (owner, True) in handles and owner:
                outcome += f" (val {style.words(y)})"
            names.append(f"{name}: {outcome}" if outcome and not alone else name)
    if len(owners) > style.MOST_NAMED:
        lines.append(Line2D([], [], linestyle="none", marker=""))
        names.append(f"and {len(owners) - style.MOST_NAMED} more")
    if twins and not (len(owners) == 1 and (owners[0], False) not in handles):
        colour = style.PALETTE[0] if len(owners) == 1 else style.INK
        lines.append(Line2D([], [], color=colour, linestyle=style.DASHED, linewidth=1.6))
        outcome = f": {reached[owners[0]]}" if alone and reached else ""
        names.append(f"val {style.words(y)}{outcome}")
    return lines, names
