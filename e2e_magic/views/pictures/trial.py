"""The pictures of a measured cell: its samples, epochs, confusion matrix, single calls and repeats."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from e2e_magic.derived import derive
from e2e_magic.derived.declarations import unit_of
from e2e_magic.derived.energy import estimated_power
from e2e_magic.derived.statistics import median
from e2e_magic.record import Events, Record, Series
from e2e_magic.views.panels import PANELS, alone
from e2e_magic.views.pictures import svg
from e2e_magic.views.pictures.matrix import confusion
from e2e_magic.views.pictures.panel import Curve, Panel, draw, finite
from e2e_magic.views.pictures.strip import strip
from e2e_magic.views.pictures.svg import Picture

# A picture of one or two points says nothing that the numbers don't.
LEAST_POINTS = 3
# IO below it is noise of the notebook itself.
LEAST_MOVED_MIB = 1.0


def pictures(records: Sequence[Record]) -> list[Picture]:
    """Return the pictures of a measured cell: of its last repeat, and of all repeats together."""
    last = records[-1]
    estimate = estimated_power(last)
    series = {**last.series, "estimated_power_w": estimate} if estimate is not None else last.series
    drawn: list[Picture | None] = [*samples(series), *epochs(last.events, last.reported)]
    walls = [float(r.readings.get("wall_time_s", math.nan)) for r in records]
    drawn.append(strip("wall time of the repeats", "s", walls, {"median": median(walls)}))
    if matrix := last.reported.get("confusion"):
        drawn.append(confusion(matrix, last.reported.get("classes", ())))
    if calls := last.reported.get("latency"):
        values = derive(last).values
        marks = {q: float(values[f"latency_{q}_s"]) for q in ("p50", "p99") if f"latency_{q}_s" in values}
        drawn.append(strip("single calls", "s", calls.get("laps_s", ()), marks))
    return [picture for picture in drawn if picture is not None]


def samples(series: Mapping[str, Series]) -> list[Picture]:
    """Return a picture for each kind of sampled quantity that has enough samples.

    The gauges of other packages have a picture each, behind those of our own.
    """
    drawn = []
    for shared in (*PANELS, *alone(series)):
        lines = [
            (name, series[metric])
            for metric, name in shared.with_each_gpu(series).items()
            if len(series.get(metric, ())) >= LEAST_POINTS
        ]
        if shared.title == "IO" and all(_moved(curve) < LEAST_MOVED_MIB for _, curve in lines):
            continue
        if shared.title == "memory" and len(lines) > 1 and _alike(lines[0][1], lines[1][1]):
            lines = lines[:1]  # without children all are one curve
        # Two alike colours would be two names for one curve.
        coloured = zip(lines, svg.PALETTE, strict=False)
        curves = [Curve(name, curve.t_s, curve.value, colour) for (name, curve), colour in coloured]
        unit = unit_of(next(iter(shared.curves)))
        panel = Panel(
            shared.title, unit, curves, from_zero=not shared.floating, peak=shared.title == "memory"
        )
        picture = draw(panel)
        drawn += [picture] if picture is not None else []
    return drawn


def _moved(curve: Series) -> float:
    """Return the total increase of a curve that only rises."""
    return max(curve.value) - min(curve.value)


def _alike(one: Series, other: Series) -> bool:
    return max(other.value) <= 1.02 * max(one.value)


def epochs(logged: Events, reported: Mapping[str, Any]) -> list[Picture]:
    """Return a picture each of loss and accuracy per epoch, with the target and where it was met."""
    drawn = []
    for name in ("loss", "accuracy"):
        curves = _curves(logged, reported.get(name), name)
        if not any(len(finite(curve.y)) >= LEAST_POINTS for curve in curves):
            continue
        target = reported.get("target_accuracy") if name == "accuracy" else None
        judged = next((curve for curve in curves if curve.name == "validation"), curves[0])
        reached = None
        if target is not None:
            reached = next(((x, y) for x, y in zip(judged.x, judged.y, strict=True) if y >= target), None)
        panel = Panel(name, "", curves, x_label="epoch", x_unit="", target=target, reached=reached)
        picture = draw(panel)
        drawn += [picture] if picture is not None else []
    return drawn


def _curves(logged: Events, listed: Any, name: str) -> list[Curve]:
    drawn = []
    for key, word in ((name, "training"), (f"val_{name}", "validation")):
        if key in logged.values:
            drawn.append((word, list(logged.epoch), list(logged.values[key])))
    if isinstance(listed, list | tuple) and name not in logged.values:
        drawn.append(("training", [float(n) for n in range(1, len(listed) + 1)], [float(v) for v in listed]))
    return [Curve(word, x, y, svg.PALETTE[n]) for n, (word, x, y) in enumerate(drawn)]
