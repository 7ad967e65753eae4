"""One colour per run in all charts of a session, whichever of the runs a chart shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from e2e_magic.views.charts.style import PALETTE

if TYPE_CHECKING:
    import pandas as pd


def run_colours(frame: pd.DataFrame, owners: Sequence[str]) -> list[str]:
    """Return a colour for each of some names: a run's follows from its place among all runs, by their start.

    Parameters
    ----------
    frame : DataFrame
        ``attrs["runs"]`` has the names of all runs that there are, those that started first first.
    owners : sequence of str
        What is told apart. Where that isn't runs, colours follow the order here.

    Returns
    -------
    list of str
        Of two runs whose places have one colour the second takes the next that is free.
    """
    runs = {name: n for n, name in enumerate(frame.attrs.get("runs", ()))}
    if not all(name in runs for name in owners):
        return [PALETTE[n % len(PALETTE)] for n in range(len(owners))]
    taken: dict[str, int] = {}
    for name in sorted(owners, key=lambda name: runs[name]):
        steps = range(len(PALETTE))
        free = [place for n in steps if (place := (runs[name] + n) % len(PALETTE)) not in taken.values()]
        taken[name] = free[0] if free else runs[name] % len(PALETTE)
    return [PALETTE[taken[name]] for name in owners]
