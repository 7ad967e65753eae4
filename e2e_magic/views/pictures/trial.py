"""The pictures of a measured cell: its samples, epochs, confusion matrix, single calls and repeats."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from e2e_magic.record import Record, Series
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
        },
    ),
    ("IO", "MiB", True, {"read_mib_now": "read", "write_mib_now": "written"}),
    ("GPU use", "%", True, {"gpu_percent_now": "GPU use"}),
    ("GPU memory", "MiB", True, {"gpu_memory_mib": "all programs", "gpu_process_memory_mib": "this process"}),
)


def pictures(records: Sequence[Record]) -> list[Picture]:
    """Return what there is to see of a measured cell: of its last repeat, and of all repeats together."""
    last = records[-1]
    drawn: list[Picture | None] = [*samples(last.series, _moved(last)), *epochs(last)]
    if len(records) >= LEAST_POINTS:
        walls = [float(r.readings.get("wall_time_s", math.nan)) for r in records]
        drawn.append(strip("wall time of the repeats", "s", walls))
    if matrix := last.reported.get("confusion"):
        drawn.append(confusion(matrix, last.reported.get("classes", ())))
    if calls := last.reported.get("latency"):
        drawn.append(strip("single calls", "s", calls.get("laps_s", ())))
    return [picture for picture in drawn if picture is not None]


def _moved(record: Record) -> float:
    return max(float(record.readings.get(name, 0.0)) for name in ("read_mib", "write_mib"))


def samples(
    series: Mapping[str, Series], moved_mib: float = math.inf, *, least: int = LEAST_POINTS
) -> list[Picture]:
    """Return a picture for each kind of sampled quantity that has at least `least` samples."""
    drawn = []
    for title, unit, from_zero, names in _PANELS:
        if title == "IO" and moved_mib < LEAST_MOVED_MIB:
            continue
        lines = [
            (name, series[metric]) for metric, name in names.items() if len(series.get(metric, ())) >= least
        ]
        if title == "memory" and len(lines) == 2 and _alike(lines[0][1], lines[1][1]):
            lines = lines[:1]  # without children both are one curve
        curves = [
            Curve(name, curve.t_s, curve.value, svg.PALETTE[n]) for n, (name, curve) in enumerate(lines)
        ]
        picture = draw(Panel(title, unit, curves, from_zero=from_zero, peak=title == "memory"))
        drawn += [picture] if picture is not None else []
    return drawn


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
