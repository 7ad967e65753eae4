"""A row per line that ran: the frame of ``--lines``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from e2e_magic.record import Lines, Record
from e2e_magic.views.frames import columns

_NO_NAMES: Mapping[str, str] = {}
_UNITS = {"wall_time_s": "s", "peak_rss_mib": "MiB", "rss_delta_mib": "MiB"}


def lines(records: Sequence[Record], names: Mapping[str, str] = _NO_NAMES) -> pd.DataFrame:
    """Return a row per line that ran.

    Columns: ``run stage trial line source hits wall_time_s peak_rss_mib rss_delta_mib``.
    ``line`` is its number in the cell, whose first line is the magic's; of a function from elsewhere it is
    that in its file, and a column ``function`` says which.
    """
    watched = [(record, record.lines) for record in records if record.lines is not None]
    lengths = np.array([len(lines.line) for _, lines in watched], dtype=np.int64)
    table: dict[str, Any] = {
        "run": columns.labels([names.get(record.run, record.run) for record, _ in watched], lengths),
        "stage": columns.labels([record.stage for record, _ in watched], lengths),
        "trial": np.repeat(np.array([record.trial for record, _ in watched], dtype=np.int64), lengths),
        "line": columns.joined(lines.line for _, lines in watched).astype(np.int64),
        "source": columns.text([text for _, lines in watched for text in _sources(lines)]),
        "hits": columns.joined(lines.hits for _, lines in watched).astype(np.int64),
        "wall_time_s": columns.joined(lines.wall_s for _, lines in watched),
        "peak_rss_mib": columns.joined(lines.peak_mib for _, lines in watched),
        "rss_delta_mib": columns.joined(lines.delta_mib for _, lines in watched),
    }
    functions = [lines.listings[int(place)][0] or None for _, lines in watched for place in lines.place]
    if any(functions):
        table["function"] = columns.text(functions)
    return columns.frame(table, _UNITS)


def _sources(lines: Lines) -> list[str]:
    texts = [dict(enumerate(code.split("\n"), first)) for _, first, code in lines.listings]
    return [
        texts[int(place)].get(int(number), "") for place, number in zip(lines.place, lines.line, strict=True)
    ]
