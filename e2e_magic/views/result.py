"""The result of a measured cell: its frames, its charts, its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from e2e_magic.measuring.plan import PlanError, nearest
from e2e_magic.record import Reason, Record, sentences

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

PLOTS = ("samples", "loss", "accuracy", "confusion", "latency", "energy")
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
        Whether it is displayed in one line instead of as a card.

    Attributes
    ----------
    said : frozenset of Reason
        What earlier cards have said: see `card.html`.
    """

    said: frozenset[Reason] = frozenset()

    def __init__(
        self, records: Sequence[Record], names: Mapping[str, str] | None = None, *, brief: bool = False
    ) -> None:
        self.records = records
        self._names = names or {}
        self._brief = brief

    def set_names(self, names: Mapping[str, str]) -> None:
        """Update the runs' names to the current ones."""
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
    def lines(self) -> pd.DataFrame:
        """What ``--lines`` counted, a row per line that ran (the columns of ``lines``)."""
        from e2e_magic.views import frames

        return frames.lines(self.records, self._names)

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
        return sentences({**last.missing, **derive(last).missing})

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
            For an unknown chart.
        """
        from e2e_magic.views import charts

        if kind == "samples":
            from e2e_magic.views.charts.style import Panels

            return Panels(charts.timeline(self.samples))
        if kind in ("loss", "accuracy"):
            drawn = charts.learning(self.epochs, y=kind, x=x, target=self._target(kind), ax=ax)
        elif kind == "confusion":
            drawn = charts.confusion(self.confusions, ax=ax)
        elif kind == "latency":
            from e2e_magic.views import frames

            drawn = charts.latency_distribution(frames.latency_distribution(self.records, self._names), ax=ax)
        elif kind == "energy":
            drawn = charts.energy_against_accuracy(self.frame, ax=ax)
        else:
            raise PlanError(
                f"plot: there is no chart {kind!r}{nearest(kind, PLOTS)}; allowed are {', '.join(PLOTS)}"
            )
        return drawn

    def _target(self, kind: str) -> float | None:
        return (
            self.records[-1].reported.get("target_accuracy") if kind == "accuracy" and self.records else None
        )

    def _repr_html_(self) -> str | None:
        if self._brief or not self.records:
            return None
        from e2e_magic.views import card

        return card.html(self.records, said=self.said)

    def __repr__(self) -> str:
        if not self.records:
            return "no trial has finished yet"
        from e2e_magic.views import card

        if self._brief:
            return card.line(self.records)
        return card.text(self.records, self.said)
