"""What is sent to the page, as plain data: a value of a column, and what a trial logged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

from e2e_magic.record import Events
from e2e_magic.text import shorten

MOST_POINTS = 200
_MOST_CURVES = 6
_LONGEST_VALUE = 60


def logged(events: Events) -> dict[str, Any]:
    """Return what a trial logged, thinned, as plain data: ``epoch``, and ``curves`` by their names."""
    rows = thinned(range(len(events)), MOST_POINTS)
    curves = list(events.values.items())[:_MOST_CURVES]
    return {
        "epoch": [events.epoch[n] for n in rows],
        "curves": {name: [plain(values[n]) for n in rows] for name, values in curves},
    }


def thinned(rows: Sequence[int], most: int) -> list[int]:
    """Return at most `most` of the rows, evenly, the first and the last among them."""
    if len(rows) <= most:
        return list(rows)
    return [rows[round(n * (len(rows) - 1) / (most - 1))] for n in range(most)]


def plain(value: Any) -> float | int | str | None:
    """Return a number or a text; None for what is missing."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value) if abs(int(value)) < 2**53 else str(value)
    if isinstance(value, Real) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) else None
    return (
        None if value is None else shorten(value if isinstance(value, str) else repr(value), _LONGEST_VALUE)
    )
