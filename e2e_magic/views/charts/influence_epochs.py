"""What a parameter does to a curve over epochs: the epoch as one more parameter, and curves laid over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from e2e_magic.measuring.plan import nearest
from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import finite
from e2e_magic.views.charts.scales import PREFIX, Scale

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray


EPOCH = "epoch"
_KEYS = ["run", "stage", "trial"]
_NAMED = 6  # settings that a legend names; more are told apart by a scale of colours
_USUAL = ("loss", "accuracy")


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
        order = (frame.attrs.get("metric"), *_USUAL, *logged)
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
        The parameters that tell the settings apart, the first of them by colour.
    frame : DataFrame
        A row per trial and epoch, as `over_epochs` makes them.
    metric : str
    label : str
        The metric with its unit.
    ax : Axes or None
    """
    ax = ax or style.axes(640, 340)
    at, value = finite(frame[PREFIX + EPOCH]), finite(frame[metric])
    places = np.empty((len(scales), len(frame)))
    for n, one in enumerate(scales):
        places[n] = one.at(frame[PREFIX + one.name].tolist())
    good = np.isfinite(at) & np.isfinite(value) & np.isfinite(places).all(axis=0)
    at, value, places = at[good], value[good], places[:, good]
    settings = sorted({tuple(column) for column in places.T})
    by_scale = len(settings) > _NAMED and bool(scales) and not scales[0].words
    colours = _colours(settings, scales, by_scale=by_scale)
    for setting, colour in zip(settings, colours, strict=True):
        here = (places == np.array(setting)[:, None]).all(axis=0)
        xs = np.unique(at[here])
        some = [value[here & (at == x)] for x in xs]
        middle = np.array([np.median(one) for one in some])
        if max(len(one) for one in some) > 1 and len(settings) <= _NAMED:
            low, high = (np.array([pick(one) for one in some]) for pick in (np.min, np.max))
            ax.fill_between(xs, low, high, color=colour, alpha=0.2, linewidth=0)
        few = len(xs) <= 30
        ax.plot(xs, middle, color=colour, linewidth=1.5, marker="o" if few else "", markersize=3.2,
                label=_said(setting, scales))  # fmt: skip
    style.dress(ax, x="epoch", y=label)
    style.plain_ticks(ax.xaxis, 8, integer=True)
    style.plain_ticks(ax.yaxis, 5)
    if by_scale:
        _scale_of_colours(ax, scales[0])
    elif len(settings) > 1:
        lines: list[Any] = list(ax.lines)[:_NAMED]
        names = [str(line.get_label()) for line in lines]
        if len(settings) > _NAMED:
            names[-1] += f", and {len(settings) - _NAMED} more"
        style.legend(ax, lines, names, loc="best")
    repeated = len(frame) > 0 and len({*zip(at, *places, strict=True)}) < len(at)
    if repeated:
        ranged = ", and range of the repeats" if len(settings) <= _NAMED else " of the repeats"
        style.plain(ax.set_title(f"median{ranged}", loc="left"))
    return ax


def _said(setting: tuple[float, ...], scales: list[Scale]) -> str:
    parts = []
    for one, place in zip(scales, setting, strict=True):
        value = one.values[int(np.flatnonzero(one.places == place)[0])]
        parts.append(f"{style.label(one.name)} {one.spell(value)}")
    return style.shorten(", ".join(parts), 40)


def _colours(settings: list[tuple[float, ...]], scales: list[Scale], *, by_scale: bool) -> list[Any]:
    if not by_scale:
        return [style.PALETTE[n % len(style.PALETTE)] for n in range(len(settings))]
    share = _share(scales[0].places)
    where = dict(zip(scales[0].places.tolist(), share.tolist(), strict=True))
    return [style.RAMP(where[setting[0]]) for setting in settings]


def _share(places: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = float(places.min()), float(places.max())
    return (places - low) / (high - low) if high > low else np.zeros(len(places))


def _scale_of_colours(ax: Axes, of: Scale) -> None:
    """Say by a bar which colour is which value."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    mapped = ScalarMappable(Normalize(float(of.places.min()), float(of.places.max())), style.RAMP)
    bar: Any = ax.figure.colorbar(mapped, ax=ax, pad=0.02)
    bar.outline.set_visible(False)
    step = -(-len(of.values) // 8)
    shown = list(range(0, len(of.values), step))
    bar.set_ticks([float(of.places[n]) for n in shown], labels=[of.spell(of.values[n]) for n in shown])
    bar.set_label(style.label(of.name))
    style.plain(bar.ax.yaxis.label, px=style.LABEL_PX)
    bar.ax.tick_params(length=3, color=style.INK, labelcolor=style.INK, labelsize=style.TICK_PX * 0.72)
