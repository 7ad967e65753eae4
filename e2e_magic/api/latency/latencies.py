"""`Latencies`, the result of timed calls: a row per batch size, a chart, a small table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from e2e_magic.api.latency import streams
from e2e_magic.derived.latency import PERCENTILES, calls_percentiles, counts_met, intervals
from e2e_magic.derived.percentiles import independent
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
    **{f"p{q}_{end}_s": "s" for q in PERCENTILES for end in ("low", "high")},
}
COLUMNS = ("scenario", "batch_size", "calls", "entries", *UNITS, "seed")
_HEADS = {  # column: its head in a table for people, and its unit there
    "batch_size": ("batch", ""),
    "calls": ("calls", ""),
    **{f"p{q}_s": (f"p{q}", "s") for q in PERCENTILES},
    "mean_s": ("mean", "s"),
    "throughput_per_s": ("throughput", "entries/s"),
    "energy_per_entry_j": ("energy per entry", "J"),
    "rate_per_s": ("rate", "calls/s"),
    "tokens": ("tokens", ""),
    **{f"first_token_p{q}_s": (f"first token p{q}", "s") for q in PERCENTILES},
    **{f"per_token_p{q}_s": (f"per token p{q}", "s") for q in PERCENTILES},
    **{f"inter_token_p{q}_s": (f"between tokens p{q}", "s") for q in PERCENTILES},
    "tokens_per_s": ("tokens/s", ""),
    "energy_per_token_j": ("energy per token", "J"),
}
# In a table for people there is no room for each percentile of tokens.
_LEFT_OUT = {
    f"{kind}_p{q}_s"
    for kind, some in zip(streams.KINDS, ((90, 95), (90, 95), (50, 90, 95)), strict=True)
    for q in some
}


class Latencies:
    """Latency and throughput of single calls, a row per batch size; `latency` returns it.

    Attributes
    ----------
    scenario : str
        ``single_stream``, ``offline`` or ``server``.
    missing : dict of int to dict of str to str
        Batch size to column to the reason why it has no number.
    notes : list of str
        Remarks: what the energy counts, how a rate was searched.
    """

    def __init__(self, scenario: str, *, tokens: bool = False) -> None:
        self.scenario = scenario
        self._units = UNITS | streams.UNITS if tokens else UNITS
        self._counts = ("calls", "entries", "tokens") if tokens else ("calls", "entries")
        self.missing: dict[int, dict[str, str]] = {}
        self.notes: list[str] = []
        self._rows: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def keep(self, batch_size: int, values: Mapping[str, float], missing: Mapping[str, str]) -> None:
        """Take the numbers of one batch size; what is not among them is missing."""
        row: dict[str, Any] = {name: values.get(name, math.nan) for name in self._units}
        row["seed"] = values.get("seed")
        counts = {name: int(values.get(name, 0)) for name in self._counts}
        self._rows.append({"scenario": self.scenario, "batch_size": batch_size, **counts, **row})
        self.missing[batch_size] = dict(missing)

    @property
    def frame(self) -> pd.DataFrame:
        """A row per batch size, NaN where something is missing.

        Columns: ``scenario batch_size calls entries p50_s p90_s p95_s p99_s mean_s throughput_per_s
        energy_per_entry_j rate_per_s``, ``p50_low_s p50_high_s ..`` (between them the true percentile lies,
        with 95 % probability, calls that were slow together counted as fewer), ``seed``; latencies are those
        of a call, throughput counts entries, the rate counts the calls that arrived. For streams of tokens
        also ``tokens tokens_per_s energy_per_token_j``, ``first_token_p50_s ..``, ``per_token_p50_s ..`` and
        ``inter_token_p50_s ..``. Units are in
        ``attrs["units"]``.
        """
        import numpy as np
        import pandas as pd

        from e2e_magic.views.frames import columns

        names = (*COLUMNS, *(name for name in (*self._counts, *self._units) if name not in COLUMNS))
        by_name: dict[str, Any] = {name: [row[name] for row in self._rows] for name in names}
        by_name["scenario"] = columns.text(by_name["scenario"])
        by_name["seed"] = pd.array(by_name["seed"], dtype="Int64")
        for name in (*self._counts, "batch_size", *self._units):
            by_name[name] = np.array(by_name[name], dtype=np.float64 if name in self._units else np.int64)
        return columns.frame(by_name, self._units)

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
        counts = dict.fromkeys(row["calls"] for row in self._rows if not math.isnan(row["p50_s"]))
        if counts:
            sentences.append(counts_met(min(counts)))
        return [*sentences, *dict.fromkeys(self.notes)]

    def _table(self) -> list[list[str]]:
        columns = [
            name
            for name in _HEADS
            if name in ("batch_size", "calls")
            or (name not in _LEFT_OUT and any(not math.isnan(row.get(name, math.nan)) for row in self._rows))
        ]
        cells = [[_cell(name, row) for name in columns] for row in self._rows]
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
    served_per_s = (timings.calls + timings.waiting) / elapsed_s
    values["throughput_per_s"] = served_per_s * batch_size
    if timings.unserved:
        why = (
            f"{timings.unserved:,} of {timings.unserved + timings.calls:,} calls were still to be served "
            f"when it was given up after {quantity(elapsed_s, 's')}: this call serves about "
            f"{digits(served_per_s)} a second, so lower rate"
        )
        return values, dict.fromkeys((*(f"p{q}_s" for q in PERCENTILES), "mean_s"), why)
    if not timings.single:
        values["mean_s"] = elapsed_s / timings.calls
        why = "offline counts what goes through; single calls are timed by single_stream and server"
        return values, {f"p{q}_s": why for q in PERCENTILES}
    in_order = np.frombuffer(timings.laps_ns, dtype=np.int64)[: timings.calls] * 1e-9
    seconds = np.sort(in_order)
    values["mean_s"] = float(np.mean(seconds))
    percentiles, missing = calls_percentiles(seconds.tolist(), timings.calls, elapsed_s, "duration")
    values |= percentiles | intervals(seconds.tolist(), timings.calls, lambda q: independent(in_order, q))
    return values, missing


def _cell(name: str, row: Mapping[str, Any]) -> str:
    value = row[name]
    if isinstance(value, int):
        return f"{value:,}"
    unit, stem = _HEADS[name][1], name.removesuffix("_s")
    text = quantity(value, unit)
    low, high = (quantity(row.get(f"{stem}_{end}_s", math.nan), unit) for end in ("low", "high"))
    return text if low == text == high or f"{stem}_low_s" not in row else f"{text} ({low} to {high})"
