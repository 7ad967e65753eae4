"""Records and runs as rows of the tables: what is written, whichever way it goes into the database."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

from e2e_magic.record import Record, Run
from e2e_magic.storage import digest, packing, sealing

# Of the tables. A change of them raises it by one and adds a step to `MIGRATIONS`.
# 1: the first. 2: logs among the curves, and what follows from them beside the trial. 3: blocks, in SQLite.
VERSION = 3
# From a version to the next one; `{text}` is the database's type for a text of any length. Rows stay as they
# are, so that no cell waits for it, however large the file.
MIGRATIONS: dict[int, tuple[str, ...]] = {1: ("ALTER TABLE e2e_trials ADD COLUMN derived {text}",)}
# Those that only SQLite needs: other databases keep long values apart from their rows.
SQLITE_MIGRATIONS = {2: sealing.TABLES}
# Older versions in which all is there that is read: a file that may not be written needs no more.
READ_AS_THEY_ARE = (2,)
# The place of a trial's log among its curves.
LOG = -1
# That of what its lines cost, and the name by which a reader asks for them.
LINES, LINES_NAME = -2, "lines"


def stamp(moment: datetime) -> str:
    """Return a time as it stands in the tables."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def run_row(run: Run) -> dict[str, Any]:
    """Return a run as a row, without its number."""
    started = stamp(run.started_at)
    return {
        "key": packing.key(f"{run.id}\0{started}"),
        "id": packing.escape(run.id),
        "name": packing.escape(run.name),
        "started_at": started,
        "description": packing.escape(run.description),
        "environment": packing.written(asdict(run.environment)),
        "settings": packing.written(run.settings),
    }


class TrialRows(NamedTuple):
    """A trial as rows, without the numbers of its run and of its own, which a database gives.

    Attributes
    ----------
    row : dict of str to Any
        Its row in the table of trials.
    source : tuple of (str, str) or None
        The key and the text of its code.
    curves : list of dict
        Its rows in the table of curves.
    """

    row: dict[str, Any]
    source: tuple[str, str] | None
    curves: list[dict[str, Any]]


def readings(record: Record) -> dict[str, Any]:
    """Return the columns of a trial's row that hold its readings."""
    measures, numbers, rest = packing.pack_readings(record.readings)
    return {"measures": measures, "numbers": numbers, "readings": rest}


def trial_rows(record: Record) -> TrialRows:
    """Return a record as rows."""
    source = None if record.source is None else (packing.key(record.source), packing.escape(record.source))
    log = packing.pack_events(record.events)
    row = {
        "stage_key": packing.key(record.stage),
        "stage": packing.escape(record.stage),
        "trial": record.trial,
        "repeat": record.repeat,
        "state": record.state,
        "started_at": stamp(record.started_at),
        "error": _escaped(record.error),
        "sweep": _escaped(record.sweep),
        "params": packing.written(record.params),
        **readings(record),
        "reported": packing.written(record.reported),
        "missing": packing.reasons(tuple(record.missing.items())),
        "source": None if source is None else source[0],
        "host": packing.escape(record.host),
        "concurrent": record.concurrent,
        "curves": packing.written(list(record.series)),
        "events": None if log is None else b"",
        "derived": digest.written(record),
    }
    curves = [
        {"place": place, "metric": packing.escape(name), "data": packing.pack_series(curve)}
        for place, (name, curve) in enumerate(record.series.items())
    ]
    if log is not None:
        curves.append({"place": LOG, "metric": "", "data": log})
    if record.lines is not None:
        curves.append({"place": LINES, "metric": LINES_NAME, "data": packing.pack_lines(record.lines)})
    return TrialRows(row, source, curves)


def _escaped(text: str | None) -> str | None:
    return None if text is None else packing.escape(text)
