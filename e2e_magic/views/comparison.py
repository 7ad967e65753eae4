"""Runs side by side: per stage and metric a ratio with its interval, a verdict, and words for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from e2e_magic.derived.sentences import sentences, worse_by
from e2e_magic.measuring.plan import PlanError, nearest
from e2e_magic.text import legible

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

PLOTS = ("bars", "loss", "accuracy", "cost")
MOST_LINES = 30
_COLUMNS = (
    "stage", "metric", "baseline", "run", "n_baseline", "n", "median_baseline", "median", "ratio",
    "ratio_low", "ratio_high", "p_value", "test", "verdict", "repeats_needed", "better", "reason",
)  # fmt: skip

# Of those, what a table in a page has room for.
_SHOWN = (
    "stage", "metric", "run", "n", "median_baseline", "median", "ratio", "ratio_low", "ratio_high", "verdict",
)  # fmt: skip


class RegressionError(RuntimeError):
    """A run is worse than its baseline, or too few repeats can't tell: a guard in CI fails on it.

    It is no ``UsageError``, so that nbclient and papermill stop and give an exit status.
    """

    def _render_traceback_(self) -> list[str]:
        # IPython asks for it: the reader needs the sentence, not our frames.
        return [f"{type(self).__name__}: {self}"]


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
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        results: pd.DataFrame,
        epochs: pd.DataFrame | Callable[[], pd.DataFrame],
        baseline: str,
        runs: Sequence[str],
        notes: Sequence[str] = (),
    ) -> None:
        self.frame = frame
        self.results = results
        self._epochs = epochs
        self.baseline = baseline
        self.runs = tuple(runs)
        self.notes = tuple(notes)

    @property
    def epochs(self) -> pd.DataFrame:
        """What the compared runs logged, the baseline first."""
        found = self._epochs() if callable(self._epochs) else self._epochs
        order = {name: n for n, name in enumerate((self.baseline, *self.runs))}
        places = found["run"].astype(object).map(order)
        stages = set(self.results["stage"])
        kept = places.notna() & found["stage"].astype(object).isin(stages)
        made = found[kept].iloc[places[kept].argsort(kind="stable")]
        made.attrs = dict(found.attrs)
        return made

    def plot(
        self, kind: str | None = None, *, x: str | None = None, y: str | None = None, ax: Axes | None = None
    ) -> Axes:
        """Draw the comparison.

        Parameters
        ----------
        kind : {"bars", "loss", "accuracy", "cost"}, optional
            ``bars`` (default): the ratios with their intervals, per stage. ``loss``, ``accuracy``: the
            runs' curves laid over each other from a common zero. ``cost``: cost against gain, a point
            per run.
        x : str, optional
            For curves ``"epoch"`` (default) or ``"t_s"``, seconds since the trial's start; for ``cost``
            the cost's column (``wall_time_s``).
        y : str, optional
            For ``cost`` the gain's column (``accuracy``, else ``loss``, else ``throughput_per_s``).
        ax : matplotlib Axes, optional

        Raises
        ------
        PlanError
            For a chart or a column that there is not.
        """
        from e2e_magic.views import charts

        if kind in (None, "bars"):
            drawn = charts.comparison(self.frame, ax=ax)
        elif kind in ("loss", "accuracy"):
            epochs = self.epochs
            logged = [name for name in (kind, f"val_{kind}") if name in epochs]
            if logged:
                epochs = epochs[epochs[logged].notna().any(axis=1)]
            drawn = charts.learning(epochs, y=kind, x=x or "epoch", ax=ax)  # type: ignore[arg-type]
        elif kind == "cost":
            _metrics(self.results, [name for name in (x, y) if name is not None])
            drawn = charts.gain(self.results, x=x or "wall_time_s", y=y, ax=ax)
        else:
            raise PlanError(
                f"plot: there is no chart {kind!r}{nearest(str(kind), PLOTS)}; allowed are {', '.join(PLOTS)}"
            )
        return drawn

    def check(self, fail_over: float | str) -> None:
        """Raise `RegressionError` unless every metric is known to be no worse than the baseline by a share.

        It fails where the median is worse by more than the share *and* the difference is real (p < 0.05
        and an interval beside 1). A guard that can't tell must not pass: with too few repeats, or values
        on one side only, it fails too and says how many are needed. Metrics of which neither direction
        is an improvement are left out.

        Parameters
        ----------
        fail_over : float or str
            A share such as ``0.1``, or ``"10%"``.
        """
        share = share_of(fail_over)
        if not len(self.frame):
            raise RegressionError(f"compare: there is nothing to compare with {legible(self.baseline)}")
        judged = [row for row in self.frame.itertuples() if row.better in ("lower", "higher")]
        if not judged:
            names = ", ".join(dict.fromkeys(self.frame["metric"]))
            raise RegressionError(f"compare: of {names} neither more nor less is worse: name another metric")
        unsure = [row for row in judged if row.verdict == "too few repeats"]
        worse = [row for row in judged if worse_by(row) > share]
        said = []
        if worse:
            said.append(
                f"worse than the baseline {legible(self.baseline)} by more than {100 * share:g} %: "
                + "; ".join(sentences(worse))
            )
        if unsure:
            said.append(f"it can't be told whether this is no worse than {legible(self.baseline)}: ")
            said[-1] += "; ".join(sentences(unsure))
        if said:
            raise RegressionError("compare: " + ". And ".join(said))

    def sentences(self) -> list[str]:
        """Return the comparison in words, a sentence per stage and run."""
        return sentences(list(self.frame.itertuples()))

    def __repr__(self) -> str:
        said = self.sentences() or ["nothing was measured in both: see results()"]
        if len(said) > MOST_LINES:
            said = [*said[:MOST_LINES], f"and {len(said) - MOST_LINES} more: see .frame"]
        return "\n".join(
            [f"compared with {legible(self.baseline)}:", *(f"  {line}" for line in (*said, *self.notes))]
        )

    def _repr_html_(self) -> str:
        return self.html()

    def html(self, kind: str = "bars") -> str:
        """Return the sentences, one chart (see `plot`) and the table as HTML, all names escaped."""
        from e2e_magic.views.frames import TidyFrame

        head, *lines = repr(self).splitlines()
        listed = "".join(f"<li>{escape(line.strip())}</li>" for line in lines)
        try:
            from e2e_magic.views.charts.style import image

            chart = image(self.plot(kind)) if len(self.frame) else ""
        except Exception as error:  # noqa: BLE001 - a chart that can't be drawn must not cost the words
            chart = escape(f"the chart could not be drawn ({type(error).__name__}: {error})")
        table = ""
        if len(self.frame):
            tests = ", ".join(dict.fromkeys(self.frame["test"].dropna()))
            foot = f"test: {tests}; " if tests else ""
            shown = TidyFrame.of(self.frame[list(_SHOWN)])._repr_html_() or ""
            # The table scrolls by itself: in a narrow window the words above stay where they are.
            table = f'<div style="overflow-x:auto">{shown}</div><div>{escape(foot)}more columns: .frame</div>'
        return (
            f'<div class="e2e-comparison"><div style="overflow-wrap:anywhere">{escape(head)}'
            f'<ul style="margin:0 0 8px">{listed}</ul></div>{chart}{table}</div>'
        )


def compare(
    results: pd.DataFrame,
    epochs: pd.DataFrame | Callable[[], pd.DataFrame],
    runs: Sequence[str] = (),
    *,
    stage: str | Sequence[str] | None = None,
    metric: str | Sequence[str] | None = None,
    baseline: str | None = None,
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
        Only these; by default every stage, and of the usual metrics (`frames.ratios.METRICS`) those with
        values.
    baseline : str, optional
        The run to compare with; the first one named, else the first of all.

    Raises
    ------
    PlanError
        For a run, stage or metric that there is not, with the nearest word, and for fewer than two runs.
    """
    known = list(dict.fromkeys(results.sort_values("started_at", kind="stable")["run"].astype(object)))
    for name in (*runs, *([baseline] if baseline is not None else ())):
        _known("run", name, known)
    chosen = list(dict.fromkeys(runs or known))
    if baseline is None and chosen:
        baseline = chosen[0]
    others = [name for name in chosen if name != baseline]
    if baseline is None or not others:
        told = [legible(str(name)) for name in known]
        have = f"only {told[0]} has trials" if len(told) == 1 else "no run has trials"
        if len(told) > 1:
            have = f"named is only {legible(str(chosen[0]))}, there are {', '.join(told)}"
        raise PlanError(f"compare: two runs are needed, but {have}", "; %e2e run NAME starts the next one")
    stages = _words("stage", stage, dict.fromkeys(results["stage"].astype(object)))
    metrics = _metrics(results, metric)
    taken = results[results["run"].astype(object).isin([baseline, *others]).to_numpy(dtype=bool)]
    if stages:
        taken = taken[taken["stage"].astype(object).isin(stages).to_numpy(dtype=bool)]
    from e2e_magic.views.frames.ratios import METRICS, ratios

    frame, notes = ratios(taken, baseline, others, metrics or METRICS, _COLUMNS, named=bool(metrics))
    return Comparison(frame, taken, epochs, baseline, others, notes)


def share_of(fail_over: float | str) -> float:
    """Read ``0.1`` or ``"10%"`` as a share.

    Raises
    ------
    PlanError
        For anything else, also a bare ``10``, which may mean 10 % or ten times.
    """
    try:
        text = fail_over.strip() if isinstance(fail_over, str) else None
        percent = text is not None and text.endswith("%")
        share = float((text or "").rstrip("% ")) / 100 if percent else float(fail_over)
    except (TypeError, ValueError):
        share, percent = math.nan, False
    if not (math.isfinite(share) and share >= 0) or (share > 1 and not percent):
        raise PlanError(
            f"fail_over: expected a share such as 10% or 0.1 (150% for more than all of it), "
            f"got {fail_over!r}"
        )
    return share


def _known(what: str, name: object, known: Iterable[object], shown: Iterable[object] = ()) -> None:
    names = [str(one) for one in known]
    if str(name) not in names:
        told = [str(one) for one in shown] or names
        raise PlanError(
            f"compare: there is no {what} {legible(str(name))!r}{nearest(str(name), names)}; "
            f"there are {', '.join(map(legible, told)) or 'none yet: measure a cell first'}"
        )


def _words(what: str, value: str | Sequence[str] | None, known: Iterable[object]) -> list[str]:
    """Return what was named as a list, each word a known one."""
    names = [value] if isinstance(value, str) else list(value or ())
    known = list(known)
    for name in names:
        _known(what, name, known)
    return names


def _metrics(results: pd.DataFrame, value: str | Sequence[str] | None) -> list[str]:
    """Return the metrics that were named as a list; an error lists those that have values."""
    from e2e_magic.views.frames.explained import filled, numbers

    names = [value] if isinstance(value, str) else list(value or ())
    known = numbers(results)
    for name in names:
        _known("metric", name, known, filled(results, known))
    return names
