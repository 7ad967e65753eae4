"""A metric against the parameters of a sweep: a line, a heat map or surface, parallel axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from e2e_magic.derived.declarations import TARGETS
from e2e_magic.measuring.plan import nearest
from e2e_magic.views.charts import style
from e2e_magic.views.charts.influence_epochs import EPOCH, draw_curves, over_epochs
from e2e_magic.views.charts.lines import complete, finite
from e2e_magic.views.charts.parallel import draw_parallel
from e2e_magic.views.charts.planes import draw_heat, draw_surface
from e2e_magic.views.charts.scales import PREFIX, Scale, name_places, range_of_what, scale

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

Kind = Literal["line", "heatmap", "surface", "parallel", "curves"]
KINDS: tuple[Kind, ...] = ("line", "heatmap", "surface", "parallel", "curves")
EMPTY = "no trials of a sweep: %%e2esweep STAGE NAME=VALUES makes some"


@style.without_tex()
def influence(
    frame: pd.DataFrame,
    *,
    x: str | Sequence[str] | None = None,
    y: str | None = None,
    kind: Kind | None = None,
    epochs: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a metric against the parameters of a sweep.

    One parameter: a line through the medians, with the range of the repeats and of what else varied. Two: a
    heat map of the medians, or with ``kind="surface"`` a surface in 3-D. More: parallel axes, a line per
    setting.

    What was logged per epoch can be drawn too: ``epoch`` among `x` is one more parameter (a surface over
    epochs and batch size, say), and ``kind="curves"`` lays the curves of all settings over each other.

    Parameters
    ----------
    frame : DataFrame
        The trials frame; only complete trials count.
    x : str or sequence of str, optional
        Parameters, without ``param_``; by default those of which several values were tried. ``epoch``,
        where no parameter has that name, is the epoch; a heat map or surface of one parameter takes it too.
    y : str, optional
        The metric; by default the sweep's own (``frame.attrs["metric"]``), else the first of loss,
        accuracy and wall time, the validation's before the training's.
    kind : {"line", "heatmap", "surface", "parallel", "curves"}, optional
        By default as the number of parameters asks.
    epochs : DataFrame, optional
        The epochs frame of these trials, for charts over epochs.
    ax : Axes, optional
        Where to draw (for a surface a 3-D one); on a new figure, unknown to pyplot, when left out.

    Raises
    ------
    ValueError
        For an unknown parameter, metric or kind, or a kind that doesn't fit the number of parameters.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(
            f"kind: there is no {kind!r}{nearest(str(kind), KINDS)}; allowed are {', '.join(KINDS)}"
        )
    x = [x] if isinstance(x, str) else x
    if _wants_epochs(frame, x, kind, epochs):
        params, _ = chosen(frame, x if x is None else [name for name in x if name != EPOCH], None)
        if x is None:
            params = [name for name in params if len(scale(name, frame[PREFIX + name].tolist()).values) > 1]
        frame, y = over_epochs(frame, epochs, y)
        if not len(frame):
            return style.say(ax, f"no {style.words(y)} per epoch: call log({y}=...) in the cell")
        x = params if kind == "curves" else [EPOCH, *params] if x is None else x
    params, y = chosen(frame, x, y)
    some = complete(frame)
    values = finite(some[y]) if y is not None else np.empty(0)
    scales = [scale(name, some[PREFIX + name].tolist()) for name in params]
    if x is None and sum(len(one.values) > 1 for one in scales):
        scales = [one for one in scales if len(one.values) > 1]
    if y is None or not (scales or kind == "curves") or not np.isfinite(values).any():
        lacking = f"no {style.words(y or 'metric')}: no complete trial has a number"
        return style.say(ax, lacking if params and len(frame) else EMPTY)
    needed = {"line": 1, "heatmap": 2, "surface": 2}.get(kind or "", 0)
    if needed and len(scales) != needed:
        raise ValueError(
            f"kind: {kind} needs {needed} parameter{'s' * (needed > 1)}, got "
            f"{', '.join(one.name for one in scales)}: name {'it' if needed == 1 else 'them'} with x"
        )
    label = style.label_in(frame, y)
    if kind == "curves":
        return draw_curves(scales, some, y, label, ax)
    places = [one.at(some[PREFIX + one.name].tolist()) for one in scales]
    good = np.isfinite(values) & np.all([np.isfinite(place) for place in places], axis=0)
    if not good.any():
        if x is None:  # sweeps over different parameters: those of most trials
            return influence(frame, x=_together(places, scales), y=y, kind=kind, epochs=epochs, ax=ax)
        return style.say(ax, f"no trial has {', '.join(params)} and {style.words(y)} at once")
    values, places, some = values[good], [place[good] for place in places], some[good]
    if kind == "parallel" or (kind is None and len(scales) > 2):
        return draw_parallel(scales, places, values, y, label, ax)
    if len(scales) == 2:
        draw = draw_surface if kind == "surface" else draw_heat
        return draw(scales, places, values, y, label, ax)
    return _line(scales[0], places[0], values, label, range_of_what(some, [scales[0].name]), ax)


def _together(places: Sequence[NDArray[np.float64]], scales: Sequence[Scale]) -> list[str]:
    """Return exactly the parameters that most trials have together."""
    there = np.isfinite(np.stack(places))
    sets, counts = np.unique(there[:, there.any(axis=0)], axis=1, return_counts=True)
    most = sets[:, int(counts.argmax())]
    return [one.name for one, has in zip(scales, most, strict=True) if has]


def _wants_epochs(
    frame: pd.DataFrame, x: Sequence[str] | None, kind: Kind | None, epochs: pd.DataFrame | None
) -> bool:
    """Return whether a chart is over epochs: it was asked for, or a plane has but one parameter."""
    if kind == "curves" or ("epoch" in (x or ()) and f"{PREFIX}epoch" not in frame):
        return True
    if kind not in ("heatmap", "surface") or x is not None or epochs is None or not len(epochs):
        return False
    params, _ = chosen(frame, None, None)
    return sum(len(scale(name, frame[PREFIX + name].tolist()).values) > 1 for name in params) == 1


def chosen(frame: pd.DataFrame, x: str | Sequence[str] | None, y: str | None) -> tuple[list[str], str | None]:
    """Return the parameters and the metric to draw; raise for an unknown one, with the nearest name."""
    params = [str(name).removeprefix(PREFIX) for name in frame.columns if str(name).startswith(PREFIX)]
    params = [name for name in params if frame[PREFIX + name].notna().any()]
    names = params if x is None else [x] if isinstance(x, str) else list(x)
    for name in names:
        if name not in params:
            raise ValueError(
                f"x: there is no parameter {name!r}{nearest(name, params)}; "
                f"there are {', '.join(params) or 'none'}"
            )
    if y is None:
        order = (frame.attrs.get("metric"), *TARGETS)
        y = next((name for name in order if name in frame and frame[name].notna().any()), None)
    elif y not in frame:
        raise ValueError(f"y: there is no metric {y!r}{nearest(y, [str(n) for n in frame.columns])}")
    return names, y


def _laid_out(of: Scale) -> bool:
    """Return whether the values were chosen, as in a ladder or evenly: random ones are not so round."""
    steps = np.diff(of.places)
    if len(steps) and steps.max() - steps.min() <= 1e-6 * abs(steps).max():
        return True
    return not of.words and all(np.isclose(v, float(f"{v:.2g}"), rtol=1e-9, atol=0) for v in of.values)


def _line(
    of: Scale,
    places: NDArray[np.float64],
    values: NDArray[np.float64],
    label: str,
    ranged: str,
    ax: Axes | None,
) -> Axes:
    import pandas as pd
    import seaborn as sns

    ax = ax or style.axes(560, 320)
    trials = pd.DataFrame({"place": places, "value": values})
    repeats = int(trials["place"].value_counts().max())
    # Values that were drawn at random, each tried once, are no line; between words there is nothing.
    single = repeats == 1 and trials["place"].nunique() > 15 and not _laid_out(of)
    if repeats > 1:
        sns.scatterplot(
            trials, x="place", y="value", color=style.INK, alpha=0.7, s=9, linewidth=0, zorder=3, ax=ax
        )
    sns.lineplot(
        trials, x="place", y="value", estimator="median", errorbar=("pi", 100) if repeats > 1 else None,
        err_style="bars" if of.words else "band", linestyle="none" if of.words or single else "-",
        color=style.BLUE, linewidth=1.6, marker="o", markersize=4.5 if single else 6, markeredgewidth=0,
        legend=False, ax=ax,
    )  # fmt: skip
    style.dress(ax, x=style.label(of.name) + (", logarithmic" if of.log else ""), y=label)
    name_places(ax, "x", of)
    room = (of.places[-1] - of.places[0]) * 0.05 or 0.5
    ax.set_xlim(of.places[0] - room, of.places[-1] + room)
    style.plain_ticks(ax.yaxis, 6)
    if repeats > 1:
        style.title(ax, f"median, and {ranged}")
    return ax
