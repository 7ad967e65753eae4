"""What timed calls give back: a row per batch size, a chart, a small table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from e2e_magic.derived.statistics import needed, percentile
from e2e_magic.measuring.calls import Load
from e2e_magic.text import digits, quantity
from e2e_magic.views import markup

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

PERCENTILES = (50, 90, 95, 99)
UNITS = {f"p{q}_s": "s" for q in PERCENTILES} | {
    "mean_s": "s",
    "throughput_per_s": "1/s",
    "energy_per_entry_j": "J",
    "rate_per_s": "1/s",
}
COLUMNS = ("scenario", "batch_size", "calls", "entries", *UNITS)
_SHOWN = {  # column: its head and its unit for people
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
        from e2e_magic.views.frames import columns

        made: dict[str, Any] = {name: [row[name] for row in self._rows] for name in COLUMNS}
        made["scenario"] = columns.text(made["scenario"])
        for name in COLUMNS[1:]:
            whole = name in ("batch_size", "calls", "entries")
            found = columns.floats(made[name])
            made[name] = found.astype("int64") if whole and found is not None else found
        return columns.frame(made, UNITS)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw latency against throughput, a point per batch size.

        As the last value of a cell it shows its picture.
        """
        from e2e_magic.views import charts

        return charts.latency(self.frame, ax=ax)

    def reasons(self) -> list[str]:
        """Return in a sentence each why numbers are missing, and the notes."""
        said: dict[str, list[tuple[int, str]]] = {}
        for size, missing in self.missing.items():
            for column, why in missing.items():
                said.setdefault(why, []).append((size, column))
        sentences = []
        for why, places in said.items():
            sizes = list(dict.fromkeys(size for size, _ in places))
            names = list(dict.fromkeys(_SHOWN[column][0] for _, column in places))
            where = "" if len(sizes) == len(self._rows) else f"batch {', '.join(map(str, sizes))}: "
            sentences.append(f"{where}no {', '.join(names)}: {why}")
        return [*sentences, *dict.fromkeys(self.notes)]

    def _table(self) -> list[list[str]]:
        shown = [
            name
            for name in _SHOWN
            if name in ("batch_size", "calls") or any(not math.isnan(row[name]) for row in self._rows)
        ]
        cells = [[_cell(name, row[name]) for name in shown] for row in self._rows]
        return [[_SHOWN[name][0] for name in shown], *cells]

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
            except Exception as error:  # a chart that can't be drawn must not cost the numbers
                notes.append(f"the chart could not be drawn ({type(error).__name__}: {error})")
        heads, *rows = self._table()
        return markup.block(
            markup.heading(f"latency, {self.scenario.replace('_', ' ')}")
            + markup.table(heads, ([markup.cell(text) for text in row] for row in rows))
            + chart
            + "".join(markup.note(note) for note in notes)
        )


def summary(load: Load, batch_size: int) -> tuple[dict[str, float], dict[str, str]]:
    """Return the numbers of one load by column, and the reasons for those that are missing.

    Percentiles are those of numpy (linear interpolation), each only from as many calls as `needed` says.
    """
    import numpy as np

    entries = load.calls * batch_size
    values = {"calls": float(load.calls), "entries": float(entries)}
    missing: dict[str, str] = {}
    elapsed_s = load.elapsed_ns * 1e-9
    if not load.calls or not elapsed_s:
        why = "no call came to its end" if not load.calls else "the clock did not move"
        return values, dict.fromkeys((*(f"p{q}_s" for q in PERCENTILES), "mean_s", "throughput_per_s"), why)
    values["throughput_per_s"] = entries / elapsed_s
    if load.unserved:
        why = (
            f"{load.unserved:,} of {load.unserved + load.calls:,} calls were still to be served when it was "
            f"given up after {quantity(elapsed_s, 's')}: this call serves about "
            f"{digits(load.calls / elapsed_s)} a second, so lower rate"
        )
        return values, dict.fromkeys((*(f"p{q}_s" for q in PERCENTILES), "mean_s"), why)
    if not load.single:
        values["mean_s"] = elapsed_s / load.calls
        why = "offline counts what goes through; single calls are timed by single_stream and server"
        return values, {f"p{q}_s": why for q in PERCENTILES}
    seconds: Sequence[float] = np.frombuffer(load.laps_ns, dtype=np.int64)[: load.calls] * 1e-9  # type: ignore[assignment]
    values["mean_s"] = float(np.mean(seconds))
    for q in PERCENTILES:
        if load.calls >= needed(q):
            values[f"p{q}_s"] = percentile(seconds, q)
        else:
            longer = 1.1 * elapsed_s * needed(q) / load.calls
            missing[f"p{q}_s"] = (
                f"p{q} needs at least {needed(q)} calls, got {load.calls}: "
                f"raise duration to about {digits(float(f'{longer:.2g}'))} s"
            )
    return values, missing


def _cell(name: str, value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else quantity(value, _SHOWN[name][1])
