"""Rendering of a figure to bytes: PNG, SVG, an HTML image; none of them by TeX."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from html import escape
from typing import Any

import numpy as np
from matplotlib import rc_context, rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from e2e_magic.views.pictures.svg import AS_TEXT, INK, TEXT_OPACITY

CSS_DPI = 100  # a figure inch is 100 CSS px
SCALE = 2  # device px per CSS px in a PNG
_INK = tuple(bytes.fromhex(INK.removeprefix("#")))


def image(
    drawn: Any, alt: str = "chart", *, shrinks: bool = True, reduce: Callable[[bytes], bytes] = bytes
) -> str:
    """Return the figure of some axes as an HTML image with a PNG inside.

    Parameters
    ----------
    drawn : Figure, Axes or sequence of Axes
        A sequence stands for the figure of its first.
    alt : str
        What it shows, for those who can't see it.
    shrinks : bool
        Whether it becomes smaller in a narrow place. Where its words could not be read then, it keeps its
        size and what surrounds it scrolls.
    reduce : callable
        Takes the PNG and returns a smaller one.
    """
    first = drawn if hasattr(drawn, "savefig") or hasattr(drawn, "figure") else next(iter(drawn))
    whole: Figure = (
        first if hasattr(first, "savefig") else first.figure.figure
    )  # of a part of a figure, the whole
    data = base64.b64encode(reduce(png(whole, in_a_page=True))).decode()
    width, height = size_px(whole)
    room = "max-width:100%;height:auto" if shrinks else f"max-width:none;height:{height}px"
    return (
        f'<img class="e2e-chart" alt="{escape(alt)}" src="data:image/png;base64,{data}" width="{width}" '
        f'style="width:{width}px;{room};background:transparent;{AS_TEXT}">'
    )


def size_px(drawn: Figure) -> tuple[int, int]:
    """Return width and height of a figure in CSS px, for the HTML that shows its PNG."""
    width, height = drawn.get_size_inches()
    return round(width * CSS_DPI), round(height * CSS_DPI)


@contextmanager
def without_tex() -> Iterator[None]:
    """Disable TeX for all text: the user's rcParams may enable it and this machine may lack it.

    Usable as a decorator too, for functions that draw, and for those that render, which still create ticks.
    """
    with rc_context({"text.usetex": False}) if rcParams["text.usetex"] else nullcontext():
        yield


@contextmanager
def _unchanged(drawn: Figure) -> Iterator[None]:
    canvas, dpi = drawn.canvas, drawn.dpi
    try:
        yield
    finally:
        drawn.dpi = dpi
        drawn.set_canvas(canvas)


@without_tex()
def png(drawn: Figure, *, in_a_page: bool = False) -> bytes:
    """Render a figure as a PNG at two device px per CSS px; its background stays transparent.

    `in_a_page` the grey of words and axes lets the page's text colour through, which `image` puts behind it.
    """
    from PIL import Image  # comes with matplotlib

    out = io.BytesIO()
    with _unchanged(drawn):
        # Not savefig: it obeys the user's savefig.* settings, and compresses six times as long.
        canvas = FigureCanvasAgg(drawn)
        drawn.dpi = CSS_DPI * SCALE
        canvas.draw()  # type: ignore[no-untyped-call]
        pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        if in_a_page:
            pixels = pixels.copy()
            grey = (pixels[..., :3] == _INK).all(axis=-1)
            alpha = pixels[grey, 3]
            # Grid lines, which the page's colour makes stronger than words, stay as faint as they were.
            pixels[grey, 3] = alpha * np.where(alpha > 127, TEXT_OPACITY, 0.6)
        image = Image.fromarray(pixels)
    image.save(out, format="png", compress_level=1, dpi=(96 * SCALE, 96 * SCALE))
    return out.getvalue()


@without_tex()
def svg(drawn: Figure) -> str:
    """Render a figure as SVG text; letters are outlines, so that it looks alike everywhere."""
    out = io.StringIO()
    with _unchanged(drawn):
        FigureCanvasSVG(drawn).print_svg(out, metadata={"Date": None})  # type: ignore[no-untyped-call]
    return out.getvalue()
