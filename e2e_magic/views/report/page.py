"""A page as text: escaping, tables, pictures within a budget, the look on screen and on paper."""

from __future__ import annotations

import base64
import hashlib
import io
import time
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

from e2e_magic.record import Reason
from e2e_magic.text import legible, legible_lines

# The page stays below 5 MB: texts and tables take what the pictures leave.
MOST_PICTURE_BYTES = 3_000_000
MOST_PICTURES = 48
# Charts are most of the work: beyond this they are left out, so that a report takes seconds.
MOST_SECONDS = 12.0
LONGEST_CELL = 120
# Of a stage's source.
MOST_LINES, MOST_SOURCE = 60, 6000
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
pre { margin: .3em 0 .6em; padding: .5em .7em; border: 1px solid rgba(128,128,128,.35); border-radius: 6px;
  overflow-x: auto; font: .85em/1.45 ui-monospace, monospace; }
figure { margin: .6em 0; overflow-x: auto; } img { break-inside: avoid; }
figure img { max-width: max(100%, 560px) !important; height: auto !important; }
th button { all: unset; cursor: pointer; } th button:focus-visible { outline: 2px solid LinkText; }
th[aria-sort=ascending] button::after { content: " ▲"; }
th[aria-sort=descending] button::after { content: " ▼"; }
.finding { font-size: 1.1em; }
@media (max-width: 560px) { body { padding: 1em .8em; } dl { display: block; } dd { margin: 0 0 .4em; }
  h1 { font-size: 1.35em; } }
@page { margin: 14mm; }
@media print {
  :root { color-scheme: light; }
  body { font-size: 10pt; max-width: none; padding: 0; }
  .wide, figure { overflow: visible; } figure img { max-width: 100% !important; height: auto !important; }
  pre { white-space: pre-wrap; border: 0; padding: 0; } th button::after { content: "" !important; }
  table { font-size: 7.5pt; }
  th, td { padding-right: .5em; } td { overflow-wrap: anywhere; }
  h2, h3 { break-after: avoid; } .e2e-card, tr, figure { break-inside: avoid; }
  a { color: inherit; text-decoration: none; }
}
"""
# A click on a column's name sorts its table; what is no number stands behind the numbers.
SCRIPT = """
for (const table of document.querySelectorAll(".wide > table")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const key = (row, n) => row.cells[n].textContent.replaceAll(",", "");
  heads.forEach((head, n) => {
    const button = document.createElement("button");
    button.title = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      body.append(...[...body.rows].sort((one, other) => {
        const [a, b] = [key(one, n), key(other, n)], [x, y] = [parseFloat(a), parseFloat(b)];
        if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y) || sign * a.localeCompare(b);
        return sign * (x - y);
      }));
    });
  });
}
"""
# Nothing is loaded, and nothing but this script is run, whatever a page's text may say.
_HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
_POLICY = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{_HASH}'"


class Pictures:
    """The charts of a page: drawn as long as there is room, else counted as left out.

    Attributes
    ----------
    said : set of Reason
        Why there is no energy, as a card of the page says already.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.said: set[Reason] = set()
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
    """Return the figure of some axes as an image, with a text description for those who don't see it."""
    from e2e_magic.views.charts.style import image

    # In a narrow window it scrolls: shrunk to fit, its words could not be read.
    return f"<figure tabindex='0'>{image(axes, words, shrinks=False, reduce=smaller)}</figure>"


def escaped(value: object, longest: int = LONGEST_CELL) -> str:
    """Return any text for the page: escaped, without control characters, cut where it is long."""
    return escape(legible(str(value), longest))


def table(names: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[bool]) -> str:
    """Return a table of text; the columns of `numbers` stand right."""
    marks = [' class="number"' if number else "" for number in numbers]
    # The name of a column may be longer than its numbers: it goes on below, after an underscore.
    head = "".join(
        f"<th{mark}>{escaped(name).replace('_', '_<wbr>')}</th>"
        for name, mark in zip(names, marks, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{mark}>{escaped(cell)}</td>" for cell, mark in zip(row, marks, strict=True))
        + "</tr>"
        for row in rows
    )
    inner = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="wide" tabindex="0"><table>{inner}</table></div>'


def source(text: str) -> str:
    """Return the source of a cell or function, the end of a long one cut off."""
    lines = text.strip("\n").splitlines()
    more = f"\n[.. {len(lines) - MOST_LINES} more lines]" if len(lines) > MOST_LINES else ""
    shown = legible_lines("\n".join(lines[:MOST_LINES]), MOST_SOURCE)
    return f'<pre tabindex="0"><code>{escape(shown + more)}</code></pre>'


def pairs(items: Iterable[tuple[str, str]]) -> str:
    """Return names with their values."""
    return "<dl>" + "".join(f"<dt>{escaped(n)}</dt><dd>{escaped(v, 2000)}</dd>" for n, v in items) + "</dl>"


def note(text: str) -> str:
    """Return a sentence in small print."""
    return f'<p class="faint">{escaped(text, 1000)}</p>'


def whole(title: str, body: str) -> str:
    """Return the page."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(title)}</title><style>{STYLE}</style></head>"
        f"<body>{body}<script>{SCRIPT}</script></body></html>\n"
    )
