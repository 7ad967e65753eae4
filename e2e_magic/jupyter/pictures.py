"""Show a chart in a notebook as HTML with its PNG inside, and as a sentence in a terminal."""

from __future__ import annotations

from html import escape
from typing import Any

from IPython.display import display

from e2e_magic.views.charts.style import image


def show_chart(axes: Any, sentence: str) -> None:
    """Show the figure of some axes below a sentence. No window and no pyplot figure is opened."""
    # In a narrow window it scrolls: shrunk to fit, its words could not be read.
    picture = image(axes, sentence, shrinks=False)
    page = f'<div>{escape(sentence)}</div><div style="overflow-x:auto;max-width:100%">{picture}</div>'
    display({"text/html": page, "text/plain": sentence}, raw=True)
