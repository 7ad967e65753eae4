"""Show a chart in a notebook as HTML with its PNG inside, and as a sentence in a terminal."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

from IPython.display import display

from e2e_magic.views.charts.style import png, size_px


def show_chart(axes: Any, sentence: str) -> None:
    """Show the figure of some axes below a sentence. No window and no pyplot figure is opened."""
    first = axes if hasattr(axes, "figure") else next(iter(axes))
    width, _ = size_px(first.figure)
    data = base64.b64encode(png(first.figure)).decode()
    # In a narrow window it scrolls: shrunk to fit, its words could not be read.
    page = (
        f"<div>{escape(sentence)}</div>"
        f'<div style="overflow-x:auto;max-width:100%"><img alt="{escape(sentence)}" '
        f'src="data:image/png;base64,{data}" '
        f'style="width:{width}px;max-width:none;height:auto;background:transparent"></div>'
    )
    display({"text/html": page, "text/plain": sentence}, raw=True)
