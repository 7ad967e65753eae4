"""The one home of how charts look: sizes, colours, words, numbers, and their way into bytes.

Every chart has to be right on a white page and on a dark one, unseen beforehand: the background is
transparent, text and axes are a grey with at least 4:1 contrast on both, data colours have 3:1.
All of it is set on the artists themselves; rcParams are neither changed nor relied upon, for a
live card draws in a thread beside the user's own plots.
"""

from __future__ import annotations

import base64
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, ScalarFormatter

from e2e_magic.derived.declarations import unit_of
from e2e_magic.text import number, percent, shorten, units, words

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.text import Text

# One import serves a chart: the words and numbers are at hand here too.
__all__ = [
    "BLUE", "DASHED", "DASHES", "INK", "LABEL_PX", "PALETTE", "RAMP", "RED", "TICK_PX",
    "Panels", "axes", "dress", "figure", "image", "label",
    "legend", "literal", "name_ticks", "number", "percent", "plain", "plain_ticks", "png", "say", "shorten",
    "size_px", "svg", "unit_of", "units", "words", "write",
]  # fmt: skip

# Of Okabe and Ito's colour-blind safe set (2008) the four that have 3:1 on both white and #111,
# then two of their neighbours in hue, darkened or lightened until they have it too.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#A97B00", "#8C6BB1")
BLUE, RED = PALETTE[:2]
INK = "#767676"
# For lines and points, whose ground may be white or black: its ends have 3:1 on both.
RAMP = LinearSegmentedColormap.from_list("e2e", [BLUE, "#8A8A8A", PALETTE[4]])
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
DASHED = (0, (4, 2))

_WHERE: Mapping[str, dict[str, Any]] = {
    "x": {"bottom": True, "top": False, "labelbottom": True, "labeltop": False},
    "y": {"left": True, "right": False, "labelleft": True, "labelright": False},
}

CSS_DPI = 100  # a figure inch is 100 CSS px
SCALE = 2  # device px per CSS px in a PNG
LABEL_PX = 12
_CHARACTER_PX = 6.5  # of a tick's text, about
TICK_PX = 11

# DejaVu Sans comes with matplotlib; the others fill in scripts that it lacks, where installed.
_FALLBACKS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "Hiragino Sans", "PingFang SC",
    "Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "Noto Sans Arabic", "Noto Sans Devanagari", "Noto Emoji", "Segoe UI Symbol",
)  # fmt: skip


def label(metric: str, unit: str | None = None) -> str:
    """Return the text of an axis: ``peak RSS (MiB)``; the unit follows from the name if left out."""
    unit = unit_of(metric) if unit is None else unit
    return literal(f"{words(metric)} ({unit})" if unit else words(metric))


@lru_cache(maxsize=1)
def _family() -> tuple[str, ...]:
    known = {entry.name for entry in font_manager.fontManager.ttflist}
    return ("DejaVu Sans", *(name for name in _FALLBACKS if name in known))


@lru_cache(maxsize=1)
def _drawable() -> frozenset[int]:
    codes: set[int] = set()
    for name in _family():
        codes.update(font_manager.get_font(font_manager.findfont(name)).get_charmap())
    return frozenset(codes)


def literal(text: object) -> str:
    """Return a text as one line that can be drawn: what no font here has becomes a box.

    Line breaks and other control characters become spaces. matplotlib would warn at every drawing
    about a missing glyph, and break the layout at a line break.
    """
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    spaced = "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in plain)
    return "".join(c if ord(c) in _drawable() else "□" for c in spaced)


def figure(width_px: float, height_px: float, *, fitted: bool = True) -> Figure:
    """Make a transparent figure of its own, unknown to pyplot, so that nothing is left open.

    Parameters
    ----------
    width_px, height_px : float
        Size in CSS px; a PNG of it has twice as many.
    fitted : bool
        Make room for labels when drawn (constrained layout). A chart that must be quick places
        its axes itself.
    """
    made = Figure(
        figsize=(width_px / CSS_DPI, height_px / CSS_DPI),
        dpi=CSS_DPI,
        facecolor="none",
        edgecolor="none",
    )
    # Said in any case: the user's figure.autolayout must not have its way here.
    made.set_layout_engine("constrained" if fitted else "none")
    FigureCanvasAgg(made)
    return made


class _Shown:
    """Axes that show the picture of their whole figure as the last value of a notebook's cell."""

    def _repr_html_(self) -> str:
        return image(self)


class _FlatAxes(_Shown, Axes):
    pass


def axes(width_px: float, height_px: float, *, fitted: bool = True, solid: bool = False) -> Any:
    """Make axes on a figure of their own (see `figure`), which a notebook shows as a picture.

    Parameters
    ----------
    width_px, height_px, fitted
        Of the figure.
    solid : bool
        Whether they are 3-D.
    """
    if not solid:
        return figure(width_px, height_px, fitted=fitted).add_subplot(axes_class=_FlatAxes)
    from mpl_toolkits.mplot3d import Axes3D

    class SolidAxes(_Shown, Axes3D):  # type: ignore[misc]
        pass

    return figure(width_px, height_px, fitted=fitted).add_subplot(axes_class=SolidAxes)


class Panels(list[Any]):
    """The axes of one figure, which a notebook shows as one picture."""

    def _repr_html_(self) -> str:
        return image(self[0]) if self else ""


def image(
    drawn: Any, alt: str = "chart", *, shrinks: bool = True, reduce: Callable[[bytes], bytes] = bytes
) -> str:
    """Return the figure of some axes as an HTML image with a PNG inside.

    Parameters
    ----------
    drawn : Figure, Axes or sequence of Axes
        A sequence stands for the figure of its first.
    alt : str
        What it shows, for who can't see it.
    shrinks : bool
        Whether it becomes smaller in a narrow place. Where its words could not be read then, it keeps its
        size and what surrounds it scrolls.
    reduce : callable
        Takes the PNG and returns a smaller one.
    """
    first = drawn if hasattr(drawn, "savefig") or hasattr(drawn, "figure") else next(iter(drawn))
    whole: Figure = first if hasattr(first, "savefig") else first.get_figure(root=True)
    data = base64.b64encode(reduce(png(whole))).decode()
    width, height = size_px(whole)
    room = "max-width:100%;height:auto" if shrinks else f"max-width:none;height:{height}px"
    return (
        f'<img class="e2e-chart" alt="{escape(alt)}" src="data:image/png;base64,{data}" width="{width}" '
        f'style="width:{width}px;{room};background:transparent">'
    )


def size_px(drawn: Figure) -> tuple[int, int]:
    """Return width and height of a figure in CSS px, for the HTML that shows its PNG."""
    width, height = drawn.get_size_inches()
    return round(width * CSS_DPI), round(height * CSS_DPI)


@contextmanager
def _unchanged(drawn: Figure) -> Iterator[None]:
    canvas, dpi = drawn.canvas, drawn.dpi
    try:
        yield
    finally:
        drawn.dpi = dpi
        drawn.set_canvas(canvas)


def png(drawn: Figure) -> bytes:
    """Render a figure as a PNG at two device px per CSS px; its background stays transparent."""
    from PIL import Image  # comes with matplotlib

    out = io.BytesIO()
    with _unchanged(drawn):
        # Not savefig: it obeys the user's savefig.* settings, and compresses six times as long.
        canvas = FigureCanvasAgg(drawn)
        drawn.dpi = CSS_DPI * SCALE
        canvas.draw()  # type: ignore[no-untyped-call]
        image = Image.fromarray(np.asarray(canvas.buffer_rgba()))  # type: ignore[no-untyped-call]
    image.save(out, format="png", compress_level=1, dpi=(96 * SCALE, 96 * SCALE))
    return out.getvalue()


def svg(drawn: Figure) -> str:
    """Render a figure as SVG text; letters are outlines, so that it looks alike everywhere."""
    out = io.StringIO()
    with _unchanged(drawn):
        FigureCanvasSVG(drawn).print_svg(out, metadata={"Date": None})  # type: ignore[no-untyped-call]
    return out.getvalue()


def plain(text: Text, *, px: float = TICK_PX, color: str = INK) -> Text:
    """Make a text small, grey and literal: no TeX, no ``$`` formulas, whatever rcParams say."""
    text.set_usetex(False)
    text.set_parse_math(False)
    text.set_fontfamily(list(_family()))
    text.set_fontsize(px * 72 / CSS_DPI)
    text.set_color(color)
    return text


def dress(ax: Axes, *, x: str = "", y: str = "", grid: str = "y") -> None:
    """Give axes their labels and the look of all charts.

    Parameters
    ----------
    ax : Axes
    x, y : str
        Labels, with units.
    grid : {"x", "y", "both", ""}
        Where light lines help to read values.
    """
    ax.set_facecolor("none")
    ax.set_axisbelow(True)
    for side, spine in ax.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set(color=INK, linewidth=0.8, alpha=0.7)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    for axis in (ax.xaxis, ax.yaxis):
        plain(axis.label, px=LABEL_PX)
        # Only major ticks: asking for minor ones makes matplotlib build them.
        if grid in ("both", axis.axis_name):
            axis.grid(visible=True, color=INK, alpha=0.22, linewidth=0.7, linestyle="-")
        else:
            axis.grid(visible=False)
        axis.set_tick_params(
            direction="out", length=3, width=0.8, pad=3, color=INK, labelcolor=INK,
            labelsize=TICK_PX * 72 / CSS_DPI, labelfontfamily=list(_family()), **_WHERE[axis.axis_name],
        )  # fmt: skip
        for tick in axis.get_major_ticks(1):  # later ticks copy this one's texts
            tick.label1.set_usetex(False)


class Plain(ScalarFormatter):
    """Writes ticks out: no offset, no powers of ten, thousands apart."""

    def __init__(self) -> None:
        super().__init__(useOffset=False, useMathText=False, useLocale=False)
        self.set_scientific(False)

    def __call__(self, x: float, pos: int | None = None) -> str:
        whole, point, rest = str(super().__call__(x, pos)).partition(".")
        return re.sub(r"(?<=\d)(?=(\d{3})+$)", ",", whole) + point + rest


def plain_ticks(axis: Axis, most: int = 5, *, integer: bool = False) -> None:
    """Put at most `most` round numbers on an axis, written out: no offset, no powers of ten."""
    axis.set_minor_locator(NullLocator())
    axis.set_major_locator(MaxNLocator(most, integer=integer, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(Plain())


def name_ticks(axis: Axis, places: Sequence[float], names: Sequence[object], *, most: int = 24) -> None:
    """Put names on an axis as they are, cut to `most` characters."""
    axis.set_ticks(places, [shorten(literal(name), most) for name in names])
    for text in axis.get_ticklabels():
        plain(text)


def slant_names(ax: Axes) -> None:
    """Slant the names below axes where they would touch side by side."""
    names = ax.get_xticklabels()
    whole: Any = ax.get_figure(root=True)
    room = size_px(whole)[0] * ax.get_position().width
    if sum(len(name.get_text()) + 1 for name in names) * _CHARACTER_PX > room:
        for name in names:
            name.set(rotation=40, horizontalalignment="right", rotation_mode="anchor")


def legend(ax: Axes, handles: Sequence[Any], names: Sequence[str], **place: Any) -> None:
    """Name the lines, without a box; names that begin with ``_`` or hold ``$`` stay as they are."""
    # matplotlib leaves out names that begin with "_": they are set once the legend stands.
    made = ax.legend(
        handles, ["name"] * len(names), frameon=False, borderaxespad=0.2, handlelength=1.4,
        handletextpad=0.4, columnspacing=0.7, labelspacing=0.3, **place,
    )  # fmt: skip
    for text, name in zip(made.get_texts(), names, strict=True):
        plain(text).set_text(shorten(literal(name), 72))


def write(ax: Axes, x: float, y: float, text: str, **options: Any) -> Text:
    """Write a literal text into axes, in data coordinates unless `transform` is given."""
    px, color = options.pop("px", TICK_PX), options.pop("color", INK)
    return plain(ax.text(x, y, literal(text), **options), px=px, color=color)


def say(ax: Axes, message: str) -> Axes:
    """Fill axes that have nothing to show with the words that say what is missing."""
    ax.set_facecolor("none")
    ax.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    head, _, tail = message.partition(": ")
    # Two short lines rather than one that a narrow card cuts; `literal` would join them.
    shown = f"{literal(head)}:\n{literal(tail)}" if tail else literal(head)
    text = ax.text(0.5, 0.5, shown, ha="center", va="center")
    plain(text, px=LABEL_PX).set_linespacing(1.5)
    return ax
