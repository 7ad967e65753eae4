"""Building blocks of every picture: SVG elements, round ticks, and embedding in an ``<img>``.

A front end's sanitizer takes ``<svg>`` out of an untrusted notebook and leaves ``<img>`` with a data URI in.
An image does not inherit the page's text colour: greys and data colours hold on white and on near black.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

from e2e_magic.text import legible

# Of Okabe and Ito's colour-blind safe set (2008) those that have 3:1 on white and on #111, as in charts.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#A97B00", "#8C6BB1")
BLUE, RED = PALETTE[:2]
INK = "#767676"
# No grey has 4.5:1 on white and on near black. A shadow of the page's text colour, right behind the drawing,
# shines through the words, which are a little transparent: so they are darker on white and lighter on black.
AS_TEXT = "filter:drop-shadow(0 0 0 currentColor)"
TEXT_OPACITY = 0.8
# A picture that fits into a column of a card.
WIDTH_PX = 342
_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"
TEXT_PX = 11
# Characters of DejaVu Sans, the widest of those fonts, by their width at `TEXT_PX`; what is missing is 7 px.
_WIDTHS = {
    character: width
    for width, characters in (
        (3.5, " ',.IJijl"), (4.2, "!()-/:;[]ft|·"), (5, '"r'), (6, "*?FL_cksz"), (8, "ABCDHNRUVXZ"),
        (9, "#&+<=>GMOQ^w~"), (10.5, "%@Wm…"),
    )
    for character in characters
}  # fmt: skip


class Picture(NamedTuple):
    """An SVG picture.

    Attributes
    ----------
    width, height : int
        In CSS px.
    body : str
        SVG elements, in px from the upper left corner.
    alt : str
        What the picture shows, for those who can't see it: one sentence with the numbers that matter.
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
        """Return an HTML image that fills its column; what is wider than one takes a row of its own.

        It has its height before it is decoded: a card that is shown anew twice a second stays as it is.
        """
        data = base64.b64encode(self.svg().encode()).decode()
        most = f"{1.3 * self.width if self.width == WIDTH_PX else self.width:.0f}px"
        if self.width > WIDTH_PX:
            most += ";grid-column:1/-1"
        return (
            f'<img alt="{escape(self.alt)}" width="{self.width}" height="{self.height}" '
            f'src="data:image/svg+xml;base64,{data}" '
            f'style="width:100%;max-width:{most};height:auto;background:transparent;{AS_TEXT}">'
        )


class Scale(NamedTuple):
    """A linear map from values to px: `low` to `start`, `high` to `stop`."""

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
    """Write ticks with as many decimals as distinguish them, thousands set off by commas."""
    step = min((b - a for a, b in pairwise(values)), default=abs(values[0]) if values else 1)
    places = max(0, -math.floor(math.log10(step) + 1e-9)) if 0 < step < 1 else 0
    if step and round(step * 10**places, 9) != round(step * 10**places):  # 2.5 needs a decimal more than 2
        places += 1
    return [f"{value + 0.0:,.{min(places, 12)}f}" for value in values]


def text_px(content: str) -> float:
    """Estimate the width of a text in px; it can't be measured here."""
    # What isn't Latin may be twice as wide.
    return sum(_WIDTHS.get(char, 7 if ord(char) < 0x1100 else 2 * 7) for char in content)


def _marked_up(content: str) -> str:
    """Return a text escaped for XML, without control characters: a single one would hide the picture."""
    return escape(legible(content, len(content)))


def text(
    x: float,
    y: float,
    content: str,
    *,
    anchor: str = "start",
    size: float = TEXT_PX,
    fill: str = "",
) -> str:
    """Return one line of text; `y` is its base line."""
    look = "".join(
        f' {name}="{value}"'
        for name, value in (
            ("text-anchor", anchor if anchor != "start" else ""),
            ("font-size", f"{size:g}" if size != TEXT_PX else ""),
            ("fill", fill if fill != INK else ""),
            ("fill-opacity", f"{TEXT_OPACITY:g}" if fill in ("", INK) else ""),
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
