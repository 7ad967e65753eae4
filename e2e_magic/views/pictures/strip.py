"""Strips of single values along one axis: the repeats of a cell, the latencies of single calls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from e2e_magic.text import quantity, scaled
from e2e_magic.views.pictures import svg
from e2e_magic.views.pictures.svg import Picture, Scale

WIDTH_PX = svg.WIDTH_PX
_HEIGHT_PX = 86
# Above this many, dots would be one blot: then the strip is drawn as shares of the values.
MOST_DOTS = 60
_BINS = 60


def strip(
    title: str, unit: str, values: Sequence[float], marks: Mapping[str, float] | None = None
) -> Picture | None:
    """Return a strip of values; None for fewer than three.

    Parameters
    ----------
    title, unit : str
    values : sequence of float
    marks : mapping of str to float, optional
        Named places: the median, percentiles.
    """
    numbers = sorted(value for value in values if math.isfinite(value))
    if len(numbers) < 3:
        return None
    size, word = scaled(numbers[-1], unit)
    scaled_values = [value / size for value in numbers]
    low, high = scaled_values[0], scaled_values[-1]
    span = max(high - low, 0.02 * abs(high), 1e-12)
    across = Scale((low + high - span) / 2, (low + high + span) / 2, 14, WIDTH_PX - 14)
    base = _HEIGHT_PX - 22
    body = [svg.text(0, 12, f"{title} ({word})" if word else title)]
    body.append(svg.line(14, base, WIDTH_PX - 14, base, opacity=0.7))
    places = svg.ticks(across.low, across.high, 4)
    body += [
        svg.text(across(place), base + 14, name, anchor="middle")
        for place, name in zip(places, svg.tick_texts(places), strict=True)
        if 14 <= across(place) <= WIDTH_PX - 14
    ]
    body += (
        _dots(scaled_values, across, base)
        if len(scaled_values) <= MOST_DOTS
        else _bars(scaled_values, across, base)
    )
    taken: list[tuple[float, float]] = []
    for name, value in (marks or {}).items():
        x = across(value / size)
        if not math.isfinite(value) or not 0 <= x <= WIDTH_PX:
            continue
        half = svg.text_px(name) / 2 + 2
        body.append(svg.line(x, 31, x, base, stroke=svg.RED, width=1.5))
        if all(x + half < a or x - half > b for a, b in taken):
            taken.append((x - half, x + half))
            body.append(svg.text(min(max(x, half), WIDTH_PX - half), 27, name, anchor="middle"))
    return Picture(WIDTH_PX, _HEIGHT_PX, "".join(body), described(title, unit, numbers, marks or {}))


def _dots(values: Sequence[float], across: Scale, base: float) -> list[str]:
    """Stack dots that would cover each other."""
    drawn: list[str] = []
    columns: dict[int, int] = {}
    for value in values:
        x = across(value)
        column = round(x / 6)
        level = columns.get(column, 0)
        columns[column] = level + 1
        drawn.append(svg.dot(x, base - 7 - 6 * min(level, 3), fill=svg.BLUE, opacity=0.75))
    return drawn


def _bars(values: Sequence[float], across: Scale, base: float) -> list[str]:
    counts = [0] * _BINS
    for value in values:
        share = (value - across.low) / (across.high - across.low)
        counts[min(int(share * _BINS), _BINS - 1)] += 1
    width = (across.stop - across.start) / _BINS
    tall = base - 34
    return [
        # At least a pixel: the slow tail is what matters, and it is thin.
        svg.rectangle(
            across.start + n * width, base - height, width * 0.9, height, fill=svg.BLUE, opacity=0.8
        )
        for n, count in enumerate(counts)
        if count and (height := max(1.5, tall * count / max(counts)))
    ]


def described(title: str, unit: str, ascending: Sequence[float], marks: Mapping[str, float]) -> str:
    """Return a sentence on what a strip shows: how many values, the smallest, the largest, the marks."""
    words = (
        f"{title} of {len(ascending):,}: smallest {quantity(ascending[0], unit)}, "
        f"largest {quantity(ascending[-1], unit)}"
    )
    return "".join([words, *(f", {name} {quantity(value, unit)}" for name, value in marks.items())])
