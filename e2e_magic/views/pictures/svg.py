"""What every picture is drawn of: SVG elements, round ticks, and the way into an ``<img>``.

A front end's sanitizer takes ``<svg>`` out of an untrusted notebook and leaves ``<img>`` with a data URI in.
An image does not inherit the page's text colour: greys and data colours hold on white and on near black.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from e2e_magic.text import legible

# Of Okabe and Ito's colour-blind safe set (2008) those that have 3:1 on white and on #111, as in charts.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#A97B00", "#8C6BB1")
BLUE, RED = PALETTE[:2]
INK = "#767676"
_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"
TEXT_PX = 11
# The mean width of a character of that font at `TEXT_PX`, in px: texts can't be measured here.
CHARACTER_PX = 6.1


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG picture.

    Attributes
    ----------
    width, height : int
        In CSS px.
    body : str
        SVG elements, in px from the upper left corner.
    alt : str
        What the picture shows, for who can't see it: one sentence with the numbers that matter.
    """

    width: int
    height: int
    body: str
    alt: str

    def svg(self) -> str:
        """Return the whole SVG document."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" font-family="{_FONT}" font-size="{TEXT_PX}" '
            f'fill="{INK}"><title>{_marked_up(self.alt)}</title>{self.body}</svg>'
        )

    def html(self) -> str:
        """Return an HTML image, never wider than its place."""
        data = base64.b64encode(self.svg().encode()).decode()
        return (
            f'<img alt="{escape(self.alt)}" src="data:image/svg+xml;base64,{data}" '
            f'style="width:{self.width}px;max-width:100%;height:auto;background:transparent">'
        )


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values linearly to px: `low` to `start`, `high` to `stop`."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.5
        return self.start + share * (self.stop - self.start)


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Return round numbers from `low` to `high`: two at least, about `most` at most.

    The steps are 1, 2, 2.5 and 5 times a power of ten.
    """
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    places: list[float] = []
    for step in (size * power for size in (10, 5, 2.5, 2, 1, 0.5, 0.25, 0.2, 0.1)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        count = last - first + 1
        if count > most + 1 and len(places) >= 2:
            break
        places = [n * step for n in range(first, last + 1)]
        if count > most:
            break
    return places


def tick_texts(values: Sequence[float]) -> list[str]:
    """Write ticks with as many decimals as tell them apart, thousands set off by commas."""
    step = min((b - a for a, b in pairwise(values)), default=abs(values[0]) if values else 1)
    places = max(0, -math.floor(math.log10(step) + 1e-9)) if 0 < step < 1 else 0
    if step and round(step * 10**places, 9) != round(step * 10**places):  # 2.5 needs a decimal more than 2
        places += 1
    return [f"{value + 0.0:,.{min(places, 12)}f}" for value in values]


def _marked_up(content: str) -> str:
    """Return a text for XML, which takes no control characters: one of them, and no picture is shown."""
    return escape(legible(content, len(content)))


def text(
    x: float, y: float, content: str, *, anchor: str = "start", size: float = TEXT_PX, fill: str = ""
) -> str:
    """Return one line of text; `y` is its base line."""
    look = "".join(
        f' {name}="{value}"'
        for name, value in (
            ("text-anchor", anchor if anchor != "start" else ""),
            ("font-size", f"{size:g}" if size != TEXT_PX else ""),
            ("fill", fill),
        )
        if value
    )
    return f'<text x="{x:.1f}" y="{y:.1f}"{look}>{_marked_up(content)}</text>'


def line(
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    *,
    stroke: str = INK,
    width: float = 1,
    dashed: bool = False,
    opacity: float = 1,
) -> str:
    """Return a straight line."""
    dashes = ' stroke-dasharray="5 3"' if dashed else ""
    faint = f' stroke-opacity="{opacity:g}"' if opacity < 1 else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" '
        f'stroke-width="{width:g}"{dashes}{faint}/>'
    )


def polyline(points: Iterable[tuple[float, float]], *, stroke: str, width: float = 1.6) -> str:
    """Return a line through points."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="{width:g}" '
        'stroke-linejoin="round" stroke-linecap="round"/>'
    )


def rectangle(x: float, y: float, width: float, height: float, *, fill: str, opacity: float = 1) -> str:
    """Return a filled rectangle."""
    faint = f' fill-opacity="{opacity:.3g}"' if opacity < 1 else ""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"{faint}/>'


def dot(x: float, y: float, *, fill: str, radius: float = 3, opacity: float = 1) -> str:
    """Return a filled circle."""
    faint = f' fill-opacity="{opacity:.3g}"' if opacity < 1 else ""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{fill}"{faint}/>'
