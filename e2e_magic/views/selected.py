"""Frames of the trials that a selection names, read from this kernel and the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from e2e_magic.derived import CURVES, findings
from e2e_magic.storage.rows import LINES_NAME
from e2e_magic.views import frames

if TYPE_CHECKING:
    import pandas as pd

    from e2e_magic.record import Record
    from e2e_magic.storage import Selection
    from e2e_magic.storage.reader import Reader


# What a frame needs besides the trials' rows: all curves, or those of these names; most need what is derived.
_BESIDE: Mapping[str, bool | Collection[str]] = {
    "samples": True,
    "lines": (LINES_NAME,),
    "pipeline": (*CURVES, *findings.CURVES),
}


def frame(name: str, reader: Reader, selection: Selection) -> pd.DataFrame:
    """Return one of `views.FRAMES`; the selection is a resolved one."""
    if name == "metrics":
        from e2e_magic.views.catalog import catalog

        return frames.metrics(catalog(reader.current.settings if reader.current else {}))
    if name == "runs":
        return _runs(reader, selection)
    if name in ("results", "trials"):
        rows = frames.results if name == "results" else frames.trials
        return rows(reader.blocks(selection), reader.names(selection))
    records = reader.records(selection, _BESIDE.get(name, CURVES))
    names = reader.names(selection)
    if name == "pipeline":
        return frames.pipeline(_of_one_run(list(records), reader, selection), names)
    build: Callable[..., pd.DataFrame] = getattr(frames, name)
    return build(list(records), names)


def _runs(reader: Reader, selection: Selection) -> pd.DataFrame:
    runs = reader.runs(selection)
    if selection.stage is not None:
        measured = {record.run for record in reader.records(selection, series=False)}
        runs = [run for run in runs if run.id in measured]
    return frames.runs(runs, counts=reader.counts(selection))


def _of_one_run(records: list[Record], reader: Reader, selection: Selection) -> list[Record]:
    """Return the records of the run that is named, else of the current one."""
    if selection.run is not None or not records:
        return records
    current = reader.current.id if reader.current else None
    if selection.everything and current not in {record.run for record in records}:
        current = records[-1].run  # outside a kernel: the newest of the store
    return [record for record in records if record.run == current]
