"""Bars by name: the stages of a pipeline beside each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

from e2e_magic.text import quantity
from e2e_magic.views.pictures import svg
from e2e_magic.views.pictures.matrix import distinct
from e2e_magic.views.pictures.svg import Picture, Scale

WIDTH_PX = 330
_BAR_PX = 20
_LONGEST_NAME = 18


def bars(title: str, unit: str, names: Sequence[str], values: Sequence[float]) -> Picture | None:
    """Return a horizontal bar for each name; None where there is no number.

    Parameters
    ----------
    title, unit : str
        Of the values, which begin at 0.
    names : sequence of str
        From above to below.
    values : sequence of float
        As many; NaN for what was not measured, which is said instead of drawn.
    """
    numbers = [value for value in values if math.isfinite(value)]
    if not numbers:
        return None
    labels = distinct(list(names), _LONGEST_NAME)
    left = svg.CHARACTER_PX * max(map(len, labels)) + 8
    texts = [quantity(value, unit) if math.isfinite(value) else "not measured" for value in values]
    right = WIDTH_PX - svg.CHARACTER_PX * max(map(len, texts)) - 8
    across = Scale(0.0, max(numbers) or 1.0, left, right)
    body = [svg.text(0, 12, title)]
    for n, (label, value, text) in enumerate(zip(labels, values, texts, strict=True)):
        y = 22 + n * _BAR_PX
        body.append(svg.text(left - 6, y + 11, label, anchor="end"))
        end = across(value) if math.isfinite(value) and value > 0 else left
        if end > left:
            body.append(svg.rectangle(left, y, end - left, _BAR_PX - 6, fill=svg.BLUE, opacity=0.85))
        body.append(svg.text(end + 5, y + 11, text))
    body.append(svg.line(left, 20, left, 22 + len(labels) * _BAR_PX - 4, opacity=0.7))
    alt = f"{title}: " + ", ".join(f"{name} {text}" for name, text in zip(names, texts, strict=True))
    return Picture(WIDTH_PX, 26 + len(labels) * _BAR_PX, "".join(body), alt)
