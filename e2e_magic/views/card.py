"""The card of a measured cell: what it cost and what it gained, as HTML and as plain text.

It is static and made offline. It reads records, not frames, and its pictures are SVG of our own, so that a
card leaves nothing but this package in the process that was measured.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from e2e_magic.derived import derive, provenance
from e2e_magic.record import Code, Reason, Record
from e2e_magic.text import digits, quantity, signed
from e2e_magic.views import markup
from e2e_magic.views.pictures.matrix import MOST
from e2e_magic.views.pictures.trial import pictures

LONGEST_TEXT = 300
# Of a note, in the narrow window too: what fits into about one line.
LONGEST_LINE = 120
LEAST_SECONDS_FOR_SHARE = 0.001
# A terminal breaks longer lines in the middle of a word, at its left edge.
TEXT_WIDTH = 100

_WHOLE: Any = {"break_long_words": False, "break_on_hyphens": False}
_BADGES = {"failed": "#D55E00", "interrupted": "#A97B00"}
_COSTS = (
    ("package_energy_j", "CPU energy", "J"),
    ("psys_energy_j", "platform energy", "J"),
    ("dram_energy_j", "DRAM energy", "J"),
    ("gpu_energy_j", "GPU energy", "J"),
    ("net_energy_j", "net energy", "J"),
    ("mean_power_w", "mean power", "W"),
    ("co2_g", "CO2", "g"),
    ("gpu_peak_memory_mib", "GPU memory", "MiB"),
    ("gpu_time_s", "GPU time", "s"),
)
# What is so on most machines, or follows from another reason: `%e2e metrics` says it, the card need not.
_NO_NEWS = frozenset(
    (Code.NO_TORCH, Code.NO_DRIVER, Code.NO_ENERGY, Code.PACKAGE_COUNTED, Code.NO_DRAM_COUNTER)
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number on the card."""

    label: str
    text: str
    detail: str = ""


def html(
    records: Sequence[Record],
    *,
    images: Sequence[str] | None = None,
    folded: bool = True,
) -> str:
    """Return the card of one measured cell (its repeats) as an HTML block.

    Parameters
    ----------
    records : sequence of Record
        The repeats, in order; the last one is shown, with the spread of all.
    images : sequence of str, optional
        HTML images to show; the cell's own pictures when left out.
    folded : bool
        Whether a long note shows its first clause only, until it is clicked; not on paper.
    """
    last = records[-1]
    remarks = notes(records)
    if images is None:
        try:
            images = [picture.html() for picture in pictures(records)]
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            images = []  # what can't be drawn must not cost the numbers
            remarks.append(f"the pictures could not be drawn ({type(error).__name__}: {error})")
    badge = _BADGES.get(last.state)
    state = (
        f'<span style="color:{badge};font-weight:600;margin-left:.6em">{escape(last.state)}</span>'
        if badge
        else ""
    )
    error_html = (
        f'<div style="margin-top:.4em;overflow-wrap:anywhere">{escape(_short(last.error))}</div>'
        if last.error
        else ""
    )
    return markup.block(
        markup.heading(_short(last.stage), state)
        + markup.flow((_tile(figure) for figure in figures(records)), ".35em 1.6em")
        + error_html
        + markup.flow(images)
        + "".join(_note(remark, folded=folded) for remark in remarks)
    )


def text(records: Sequence[Record]) -> str:
    """Return the card as plain text, for terminals and saved notebooks."""
    last = records[-1]
    lines = [_head(last)]
    if last.error:
        lines.append(f"  {_short(last.error)}")
    found = figures(records)
    width = max(len(figure.label) for figure in found)
    for figure in found:
        detail = f"  ({figure.detail})" if figure.detail else ""
        lines.append(f"  {figure.label:<{width}}  {figure.text}{detail}")
    for note in notes(records):
        lines += textwrap.wrap(note, TEXT_WIDTH, initial_indent="  ", subsequent_indent="    ", **_WHOLE)
    return "\n".join(lines)


def line(records: Sequence[Record]) -> str:
    """Return the card in one line: the stage, how it ended, how long it took and what it gained."""
    values = [{**record.readings, **derive(record).values} for record in records]
    shown = [_repeated("wall time", values, "wall_time_s", "s"), *_gains(records[-1], values)]
    return f"{_head(records[-1])}: {', '.join(f'{figure.label} {figure.text}' for figure in shown)}"


def _head(record: Record) -> str:
    return _short(record.stage) + ("" if record.state == "complete" else f" · {record.state}")


def figures(records: Sequence[Record]) -> list[Figure]:
    """Return the numbers of the card, in its order: what there is, and nothing for what isn't."""
    values = [{**record.readings, **derive(record).values} for record in records]
    last = values[-1]
    shown = [_repeated("wall time", values, "wall_time_s", "s")]
    if "cpu_time_s" in last:
        # Of the edges' own microseconds a very short cell would make a share that is none of its own.
        sure = "cpu_percent" in last and _number(last, "wall_time_s") >= LEAST_SECONDS_FOR_SHARE
        percent = f"{digits(_number(last, 'cpu_percent'))} %" if sure else ""
        shown.append(_repeated("CPU time", values, "cpu_time_s", "s", percent))
    if "peak_rss_mib" in last:
        delta = _number(last, "rss_delta_mib")
        kept = f"{signed(delta, 'MiB')} kept" if abs(delta) >= 0.1 else ""
        shown.append(_repeated("peak memory", values, "peak_rss_mib", "MiB", kept))
        tree = _number(last, "peak_tree_rss_mib")
        if tree > 1.05 * _number(last, "peak_rss_mib"):
            shown.append(Figure("with children", quantity(tree, "MiB"), "sampled"))
    moved = _number(last, "read_mib"), _number(last, "write_mib")
    if max(moved) >= 1:
        shown.append(Figure("read / written", " / ".join(quantity(mib, "MiB") for mib in moved)))
    for name, label, unit in _COSTS:
        if any(name in row for row in values):
            shown.append(_repeated(label, values, name, unit, provenance.source(name, last)))
    if "estimated_energy_j" in last:
        shown.append(Figure("energy", quantity(_number(last, "estimated_energy_j"), "J"), "estimate"))
    return shown + _gains(records[-1], values)


def _gains(record: Record, values: Sequence[Mapping[str, Any]]) -> list[Figure]:
    last = values[-1]
    shown = []
    # Of a matrix they are averages over the classes; of a two-class table those of its positive class.
    averaged = "macro" if record.reported.get("confusion") else ""
    for name in ("loss", "accuracy"):
        if any(name in row for row in values):
            best = _number(last, f"best_{name}")
            detail = f"best {digits(best)}" if best != _number(last, name) and not math.isnan(best) else ""
            shown.append(_gained(name, values, name, "", detail if len(values) == 1 else ""))
    for name, label, unit in (
        ("time_to_accuracy_s", "time to accuracy", "s"),
        ("epochs_to_accuracy", "epochs to accuracy", ""),
        ("f1", "F1", ""),
        ("roc_auc", "ROC AUC", ""),
        ("latency_s", "per entry", "s"),
        ("throughput_per_s", "throughput", "entries/s"),
    ):
        if any(name in row for row in values):
            target = record.reported.get("target_accuracy")
            detail = f"to {digits(target)}" if target is not None and "to_accuracy" in name else ""
            shown.append(_gained(label, values, name, unit, averaged if name == "f1" else detail))
    calls = record.reported.get("latency")
    if calls:
        name = next((name for name in ("p50", "mean") if f"latency_{name}_s" in last), "mean")
        tail = next((q for q in ("p99", "p95", "p90") if f"latency_{q}_s" in last), None)
        slow = f"{tail} {quantity(_number(last, f'latency_{tail}_s'), 's')}, " if tail else ""
        one = quantity(_number(last, f"latency_{name}_s"), "s")
        shown.append(Figure(f"single call, {name}", one, f"{slow}of {calls['calls']:,}"))
    shown += _together(last, ("precision", "recall"), averaged)
    if not averaged:  # a matrix has its heat map
        shown += _together(last, ("tp", "fp", "fn", "tn"))
    return shown


def _together(row: Mapping[str, Any], names: Sequence[str], detail: str = "") -> list[Figure]:
    """Return numbers that belong together as one figure, where there is any of them."""
    if not any(name in row for name in names):
        return []
    text = " / ".join(digits(_number(row, name)) for name in names)
    heading = " / ".join(name.upper() if len(name) == 2 else name for name in names)
    return [Figure(heading, text, detail)]


def notes(records: Sequence[Record]) -> list[str]:
    """Return what the reader must know about the numbers: missing ones with the reason, spread."""
    last = records[-1]
    said = []
    spread = _spread(records)
    if spread:
        said.append(spread)
    derived = derive(last)
    # Who named the collectors shall hear of each of them.
    whole = {"cpu_time_s", "peak_rss_mib"} <= last.readings.keys()
    lacking: dict[Reason, list[str]] = {}
    for name, reason in {**last.missing, **derived.missing}.items():
        if not (whole and reason.code in _NO_NEWS):
            lacking.setdefault(reason, []).append(name)
    for reason, names in lacking.items():
        said.append(str(reason) if reason.code == Code.NAMED else f"{', '.join(names)}: {reason}")
    said += derived.problems
    some = {name: value for record in records for name, value in record.readings.items()}
    said += provenance.doubts({**some, **derived.values}, last.reported)  # the last may lack what others have
    if len(last.reported.get("confusion", ())) > MOST:
        said.append(f'a matrix of over {MOST} classes has no picture on a card: .plot("confusion") draws it')
    missed = _number(last.readings, "missed_samples")
    if missed > 0.05 * max(_number(last.readings, "samples"), 1):
        said.append(f"{missed:.0f} samples were missed: the machine was too busy for the interval")
    return [_short(note) for note in said]


def _repeated(
    label: str, values: Sequence[Mapping[str, Any]], name: str, unit: str, detail: str = ""
) -> Figure:
    numbers = [float(row[name]) for row in values if name in row]
    of = f"{len(numbers)}" if len(numbers) == len(values) else f"{len(numbers)} of {len(values)}"
    if len(numbers) < 2:
        some = f"in {of} repeats" if len(values) > 1 else detail
        return Figure(label, quantity(numbers[-1], unit) if numbers else "-", some)
    from e2e_magic.derived.statistics import mad, median

    middle = median(numbers)
    spread = quantity(mad(numbers), unit)
    return Figure(label, quantity(middle, unit), f"± {spread}, median of {of}")


def _gained(
    label: str, values: Sequence[Mapping[str, Any]], name: str, unit: str, detail: str = ""
) -> Figure:
    """Return a gain: the median where repeats differ, and how many have it where not all do."""
    numbers = [number for row in values if not math.isnan(number := _number(row, name))]
    said = [detail] if detail else []
    if not numbers:
        return Figure(label, "-", detail)
    some = f"{len(numbers)} of {len(values)} repeats" if len(numbers) < len(values) else ""
    if len(set(numbers)) == 1:
        said += [some] if some else []
        return Figure(label, quantity(numbers[0], unit), ", ".join(said))
    from e2e_magic.derived.statistics import mad, median

    said.append(f"± {quantity(mad(numbers), unit)}, median of {some or len(numbers)}")
    return Figure(label, quantity(median(numbers), unit), ", ".join(said))


def _spread(records: Sequence[Record]) -> str | None:
    """Say a spread over 10 % of the median wall time, with what to do."""
    from e2e_magic.derived.statistics import stable

    walls = [
        float(record.readings["wall_time_s"])
        for record in records
        if record.state == "complete" and "wall_time_s" in record.readings
    ]
    return stable(walls) if len(walls) > 1 else None


def _number(row: Mapping[str, Any], name: str) -> float:
    return float(row.get(name, float("nan")))


def _tile(figure: Figure) -> str:
    detail = (
        f' <span style="{markup.FAINT};font-size:.88em">{escape(figure.detail)}</span>'
        if figure.detail
        else ""
    )
    return (
        f'<div><div style="{markup.FAINT};font-size:.85em">{escape(figure.label)}</div>'
        f'<div style="font-variant-numeric:tabular-nums"><b>{escape(figure.text)}</b>{detail}</div></div>'
    )


def _note(note: str, *, folded: bool) -> str:
    """Return a note as one line; what a long one goes on to say (mostly what to do) opens by a click."""
    head, semicolon, rest = note.partition("; ")
    if not folded or len(note) <= LONGEST_LINE or not semicolon:
        return markup.note(note)
    return markup.folded_note(head, rest)


def _short(value: str) -> str:
    printable = "".join(char if char.isprintable() or char == " " else "�" for char in value)
    return printable if len(printable) <= LONGEST_TEXT else f"{printable[: LONGEST_TEXT - 1]}…"
