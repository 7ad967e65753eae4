"""The Python side of ``%e2e compare``, ``influence``, ``pareto`` and ``why``, on the frames of a session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from e2e_magic.api.by_parameter import compare_values
from e2e_magic.measuring.plan import PlanError
from e2e_magic.session import Session, current
from e2e_magic.storage import Selection
from e2e_magic.text import legible

if TYPE_CHECKING:
    from datetime import date, timedelta

    import pandas as pd

    from e2e_magic.record import Record, Run
    from e2e_magic.views.comparison import Comparison
    from e2e_magic.views.diagnosis import Diagnosis

    When = str | date | timedelta

# The most ids that a note lists of runs of one name.
_MOST_NAMED = 6


def compare(
    *runs: str,
    stage: str | Sequence[str] | None = None,
    metric: str | Sequence[str] | None = None,
    baseline: str | None = None,
    fail_over: float | str | None = None,
    on_doubt: Literal["pass", "fail"] | None = None,
    least: float | str | None = None,
    by: str | None = None,
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
        by more, and `UndecidedError`, which is one, where these repeats can't tell.
    on_doubt : {"pass", "fail"}, optional
        Pass, or raise `RegressionError` itself, where they can't tell.
    least : float or str, optional
        The smallest difference that matters, such as ``"5%"``; by default 0.1 points of accuracy and the
        like, 1 % of all else.
    by : str, optional
        A parameter: the trials of sweeps are compared by its values instead, those of `runs` only where some
        are named. `baseline` is a value then, the first that was tried when left out. Trials that were
        measured in blocks (``--order balanced``) are compared block by block.
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
    return compare_in(
        current(),
        runs,
        stage=stage,
        metric=metric,
        baseline=baseline,
        fail_over=fail_over,
        on_doubt=on_doubt,
        least=least,
        by=by,
        everything=all,
    )


def compare_in(
    session: Session,
    runs: Sequence[str] = (),
    *,
    stage: str | Sequence[str] | None = None,
    metric: str | Sequence[str] | None = None,
    baseline: str | None = None,
    fail_over: float | str | None = None,
    on_doubt: str | None = None,
    least: float | str | None = None,
    by: str | None = None,
    everything: bool = False,
) -> Comparison:
    """Compare runs of a session; parameters as of `compare`, `everything` is its `all`.

    Runs that share a name are taken together, and a note says so; one that is named by its id stands
    alone, and so do all where there is but one name. Without `everything` the name of a run of this kernel
    doesn't mean older ones in the store, of which a guard against regressions would count the trials too.
    """
    from e2e_magic import derived
    from e2e_magic.views import frames
    from e2e_magic.views.comparison import compare as beside
    from e2e_magic.views.comparison import share_of

    for option, value in (("fail_over", fail_over), ("least", least)):
        if value is not None:
            share_of(value, option)  # raises on a wrong value before anything is read
    if by is not None:
        chosen = {"stage": stage, "metric": metric, "baseline": baseline, "least": least}
        comparison = compare_values(session, by, runs, everything=everything, **chosen)
        if fail_over is not None:
            comparison.check(fail_over, on_doubt)
        return comparison
    named = [*runs, *([baseline] if baseline is not None else [])]
    own = session.names()
    selection = session.reader.including(Selection(everything=everything), *named)
    if selection.everything and baseline is not None and not runs:  # this kernel against the store's baseline
        runs = tuple(dict.fromkeys(own[run] for run in session.reader.counts()))
    if everything:
        own = {}
    candidates = [
        run
        for run in session.runs_of(selection)
        if run.id in own or run.id in named or run.name not in own.values()
    ]
    counted = session.reader.counts(selection)
    for name in named:
        meant = [run.id for run in candidates if name in (run.id, run.name)]
        if meant and counted.keys().isdisjoint(meant):
            raise PlanError(f"compare: the run {legible(name)} has no trial yet; measure a cell in it first")
    labels = _labels(candidates, named, counted)

    def records() -> Iterable[Record]:
        only = _only(labels, named if runs else [], counted)
        stream = session.reader.records(selection, derived.CURVES, only)
        return (record for record in stream if record.run in labels)

    sources: list[int | None] = []

    def noted() -> Iterator[Record]:
        for record in records():
            sources.append(None if record.source is None else hash(record.source))
            yield record

    comparison = beside(
        frames.results(noted(), labels),
        lambda: frames.epochs(list(_apart(records(), labels)), labels),
        [labels.get(run, run) for run in runs],
        stage=stage,
        metric=metric,
        baseline=baseline if baseline is None else labels.get(baseline, baseline),
        sources=sources,
        least=least,
        environments={
            name: [run for run in candidates if labels[run.id] == name and run.id in counted]
            for name in labels.values()
        },
    )
    for name in (comparison.baseline, *comparison.runs):
        ids = [run.id for run in candidates if labels[run.id] == name and run.id in counted]
        if len(ids) > 1:
            comparison.notes += (
                f"{len(ids)} runs are named {legible(name)} and are taken together: {_listed(ids)}",
            )
    if fail_over is not None:
        comparison.check(fail_over, on_doubt)
    return comparison


def _labels(runs: Sequence[Run], named: Sequence[str], counted: Collection[str]) -> dict[str, str]:
    """Return what each run (its id) is called; one that is named by its id has a name of its own.

    So has each where none is named and all that have trials (`counted`) share one name: there would
    be nothing to compare.
    """
    shared = Counter(run.name for run in runs)
    alike = not named and len({run.name for run in runs if run.id in counted}) == 1
    return {
        run.id: f"{run.name} ({run.id})" if shared[run.name] > 1 and (alike or run.id in named) else run.name
        for run in runs
    }


def _only(labels: Mapping[str, str], named: Sequence[str], counted: Collection[str]) -> list[str] | None:
    """Return the runs (ids) that were named, for a store may have thousands; None for all of them."""
    wanted = {labels.get(name, name) for name in named}
    ids = [run for run, label in labels.items() if label in wanted and run in counted]
    several = len(wanted) > 1 and wanted == {labels[run] for run in ids}
    return ids if several else None


def _apart(records: Iterable[Record], labels: dict[str, str]) -> Iterator[Record]:
    """Renumber the trials of runs that share a name consecutively, so that no two pass for one curve."""
    shared = {name for name, runs in Counter(labels.values()).items() if runs > 1}
    counted: Counter[tuple[str, str]] = Counter()
    for record in records:
        if (name := labels[record.run]) in shared:
            counted[name, record.stage] += 1
            yield replace(record, trial=counted[name, record.stage])
        else:
            yield record


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
    """Return how much of each metric's spread over a sweep's trials each parameter and pair explains.

    Parameters
    ----------
    x, y : str or sequence of str, optional
        Only these parameters and metrics.
    stage, run, all, since
        Which sweeps: as of `results`.

    Returns
    -------
    DataFrame
        ``stage metric param share share_low share_high p_value p_adjusted levels trials binned confounded
        reason``, a pair's interaction as ``lr:batch_size``; in words in ``attrs["summary"]``.
    """
    from e2e_magic.views import frames

    trials = current().frame("trials", Selection.of(run=run, stage=stage, all=all, since=since))
    return frames.influence(trials, x=x, y=y)


def pareto(
    x: str,
    y: str,
    *more: str,
    stage: str | None = None,
    run: str | None = None,
    all: bool = False,  # noqa: A002 - as the line's --all
    since: When | None = None,
) -> pd.DataFrame:
    """Return the settings of sweeps, marked where nothing beats them in two to four metrics at once.

    Parameters
    ----------
    x, y, *more : str
        Metrics, four at most, such as ``"package_energy_j"`` and ``"accuracy"``.
    stage, run, all, since
        Which sweeps: as of `results`.

    Returns
    -------
    DataFrame
        A row per setting with its parameters, the metrics, ``repeats`` and ``unbeaten``; in words in
        ``attrs["summary"]``.
    """
    from e2e_magic.views import frames

    trials = current().frame("trials", Selection.of(run=run, stage=stage, all=all, since=since))
    return frames.pareto(trials, x, y, *more)


def why(
    stage: str | None = None,
    *,
    run: str | None = None,
    all: bool = False,  # noqa: A002 - as the line's --all
    since: When | None = None,
) -> Diagnosis:
    """Return why stages take their time: what stands out, with the numbers behind it and a next step.

    Parameters
    ----------
    stage : str, optional
        Only this one.
    run, all, since
        Which trials: as of `results`.

    Returns
    -------
    Diagnosis
        Its text has it in words, the largest share of the time first; ``.frame`` has a row per finding:
        ``run stage rule share finding next_step numbers``.

    Raises
    ------
    PlanError
        If there is no such run or stage.
    """
    session = current()
    selection = session.reader.resolve(Selection.of(run=run, stage=stage, all=all, since=since))
    return why_in(session, selection)


def why_in(session: Session, selection: Selection) -> Diagnosis:
    """Return why the selected stages of a session take their time; the selection is a resolved one."""
    from e2e_magic.derived.findings import CURVES
    from e2e_magic.views.diagnosis import Diagnosis

    return Diagnosis.of(session.select(selection, series=CURVES), session.names(selection))
