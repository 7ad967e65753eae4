"""A confusion matrix as a heat map: rows are true classes, columns predicted ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import finite, trials

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

EMPTY = "no confusion matrix: hand back 'confusion_matrix', or use --confusion or --y-true and --y-pred"
ANNOTATED = 20  # classes up to which each cell bears its numbers
_TICKS = 25
_NAMED = 3  # mistakes that are named in words where cells are too small for theirs
_WIDEST = 60  # letters of those words
_COUNTED = 10  # classes above which a 0 isn't written
# As shares of the greatest value: faint, so that grey text stands on it on a white and a dark page
# alike; then solid, with white or black text. Without text one colour that grows solid is enough.
_RAMP = (
    (0.0, (0.0, 0.447, 0.698, 0.03)),
    (0.12, (0.0, 0.447, 0.698, 0.14)),
    (0.12, (0.53, 0.74, 0.88, 1.0)),
    (1.0, (0.0, 0.40, 0.64, 1.0)),
)
_RAMP_BARE = ((0.0, (0.0, 0.447, 0.698, 0.4)), (1.0, (0.0, 0.447, 0.698, 1.0)))


@dataclass(frozen=True, slots=True)
class Matrix:
    """Counts by class: rows true, columns predicted; NaN where a count is missing."""

    classes: list[object]
    counts: NDArray[np.float64]
    trial: str = ""

    @property
    def shares(self) -> NDArray[np.float64]:
        """Each count over the sum of its row, 0 to 1; NaN for a class that never occurs."""
        total = np.nansum(self.counts, axis=1, keepdims=True)
        part: NDArray[np.float64] = np.divide(
            self.counts, total, out=np.full_like(self.counts, np.nan), where=total > 0
        )
        return part


def matrix(confusions: pd.DataFrame) -> Matrix | None:
    """Return the last trial's matrix of a confusions frame; classes in the order they appear.

    Matrices are never added up over trials, for repeats are no larger test set.
    """
    import pandas as pd

    if confusions.empty:
        return None
    apart = trials(confusions)
    last = apart[-1]
    name = " · ".join(filter(None, (last.owner, last.number)))
    several = f"{name}, the last of {len(apart)}" if len(apart) > 1 else ""
    confusions = confusions.iloc[last.rows]
    true, predicted = confusions["true"].astype(object), confusions["predicted"].astype(object)
    codes, classes = pd.factorize(pd.concat([true, predicted]), use_na_sentinel=False)
    rows, columns = codes[: len(true)], codes[len(true) :]
    counts = np.zeros((len(classes), len(classes)))
    np.add.at(counts, (rows, columns), finite(confusions["count"]))
    return Matrix(list(classes), counts, several)


@style.without_tex()
def confusion(
    confusions: pd.DataFrame, *, ax: Axes | None = None, normalize: Literal["true"] | None = None
) -> Axes:
    """Draw a confusion matrix: counts and row shares in words, above 20 classes in colour only.

    Parameters
    ----------
    confusions : DataFrame
        The confusions frame: ``true``, ``predicted``, ``count``; of several trials the last.
    ax : Axes, optional
        Where to draw; on a new figure, unknown to pyplot, when left out.
    normalize : {None, "true"}
        Colour by count, or by the share of the row: the latter for classes of unequal size.

    Raises
    ------
    ValueError
        If `normalize` is neither.
    """
    if normalize not in (None, "true"):
        raise ValueError(
            f"normalize must be None or 'true', got {normalize!r}: "
            "take 'true' to colour each row by its shares"
        )
    table = matrix(confusions)
    if ax is None:
        ax = style.axes(*_size(table))
    if table is None:
        return style.say(ax, EMPTY)
    n = len(table.classes)
    values = table.counts if normalize is None else 100 * table.shares
    mesh = _cells(ax, values, n)
    style.dress(ax, x="predicted", y="true", grid="")
    ax.set(xlim=(0, n), ylim=(n, 0), aspect="equal")
    for spine in ax.spines.values():
        spine.set_visible(True)
    step = -(-n // _TICKS)
    indices = range(0, n, step)
    names = [table.classes[i] for i in indices]
    longest = max(len(str(name)) for name in names)
    style.name_ticks(ax.yaxis, [i + 0.5 for i in indices], names, most=20)
    style.name_ticks(ax.xaxis, [i + 0.5 for i in indices], names, most=20)
    if longest * 6.5 > 44 or (n > ANNOTATED and longest > 1):
        for text in ax.get_xticklabels():
            text.set(rotation=45 if longest > 3 else 90, ha="right" if longest > 3 else "center",
                     rotation_mode="anchor" if longest > 3 else "default")  # fmt: skip
    if n <= ANNOTATED:
        _annotate(ax, table, mesh, normalize)
    else:
        name = "count" if normalize is None else "share of row (%)"
        style.colour_bar(ax, mesh, name, shrink=0.7, aspect=30)
    lines = [style.literal(text) for text in (table.trial, _confused(table) if n > ANNOTATED else "") if text]
    if lines:
        style.title(ax, "\n".join(lines), px=style.LABEL_PX)
    return ax


def _confused(table: Matrix) -> str:
    """Return in words which classes are most often mistaken for which, where cells are too many to read."""
    wrong = np.nan_to_num(table.counts)
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_NAMED]
    pairs = [(*divmod(int(at), len(wrong)), float(wrong.flat[at])) for at in order]
    names = style.distinct([str(name) for name in table.classes], 14)
    mistakes = [f"{names[i]} as {names[j]} ({style.digits(count)})" for i, j, count in pairs if count > 0]
    while len(mistakes) > 1 and sum(map(len, mistakes)) > _WIDEST:
        mistakes.pop()
    return f"most often wrong: {', '.join(mistakes)}" if mistakes else ""


def _size(table: Matrix | None) -> tuple[float, float]:
    if table is None:
        return 640, 130
    n = len(table.classes)
    names = min(max(len(str(name)) for name in table.classes), 20) * 6.0
    side = 560 if n > ANNOTATED else max(min(n * 46, 400 + 10 * n), 150)
    return side + names + 60 + (70 if n > ANNOTATED else 0), side + min(names, 90) + 60


def _cells(ax: Axes, values: NDArray[np.float64], n: int):  # type: ignore[no-untyped-def]
    from matplotlib.colors import LinearSegmentedColormap

    ramp = LinearSegmentedColormap.from_list("counts", list(_RAMP if n <= ANNOTATED else _RAMP_BARE), N=512)
    filled = np.ma.masked_where(~(values > 0), values)
    most = float(filled.max()) if filled.count() else 1.0
    edges = np.arange(n + 1)
    return ax.pcolormesh(
        edges, edges, filled, cmap=ramp, vmin=0, vmax=most, shading="flat", rasterized=n > ANNOTATED
    )


def _annotate(ax: Axes, table: Matrix, mesh, normalize: str | None) -> None:  # type: ignore[no-untyped-def]
    n = len(table.classes)
    shares = table.shares
    small = 8 if n > _COUNTED else style.TICK_PX
    for i, j in np.ndindex(n, n):
        count, share = float(table.counts[i, j]), float(shares[i, j])
        if count == 0 and n > _COUNTED:
            continue
        colour = style.INK
        if count > 0:
            red, green, blue, solid = mesh.cmap(mesh.norm(count if normalize is None else 100 * share))
            bright = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
            colour = style.INK if solid < 1 else "white" if bright < 0.25 else "#111111"
        text = "?" if np.isnan(count) else style.digits(count)
        if count > 0:
            text = f"{text}\n{style.percent(share)}"
        put = ax.text(j + 0.5, i + 0.5, text, ha="center", va="center")
        put.set_in_layout(False)  # it lies inside its cell; hundreds of them take long to lay out
        style.plain(put, px=small, color=colour)
