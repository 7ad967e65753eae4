"""Runs side by side: per stage and metric a ratio with its interval, a verdict, and words for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from e2e_magic.derived.comparison_headlines import by_metric, headlines, not_told
from e2e_magic.derived.comparison_sentences import sentences
from e2e_magic.derived.failures import Failures
from e2e_magic.measuring.plan import PlanError, nearest
from e2e_magic.text import legible
from e2e_magic.views import naming
from e2e_magic.views.guard import RegressionError, UndecidedError, check, share_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from e2e_magic.record import Run

__all__ = ["Comparison", "RegressionError", "UndecidedError", "compare", "share_of"]

PLOTS = ("bars", "drift", "loss", "accuracy", "cost")
MOST_LINES = 30
_NO_RUNS: Mapping[str, Sequence[Run]] = {}
_NONE_YET = "; there are none yet: measure a cell first"
_COLUMNS = (
    "stage", "metric", "baseline", "run", "n_baseline", "n", "median_baseline", "median", "ratio",
    "ratio_low", "ratio_high", "p_value", "test", "verdict", "repeats_needed", "better", "reason",
)  # fmt: skip


class Comparison:
    """Runs compared with a baseline.

    Parameters
    ----------
    frame : DataFrame
        A row per stage, metric and run: ``stage metric baseline run n_baseline n median_baseline median
        ratio ratio_low ratio_high p_value test verdict repeats_needed better reason``.
    results : DataFrame
        The trials that were compared.
    epochs : DataFrame or callable
        What they logged, for the curves; a callable is asked when the first curve is drawn.
    baseline : str
        The run that the others are compared with.
    runs : sequence of str
        The others, in order.
    notes : sequence of str
        What a reader should know besides.
    unlike : sequence of str
        Differences between the runs, a sentence each; they are reported before the ratios.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        results: pd.DataFrame,
        epochs: pd.DataFrame | Callable[[], pd.DataFrame],
        baseline: str,
        runs: Sequence[str],
        notes: Sequence[str] = (),
        unlike: Sequence[str] = (),
    ) -> None:
        self.frame = frame
        self.results = results
        self._epochs = epochs
        self.baseline = baseline
        self.runs = tuple(runs)
        self.notes = tuple(notes)
        self.unlike = tuple(unlike)

    @property
    def epochs(self) -> pd.DataFrame:
        """What the compared runs logged, the baseline first."""
        logged = self._epochs() if callable(self._epochs) else self._epochs
        order = {name: n for n, name in enumerate((self.baseline, *self.runs))}
        places = logged["run"].astype(object).map(order)
        stages = set(self.results["stage"])
        kept = places.notna() & logged["stage"].astype(object).isin(stages)
        rows = logged[kept].iloc[places[kept].argsort(kind="stable")]
        rows.attrs = dict(logged.attrs)
        return rows

    def plot(
        self, kind: str | None = None, *, x: str | None = None, y: str | None = None, ax: Axes | None = None
    ) -> Axes:
        """Draw the comparison.

        Parameters
        ----------
        kind : {"bars", "drift", "loss", "accuracy", "cost"}, optional
            ``bars`` (default): the ratios with their intervals, per stage. ``drift``: the values in the order
            in which they were measured, coloured by run. ``loss``, ``accuracy``: the
            runs' curves laid over each other from a common zero. ``cost``: cost against gain, a point
            per run.
        x : str, optional
            For curves ``"epoch"`` (default) or ``"t_s"``, seconds since the trial's start; for ``cost``
            the cost's column (``wall_time_s``).
        y : str, optional
            For ``cost`` the gain's column (``accuracy``, else ``loss``, else ``throughput_per_s``); for
            ``drift`` the metric (the first that is compared).
        ax : matplotlib Axes, optional

        Raises
        ------
        PlanError
            For an unknown chart or column.
        """
        from e2e_magic.views import charts

        if kind in (None, "bars"):
            drawn = charts.comparison(self.frame, ax=ax)
        elif kind == "drift":
            _metrics(self.results, [y] if y is not None else [])
            metric = y or next(iter(self.frame["metric"]), None)
            drawn = charts.drift(self.results, [self.baseline, *self.runs], y=metric, ax=ax)
        elif kind in ("loss", "accuracy"):
            epochs = self.epochs
            logged = [name for name in (kind, f"val_{kind}") if name in epochs]
            if logged:
                epochs = epochs[epochs[logged].notna().any(axis=1)]
            drawn = charts.learning(epochs, y=kind, x=x or "epoch", ax=ax)  # type: ignore[arg-type]
        elif kind == "cost":
            _metrics(self.results, [name for name in (x, y) if name is not None])
            from e2e_magic.views.frames import own_executions

            drawn = charts.gain(own_executions(self.results), x=x or "wall_time_s", y=y, ax=ax)
        else:
            raise PlanError(
                f"plot: there is no chart {kind!r}{nearest(str(kind), PLOTS)}; allowed are {', '.join(PLOTS)}"
            )
        return drawn

    def check(self, fail_over: float | str, on_doubt: str | None = None) -> None:
        """Raise unless every metric is shown to be no worse than the baseline by a share.

        A metric passes only where the whole 95 % interval of its difference is below the bound, and fails
        only where all of it is above; else the guard can't decide, and reports the repeats needed. The same
        holds for trials that diverged, missed their target or failed, where they are more than the
        baseline's: see `failures.answer`. Metrics of which neither direction is an improvement are left
        out. How often it passes and fails is in `verdicts.guarded`.

        Parameters
        ----------
        fail_over : float or str
            A share such as ``0.1``, or ``"10%"``.
        on_doubt : {"pass", "fail"}, optional
            What the guard does where it can't decide, instead of raising `UndecidedError`.

        Raises
        ------
        RegressionError
            Where a metric is worse, and by `on_doubt` where the guard can't tell.
        UndecidedError
            A `RegressionError`: where no metric is shown to be worse and the guard can't decide on some.
        """
        check(self, fail_over, on_doubt)

    def sentences(self) -> list[str]:
        """Return the comparison in words, a sentence per stage and run."""
        failures, lost = self._failures, {}
        for stage, run in failures:
            both = [failures[stage, name].sentence(legible(name)) for name in (self.baseline, run)]
            if run != self.baseline:
                lost[stage, run] = ", ".join(filter(None, both))
        return sentences(list(self.frame.itertuples()), lost)

    @property
    def order(self) -> list[str]:
        """What the order of the trials means for the verdicts, a sentence each."""
        return list(self.frame.attrs.get("order", ()))

    def headlines(self) -> list[str]:
        """Return a line per run: what differs most, in words, and how much else doesn't."""
        said = headlines(
            list(self.frame.itertuples()), self.runs, self._failures, self.frame.attrs.get("held", ())
        )
        return said or ["nothing was measured in both: see results()"]

    def untold(self) -> list[str]:
        """Return what came to nothing, has too few repeats or can't be told, with why and what to do."""
        return not_told(list(self.frame.itertuples()), self.runs, self._failures)

    @property
    def _failures(self) -> Mapping[tuple[str, str], Failures]:
        failures: Mapping[tuple[str, str], Failures] = self.frame.attrs.get("failures", {})
        return failures

    def lines(self) -> list[str]:
        """Return the whole comparison in words: a line per run, what is unlike, then only what differs."""
        heads = self.headlines()
        told = [*by_metric(list(self.frame.itertuples())), *self.untold()]
        if len(told) > MOST_LINES:
            told = [*told[:MOST_LINES], f"and {len(told) - MOST_LINES} more: see .frame"]
        return [*heads, *self.unlike, *told, *self.order, *self.notes]

    def __repr__(self) -> str:
        lines = (f"  {line}" for line in self.lines())
        return "\n".join([f"compared with {legible(self.baseline)}:", *lines])

    def _repr_html_(self) -> str:
        return self.html()

    def html(self, *kinds: str) -> str:
        """Return finding, charts (see `plot`; left out: bars, of blocks the drift too) and table, escaped."""
        from e2e_magic.views.comparison_page import page

        return page(self, kinds)


def compare(
    results: pd.DataFrame,
    epochs: pd.DataFrame | Callable[[], pd.DataFrame],
    runs: Sequence[str] = (),
    *,
    stage: str | Sequence[str] | None = None,
    metric: str | Sequence[str] | None = None,
    baseline: str | None = None,
    sources: Sequence[object] = (),
    least: float | str | None = None,
    environments: Mapping[str, Sequence[Run]] = _NO_RUNS,
) -> Comparison:
    """Compare runs with a baseline, stage by stage and metric by metric.

    Only complete trials count. Trials of a sweep are compared with those of the same parameters.

    Parameters
    ----------
    results : DataFrame
        The results frame.
    epochs : DataFrame or callable
        The epochs frame, or what returns it.
    runs : sequence of str
        Names of runs; all of them when empty.
    stage, metric : str or sequence of str, optional
        Only these; by default every stage, and of the usual metrics (`frames.comparisons.METRICS`) those with
        values.
    baseline : str, optional
        The run to compare with; the first one named, else the first of all.
    sources : sequence, optional
        What stands for the source of each row's cell: of an edited cell only the newest counts.
    least : float or str, optional
        The smallest difference that matters, as a share such as ``0.05`` or ``"5%"``; by default 0.1 points
        of accuracy and the like, 1 % of all else.
    environments : mapping of str to sequence of Run, optional
        The runs behind each name; their differences are reported.

    Raises
    ------
    PlanError
        For an unknown run, stage or metric (the error names the nearest one), and for fewer than two runs.
    """
    from e2e_magic.views import unlike
    from e2e_magic.views.frames import schema
    from e2e_magic.views.frames.comparisons import METRICS, newest_cells, ratios, settings

    names = list(dict.fromkeys(results.sort_values("started_at", kind="stable")["run"].astype(object)))
    named = [*runs, *([baseline] if baseline is not None else ())]
    naming.chosen("compare: there is no run", named, names, _NONE_YET)
    chosen = list(dict.fromkeys(runs or names))
    if baseline is None and chosen:
        baseline = chosen[0]
    others = [name for name in chosen if name != baseline]
    if baseline is None or not others:
        listed = [legible(str(name)) for name in names]
        have = f"only {listed[0]} has trials" if len(listed) == 1 else "no run has trials"
        if len(listed) > 1:
            have = f"named is only {legible(str(chosen[0]))}, there are {', '.join(listed)}"
        raise PlanError(f"compare: two runs are needed, but {have}", "; %e2e run NAME starts the next one")
    stages = naming.chosen("compare: there is no stage", stage, results["stage"].astype(object), _NONE_YET)
    metrics = _metrics(results, metric)
    smallest = None if least is None else share_of(least, "least")
    edited: list[str] = []
    apart: list[str] = []
    if len(sources):
        apart += unlike.of_sources(results, sources, baseline, others)
        results, edited = newest_cells(results, sources, [baseline, *others])
    taken = results[results["run"].astype(object).isin([baseline, *others]).to_numpy(dtype=bool)]
    if stages:
        taken = taken[taken["stage"].astype(object).isin(stages).to_numpy(dtype=bool)]
    frame, notes = ratios(
        taken, baseline, others, metrics or METRICS, _COLUMNS, named=bool(metrics), least=smallest
    )
    frame.attrs["runs"] = results.attrs.get("runs") or names
    complete = schema.complete(taken)
    apart = [
        *apart,
        *unlike.of_runs({name: environments[name] for name in (baseline, *others) if name in environments}),
        *unlike.of_trials(complete, settings(complete), baseline, others),
    ]
    return Comparison(frame, taken, epochs, baseline, others, [*notes, *edited], apart)


def _metrics(results: pd.DataFrame, value: str | Sequence[str] | None) -> list[str]:
    """Return the named metrics as a list; an error lists those that have values."""
    from e2e_magic.views.frames import schema

    columns = schema.numbers(results)
    return naming.chosen(
        "compare: there is no metric", value, columns, _NONE_YET, listed=schema.filled(results, columns)
    )
