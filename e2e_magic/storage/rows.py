"""Records and runs as rows of the tables: what is written, whichever way it goes into the database."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from e2e_magic.record import Record, Run
from e2e_magic.storage import packing

# Of the tables. A change of them raises it by one and adds a step to `schema.MIGRATIONS`.
# 1: the first.
VERSION = 1


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


def trial_row(record: Record, run: int) -> dict[str, Any]:
    """Return a record as a row, without its number; `run` is the number of its run."""
    measures, numbers, rest = packing.pack_readings(record.readings)
    return {
        "run": run,
        "stage_key": packing.key(record.stage),
        "stage": packing.escape(record.stage),
        "trial": record.trial,
        "repeat": record.repeat,
        "state": record.state,
        "started_at": stamp(record.started_at),
        "error": _escaped(record.error),
        "sweep": _escaped(record.sweep),
        "params": packing.written(record.params),
        "measures": measures,
        "numbers": numbers,
        "readings": rest,
        "reported": packing.written(record.reported),
        "missing": packing.written({name: reason.plain() for name, reason in record.missing.items()}),
        "source": None if record.source is None else packing.key(record.source),
        "host": packing.escape(record.host),
        "concurrent": record.concurrent,
        "curves": packing.written(list(record.series)),
        "events": packing.pack_events(record.events),
    }


def curve_rows(record: Record, number: int) -> list[dict[str, Any]]:
    """Return a record's curves as rows; `number` is that of its trial."""
    return [
        {
            "trial": number,
            "place": place,
            "metric": packing.escape(name),
            "data": packing.pack_series(curve),
        }
        for place, (name, curve) in enumerate(record.series.items())
    ]


def _escaped(text: str | None) -> str | None:
    return None if text is None else packing.escape(text)
