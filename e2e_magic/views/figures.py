"""The numbers of a card: the costs and gains of a measured cell, each with unit and detail."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from e2e_magic.derived import derive, provenance
from e2e_magic.derived.declarations import unit_of
from e2e_magic.derived.latency import early_stopping
from e2e_magic.derived.statistics import half_width, median
from e2e_magic.record import Record
from e2e_magic.text import digits, quantity, signed, words
from e2e_magic.views.pictures.panel import finite

# Shown in this order where there is one, behind time and memory.
_COSTS = (
    "package_energy_j",
    "psys_energy_j",
    "dram_energy_j",
    "gpu_energy_j",
    "net_energy_j",
    "mean_power_w",
    "co2_g",
    "gpu_peak_memory_mib",
    "gpu_time_s",
)
_GAINS = (
    "time_to_accuracy_s",
    "epochs_to_accuracy",
    "f1",
    "roc_auc",
    "latency_s",
    "throughput_per_s",
)
# Labels where a card has room for a plainer word than a chart's axis.
_LABELS = {
    "peak_rss_mib": "peak memory",
    "package_energy_j": "CPU energy",
    "gpu_peak_memory_mib": "GPU memory",
    "latency_s": "per entry",
}


class Figure(NamedTuple):
    """One number on the card."""

    label: str
    text: str
    detail: str = ""


def figures(records: Sequence[Record]) -> list[Figure]:
    """Return the available numbers of the card, in its order."""
    values = _values(records)
    last = values[-1]
    entries = [_repeated(values, "wall_time_s", first=True)]
    if "cpu_time_s" in last:
        percent = f"{digits(_number(last, 'cpu_percent'))} %" if "cpu_percent" in last else ""
        entries.append(_repeated(values, "cpu_time_s", percent))
    if "peak_rss_mib" in last:
        delta = _number(last, "rss_delta_mib")
        kept = f"{signed(delta, 'MiB')} kept" if abs(delta) >= 0.1 else ""
        entries.append(_repeated(values, "peak_rss_mib", kept))
        tree = _number(last, "peak_tree_rss_mib")
        if tree > 1.05 * _number(last, "peak_rss_mib"):
            once = _number(last, "peak_tree_pss_mib")
            shared = "" if math.isnan(once) else f", {quantity(once, 'MiB')} with shared pages counted once"
            entries.append(Figure("with children", quantity(tree, "MiB"), f"sampled{shared}"))
    moved = _number(last, "read_mib"), _number(last, "write_mib")
    if max(moved) >= 1:
        entries.append(Figure("read / written", " / ".join(quantity(mib, "MiB") for mib in moved)))
    costs = [name for name in _COSTS if any(name in row for row in values)]
    entries += [_repeated(values, name, provenance.source(name, last)) for name in costs]
    if "estimated_energy_j" in last:
        entries.append(Figure("energy", quantity(_number(last, "estimated_energy_j"), "J"), "estimate"))
        guessed = [
            name for name in last if name == "estimated_co2_g" or name.startswith("estimated_energy_cost_")
        ]
        entries += [_repeated(values, name, "") for name in guessed]
    return entries + _gains(records, values)


def headline(records: Sequence[Record]) -> list[Figure]:
    """Return how long a cell took and what it gained."""
    values = _values(records)
    return [_repeated(values, "wall_time_s", first=True), *_gains(records, values)]


def _values(records: Sequence[Record]) -> list[dict[str, Any]]:
    return [{**record.readings, **derive(record).values} for record in records]


def _gains(records: Sequence[Record], values: Sequence[Mapping[str, Any]]) -> list[Figure]:
    record, last = records[-1], values[-1]
    entries = []
    averaged = bool(record.reported.get("confusion"))
    for name in ("loss", "accuracy"):
        split = _split(record, name)
        if any(name in row for row in values):
            entries.append(_best(values, name, split))
        if split == "training":
            entries.append(_best([_validation(one, name) for one in records], name, "validation"))
    target = record.reported.get("target_accuracy")
    aim = "" if target is None else ", ".join(filter(None, (f"to {digits(target)}", _judged(record))))
    details = {"time_to_accuracy_s": aim, "epochs_to_accuracy": aim, "f1": "macro"}
    gains = [name for name in _GAINS if any(name in row for row in values)]
    entries += [_gained(values, name, details.get(name, "")) for name in gains]
    calls = record.reported.get("latency")
    if calls:
        name = next((name for name in ("p50", "mean") if f"latency_{name}_s" in last), "mean")
        tail = next((q for q in ("p99", "p95", "p90") if f"latency_{q}_s" in last), None)
        slow = f"{tail} {quantity(_number(last, f'latency_{tail}_s'), 's')}, " if tail else ""
        one = quantity(_number(last, f"latency_{name}_s"), "s")
        count = f"of {calls['calls']:,}; {early_stopping(calls['calls'])}"
        entries.append(Figure(f"single call, {name}", one, slow + count))
    entries += _together(last, ("precision", "recall"), "macro")
    if not averaged:  # a matrix has its heat map
        entries += _together(last, ("positive_precision", "positive_recall"))
        entries += _together(last, ("tp", "fp", "fn", "tn"))
    return entries


def _split(record: Record, name: str) -> str:
    """Return the split of a quantity's last value, where its name alone doesn't identify it."""
    logged = record.events.values
    # A matrix or a two-class table gives an accuracy of its own.
    given = {name, "confusion", "binary"} if name == "accuracy" else {name}
    if f"val_{name}" not in logged or not given.isdisjoint(record.reported):
        return ""
    return "training" if name in logged else "validation"


def _judged(record: Record) -> str:
    """Return which split a target was measured on, where another accuracy stands beside it."""
    return "validation" if "val_accuracy" in record.events.values else ""


def _validation(record: Record, name: str) -> dict[str, float]:
    numbers = finite(record.events.values.get(f"val_{name}", ()))
    if not numbers:
        return {}
    return {name: numbers[-1], f"best_{name}": (min if name == "loss" else max)(numbers)}


def _best(values: Sequence[Mapping[str, Any]], name: str, split: str) -> Figure:
    """Return the last loss or accuracy of a split, and the best where that is another."""
    best = _number(values[-1], f"best_{name}")
    other = len(values) == 1 and not math.isnan(best) and best != _number(values[-1], name)
    return _gained(values, name, f"best {digits(best)}" if other else "", f"{split} {name}".lstrip())


def _together(row: Mapping[str, Any], names: Sequence[str], detail: str = "") -> list[Figure]:
    """Return numbers that belong together as one figure, where any of them is available."""
    if not any(name in row for name in names):
        return []
    text = " / ".join(digits(_number(row, name)) for name in names)
    heading = " / ".join(name.upper() if len(name) == 2 else words(name) for name in names)
    return [Figure(heading, text, detail)]


def _repeated(
    values: Sequence[Mapping[str, Any]], name: str, detail: str = "", *, first: bool = False
) -> Figure:
    """Return a cost: the median where there are repeats, and how many have it where not all do.

    That it is a median is said with the `first` number of a card, for all of them.
    """
    label, unit = _LABELS.get(name, words(name)), unit_of(name)
    numbers = [float(row[name]) for row in values if name in row]
    of = f"{len(numbers)}" if len(numbers) == len(values) else f"{len(numbers)} of {len(values)}"
    if len(numbers) < 2:
        some = f"in {of} repeats" if len(values) > 1 else detail
        return Figure(label, quantity(numbers[-1], unit) if numbers else "-", some)
    middle = median(numbers)
    spread = f"± {quantity(half_width(numbers), unit)}"
    said = f"{spread}, median of {of}" if first or len(numbers) < len(values) else spread
    return Figure(label, quantity(middle, unit), said)


def _gained(values: Sequence[Mapping[str, Any]], name: str, detail: str = "", label: str = "") -> Figure:
    """Return a gain: the median where repeats differ, and how many have it where not all do."""
    label, unit = label or _LABELS.get(name, words(name)), unit_of(name)
    numbers = [number for row in values if not math.isnan(number := _number(row, name))]
    parts = [detail] if detail else []
    if not numbers:
        return Figure(label, "-", detail)
    some = f"{len(numbers)} of {len(values)} repeats" if len(numbers) < len(values) else ""
    if len(set(numbers)) == 1:
        parts += [some] if some else []
        return Figure(label, quantity(numbers[0], unit), ", ".join(parts))
    spread = f"± {quantity(half_width(numbers), unit)}"
    parts.append(f"{spread}, median of {some}" if some else spread)
    return Figure(label, quantity(median(numbers), unit), ", ".join(parts))


def _number(row: Mapping[str, Any], name: str) -> float:
    return float(row.get(name, math.nan))
