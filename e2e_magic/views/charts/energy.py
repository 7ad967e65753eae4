"""What accuracy costs in energy: a point per trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import finite, span

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

# Parts that don't overlap: psys is read only where there is no counter of the package.
PARTS = ("package_energy_j", "psys_energy_j", "dram_energy_j", "gpu_energy_j")
ESTIMATE = "estimated_energy_j"
NO_ACCURACY = "no accuracy: hand one back, or name it with --accuracy"
NO_ENERGY = "no energy: %e2e metrics says why, and what to do"
_NAMED = 8  # groups that a legend names


def measured_energy(results: pd.DataFrame) -> NDArray[np.float64]:
    """Return the energy of each row that was measured, all its parts added, J; NaN where none was."""
    parts = [finite(results[name]) for name in PARTS if name in results.columns]
    if not parts:
        return np.full(len(results), np.nan)
    table = np.vstack(parts)
    return np.where(np.isnan(table).all(axis=0), np.nan, np.nansum(table, axis=0))


@dataclass(frozen=True, slots=True)
class Costs:
    """The trials of one owner, measured or estimated."""

    owner: str
    estimated: bool
    accuracy: NDArray[np.float64]
    energy_j: NDArray[np.float64]


def costs(results: pd.DataFrame) -> list[Costs]:
    """Take energy and accuracy of each complete trial, by what tells trials apart: run and stage.

    A trial whose energy was measured has no estimate here.
    """
    if results.empty or "accuracy" not in results.columns:
        return []
    frame = results[results["state"] == "complete"] if "state" in results.columns else results
    accuracy, energy = finite(frame["accuracy"]), measured_energy(frame)
    guess = finite(frame[ESTIMATE]) if ESTIMATE in frame.columns else np.full(len(frame), np.nan)
    named = [key for key in ("run", "stage") if key in frame.columns and frame[key].nunique() > 1]
    owners = [" · ".join(map(str, row)) for row in frame[named].itertuples(index=False)] if named else []
    owner = np.array(owners or [""] * len(frame), dtype=object)
    found = []
    for name in dict.fromkeys(owner):
        for estimated, joules in ((False, energy), (True, np.where(np.isnan(energy), guess, np.nan))):
            here = (owner == name) & ~np.isnan(accuracy) & ~np.isnan(joules)
            if here.any():
                found.append(Costs(name, estimated, accuracy[here], joules[here]))
    return found


def energy_against_accuracy(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the energy of trials over their accuracy: good ones are low and to the right.

    Measured energy (package, DRAM and GPU added) is a full point; an estimate is hollow and dashed, and
    named as one.

    Parameters
    ----------
    frame : DataFrame
        The results frame; complete trials with an accuracy and an energy are shown.
    ax : Axes, optional
        Where to draw; on a new figure, unknown to pyplot, when left out.
    """
    ax = ax or style.axes(460, 300)
    found = costs(frame)
    if not found:
        known = "accuracy" in frame.columns and not np.isnan(finite(frame["accuracy"])).all()
        return style.say(ax, NO_ENERGY if known else NO_ACCURACY)
    owners = list(dict.fromkeys(group.owner for group in found))
    handles: dict[str, Any] = {}
    for group in found:
        colour = style.PALETTE[owners.index(group.owner) % len(style.PALETTE)]
        drawn = ax.scatter(
            group.accuracy, group.energy_j, s=46, linewidths=1.4, edgecolors=colour, zorder=3,
            facecolors="none" if group.estimated else colour, alpha=1.0 if group.estimated else 0.85,
            linestyles="dashed" if group.estimated else "solid",
        )  # fmt: skip
        words = [style.shorten(group.owner, 30)] if group.owner else []
        handles[", ".join([*words, "estimate"] if group.estimated else words or ["measured"])] = drawn
    span(ax, "y", np.concatenate([group.energy_j for group in found]))
    _fit(ax, np.concatenate([group.accuracy for group in found]))
    only = all(group.estimated for group in found)
    style.dress(ax, x="accuracy", y=style.label(ESTIMATE if only else "energy_j", "J"), grid="both")
    if len(handles) > 1 or only:
        names = list(handles)
        shown = names[:_NAMED]
        style.legend(ax, [handles[name] for name in shown], shown, loc="best")
    return ax


def _fit(ax: Axes, accuracy: NDArray[np.float64]) -> None:
    """Show the accuracies that there are: from 0 on, those of a good model would all be one point."""
    low, high = float(accuracy.min()), float(accuracy.max())
    room = max((high - low) * 0.12, 0.02 * max(abs(high), abs(low)), 1e-6)
    ax.set_xlim(low - room, high + room)
    style.plain_ticks(ax.xaxis, 6)
