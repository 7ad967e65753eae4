"""What follows from a trial's log and its power curves, kept beside it: a frame of all trials reads neither.

Raw is stored, and derived is computed on read: the digest is computed again as soon as a definition has
changed, which is seen from the sources of `derived`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from e2e_magic import derived
from e2e_magic.record import Record
from e2e_magic.storage import checking, packing

_CURVES = frozenset(derived.CURVES)


def written(record: Record) -> str | None:
    """Return a trial's digest as text; None for a trial that has neither a log nor such curves."""
    if not record.events.t_s and _CURVES.isdisjoint(record.series):
        return None
    return text_of(derived.as_columns(derived.derive(record)))


def text_of(values: Mapping[str, Any]) -> str:
    """Return what follows from a trial as text: see `derived.as_columns`."""
    return packing.written({"by": definitions(), "values": values})


def read(text: str | None) -> Mapping[str, Any] | None:
    """Return a digest's numbers by name, None for a missing one; None where it must be computed again."""
    if text is None or len(text) > checking.LONGEST:
        return None
    try:
        stored = packing.read(text)
        values = stored["values"] if stored["by"] == definitions() else None
        if values is None or not checking.are_numbers_or_none(checking.mapping("derived", values)):
            return None
    except checking.DAMAGE:
        return None
    return dict(values)


@cache
def definitions() -> str:
    """Return the text that distinguishes one version of the definitions from another."""
    code = 0
    for path in sorted(Path(derived.__file__).parent.glob("*.py")):
        if path.name == "blocks.py":  # the same definitions, of many trials at once
            continue
        code = zlib.crc32(path.read_bytes(), code)
    return f"{code:08x}"
