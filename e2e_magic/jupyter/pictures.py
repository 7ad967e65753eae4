"""Show charts: as HTML with a PNG inside, as a sentence in a terminal; the `;` of a cell hides none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display


def show_chart(axes: Any, sentence: str) -> None:
    """Show the figure of some axes below a sentence. No window and no pyplot figure is opened."""
    from e2e_magic.views.charts.style import image  # with matplotlib

    # It shrinks into a narrow window: cut at the edge, nobody saw that there was more.
    picture = image(axes, sentence)
    page = f"<div>{escape(sentence)}</div>{picture}"
    display({"text/html": page, "text/plain": sentence}, raw=True)


@contextmanager
def showing_silenced_charts(shell: InteractiveShell) -> Iterator[None]:
    """Show a chart of ours whose cell ends with ``;`` too, as notebooks do with pyplot's figures."""
    hook = sys.displayhook

    def show(value: Any) -> None:
        if is_chart(value) and shell.displayhook.quiet():
            display(value)
        hook(value)

    sys.displayhook = show
    try:
        yield
    finally:
        if sys.displayhook is show:
            sys.displayhook = hook


def is_chart(value: object) -> bool:
    """Return whether a value is a chart of ours: axes, or the axes of one figure, that show themselves."""
    if not (hasattr(value, "get_figure") or isinstance(value, list)) or not hasattr(value, "_repr_html_"):
        return False
    return any(cls.__module__.startswith("e2e_magic.") for cls in type(value).__mro__)
