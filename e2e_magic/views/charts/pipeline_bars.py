"""The stages of a run side by side: their time, memory and energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.transforms import ScaledTranslation

from e2e_magic.views.charts import style
from e2e_magic.views.charts.energy import ESTIMATE, PARTS, measured_energy
from e2e_magic.views.charts.lines import finite

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EMPTY = "no stages: no cell was measured yet"
METRICS = ("wall_time_s", "cpu_time_s", "peak_rss_mib")
ENERGY = "energy_j"  # all measured parts together, where there are several
MOST = 15
_ROW_PX, _HEAD_PX, _FOOT_PX, _GAP_PX = 26, 34, 46, 30
# Amounts add up over stages and have shares; a peak is a level, and has none.
_ADDS = ("_time_s", "energy_j", "read_mib", "write_mib")


@dataclass(frozen=True, slots=True)
class Stages:
    """The data of the chart: a value per stage and metric, NaN where nothing was measured."""

    names: list[str] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)
    shares: dict[str, list[float]] = field(default_factory=dict)
    bottleneck: int | None = None
    rest: bool = False
    run: str = ""


def stages(results: pd.DataFrame, metrics: Sequence[str] | None = None, most: int = MOST) -> Stages:
    """Return the stages of the last run: the median of each one's complete trials, in order of start.

    Parameters
    ----------
    results : DataFrame
        The results frame; of several runs the one that started last is taken.
    metrics : sequence of str, optional
        Columns; by default wall time, CPU time, peak RSS, and energy where there is any: all that was
        measured together, what was estimated apart.
    most : int
        Above this many stages, those that take the least wall time are put together as the last.
        Of levels, as the peak RSS, the rest shows its greatest.
    """
    import pandas as pd

    if results.empty or "stage" not in results.columns:
        return Stages()
    frame = results.sort_values("started_at", kind="stable") if "started_at" in results else results
    run = ""
    if "run" in frame.columns and frame["run"].nunique() > 1:
        run = str(frame["run"].iloc[-1])
        frame = frame[frame["run"] == frame["run"].iloc[-1]]
    if metrics is None:
        metrics = [*METRICS, *_energies(frame)]
        frame = frame.assign(**{ENERGY: measured_energy(frame)})
    metrics = [name for name in metrics if name in frame.columns]
    table = pd.DataFrame({name: finite(frame[name]) for name in metrics}, index=frame.index)
    stage = frame["stage"].astype("object")
    medians = table.groupby(stage, sort=False, dropna=False).median()
    if "state" in frame.columns:
        done = (frame["state"] == "complete").to_numpy(dtype=bool)
        complete = table[done].groupby(stage[done], sort=False, dropna=False).median()
        ended = frame["state"].astype("object").groupby(stage, sort=False, dropna=False).last()
        names = [
            str(name) if name in complete.index else f"{name} ({state})"
            for name, state in zip(medians.index, ended, strict=True)
        ]
        medians.loc[complete.index] = complete
    else:
        names = [str(name) for name in medians.index]
    values = {name: medians[name].to_numpy(dtype=float) for name in metrics}
    rest = len(names) > most
    if rest:
        names, values = _rest(names, values, most)
    shares = {name: _shares(column) for name, column in values.items() if name.endswith(_ADDS)}
    wall = values.get("wall_time_s", np.empty(0))
    worst = int(np.nanargmax(wall[:most])) if np.isfinite(wall[:most]).any() else None
    as_lists = {name: column.tolist() for name, column in values.items()}
    return Stages(names, as_lists, {n: s.tolist() for n, s in shares.items()}, worst, rest, run)


def _energies(frame: pd.DataFrame) -> list[str]:
    """Return the columns of energy to show: one for all that was measured, one for what was estimated."""
    parts, guess = [
        [name for name in names if name in frame and frame[name].notna().any()]
        for names in (PARTS, [ESTIMATE])
    ]
    return [*(parts if len(parts) < 2 else [ENERGY]), *guess]


def _shares(column: np.ndarray) -> np.ndarray:
    total = np.nansum(column)
    return column / total if total > 0 else np.full(len(column), np.nan)


def _rest(
    names: list[str], values: dict[str, np.ndarray], most: int
) -> tuple[list[str], dict[str, np.ndarray]]:
    by = values.get("wall_time_s", next(iter(values.values()), np.zeros(len(names))))
    ranked = np.argsort(-np.nan_to_num(by, nan=-1.0), kind="stable")
    kept, rest = np.sort(ranked[:most]), ranked[most:]
    short = {}
    for name, column in values.items():
        left = column[rest][np.isfinite(column[rest])]
        together = (left.sum() if name.endswith(_ADDS) else left.max()) if len(left) else np.nan
        short[name] = np.append(column[kept], together)
    return [*(names[i] for i in kept), f"{len(rest)} others"], short


@style.without_tex()
def pipeline(
    results: pd.DataFrame,
    *,
    figure: Figure | None = None,
    metrics: Sequence[str] | None = None,
    width_px: float | None = None,
) -> list[Axes]:
    """Draw the stages of a run as horizontal bars, a panel per metric.

    The stage that takes most wall time is coloured and named in the title. Times and energies
    bear their share of the total.

    Parameters
    ----------
    results : DataFrame
        The results frame; see `stages` for what is taken of it.
    figure : Figure, optional
        Where to draw; a new one, unknown to pyplot, when left out.
    metrics : sequence of str, optional
        Columns to show; by default wall time, CPU time, peak RSS, and energy where there is any.
    width_px : float, optional
        Width of a new figure in CSS px; as many panels need when left out. Its height follows from the number
        of stages.

    Returns
    -------
    list of Axes
        One per metric that has a number; one that says what is missing where none has.
    """
    table = stages(results, metrics)
    measured = [name for name, column in table.values.items() if np.isfinite(column).any()]
    rows = len(table.names) if measured else 3
    width_px = width_px or max(700, 180 * len(measured))
    figure = figure or style.figure(width_px, rows * _ROW_PX + _HEAD_PX + _FOOT_PX, fitted=False)
    if not measured:
        why = "no numbers: " + ", ".join(style.words(name) for name in table.values) + " not measured"
        return [style.say(figure.add_subplot(), why if table.values else EMPTY)]
    if table.bottleneck is not None:
        _title(figure, table)
    units = style.units(results)
    most = 24 if len(measured) < 4 else 18
    wide, high = style.size_px(figure)
    left = 7.2 * max(min(len(name), most) for name in table.names) + 14
    weights = [1.35 if name in table.shares else 1.0 for name in measured]
    unit = max(wide - left - _GAP_PX * len(measured), 40) / sum(weights)
    panels: list[Axes] = []
    for name, weight in zip(measured, weights, strict=True):
        box = (left / wide, _FOOT_PX / high, weight * unit / wide, (high - _HEAD_PX - _FOOT_PX) / high)
        ax = figure.add_axes(box, sharey=panels[0] if panels else None)
        _bars(ax, table, name, style.label(name, style.unit_of(name, units)), weight * unit)
        ax.tick_params(axis="y", labelleft=not panels)
        left += weight * unit + _GAP_PX
        panels.append(ax)
    panels[0].set_ylim(rows - 0.4, -0.6)  # the first stage on top
    style.name_ticks(panels[0].yaxis, range(rows), table.names, most=most)
    if table.bottleneck is not None:
        text = panels[0].get_yticklabels()[table.bottleneck]
        text.set(color=style.RED, fontweight="bold")
    return panels


def _title(figure: Figure, table: Stages) -> None:
    share = table.shares["wall_time_s"][table.bottleneck or 0]
    name = style.shorten(table.names[table.bottleneck or 0], 40)
    of = f" of run {style.shorten(table.run, 24)}" if table.run else ""
    text = figure.suptitle(
        style.literal(f"{name} takes {style.percent(share)} of the wall time{of}"),
        x=8 / style.size_px(figure)[0],
        y=1 - 6 / style.size_px(figure)[1],
        ha="left",
        va="top",
    )
    style.plain(text, px=13)


def _bars(ax: Axes, table: Stages, name: str, label: str, width_px: float) -> None:
    values, shares = table.values[name], table.shares.get(name)
    colours = [style.BLUE] * len(values)
    if table.rest:
        colours[-1] = style.INK
    if name == "wall_time_s" and table.bottleneck is not None:
        colours[table.bottleneck] = style.RED
    bars = ax.barh(range(len(values)), np.nan_to_num(values), height=0.62, color=colours, linewidth=0)
    if name == ESTIMATE:  # hollow and dashed: nobody shall take it for measured
        for bar, colour in zip(bars, colours, strict=True):
            bar.set(facecolor="none", edgecolor=colour, linewidth=1.2, linestyle=style.DASHED)
    style.dress(ax, x=label, grid="x")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    texts = [style.digits(value) if np.isfinite(value) else "missing" for value in values]
    if shares:
        pairs = zip(texts, shares, strict=True)
        texts = [f"{t} · {style.percent(s)}" if np.isfinite(s) else t for t, s in pairs]
    # Room for the number behind each bar, whatever the panel's width: the longest bar has most of the axis.
    rooms = [min((7 * len(text) + 6) / width_px, 0.75) for text in texts]
    ends = [v / (1 - room) for v, room in zip(values, rooms, strict=True) if np.isfinite(v) and v > 0]
    ax.set_xlim(min(0.0, np.nanmin(values)), max(ends, default=1.0))
    fit = max(1, min(4, int(width_px / 50)))
    for most in (fit, fit + 1, fit + 2):  # a 0 alone says nothing of the scale
        style.plain_ticks(ax.xaxis, most)
        at = _ticks(ax, width_px)
        if len(at) > 1:
            break
    ax.set_xticks(at)
    nudge = ScaledTranslation(4 / style.CSS_DPI, 0, ax.figure.figure.dpi_scale_trans)
    for n, (value, text) in enumerate(zip(values, texts, strict=True)):
        end = max(value, 0.0) if np.isfinite(value) else 0.0
        style.write(ax, end, n, text, va="center", transform=ax.transData + nudge)


def _ticks(ax: Axes, width_px: float) -> list[float]:
    """Return the ticks whose numbers end within the panel: the next one begins with its own 0."""
    low, high = ax.get_xlim()
    axis = ax.xaxis
    at = [t for t in axis.get_majorticklocs() if low <= t <= high]
    texts = axis.get_major_formatter().format_ticks(at)
    ends = [(t - low) / (high - low) * width_px + 3.5 * len(text) for t, text in zip(at, texts, strict=True)]
    return [t for t, end in zip(at, ends, strict=True) if t == at[0] or end <= width_px + 2]
