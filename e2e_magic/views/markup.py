"""The HTML elements of cards, progress and results: one frame, one note, one table.

Styles are inline, which survive a notebook's sanitizer; colours are greys that hold on white and on black.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

LINE = "rgba(128,128,128,.35)"
FAINT = "opacity:.72"
FONT = (
    "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:1.4;color:inherit"
)
CARD_PX = 720
# The least width of a picture's column: two fit into a card, three don't.
COLUMN_PX = 270


def block(content: str, *, name: str = "e2e-card", running: bool = False) -> str:
    """Return a card's frame around HTML content; dashed while the cell is still running."""
    return (
        f'<div class="{name}" style="border:1px {"dashed" if running else "solid"} {LINE};border-radius:6px;'
        f"padding:.6em .9em;margin:.3em 0;max-width:{CARD_PX}px;box-sizing:border-box;overflow-x:auto;"
        f'{FONT}">{content}</div>'
    )


def heading(text: str, more: str = "") -> str:
    """Return a card's title; `more` is HTML behind it."""
    return (
        f'<div style="overflow-wrap:anywhere"><span style="font-weight:600;font-size:1.1em">'
        f"{escape(text)}</span>{more}</div>"
    )


def flow(parts: Iterable[str], gap: str = ".5em") -> str:
    """Return HTML parts side by side where there is room, else below each other; nothing for none."""
    inner = "".join(parts)
    if not inner:
        return ""
    style = f"display:flex;flex-wrap:wrap;align-items:flex-start;gap:{gap};margin-top:.4em"
    return f'<div style="{style}">{inner}</div>'


def columns(images: Iterable[str]) -> str:
    """Return pictures in two columns that fill a card, one column where it is narrow; nothing for none."""
    inner = "".join(images)
    if not inner:
        return ""
    # `auto-fill`: one picture keeps to its column, where a second one may come to stand while a cell runs.
    tracks = f"repeat(auto-fill,minmax(min(100%,{COLUMN_PX}px),1fr))"
    style = f"display:grid;grid-template-columns:{tracks};align-items:start;gap:.5em;margin-top:.4em"
    return f'<div style="{style}">{inner}</div>'


def note(text: str) -> str:
    """Return a sentence in small print."""
    style = f"{FAINT};font-size:.88em;margin-top:.35em;overflow-wrap:anywhere"
    return f'<div style="{style}">{escape(text)}</div>'


def folded_note(head: str, rest: str) -> str:
    """Return a sentence whose end opens by a click."""
    style = f"{FAINT};font-size:.88em;margin-top:.35em;overflow-wrap:anywhere"
    return (
        f'<details style="{style}"><summary style="cursor:pointer">{escape(head)}</summary>'
        f'<div style="margin-left:1.1em">{escape(rest)}</div></details>'
    )


def cell(text: str, *, tag: str = "td", left: bool = False, more: str = "", title: str = "") -> str:
    """Return a cell of a table; `more` is HTML behind the text."""
    weight = ";font-weight:600" if tag == "th" else ""
    hint = f' title="{escape(title)}"' if title else ""
    side = "left" if left else "right"
    return (
        f'<{tag}{hint} style="padding:.15em .7em .15em 0;text-align:{side};white-space:nowrap;'
        f'border-bottom:1px solid {LINE};background:none{weight}">{escape(text)}{more}</{tag}>'
    )


def table(heads: Sequence[str], rows: Iterable[Iterable[str]], *, name: str = "", left: int = 0) -> str:
    """Return a table that scrolls by itself; `rows` hold cells as `cell` makes them.

    The heads of the first `left` columns stand at the left, the others at the right.
    """
    mark = f' class="{name}"' if name else ""
    head = "".join(cell(text, tag="th", left=n < left) for n, text in enumerate(heads))
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        # What scrolls is reached by keyboard too.
        f'<div tabindex="0" style="overflow-x:auto;margin-top:.4em"><table{mark} '
        f'style="border-collapse:collapse;font-size:inherit;color:inherit;font-variant-numeric:tabular-nums"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
