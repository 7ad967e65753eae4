"""The holders of this process's memory, of those trials that a selection names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from e2e_magic.measuring.collectors import proc
from e2e_magic.measuring.holders.look import Holder, holders
from e2e_magic.measuring.holders.making import LIMIT_S
from e2e_magic.measuring.holders.roots import Roots, of_process
from e2e_magic.views import frames

if TYPE_CHECKING:
    import pandas as pd

    from e2e_magic.storage import Selection
    from e2e_magic.storage.reader import Reader


def frame(
    roots: Callable[[], Roots] | None, reader: Reader, selection: Selection, limit_s: float = LIMIT_S
) -> pd.DataFrame:
    """Return the frame of the holders that the selected cells made; of all where nothing is selected.

    Without `roots` those of a script are looked at.

    Raises
    ------
    PlanError
        If there is no such run or stage.
    """
    resident_mib = proc.resident_here_mib()  # before the look, which takes some itself
    found = holders((roots or of_process)(), limit_s)
    return frames.holders(_selected(found, reader, selection), reader.names(selection), resident_mib)


def _selected(found: list[Holder], reader: Reader, selection: Selection) -> list[Holder]:
    if selection.run is not None or selection.stage is not None:
        measured = list(reader.records(replace(selection, since=None), series=False))
        runs = {run.id for run in reader.runs(replace(selection, since=None))}
        stages = {record.stage for record in measured}
        found = [each for each in found if each.made and each.made.run in runs and each.made.stage in stages]
    if selection.since is not None:
        found = [each for each in found if each.made and each.made.at >= selection.since]
    return found
