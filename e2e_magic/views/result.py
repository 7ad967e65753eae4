"""What a measured cell gives back: its frames, its charts, its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from e2e_magic.measuring.plan import PlanError, nearest
from e2e_magic.record import Record
from e2e_magic.views import card

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLOTS = ("samples", "loss", "accuracy", "confusion", "latency", "energy")
# CSS pixels of one chart on the card: two stand side by side, or one below the other in a narrow window.
CHART_WIDTH_PX = 330
CURVE_HEIGHT_PX = 150
LEGEND_HEIGHT_PX = 45
# A tail of fewer calls is no tail: p95 needs as many.
LEAST_CALLS_FOR_CHART = 20
# IO below this is not worth a panel of its own.
LEAST_MOVED_MIB = 1.0
_NONE_YET = "no trial has finished yet: read the result after the measured code"


class Result:
    """The trials of one measured cell or statement.

    Parameters
    ----------
    records : sequence of Record
        In order; the list may still grow while the cell runs.
    names : mapping of str to str
        The runs' names by id.
    brief : bool
        Show itself in one line instead of as a card.
    """

    def __init__(
        self, records: Sequence[Record], names: Mapping[str, str] | None = None, *, brief: bool = False
    ) -> None:
        self.records = records
        self._names = names or {}
        self._brief = brief

    def set_names(self, names: Mapping[str, str]) -> None:
        """Take the runs' names as they are now."""
        self._names = names

    @property
    def frame(self) -> pd.DataFrame:
        """The trials as a tidy DataFrame, a row per repeat (the columns of ``results``)."""
        from e2e_magic.views import frames

        return frames.results(self.records, self._names)

    @property
    def samples(self) -> pd.DataFrame:
        """The sampled curves, tidy: ``run stage trial metric t_s value``."""
        from e2e_magic.views import frames

        return frames.samples(self.records, self._names)

    @property
    def epochs(self) -> pd.DataFrame:
        """What was logged or handed back per epoch: ``run stage trial epoch t_s`` and a column per key."""
        from e2e_magic.views import frames

        return frames.epochs(self.records, self._names)

    @property
    def confusions(self) -> pd.DataFrame:
        """The confusion matrix, tidy: ``run stage trial true predicted count``."""
        from e2e_magic.views import frames

        return frames.confusions(self.records, self._names)

    @property
    def classification(self) -> pd.DataFrame:
        """Precision, recall, F1 and support per class, and their averages, of the last trial."""
        from e2e_magic.views import frames

        if not self.records:
            raise ValueError(_NONE_YET)
        return frames.ReportFrame.of(frames.classification(self.records[-1]))

    @property
    def latency(self) -> pd.DataFrame:
        """The single calls of ``--latency``, a row per trial that timed them: ``calls p50_s .. p99_s``."""
        from e2e_magic.views import frames

        return frames.latencies(self.records, self._names)

    @property
    def missing(self) -> dict[str, str]:
        """Why the last trial lacks a number that was asked for, by its name."""
        if not self.records:
            raise ValueError(_NONE_YET)
        from e2e_magic.derived import derive

        last = self.records[-1]
        return {**last.missing, **derive(last).missing}

    def plot(
        self, kind: str = "samples", *, x: Literal["epoch", "t_s"] = "epoch", ax: Axes | None = None
    ) -> Axes | list[Axes]:
        """Draw one chart.

        Parameters
        ----------
        kind : {"samples", "loss", "accuracy", "confusion", "latency", "energy"}
        x : {"epoch", "t_s"}
            For ``loss`` and ``accuracy``: over epochs, or over seconds.
        ax : matplotlib Axes, optional
            Draw there; not for ``samples``, which needs an axes per metric.

        Returns
        -------
        Axes, or a list of Axes for ``samples``
            As the last value of a cell it shows its picture.

        Raises
        ------
        PlanError
            For a chart that there is not.
        """
        from e2e_magic.views import charts

        if kind == "samples":
            return Panels(charts.timeline(self.samples))
        if kind in ("loss", "accuracy"):
            drawn = charts.learning(self.epochs, y=kind, x=x, target=self._target(kind), ax=ax)
        elif kind == "confusion":
            drawn = charts.confusion(self.confusions, ax=ax)
        elif kind == "latency":
            from e2e_magic.views import frames

            drawn = charts.call_times(frames.call_times(self.records, self._names), ax=ax)
        elif kind == "energy":
            drawn = charts.energy_against_accuracy(self.frame, ax=ax)
        else:
            raise PlanError(
                f"plot: there is no chart {kind!r}{nearest(kind, PLOTS)}; allowed are {', '.join(PLOTS)}"
            )
        if ax is None:
            # The figure is none of pyplot's, so that nothing stays open; a notebook asks the value
            # itself for its picture.
            drawn._repr_html_ = partial(_picture, drawn)  # type: ignore[attr-defined]
        return drawn

    def _target(self, kind: str) -> float | None:
        return (
            self.records[-1].reported.get("target_accuracy") if kind == "accuracy" and self.records else None
        )

    def images(self) -> list[bytes]:
        """Draw what there is to show: nothing for a short cell, so that nothing heavy is loaded."""
        last = self.records[-1]
        drawn: list[Figure] = []
        curves = [y for y in ("loss", "accuracy") if _is_curve(last, y)]
        if curves:
            drawn.append(self._draw_learning(curves))
        if last.reported.get("confusion"):
            drawn.append(self._draw_confusion())
        if last.reported.get("latency", {}).get("calls", 0) >= LEAST_CALLS_FOR_CHART:
            drawn.append(self._draw_calls())
        if max((len(series) for series in last.series.values()), default=0) >= card.LEAST_SAMPLES_FOR_CHART:
            drawn = [*self._draw_timeline(alone=not drawn), *drawn]
        if not drawn:
            return []
        from e2e_magic.views.charts.style import png

        return [png(figure) for figure in drawn]

    def _draw_timeline(self, *, alone: bool) -> list[Figure]:
        """Draw the samples: where nothing else is on the card a picture per panel, side by side."""
        from e2e_magic.views import charts, frames
        from e2e_magic.views.charts.timeline import panels

        last = self.records[-1]
        moved = max(float(last.readings.get(name, 0.0)) for name in ("read_mib", "write_mib"))
        samples = frames.samples([last], self._names)
        if moved < LEAST_MOVED_MIB:
            samples = samples[~samples["metric"].isin(["read_mib_now", "write_mib_now"])]
        if alone:
            parts = [samples[samples["metric"].isin(list(panel.names))] for panel in panels(samples)]
            return [_figure_of(charts.timeline(part, width_px=CHART_WIDTH_PX)) for part in parts or [samples]]
        # GPUs have four panels more: below each other they would be taller than a screen.
        columns = 2 if samples["metric"].str.startswith("gpu_").any() else 1
        return [_figure_of(charts.timeline(samples, width_px=columns * CHART_WIDTH_PX))]

    def _draw_learning(self, curves: Sequence[str]) -> Figure:
        from e2e_magic.views import charts, frames
        from e2e_magic.views.charts.style import figure

        # A target is named above the curves, which so small a chart leaves no room for beside them.
        heights = [CURVE_HEIGHT_PX + (LEGEND_HEIGHT_PX if self._target(y) is not None else 0) for y in curves]
        drawn = figure(CHART_WIDTH_PX, sum(heights))
        # The card shows the last repeat: a legend of all would hide so small a chart.
        epochs = frames.epochs(self.records[-1:], self._names)
        panels = drawn.subplots(len(curves), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, y in zip(panels, curves, strict=True):
            charts.learning(epochs, y=y, target=self._target(y), ax=axes)
        return drawn

    def _draw_confusion(self) -> Figure:
        from e2e_magic.views import charts, frames

        return _figure_of(charts.confusion(frames.confusions(self.records[-1:], self._names)))

    def _draw_calls(self) -> Figure:
        from e2e_magic.views import charts, frames
        from e2e_magic.views.charts.style import figure

        axes = figure(CHART_WIDTH_PX, CURVE_HEIGHT_PX * 1.3).add_subplot()
        return _figure_of(charts.call_times(frames.call_times(self.records[-1:], self._names), ax=axes))

    def _repr_html_(self) -> str | None:
        if self._brief or not self.records:
            return None
        try:
            images = self.images()
        except Exception as error:  # a chart that can't be drawn must not cost the numbers
            note = f"the chart could not be drawn ({type(error).__name__}: {error})"
            return card.html(self.records, extra_notes=[note])
        return card.html(self.records, images=images)

    def __repr__(self) -> str:
        if not self.records:
            return "no trial has finished yet"
        if self._brief:
            return card.line(self.records)
        return card.text(self.records)


class Panels(list["Axes"]):
    """The axes of one figure, which show it as the last value of a cell."""

    def _repr_html_(self) -> str:
        return _picture(self[0]) if self else ""


def _picture(axes: Axes) -> str:
    from e2e_magic.views.charts.style import png

    return card.picture(png(_figure_of(axes)))


def _figure_of(axes: Any) -> Figure:
    first = axes if hasattr(axes, "figure") else next(iter(axes))
    figure: Figure = first.figure
    return figure


def _is_curve(record: Record, name: str) -> bool:
    listed = record.reported.get(name)
    logged = {name, f"val_{name}"} & set(record.events.values)  # boosting logs the validation's only
    return (bool(logged) and len(record.events) > 1) or (isinstance(listed, list) and len(listed) > 1)
