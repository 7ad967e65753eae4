"""The common style of charts: sizes, colours, words, numbers, and rendering to bytes.

Every chart has to be right on a white page and on a dark one, unseen beforehand: the background is
transparent, text and axes are a grey with at least 4:1 contrast on both, data colours have 3:1.
All of it is set on the artists themselves; rcParams are neither changed nor relied upon, for a
live card draws in a thread beside the user's own plots.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator, ScalarFormatter

from e2e_magic.derived.declarations import unit_of
from e2e_magic.text import digits, distinct, percent, shorten, units, words
from e2e_magic.views.charts.fonts import family, literal
from e2e_magic.views.charts.rendering import CSS_DPI, image, png, size_px, svg, without_tex
from e2e_magic.views.pictures.svg import BLUE, INK, PALETTE, RED

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axis import Axis
    from matplotlib.text import Text

# One import serves a chart: the words and numbers are at hand here too.
__all__ = [
    "BLUE",
    "CSS_DPI",
    "DASHED",
    "DASHES",
    "INK",
    "LABEL_PX",
    "MOST_NAMED",
    "PALETTE",
    "RAMP",
    "RED",
    "TICK_PX",
    "Panels",
    "axes",
    "colour_bar",
    "digits",
    "distinct",
    "dress",
    "figure",
    "image",
    "label",
    "label_in",
    "legend",
    "literal",
    "name_ticks", "note",
    "percent",
    "plain",
    "plain_ticks",
    "png",
    "say",
    "shorten",
    "size_px",
    "svg",
    "title",
    "unit_of",
    "units",
    "without_tex",
    "words",
    "write",
]  # fmt: skip

# For lines and points, whose ground may be white or black: its ends have 3:1 on both.
RAMP = LinearSegmentedColormap.from_list("e2e", [BLUE, "#8A8A8A", PALETTE[4]])
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
DASHED = (0, (4, 2))

_WHERE: Mapping[str, dict[str, Any]] = {
    "x": {"bottom": True, "top": False, "labelbottom": True, "labeltop": False},
    "y": {"left": True, "right": False, "labelleft": True, "labelright": False},
}

LABEL_PX = 12
_CHARACTER_PX = 6.5  # of a tick's text, about
TICK_PX = 11
MOST_NAMED = 8  # lines that a legend names


def label(metric: str, unit: str | None = None) -> str:
    """Return the text of an axis: ``peak RSS (MiB)``; the unit follows from the name if left out."""
    unit = unit_of(metric) if unit is None else unit
    return literal(f"{words(metric)} ({unit})" if unit else words(metric))


def label_in(frame: pd.DataFrame, metric: str) -> str:
    """Return the text of an axis; the unit is that which a frame declares, else that of `label`."""
    return label(metric, unit_of(metric, units(frame)))


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
    new_figure = Figure(
        figsize=(width_px / CSS_DPI, height_px / CSS_DPI),
        dpi=CSS_DPI,
        facecolor="none",
        edgecolor="none",
    )
    # Set explicitly: the user's figure.autolayout must not apply here.
    new_figure.set_layout_engine("constrained" if fitted else "none")
    FigureCanvasAgg(new_figure)
    return new_figure


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


def plain(text: Text, *, px: float = TICK_PX, color: str = INK) -> Text:
    """Make a text small, grey and literal: no TeX, no ``$`` formulas, whatever rcParams say."""
    text.set_usetex(False)
    text.set_parse_math(False)
    text.set_fontfamily(list(family()))
    text.set_fontsize(px * 72 / CSS_DPI)
    text.set_color(color)
    return text


def dress(ax: Axes, *, x: str = "", y: str = "", grid: str = "y") -> None:
    """Label axes and make them look as in all charts.

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
            labelsize=TICK_PX * 72 / CSS_DPI, labelfontfamily=list(family()), **_WHERE[axis.axis_name],
        )  # fmt: skip
        for tick in axis.get_major_ticks(1):  # later ticks copy this one's texts
            tick.label1.set_usetex(False)


class Plain(ScalarFormatter):
    """Formatter of plain numbers: no offset, no powers of ten, thousands separated."""

    def __init__(self) -> None:
        super().__init__(useOffset=False, useMathText=False, useLocale=False)
        self.set_scientific(False)

    def __call__(self, x: float, pos: int | None = None) -> str:
        whole, point, rest = str(super().__call__(x, pos)).partition(".")
        return re.sub(r"(?<=\d)(?=(\d{3})+$)", ",", whole) + point + rest


def plain_ticks(axis: Axis, most: int = 5, *, integer: bool = False) -> None:
    """Show at most `most` round numbers on an axis, written out: no offset, no powers of ten."""
    axis.set_minor_locator(NullLocator())
    axis.set_major_locator(MaxNLocator(most, integer=integer, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(Plain())


def name_ticks(axis: Axis, places: Sequence[float], names: Sequence[object], *, most: int = 24) -> None:
    """Show names on an axis as they are, cut to `most` characters; different ones stay different."""
    axis.set_ticks(places, distinct([literal(name) for name in names], most))
    for text in axis.get_ticklabels():
        plain(text)


def slant_names(ax: Axes) -> None:
    """Slant the names below axes where they would touch side by side."""
    names = ax.get_xticklabels()
    whole: Any = ax.figure.figure
    room = size_px(whole)[0] * ax.get_position().width
    if sum(len(name.get_text()) + 1 for name in names) * _CHARACTER_PX > room:
        for name in names:
            name.set(rotation=40, horizontalalignment="right", rotation_mode="anchor")


def legend(
    ax: Axes, handles: Sequence[Any], names: Sequence[str], *, most: int = MOST_NAMED, **place: Any
) -> None:
    """Name the lines, without a box: `most` of them, and how many more there are.

    Names that begin with ``_`` or hold ``$`` stay as they are.
    """
    if len(names) > most:
        handles = [*handles[:most], Line2D([], [], linestyle="none", marker="")]
        names = [*names[:most], f"and {len(names) - most} more"]
    # matplotlib leaves out names that begin with "_": they are set once the legend stands.
    legend_box = ax.legend(
        handles, ["name"] * len(names), frameon=False, borderaxespad=0.2, handlelength=1.4,
        handletextpad=0.4, columnspacing=0.7, labelspacing=0.3, **place,
    )  # fmt: skip
    for text, name in zip(legend_box.get_texts(), names, strict=True):
        plain(text).set_text(shorten(literal(name), 72))


def title(ax: Axes, text: str, *, px: float = TICK_PX) -> None:
    """Write a line above axes, from their left edge."""
    plain(ax.set_title(text, loc="left"), px=px)


def colour_bar(ax: Axes, image: Any, name: str, **options: Any) -> Any:
    """Return the bar beside axes by which colours are read."""
    bar: Any = ax.figure.colorbar(image, ax=ax, pad=0.02, **options)
    bar.outline.set_visible(False)
    bar.set_label(name)
    plain(bar.ax.yaxis.label, px=LABEL_PX)
    bar.ax.tick_params(length=3, color=INK, labelcolor=INK, labelsize=TICK_PX * 72 / CSS_DPI)
    plain_ticks(bar.ax.yaxis, 5)
    return bar


def write(ax: Axes, x: float, y: float, text: str, **options: Any) -> Text:
    """Write a literal text into axes, in data coordinates unless `transform` is given."""
    px, color = options.pop("px", TICK_PX), options.pop("color", INK)
    return plain(ax.text(x, y, literal(text), **options), px=px, color=color)


def note(ax: Axes, text: str, at: tuple[float, float], offset: tuple[float, float], **options: Any) -> None:
    """Write a text beside a point, off it by `offset` pt, though it may stand beyond the axes."""
    color = options.pop("color", INK)
    beside = ax.annotate(
        literal(text), at, xytext=offset, textcoords="offset points", annotation_clip=False, **options
    )
    plain(beside, color=color)


def say(ax: Axes | None, message: str) -> Axes:
    """Return axes that have nothing to show, with a text on what is missing."""
    ax = axes(560, 300) if ax is None else ax
    ax.set_facecolor("none")
    ax.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    head, _, tail = message.partition(": ")
    # Two short lines rather than one that a narrow card cuts; `literal` would join them.
    sentence = f"{literal(head)}:\n{literal(tail)}" if tail else literal(head)
    text = ax.text(0.5, 0.5, sentence, ha="center", va="center")
    plain(text, px=LABEL_PX).set_linespacing(1.5)
    return ax
