"""The effect of a parameter on a curve over epochs: the epoch as one more parameter, and overlaid curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from e2e_magic.derived.declarations import TARGETS
from e2e_magic.measuring.plan import nearest
from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import finite
from e2e_magic.views.charts.scales import PREFIX, Scale, name_some, range_of_what

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray


EPOCH = "epoch"
_KEYS = ["run", "stage", "trial"]
_NAMED = 6  # settings that a legend names; more are distinguished by a scale of colours


def over_epochs(frame: pd.DataFrame, epochs: pd.DataFrame | None, y: str | None) -> tuple[pd.DataFrame, str]:
    """Return a row per trial and epoch, with ``param_epoch`` among the parameters, and the metric's name.

    Parameters
    ----------
    frame : DataFrame
        The trials frame.
    epochs : DataFrame or None
        The epochs frame of the same trials.
    y : str or None
        A logged column; the sweep's own metric, loss or accuracy when left out.

    Raises
    ------
    ValueError
        Without epochs, or for a quantity that was not logged.
    """
    if epochs is None:
        raise ValueError("epochs: curves need what was logged per epoch: hand over epochs=result.epochs")
    logged = [str(name) for name in epochs.columns if name not in (*_KEYS, EPOCH, "t_s")]
    if y is None:
        order = (frame.attrs.get("metric"), *TARGETS, *logged)
        y = next((str(name) for name in order if name in logged and epochs[name].notna().any()), "loss")
    elif y not in logged and logged:
        raise ValueError(
            f"y: no {y!r} was logged per epoch{nearest(y, logged)}; there are {', '.join(logged)}"
        )
    if y not in logged or not len(frame):
        nothing = frame.iloc[:0].copy()
        nothing[PREFIX + EPOCH] = nothing[y] = np.empty(0)
        return nothing, y
    params = [name for name in frame.columns if str(name).startswith(PREFIX)]
    left = frame[[name for name in (*_KEYS, "state", *params) if name in frame]].astype({"stage": object})
    right = epochs[[*_KEYS, EPOCH, y]].astype({"stage": object}).rename(columns={EPOCH: PREFIX + EPOCH})
    joined = left.astype({"run": object}).merge(right.astype({"run": object}), on=_KEYS, how="inner")
    joined.attrs = {"metric": y, "units": dict(epochs.attrs.get("units", {}))}
    return joined, y


def draw_curves(
    scales: list[Scale],
    frame: pd.DataFrame,
    metric: str,
    label: str,
    ax: Axes | None,
) -> Axes:
    """Lay the curves of all settings over each other: a median per setting, with the range of its repeats.

    Parameters
    ----------
    scales : list of Scale
        The parameters that distinguish the settings, the first of them by colour.
    frame : DataFrame
        A row per trial and epoch, as `over_epochs` makes them.
    metric : str
    label : str
        The metric with its unit.
    ax : Axes or None
    """
    import pandas as pd
    import seaborn as sns

    ax = ax or style.axes(640, 340)
    places = np.array([one.at(frame[PREFIX + one.name].tolist()) for one in scales]).reshape(len(scales), -1)
    at, value = finite(frame[PREFIX + EPOCH]), finite(frame[metric])
    good = np.isfinite(at) & np.isfinite(value) & np.isfinite(places).all(axis=0)
    at, value, places = at[good], value[good], places[:, good]
    settings, setting = np.unique(places.T, axis=0, return_inverse=True)
    by_scale = len(settings) > _NAMED and bool(scales) and not scales[0].words
    drawn = pd.DataFrame({"epoch": at, "value": value, "setting": setting.ravel()})
    repeated = bool(drawn.duplicated(["epoch", "setting"]).any())
    ranged = repeated and len(settings) <= _NAMED
    before = len(ax.lines)
    sns.lineplot(
        drawn, x="epoch", y="value", hue="setting", hue_order=range(len(settings)),
        palette=_colours(settings, scales, by_scale=by_scale), estimator="median" if repeated else None,
        errorbar=("pi", 100) if ranged else None, err_kws={"linewidth": 0}, linewidth=1.5,
        marker="o" if drawn["epoch"].nunique() <= 30 else None, markersize=3.2, markeredgewidth=0,
        legend=False, ax=ax,
    )  # fmt: skip
    lines: list[Any] = list(ax.lines)[before:]
    for line, places_of in zip(lines, settings, strict=True):
        line.set_label(_named(places_of, scales))
    style.dress(ax, x="epoch", y=label)
    style.plain_ticks(ax.xaxis, 8, integer=True)
    style.plain_ticks(ax.yaxis, 5)
    if by_scale:
        _scale_of_colours(ax, scales[0])
    elif len(settings) > 1:
        names = [str(line.get_label()) for line in lines[:_NAMED]]
        if len(settings) > _NAMED:
            names[-1] += f", and {len(settings) - _NAMED} more"
        style.legend(ax, lines[:_NAMED], names, loc="best")
    if repeated:
        drawn_over = [EPOCH, *(one.name for one in scales)]
        what = range_of_what(frame[good], drawn_over)
        style.title(ax, f"median, and {what}" if ranged else what.replace("range", "median", 1))
    return ax


def _named(setting: NDArray[np.float64], scales: list[Scale]) -> str:
    parts = []
    for one, place in zip(scales, setting, strict=True):
        value = one.values[int(np.flatnonzero(one.places == place)[0])]
        parts.append(f"{style.label(one.name)} {one.spell(value)}")
    return style.shorten(", ".join(parts), 40)


def _colours(settings: NDArray[np.float64], scales: list[Scale], *, by_scale: bool) -> list[Any]:
    if not by_scale:
        return [style.PALETTE[n % len(style.PALETTE)] for n in range(len(settings))]
    low, high = scales[0].places.min(), scales[0].places.max()
    return [style.RAMP((setting[0] - low) / (high - low)) for setting in settings]


def _scale_of_colours(ax: Axes, of: Scale) -> None:
    """Draw a bar that maps colours to values."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    mapped = ScalarMappable(Normalize(float(of.places.min()), float(of.places.max())), style.RAMP)
    bar = style.colour_bar(ax, mapped, style.label(of.name))
    name_some(bar.ax.yaxis, of, of.places, most=8)
