"""The energy cost of accuracy: a point per trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import complete, finite, span, trials
from e2e_magic.views.charts.run_colours import run_colours

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

# Parts that don't overlap: psys is read only where there is no counter of the package.
PARTS = ("package_energy_j", "psys_energy_j", "dram_energy_j", "gpu_energy_j")
ESTIMATE = "estimated_energy_j"
NO_ACCURACY = "no accuracy: hand one back, or name it with --accuracy"
NO_ENERGY = "no energy: %e2e metrics says why, and what to do"


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
    """Return energy and accuracy of the complete trials by owner: the run and stage, where there are several.

    A trial whose energy was measured has no estimate here.
    """
    if results.empty or "accuracy" not in results.columns:
        return []
    frame = complete(results)
    accuracy, energy = finite(frame["accuracy"]), measured_energy(frame)
    guess = finite(frame[ESTIMATE]) if ESTIMATE in frame.columns else np.full(len(frame), np.nan)
    owned: dict[str, list[NDArray[np.intp]]] = {}
    for trial in trials(frame):
        owned.setdefault(trial.owner, []).append(trial.rows)
    groups = []
    for owner, parts in owned.items():
        rows = np.sort(np.concatenate(parts))
        for estimated, joules in ((False, energy), (True, np.where(np.isnan(energy), guess, np.nan))):
            here = rows[~np.isnan(accuracy[rows]) & ~np.isnan(joules[rows])]
            if len(here):
                groups.append(Costs(owner, estimated, accuracy[here], joules[here]))
    return groups


@style.without_tex()
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
    groups = costs(frame)
    if not groups:
        has_accuracy = "accuracy" in frame.columns and not np.isnan(finite(frame["accuracy"])).all()
        return style.say(ax, NO_ENERGY if has_accuracy else NO_ACCURACY)
    owners = list(dict.fromkeys(group.owner for group in groups))
    handles: dict[str, Any] = {}
    colours = dict(zip(owners, run_colours(frame, owners), strict=True))
    for group in groups:
        colour = colours[group.owner]
        drawn = ax.scatter(
            group.accuracy, group.energy_j, s=46, linewidths=1.4, edgecolors=colour, zorder=3,
            facecolors="none" if group.estimated else colour, alpha=1.0 if group.estimated else 0.85,
            linestyles="dashed" if group.estimated else "solid",
        )  # fmt: skip
        words = [style.shorten(group.owner, 30)] if group.owner else []
        handles[", ".join([*words, "estimate"] if group.estimated else words or ["measured"])] = drawn
    span(ax, "y", np.concatenate([group.energy_j for group in groups]))
    _fit(ax, np.concatenate([group.accuracy for group in groups]))
    only = all(group.estimated for group in groups)
    style.dress(ax, x="accuracy", y=style.label(ESTIMATE if only else "energy_j", "J"), grid="both")
    if len(handles) > 1 or only:
        style.legend(ax, list(handles.values()), list(handles), loc="best")
    return ax


def _fit(ax: Axes, accuracy: NDArray[np.float64]) -> None:
    """Fit the axis to the accuracies present: from 0 on, those of a good model would all be one point."""
    low, high = float(accuracy.min()), float(accuracy.max())
    room = max((high - low) * 0.12, 0.02 * max(abs(high), abs(low)), 1e-6)
    ax.set_xlim(low - room, high + room)
    style.plain_ticks(ax.xaxis, 6)
