"""`Latencies`, the result of timed calls: a row per batch size, a chart, a small table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from e2e_magic.derived.latency import PERCENTILES, calls_percentiles
from e2e_magic.measuring.latency import Timings
from e2e_magic.text import digits, quantity
from e2e_magic.views import markup

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

UNITS = {f"p{q}_s": "s" for q in PERCENTILES} | {
    "mean_s": "s",
    "throughput_per_s": "entries/s",
    "energy_per_entry_j": "J",
    "rate_per_s": "1/s",
}
COLUMNS = ("scenario", "batch_size", "calls", "entries", *UNITS)
_HEADS = {  # column: its head in a table for people, and its unit there
    "batch_size": ("batch", ""),
    "calls": ("calls", ""),
    **{f"p{q}_s": (f"p{q}", "s") for q in PERCENTILES},
    "mean_s": ("mean", "s"),
    "throughput_per_s": ("throughput", "entries/s"),
    "energy_per_entry_j": ("energy per entry", "J"),
    "rate_per_s": ("rate", "calls/s"),
}


class Latencies:
    """Latency and throughput of single calls, a row per batch size: made by `latency`.

    Attributes
    ----------
    scenario : str
        ``single_stream``, ``offline`` or ``server``.
    missing : dict of int to dict of str to str
        Batch size to column to the reason why it has no number.
    notes : list of str
        What else there is to know: what the energy counts, how a rate was found.
    """

    def __init__(self, scenario: str) -> None:
        self.scenario = scenario
        self.missing: dict[int, dict[str, str]] = {}
        self.notes: list[str] = []
        self._rows: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def keep(self, batch_size: int, values: Mapping[str, float], missing: Mapping[str, str]) -> None:
        """Take the numbers of one batch size; what is not among them is missing."""
        row = {name: values.get(name, math.nan) for name in UNITS}
        counts = {name: int(values.get(name, 0)) for name in ("calls", "entries")}
        self._rows.append({"scenario": self.scenario, "batch_size": batch_size, **counts, **row})
        self.missing[batch_size] = dict(missing)

    @property
    def frame(self) -> pd.DataFrame:
        """A row per batch size, NaN where something is missing.

        Columns: ``scenario batch_size calls entries p50_s p90_s p95_s p99_s mean_s throughput_per_s
        energy_per_entry_j rate_per_s``; latencies are those of a call, throughput counts entries, the
        rate counts calls. Units are in ``attrs["units"]``.
        """
        import numpy as np

        from e2e_magic.views.frames import columns

        by_name: dict[str, Any] = {name: [row[name] for row in self._rows] for name in COLUMNS}
        by_name["scenario"] = columns.text(by_name["scenario"])
        for name in COLUMNS[1:]:
            by_name[name] = np.array(by_name[name], dtype=np.float64 if name in UNITS else np.int64)
        return columns.frame(by_name, UNITS)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw latency against throughput, a point per batch size.

        As the last value of a cell it shows its picture.
        """
        from e2e_magic.views import charts

        return charts.latency(self.frame, ax=ax)

    def reasons(self) -> list[str]:
        """Return in a sentence each why numbers are missing, and the notes."""
        places_of: dict[str, list[tuple[int, str]]] = {}
        for size, missing in self.missing.items():
            for column, why in missing.items():
                places_of.setdefault(why, []).append((size, column))
        sentences = []
        for why, places in places_of.items():
            sizes = list(dict.fromkeys(size for size, _ in places))
            names = list(dict.fromkeys(_HEADS[column][0] for _, column in places))
            where = "" if len(sizes) == len(self._rows) else f"batch {', '.join(map(str, sizes))}: "
            sentences.append(f"{where}no {', '.join(names)}: {why}")
        return [*sentences, *dict.fromkeys(self.notes)]

    def _table(self) -> list[list[str]]:
        columns = [
            name
            for name in _HEADS
            if name in ("batch_size", "calls") or any(not math.isnan(row[name]) for row in self._rows)
        ]
        cells = [[_cell(name, row[name]) for name in columns] for row in self._rows]
        return [[_HEADS[name][0] for name in columns], *cells]

    def __repr__(self) -> str:
        if not self._rows:
            return f"latency, {self.scenario}: no call was timed"
        table = self._table()
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  " + "  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True)) for row in table
        ]
        return "\n".join([f"latency, {self.scenario}", *lines, *(f"  {text}" for text in self.reasons())])

    def _repr_html_(self) -> str:
        notes, chart = self.reasons(), ""
        if self._rows:
            try:
                from e2e_magic.views.charts.style import image

                chart = image(self.plot())
            except Exception as error:  # noqa: BLE001 - a chart that can't be drawn must not cost the numbers
                notes.append(f"the chart could not be drawn ({type(error).__name__}: {error})")
        heads, *rows = self._table()
        return markup.block(
            markup.heading(f"latency, {self.scenario.replace('_', ' ')}")
            + markup.table(heads, ([markup.cell(text) for text in row] for row in rows))
            + chart
            + "".join(markup.note(note) for note in notes)
        )


def summary(timings: Timings, batch_size: int) -> tuple[dict[str, float], dict[str, str]]:
    """Return the numbers of one batch size by column, and the reasons for those that are missing.

    `derived.latency` says how many calls each percentile needs.
    """
    import numpy as np

    entries = timings.calls * batch_size
    values = {"calls": float(timings.calls), "entries": float(entries)}
    elapsed_s = timings.elapsed_ns * 1e-9
    if not timings.calls or not elapsed_s:
        why = "no call came to its end" if not timings.calls else "the clock did not move"
        return values, dict.fromkeys((*(f"p{q}_s" for q in PERCENTILES), "mean_s", "throughput_per_s"), why)
    values["throughput_per_s"] = entries / elapsed_s
    if timings.unserved:
        why = (
            f"{timings.unserved:,} of {timings.unserved + timings.calls:,} calls were still to be served "
            f"when it was given up after {quantity(elapsed_s, 's')}: this call serves about "
            f"{digits(timings.calls / elapsed_s)} a second, so lower rate"
        )
        return values, dict.fromkeys((*(f"p{q}_s" for q in PERCENTILES), "mean_s"), why)
    if not timings.single:
        values["mean_s"] = elapsed_s / timings.calls
        why = "offline counts what goes through; single calls are timed by single_stream and server"
        return values, {f"p{q}_s": why for q in PERCENTILES}
    seconds = np.sort(np.frombuffer(timings.laps_ns, dtype=np.int64)[: timings.calls]) * 1e-9
    values["mean_s"] = float(np.mean(seconds))
    percentiles, missing = calls_percentiles(seconds.tolist(), timings.calls, elapsed_s, "duration")
    values |= percentiles
    return values, missing


def _cell(name: str, value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else quantity(value, _HEADS[name][1])
