"""Preparation of lines to draw: the rows of each trial, finite numbers, no more points than pixels show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from e2e_magic.views.charts import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray


WIDE = 20  # a span of more than this factor is drawn on a logarithmic axis


def finite(values: ArrayLike) -> NDArray[np.float64]:
    """Return values as floats, with what is no number (also infinities) as NaN: it can't be drawn."""
    import pandas as pd

    numbers = pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def complete(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of complete trials; all rows where the state is unknown."""
    return frame[(frame["state"] == "complete").to_numpy(dtype=bool)] if "state" in frame else frame


@dataclass(frozen=True, slots=True)
class Trial:
    """The rows of one trial, and its name by what distinguishes it from the others.

    Attributes
    ----------
    owner : str
        Run and stage, each where there are several.
    number : str
        Empty where there are no several.
    rows : array of int
        Their positions.
    """

    owner: str
    number: str
    rows: NDArray[np.intp]

    @property
    def name(self) -> str:
        """Return all that distinguishes it from the others."""
        return " · ".join(filter(None, (self.owner, f"trial {self.number}" if self.number else "")))


def trials(frame: pd.DataFrame) -> list[Trial]:
    """Return the trials of a frame, by the columns ``run``, ``stage`` and ``trial`` that it has."""
    keys = [key for key in ("run", "stage", "trial") if key in frame.columns]
    if not keys:
        return [Trial("", "", np.arange(len(frame)))]
    several = {key for key in keys if frame[key].nunique() > 1}
    apart = []
    for key, rows in frame.groupby(keys, sort=False, observed=True, dropna=False).indices.items():
        of = dict(zip(keys, key if isinstance(key, tuple) else (key,), strict=True))
        owner = " · ".join(str(of[name]) for name in ("run", "stage") if name in several)
        apart.append(Trial(owner, str(of["trial"]) if "trial" in several else "", np.asarray(rows)))
    return apart


def thin(
    x: NDArray[np.float64], y: NDArray[np.float64], bins: int = 640
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Reduce a line to what its pixels can show: first, last, least and greatest value of each column.

    Parameters
    ----------
    x : array of float
        Ascending, finite.
    y : array of float
        As long as `x`; NaN breaks the line.
    bins : int
        Columns of pixels, at least 1.

    Returns
    -------
    x, y : arrays of float
        At most ``4 * bins`` of the points, in their order.
    """
    if len(x) <= 4 * bins or x[-1] <= x[0]:
        return x, y
    column = np.minimum(((x - x[0]) * (bins / (x[-1] - x[0]))).astype(np.int64), bins - 1)
    first = np.flatnonzero(np.diff(column, prepend=-1))
    last = np.append(first[1:], len(x)) - 1
    group = np.repeat(np.arange(len(first)), last - first + 1)
    keep = [first, last]
    for extreme in (np.fmin, np.fmax):
        hits = np.flatnonzero(y == extreme.reduceat(y, first)[group])
        keep.append(hits[np.flatnonzero(np.diff(group[hits], prepend=-1))])
    kept = np.unique(np.concatenate(keep))
    return x[kept], y[kept]


def span(ax: Axes, side: str, values: NDArray[np.float64]) -> None:
    """Fit the axis ``"x"`` or ``"y"`` to values, from 0 on; by powers of ten where they lie far apart."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis = ax.xaxis if side == "x" else ax.yaxis
    put = ax.set_xlim if side == "x" else ax.set_ylim
    low, high = float(values.min()), float(values.max())
    if low > 0 and high / low > WIDE:
        (ax.set_xscale if side == "x" else ax.set_yscale)("log")
        put(low / 1.6, high * 2.2)
        decades = np.log10(high / low)
        axis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: style.digits(value)))
        axis.set_minor_locator(NullLocator())
    else:
        put(min(low, 0.0), (high * 1.15) if high > 0 else 1.0)
        style.plain_ticks(axis, 6)
