"""The Python side of ``%e2e compare``, ``influence`` and ``pareto``: what the frames of a session say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from e2e_magic.legible import legible
from e2e_magic.plan import PlanError
from e2e_magic.session import Session, current

if TYPE_CHECKING:
    from datetime import date, timedelta

    import pandas as pd

    from e2e_magic.comparing import Comparison
    from e2e_magic.record import Record, Run

    When = str | date | timedelta

# Of so many runs of one name the ids are said.
_MOST_NAMED = 6


def compare(
    *runs: str,
    stage: str | Sequence[str] | None = None,
    metric: str | Sequence[str] | None = None,
    baseline: str | None = None,
    fail_over: float | str | None = None,
    all: bool = False,  # noqa: A002 - as the line's --all
) -> Comparison:
    """Compare runs, stage by stage: what is faster, what takes more, and how sure that is.

    Parameters
    ----------
    *runs : str
        Names or ids; the first is the one that the others are compared with. All runs of this kernel
        when left out.
    stage, metric : str or sequence of str, optional
        Only these.
    baseline : str, optional
        The run to compare with, instead of the first.
    fail_over : float or str, optional
        A share, ``0.1`` or ``"10%"``: raise `RegressionError` where a metric is worse than the baseline
        by more, or where too few repeats can't tell.
    all : bool
        Also the runs in the store. A run that is named and not of this kernel is looked up there anyway;
        with a `baseline` and no run named, this kernel's runs are compared with it.

    Returns
    -------
    Comparison
        With ``.frame``, ``.plot()`` and a text in words.

    Raises
    ------
    PlanError
        For a run, stage or metric that there is not, or fewer than two runs.
    RegressionError
        See `fail_over`.
    """
    from e2e_magic.comparing import share_of

    share = None if fail_over is None else share_of(fail_over)
    session = current()
    named = [*runs, *([baseline] if baseline is not None else [])]
    here = session.names()
    # A run that this kernel doesn't have can only be in the store.
    kept = any(name not in here and name not in here.values() for name in named)
    if (all or kept) and baseline is not None and not runs:  # this kernel against a baseline that was kept
        runs = tuple(dict.fromkeys(session.frame("results")["run"].astype(object)))
    made = compared(
        session, runs, stage=stage, metric=metric, baseline=baseline, all=all or kept, own_first=not all
    )
    if share is not None:
        made.check(share if share <= 1 else f"{100 * share}%")
    return made


def compared(
    session: Session,
    runs: Sequence[str] = (),
    *,
    stage: str | Sequence[str] | None = None,
    metric: str | Sequence[str] | None = None,
    baseline: str | None = None,
    all: bool = False,  # noqa: A002 - as the line's --all
    own_first: bool = False,
) -> Comparison:
    """Compare runs of a session; see `compare`.

    Runs that share a name are taken together, and a note says so; one that is named by its id stands
    alone, and so do all where there is but one name. With `own_first` the name of a run of this kernel
    doesn't mean older ones in the store, of which a guard against regressions would count the trials too.
    """
    from e2e_magic import derived, frames
    from e2e_magic.comparing import compare as beside

    asked = [*runs, *([baseline] if baseline is not None else [])]
    mine = session.names() if own_first else {}
    known = [
        run
        for run in session.known_runs(all=all)
        if run.id in mine or run.id in asked or run.name not in mine.values()
    ]
    counted = session.archive.counts(everything=all)
    for name in asked:
        meant = [run.id for run in known if name in (run.id, run.name)]
        if meant and counted.keys().isdisjoint(meant):
            raise PlanError(f"compare: the run {legible(name)} has no trial yet; measure a cell in it first")
    labels = _labels(known, asked, counted)

    def records() -> Iterable[Record]:
        found = session.archive.stream(everything=all, series=derived.CURVES)
        return (record for record in found if record.run in labels)

    made = beside(
        frames.results(records(), labels),
        lambda: frames.epochs(list(records()), labels),
        [labels.get(run, run) for run in runs],
        stage=stage,
        metric=metric,
        baseline=baseline if baseline is None else labels.get(baseline, baseline),
    )
    for name in (made.baseline, *made.runs):
        ids = [run.id for run in known if labels[run.id] == name and run.id in counted]
        if len(ids) > 1:
            made.notes += (
                f"{len(ids)} runs are named {legible(name)} and are taken together: {_listed(ids)}",
            )
    return made


def _labels(runs: Sequence[Run], asked: Sequence[str], counted: Collection[str]) -> dict[str, str]:
    """Return what each run (its id) is called; one that was asked for by its id has a name of its own.

    So has each where none was asked for and all that have trials (`counted`) share one name: there would
    be nothing to compare.
    """
    shared = Counter(run.name for run in runs)
    alike = not asked and len({run.name for run in runs if run.id in counted}) == 1
    return {
        run.id: f"{run.name} ({run.id})" if shared[run.name] > 1 and (alike or run.id in asked) else run.name
        for run in runs
    }


def _listed(ids: Sequence[str]) -> str:
    more = len(ids) - _MOST_NAMED
    return ", ".join(ids[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def influence(
    *,
    stage: str | None = None,
    x: str | Sequence[str] | None = None,
    y: str | Sequence[str] | None = None,
    run: str | None = None,
    all: bool = False,  # noqa: A002 - as the line's --all
    since: When | None = None,
) -> pd.DataFrame:
    """Return how much of each metric's spread over a sweep's trials each parameter explains.

    Parameters
    ----------
    stage : str, optional
        Only the sweeps of this stage.
    x, y : str or sequence of str, optional
        Only these parameters and metrics.
    run : str, optional
        Only the sweeps of this run (name or id); one that this kernel doesn't have is looked for in the
        store.
    all : bool
        All that the store holds, with what this kernel has measured.
    since : str, date, datetime or timedelta, optional
        All of the store that started then or later; see `results`.

    Returns
    -------
    DataFrame
        ``stage metric param share share_low share_high chance levels trials binned reason``; in words in
        ``attrs["summary"]``.
    """
    from e2e_magic import frames

    trials = current().frame("trials", stage=stage, run=run, all=all, since=since)
    return frames.influence(trials, x=x, y=y)


def pareto(
    x: str,
    y: str,
    *,
    stage: str | None = None,
    run: str | None = None,
    all: bool = False,  # noqa: A002 - as the line's --all
    since: When | None = None,
) -> pd.DataFrame:
    """Return the settings of sweeps, marked where nothing beats them in two metrics.

    Parameters
    ----------
    x, y : str
        Metrics, such as ``"package_energy_j"`` and ``"accuracy"``.
    stage : str, optional
        Only the sweeps of this stage.
    run : str, optional
        Only the sweeps of this run (name or id); one that this kernel doesn't have is looked for in the
        store.
    all : bool
        All that the store holds, with what this kernel has measured.
    since : str, date, datetime or timedelta, optional
        All of the store that started then or later; see `results`.

    Returns
    -------
    DataFrame
        A row per setting with its parameters, the two metrics, ``repeats`` and ``unbeaten``; in words in
        ``attrs["summary"]``.
    """
    from e2e_magic import frames

    trials = current().frame("trials", stage=stage, run=run, all=all, since=since)
    return frames.pareto(trials, x, y)
