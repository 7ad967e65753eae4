"""A page as text: escaping, tables, pictures within a budget, the look on screen and on paper."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

# The page stays below 5 MB: texts and tables take what the pictures leave.
MOST_PICTURE_BYTES = 3_000_000
MOST_PICTURES = 48
# Charts are most of the work: beyond this they are left out, so that a report takes seconds.
MOST_SECONDS = 12.0
LONGEST_CELL = 120
# Of the page's colours only greys, which hold on white and on black; the rest is the browser's own.
STYLE = """
:root { color-scheme: light dark; }
body { background: Canvas; color: CanvasText; font: 15px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 1100px; padding: 1.5em; overflow-wrap: anywhere; }
h1 { font-size: 1.7em; margin: 0 0 .2em; } h2 { font-size: 1.35em; margin: 1.8em 0 .4em; }
h3 { font-size: 1.1em; margin: 1.4em 0 .3em; }
h4 { font-size: 1em; margin: 1em 0 .3em; }
h2, nav { border-top: 1px solid rgba(128,128,128,.35); padding-top: .7em; }
p, ul { margin: .4em 0; } a { color: LinkText; }
nav .inner { display: inline; } nav .inner + .inner::before { content: " · "; }
.faint { opacity: .72; font-size: .9em; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .87em; font-variant-numeric: tabular-nums; margin: .4em 0;
  overflow-wrap: break-word; }
th, td { text-align: left; vertical-align: top; padding: .2em .8em .2em 0; max-width: 26em;
  border-bottom: 1px solid rgba(128,128,128,.25); }
th { font-weight: 600; } td.number, th.number { text-align: right; } td.number { white-space: nowrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1em 1.2em; margin: .4em 0;
  font-size: .92em; }
dt { opacity: .72; } dd { margin: 0; }
img { break-inside: avoid; }
@page { margin: 14mm; }
@media print {
  :root { color-scheme: light; }
  body { font-size: 10pt; max-width: none; padding: 0; }
  .wide { overflow: visible; } table { font-size: 7.5pt; }
  th, td { padding-right: .5em; } td { overflow-wrap: anywhere; }
  h2, h3 { break-after: avoid; } .e2e-card, tr, figure { break-inside: avoid; }
  a { color: inherit; text-decoration: none; }
}
"""
# Nothing is loaded and nothing is run, whatever a page's text may say.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Pictures:
    """Draws charts as long as the page has room for them, and counts those that it left out."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.seconds = 0.0
        self.drawn = 0
        self.bytes = 0
        self.left_out = 0
        self.failed: list[str] = []

    def take(self, draw: Callable[[], Sequence[str]]) -> list[str]:
        """Return the HTML images that `draw` makes; none where there is no room."""
        if self.drawn >= MOST_PICTURES or self.bytes >= MOST_PICTURE_BYTES or self.seconds >= MOST_SECONDS:
            self.left_out += 1
            return []
        began = self._clock()
        try:
            images = draw()
        except Exception as error:  # noqa: BLE001 - a chart that fails must not cost the page
            self.failed.append(f"a chart could not be drawn ({type(error).__name__}: {error})")
            return []
        finally:
            self.seconds += self._clock() - began
        kept = []
        for image in images:
            if self.bytes + len(image) > MOST_PICTURE_BYTES:
                self.left_out += 1
                continue
            self.drawn += 1
            self.bytes += len(image)
            kept.append(image)
        return kept


def smaller(png: bytes) -> bytes:
    """Return a chart in at most 128 colours, as a chart of few hues needs: a third of its bytes."""
    from PIL import Image  # comes with matplotlib

    with Image.open(io.BytesIO(png)) as image:
        few = image.convert("RGBA").quantize(128, method=Image.Quantize.FASTOCTREE)
    out = io.BytesIO()
    few.save(out, format="png", compress_level=6)
    return min(out.getvalue(), png, key=len)


def figure(axes: Any, words: str) -> str:
    """Return the figure of some axes with what it shows in words, for those who don't see it."""
    from e2e_magic.views.charts.style import image

    return f"<figure style='margin:.6em 0'>{image(axes, words, reduce=smaller)}</figure>"


def said(value: object, longest: int = LONGEST_CELL) -> str:
    """Return any text for the page: escaped, without control characters, cut where it is long."""
    text = str(value)
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return escape("".join(char if char.isprintable() else "�" for char in cut))


def table(names: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[bool]) -> str:
    """Return a table of text; the columns of `numbers` stand right."""
    marks = [' class="number"' if number else "" for number in numbers]
    # The name of a column may be longer than its numbers: it goes on below, after an underscore.
    head = "".join(
        f"<th{mark}>{said(name).replace('_', '_<wbr>')}</th>" for name, mark in zip(names, marks, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{mark}>{said(cell)}</td>" for cell, mark in zip(row, marks, strict=True))
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def pairs(items: Iterable[tuple[str, str]]) -> str:
    """Return names with their values."""
    return "<dl>" + "".join(f"<dt>{said(n)}</dt><dd>{said(v, 2000)}</dd>" for n, v in items) + "</dl>"


def note(text: str) -> str:
    """Return a sentence in small print."""
    return f'<p class="faint">{said(text, 1000)}</p>'


def whole(title: str, body: str) -> str:
    """Return the page."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{said(title)}</title><style>{STYLE}</style></head>"
        f"<body>{body}</body></html>\n"
    )
