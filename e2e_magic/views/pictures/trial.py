"""The pictures of a measured cell: its samples, epochs, confusion matrix, single calls and repeats."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from e2e_magic.derived import derive
from e2e_magic.derived.declarations import unit_of
from e2e_magic.derived.energy import estimated_power
from e2e_magic.derived.statistics import median
from e2e_magic.record import Record, Series
from e2e_magic.text import words
from e2e_magic.views.pictures import svg
from e2e_magic.views.pictures.matrix import confusion
from e2e_magic.views.pictures.panel import Curve, Panel, draw
from e2e_magic.views.pictures.strip import strip
from e2e_magic.views.pictures.svg import Picture

# A picture of one or two points says nothing that the numbers don't.
LEAST_POINTS = 3
# IO below it is noise of the notebook itself.
LEAST_MOVED_MIB = 1.0
# What shares a panel: title, unit, whether it begins at 0, and the curves with their names.
_PANELS: tuple[tuple[str, str, bool, Mapping[str, str]], ...] = (
    ("CPU", "%", True, {"cpu_percent_now": "CPU"}),
    ("memory", "MiB", False, {"rss_mib": "RSS", "tree_rss_mib": "with children"}),
    (
        "power",
        "W",
        True,
        {
            "package_power_w": "package",
            "psys_power_w": "platform",
            "dram_power_w": "DRAM",
            "gpu_power_w": "GPU",
            "estimated_power_w": "estimate",
        },
    ),
    ("IO", "MiB", True, {"read_mib_now": "read", "write_mib_now": "written"}),
    ("GPU use", "%", True, {"gpu_percent_now": "GPU use"}),
    ("GPU memory", "MiB", True, {"gpu_memory_mib": "all programs", "gpu_process_memory_mib": "this process"}),
    ("GPU temperature", "°C", False, {"gpu_temperature_c": "hottest"}),
)
_PLACED = frozenset(metric for *_, names in _PANELS for metric in names)
# One GPU of several: a line beside that of all of them.
_ONE_GPU = re.compile(r"gpu_(\d+)_(\w+)$")


def pictures(records: Sequence[Record]) -> list[Picture]:
    """Return what there is to see of a measured cell: of its last repeat, and of all repeats together."""
    last = records[-1]
    estimate = estimated_power(last)
    series = {**last.series, "estimated_power_w": estimate} if estimate is not None else last.series
    drawn: list[Picture | None] = [*samples(series, _moved(last)), *epochs(last)]
    walls = [float(r.readings.get("wall_time_s", math.nan)) for r in records]
    drawn.append(strip("wall time of the repeats", "s", walls, {"median": median(walls)}))
    if matrix := last.reported.get("confusion"):
        drawn.append(confusion(matrix, last.reported.get("classes", ())))
    if calls := last.reported.get("latency"):
        values = derive(last).values
        marks = {q: float(values[f"latency_{q}_s"]) for q in ("p50", "p99") if f"latency_{q}_s" in values}
        drawn.append(strip("single calls", "s", calls.get("laps_s", ()), marks))
    return [picture for picture in drawn if picture is not None]


def _moved(record: Record) -> float:
    return max(float(record.readings.get(name, 0.0)) for name in ("read_mib", "write_mib"))


def samples(
    series: Mapping[str, Series], moved_mib: float = math.inf, *, least: int = LEAST_POINTS
) -> list[Picture]:
    """Return a picture for each kind of sampled quantity that has at least `least` samples.

    The gauges of other packages have a picture each, behind those of our own.
    """
    drawn = []
    for title, unit, from_zero, names in (*_PANELS, *_others(series)):
        if title == "IO" and moved_mib < LEAST_MOVED_MIB:
            continue
        named = {**names, **_of_each_gpu(series, names)}
        lines = [
            (name, series[metric]) for metric, name in named.items() if len(series.get(metric, ())) >= least
        ]
        if title == "memory" and len(lines) == 2 and _alike(lines[0][1], lines[1][1]):
            lines = lines[:1]  # without children both are one curve
        # Two alike colours would be two names for one curve.
        coloured = zip(lines, svg.PALETTE, strict=False)
        curves = [Curve(name, curve.t_s, curve.value, colour) for (name, curve), colour in coloured]
        picture = draw(Panel(title, unit, curves, from_zero=from_zero, peak=title == "memory"))
        drawn += [picture] if picture is not None else []
    return drawn


def _others(series: Mapping[str, Series]) -> list[tuple[str, str, bool, Mapping[str, str]]]:
    return [
        (words(metric), unit_of(metric), False, {metric: words(metric)})
        for metric in series
        if metric not in _PLACED and not _ONE_GPU.match(metric)
    ]


def _of_each_gpu(series: Mapping[str, Series], names: Mapping[str, str]) -> dict[str, str]:
    matches = {metric: _ONE_GPU.match(metric) for metric in series}
    return {
        metric: f"GPU {match[1]}"
        for metric, match in matches.items()
        if match is not None and f"gpu_{match[2]}" in names
    }


def _alike(one: Series, other: Series) -> bool:
    return max(other.value) <= 1.02 * max(one.value)


def epochs(record: Record) -> list[Picture]:
    """Return a picture each of loss and accuracy per epoch, with the target and where it was met."""
    drawn = []
    for name in ("loss", "accuracy"):
        curves = _curves(record, name)
        if not any(len(curve.y) >= LEAST_POINTS for curve in curves):
            continue
        target = record.reported.get("target_accuracy") if name == "accuracy" else None
        judged = next((curve for curve in curves if curve.name == "validation"), curves[0])
        reached = None
        if target is not None:
            reached = next(((x, y) for x, y in zip(judged.x, judged.y, strict=True) if y >= target), None)
        panel = Panel(name, "", curves, x_label="epoch", x_unit="", target=target, reached=reached)
        picture = draw(panel)
        drawn += [picture] if picture is not None else []
    return drawn


def _curves(record: Record, name: str) -> list[Curve]:
    logged = record.events
    drawn = []
    for key, word in ((name, "training"), (f"val_{name}", "validation")):
        if key in logged.values:
            drawn.append((word, list(logged.epoch), list(logged.values[key])))
    listed = record.reported.get(name)
    if isinstance(listed, list | tuple) and name not in logged.values:
        drawn.append(("training", [float(n) for n in range(1, len(listed) + 1)], [float(v) for v in listed]))
    return [Curve(word, x, y, svg.PALETTE[n]) for n, (word, x, y) in enumerate(drawn)]
