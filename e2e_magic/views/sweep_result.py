"""The result of a sweep: its trials as a table, best first, its charts, its text and HTML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from e2e_magic.record import CUT_SHORT, Record
from e2e_magic.sweeping.schedule import Progress, worded
from e2e_magic.sweeping.space import Space
from e2e_magic.sweeping.sweep import Sweep
from e2e_magic.text import counted, quantity
from e2e_magic.views.result import Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


class _Both(Sequence[Record]):
    """The trials complete before a resumed sweep, and those that it added: it grows with both."""

    def __init__(self, before: Sequence[Record], added: Sequence[Record]) -> None:
        self._before = before
        self._added = added

    def __len__(self) -> int:
        return len(self._before) + len(self._added)

    def __getitem__(self, index: Any) -> Any:
        return [*self._before, *self._added][index]

    def __iter__(self) -> Iterator[Record]:
        yield from self._before
        yield from self._added


class SweepResult(Result):
    """The trials of a sweep: a table, best first, and charts.

    Parameters
    ----------
    sweep : Sweep
        Finished or not: the result follows it.
    names : mapping of str to str
        The runs' names by id.
    """

    def __init__(self, sweep: Sweep, names: Mapping[str, str] | None = None, *, brief: bool = False) -> None:
        super().__init__(_Both(sweep.schedule.skipped, sweep.records), names, brief=brief)
        self._sweep = sweep

    @property
    def id(self) -> str:
        """The sweep's id, as in the column ``sweep``."""
        return self._sweep.id

    @property
    def space(self) -> Space:
        """The space that was searched."""
        return self._sweep.plan.space

    @property
    def progress(self) -> Progress:
        """The progress of the sweep."""
        return self._sweep.progress

    @property
    def trials(self) -> pd.DataFrame:
        """The trials, best first (the columns of ``results``)."""
        from e2e_magic.views import frames

        goal = self._sweep.schedule.goal
        return frames.trials(self.records, self._names, metric=goal.name, maximize=goal.maximize)

    @property
    def best(self) -> dict[str, Any] | None:
        """The parameters of the best complete trial; None where there is none."""
        best = self._sweep.progress.best
        return None if best is None else dict(best.params)

    @property
    def summary(self) -> pd.DataFrame:
        """A row per combination, best first: the median of its repeats, and how far they spread.

        Columns: ``param_NAME``, ``repeats`` (complete trials), ``failed`` (an interrupted one is not),
        and for the target and wall time ``METRIC`` (median) and ``METRIC_mad`` (median absolute deviation
        from it), in the metric's unit.
        """
        from e2e_magic.views.sweep_summary import summary

        goal = self._sweep.schedule.goal
        return summary(self.frame, goal.name or "wall_time_s", maximize=goal.maximize)

    def plot(  # type: ignore[override]
        self,
        x: str | Sequence[str] | None = None,
        y: str | None = None,
        *,
        ax: Axes | None = None,
        **options: Any,
    ) -> Axes:
        """Draw the target, or another metric, over the parameters.

        Parameters
        ----------
        x : str or sequence of str, optional
            One parameter: a line over it. All of them when left out: one is a line, two a heat map, more
            are parallel coordinates. ``"epoch"`` is the epoch: ``["epoch", "batch_size"]``. A quantity that
            was logged or handed back per epoch (``"loss"``): its curves, laid over each other.
        y : str, optional
            A metric; the target when left out.
        ax : matplotlib Axes, optional
        **options
            ``kind`` of `charts.influence`: ``line``, ``heatmap``, ``surface``, ``parallel``, ``curves``.

        Returns
        -------
        Axes
            As the last value of a cell it shows its picture.
        """
        from e2e_magic.views import charts, frames

        # By the runs' ids: two runs may have one name, and epochs must find their trial.
        epochs = frames.epochs(self.records)
        if isinstance(x, str) and y is None and x not in self.space.names and x in epochs and x != "epoch":
            x, y, options = None, x, {"kind": "curves", **options}
        frame = frames.results(self.records)
        frame.attrs["metric"] = self._sweep.schedule.goal.name
        return charts.influence(frame, x=x, y=y, ax=ax, epochs=epochs, **options)

    def _repr_html_(self) -> str | None:
        if self._brief or not self.records:
            return None
        from e2e_magic.views.sweep_summary import html

        notes = []
        image = ""
        try:
            if self.progress.best is not None:
                from e2e_magic.views.charts.style import image as image_of

                image = image_of(self.plot())
        except Exception as error:  # noqa: BLE001 - a chart that can't be drawn must not cost the numbers
            notes.append(f"the chart could not be drawn ({type(error).__name__}: {error})")
        return html(self.summary, self._headline(), image=image, notes=[*notes, *self._notes()])

    def __repr__(self) -> str:
        if not self.records:
            return "no trial has finished yet"
        if self._brief:
            return self._headline()
        from e2e_magic.views.sweep_summary import text

        return "\n".join([self._headline(), text(self.summary), *self._notes()])

    def _headline(self) -> str:
        progress = self.progress
        states = [record.state for record in self.records]
        # A trial whose worker died and that was tried once more has two rows.
        ended = len(states) - progress.retried
        text = f"{self._sweep.plan.plan.stage}: {ended} of {counted(progress.total, 'trial')}"
        ended_early = {state: states.count(state) for state in ("failed", *CUT_SHORT)}
        ended_early["failed"] -= progress.retried
        counts = [f"{n} {state}" for state, n in ended_early.items() if n]
        if progress.retried:
            counts.append(f"{progress.retried} tried again as the worker died")
        if progress.skipped:
            counts.append(f"{progress.skipped} complete before")
        if counts:
            text += f" ({', '.join(counts)})"
        if progress.best is not None and progress.best_value is not None:
            value = quantity(progress.best_value, "s" if str(progress.target).endswith("_s") else "")
            text += f"; best {progress.target} {value} at {worded(progress.best.params)}"
        return text

    def _without_target(self) -> str:
        """Return that no trial that came to its end has the target, and what was logged; "" where one has."""
        target, complete = self.progress.target, [each for each in self.records if each.state == "complete"]
        if self.progress.best is not None or target is None or not complete:
            return ""
        logged = ", ".join(dict.fromkeys(name for each in complete for name in each.events.values))
        return f"target: no trial has {target}, so that none is the best; logged: {logged or 'nothing'}"

    def _notes(self) -> list[str]:
        """Return the caveats of these numbers, a sentence each."""
        sentences = [unknown] if (unknown := self._without_target()) else []
        if self._sweep.ended:
            sentences.append(f"{self._sweep.ended}: {counted(self.progress.left, 'trial')} not run")
        if self._sweep.plan.order == "balanced" and self.progress.left == 0:
            [name, *_] = self.space.names
            sentences.append(
                f"measured in balanced blocks: %e2e compare --by {name} compares them block by block"
            )
        if any(record.concurrent for record in self.records):
            sentences.append(
                "trials ran side by side: they disturb each other's times, and energy is missing"
            )
        if any(record.reported.get("cold") for record in self.records):
            from e2e_magic.views.frames.cold_starts import cold_starts

            complete = self.frame[self.frame["state"] == "complete"]
            metrics = dict.fromkeys([self.progress.target or "wall_time_s", "wall_time_s"])
            sentences += [cold] if (cold := cold_starts(complete, metrics)) else []
        return sentences
