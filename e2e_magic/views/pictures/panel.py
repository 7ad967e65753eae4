"""A panel: axes with round ticks, and curves, a target and marks in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from e2e_magic.text import quantity
from e2e_magic.views.pictures import svg
from e2e_magic.views.pictures.svg import Picture, Scale

WIDTH_PX = svg.WIDTH_PX
HEIGHT_PX = 138
_TOP_PX = 24
_FOOT_PX = 22
_RIGHT_PX = 12
# Columns of pixels that a curve may fill: more points can't be distinguished.
COLUMNS = 240


class Curve(NamedTuple):
    """One line: parallel sequences of places and values; NaN leaves a gap."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str = svg.BLUE


class Panel(NamedTuple):
    """What one picture shows.

    Attributes
    ----------
    title, unit : str
        Of the vertical axis.
    x_label, x_unit : str
        Of the horizontal axis.
    curves : sequence of Curve
    target : float, optional
        A dashed line across.
    reached : (x, y), optional
        Where the target was first met.
    peak : bool
        Whether the largest value is marked.
    from_zero : bool
        Whether the axis begins at 0.
    """

    title: str
    unit: str
    curves: Sequence[Curve]
    x_label: str = "time"
    x_unit: str = "s"
    target: float | None = None
    reached: tuple[float, float] | None = None
    peak: bool = False
    from_zero: bool = False


def thin(x: Sequence[float], y: Sequence[float], columns: int = COLUMNS) -> list[tuple[float, float]]:
    """Return the points of a curve, of a long one the smallest and largest of each column; NaN left out.

    So a spike of one sample stays in sight. A column is as many points as any other.
    """
    size = 1 if len(x) <= 2 * columns else math.ceil(len(x) / columns)
    points: list[tuple[float, float]] = []
    for start in range(0, len(x), size):
        across, up = x[start : start + size], y[start : start + size]
        # One sum shows whether a million numbers are all finite: far quicker than testing each.
        if not math.isfinite(sum(across) + sum(up)):
            good = [(a, b) for a, b in zip(across, up, strict=True) if math.isfinite(a) and math.isfinite(b)]
            across, up = [a for a, _ in good], [b for _, b in good]
        if up:
            places = sorted({up.index(min(up)), up.index(max(up))})
            points += [(across[place], up[place]) for place in places]
    return points


def finite(values: Sequence[float]) -> Sequence[float]:
    """Return the values that are numbers."""
    return values if math.isfinite(sum(values)) else [value for value in values if math.isfinite(value)]


def draw(panel: Panel, *, width: int = WIDTH_PX, height: int = HEIGHT_PX) -> Picture | None:
    """Return the picture of a panel; None where it has no number."""
    lines = [(curve, points) for curve in panel.curves if (points := thin(curve.x, curve.y))]
    if not lines:
        return None
    left_right, low_high = _ranges(panel, [point for _, points in lines for point in points])
    low, high = low_high
    levels = svg.ticks(low, high, 3)
    names = svg.tick_texts(levels)
    left = 8 + max(map(svg.text_px, names), default=7)
    across = Scale(*left_right, left, width - _RIGHT_PX)
    up = Scale(low, high, height - _FOOT_PX, _TOP_PX)
    body = [svg.text(0, 12, f"{panel.title} ({panel.unit})" if panel.unit else panel.title, fill=svg.INK)]
    body += [svg.line(left, up(level), width - _RIGHT_PX, up(level), opacity=0.15) for level in levels]
    body += [
        svg.text(left - 5, up(level) + 4, name, anchor="end")
        for level, name in zip(levels, names, strict=True)
    ]
    body += _foot(panel, across, height)
    if panel.target is not None:
        body.append(svg.line(left, up(panel.target), width - _RIGHT_PX, up(panel.target), dashed=True))
    for curve, points in reversed(lines):  # the first one on top
        placed = [(across(x), up(y)) for x, y in points]
        body.append(svg.polyline(placed, stroke=curve.colour))
        if len(placed) <= 12:
            body += [svg.dot(x, y, fill=curve.colour, radius=2.2) for x, y in placed]
    if panel.peak:
        x, y = max(lines[0][1], key=lambda p: p[1])
        body.append(svg.dot(across(x), up(y), fill=lines[0][0].colour))
    if panel.reached is not None:
        x, y = panel.reached
        body.append(svg.dot(across(x), up(y), fill=svg.RED, radius=3.5))
    body += _legend([curve for curve, _ in lines], width)
    return Picture(width, height, "".join(body), described(panel))


def _ranges(
    panel: Panel, points: Sequence[tuple[float, float]]
) -> tuple[tuple[float, float], tuple[float, float]]:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    if panel.target is not None:
        ys.append(panel.target)
    low, high = min(ys), max(ys)
    if panel.from_zero:
        low = min(low, 0.0)
    # At least a tenth of the value is in view, lest noise looks like a leap.
    span = max(high - low, 0.1 * max(abs(high), abs(low)), 1e-9)
    pad = 0.06 * span
    middle = (high + low) / 2
    if high - low < span and not panel.from_zero:
        low, high = middle - span / 2, middle + span / 2
    left, right = (0.0 if panel.x_unit == "s" else min(xs)), max(xs)
    if right <= left:
        left, right = left - 0.5, left + 0.5
    return (left, right), (low if panel.from_zero else low - pad, max(high, low + span) + pad)


def _foot(panel: Panel, across: Scale, height: int) -> list[str]:
    base = height - _FOOT_PX
    places = svg.ticks(across.low, across.high, 4)
    if panel.x_unit != "s":
        places = [place for place in places if place == round(place)]
    names = svg.tick_texts(places)
    drawn = [svg.line(across.start, base, across.stop, base, opacity=0.7)]
    label = f"{panel.x_label} ({panel.x_unit})" if panel.x_unit else panel.x_label
    room = across.stop - svg.text_px(label) - 8
    for place, name in zip(places, names, strict=True):
        if across(place) + svg.text_px(name) / 2 <= room or place == places[0]:
            drawn.append(svg.text(across(place), base + 14, name, anchor="middle"))
    return [*drawn, svg.text(across.stop, base + 14, label, anchor="end")]


def _legend(curves: Sequence[Curve], width: int) -> list[str]:
    if len(curves) < 2:
        return []
    drawn: list[str] = []
    right = float(width - _RIGHT_PX)
    for curve in reversed(curves):
        right -= svg.text_px(curve.name)
        # From where its line ends: the width is a guess, and the gap between the two must not show it.
        drawn.append(svg.text(right, 12, curve.name))
        drawn.append(svg.line(right - 17, 8, right - 5, 8, stroke=curve.colour, width=2))
        right -= 29
    return drawn


def described(panel: Panel) -> str:
    """Return what a panel shows, in a sentence: range and end of each curve, the target, where it was met."""
    sentences = []
    for curve in panel.curves:
        ys = finite(curve.y)
        if ys:
            least, most, last = (quantity(value, panel.unit) for value in (min(ys), max(ys), ys[-1]))
            name = f"{panel.title}, {curve.name}" if len(panel.curves) > 1 else panel.title
            sentences.append(f"{name}: smallest {least}, largest {most}, last {last}")
    xs = [end(places) for curve in panel.curves if (places := finite(curve.x)) for end in (min, max)]
    if xs and sentences:
        begin, end = quantity(min(xs), panel.x_unit), quantity(max(xs), panel.x_unit)
        sentences[-1] += f", over {panel.x_label} {begin} to {end}"
    if panel.target is not None:
        goal = quantity(panel.target, panel.unit)
        where = (
            "not reached"
            if panel.reached is None
            else (f"first reached at {panel.x_label} {quantity(panel.reached[0], panel.x_unit)}")
        )
        sentences.append(f"target {goal} {where}")
    return "; ".join(sentences)
