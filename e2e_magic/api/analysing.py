"""The Python side of ``%e2e compare``, ``curves``, ``influence``, ``pareto``: what a session's frames say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from e2e_magic.measuring.plan import PlanError, nearest
from e2e_magic.session import Session, current
from e2e_magic.text import legible

if TYPE_CHECKING:
    from datetime import date, timedelta

    import pandas as pd

    from e2e_magic.record import Record, Run
    from e2e_magic.views.charts.style import Panels
    from e2e_magic.views.comparison import Comparison

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
    from e2e_magic.views.comparison import share_of

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
    from e2e_magic import derived
    from e2e_magic.views import frames
    from e2e_magic.views.comparison import compare as beside

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
        lambda: frames.epochs(list(_apart(records(), labels)), labels),
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


def _apart(records: Iterable[Record], labels: dict[str, str]) -> Iterator[Record]:
    """Count through the trials of runs that share a name, so that two are never taken for one curve."""
    shared = {name for name, runs in Counter(labels.values()).items() if runs > 1}
    counted: Counter[tuple[str, str]] = Counter()
    for record in records:
        if (name := labels[record.run]) in shared:
            counted[name, record.stage] += 1
            yield replace(record, trial=counted[name, record.stage])
        else:
            yield record


def curves(
    *runs: str,
    y: str | Sequence[str] | None = None,
    x: Literal["epoch", "t_s"] = "epoch",
    stage: str | None = None,
    target: float | None = None,
    all: bool = False,  # noqa: A002 - as the line's --all
) -> Panels:
    """Draw what runs logged, laid over each other from a common zero: the start of each trial.

    Parameters
    ----------
    *runs : str
        Names or ids; all runs of this kernel when left out. One that is not of this kernel is looked up
        in the store. Runs that share a name are told apart by their ids.
    y : str or sequence of str, optional
        What was logged, each in a panel of its own, its ``val_`` twin dashed; loss and accuracy, as far
        as there are any, when left out.
    x : {"epoch", "t_s"}
        Over epochs, or over seconds.
    stage : str, optional
        Only this one.
    target : float, optional
        Draws a line, and says where each curve first reaches it: from above for losses and errors. It is
        that of the accuracy where `y` is left out. When left out itself, for the accuracy: the one that
        the trials were measured with.
    all : bool
        Also the runs in the store.

    Returns
    -------
    list of Axes
        As the last value of a cell it shows its picture.

    Raises
    ------
    PlanError
        For a run, a stage or a logged name that there is not, with the nearest word.
    """
    from e2e_magic.views import charts, frames
    from e2e_magic.views.charts.style import Panels, figure

    records, labels = logged(runs, stage=stage, all=all)
    found = frames.epochs(records, labels)
    have = [name for name in found.columns[5:] if found[name].notna().any()]  # behind run .. t_s
    names = [y] if isinstance(y, str) else list(y or ())
    for name in names:
        if name not in have and f"val_{name}" not in have:
            raise _no_such("logged name", name, have, "log some: e2e.log(loss=..) once per epoch")
    named = bool(names)
    names = names or [name for name in ("loss", "accuracy") if {name, f"val_{name}"} & set(have)] or have[:1]
    asked = {record.reported.get("target_accuracy") for record in records} - {None}
    drawn = figure(640, 300 * max(len(names), 1))
    panels = Panels(drawn.subplots(max(len(names), 1), 1, squeeze=False)[:, 0])
    for axes, name in zip(panels, names or ["loss"], strict=True):
        given = target if named or name == "accuracy" else None  # of loss it would be another number
        if given is None and name == "accuracy" and len(asked) == 1:
            given = next(iter(asked))
        charts.learning(found, y=name, x=x, target=given, ax=axes)
    return panels


def logged(
    runs: Sequence[str],
    *,
    stage: str | None = None,
    all: bool = False,  # noqa: A002 - as the line's --all
) -> tuple[list[Record], dict[str, str]]:
    """Return the trials that logged anything, and what their runs are called; see `curves`."""
    session = current()
    everything = all or any(run not in {*session.names(), *session.names().values()} for run in runs)
    known = session.known_runs(all=everything)
    for name in runs:
        if not any(name in (run.id, run.name) for run in known):
            raise _no_such("run", name, [run.name for run in known], "measure a cell first")
    wanted = [run for run in known if not runs or run.id in runs or run.name in runs]
    shared = Counter(run.name for run in wanted)
    labels = {run.id: f"{run.name} ({run.id})" if shared[run.name] > 1 else run.name for run in wanted}
    found = [
        record
        for record in session.archive.stream(everything=everything, series=False)
        if record.run in labels
        and (
            len(record.events) or any(isinstance(record.reported.get(y), list) for y in ("loss", "accuracy"))
        )
    ]
    if stage is not None and stage not in {record.stage for record in found}:
        stages = dict.fromkeys(record.stage for record in found)
        raise _no_such("stage with curves", stage, list(stages), "log some: e2e.log(loss=..) once per epoch")
    # In the order in which the runs were named.
    order = {name: n for n, name in enumerate(runs)}
    places = {run.id: min(order.get(run.name, len(order)), order.get(run.id, len(order))) for run in wanted}
    found.sort(key=lambda record: places[record.run])
    return [record for record in found if stage in (None, record.stage)], labels


def _no_such(what: str, name: str, known: Sequence[str], otherwise: str) -> PlanError:
    told = ", ".join(legible(one) for one in dict.fromkeys(known))
    return PlanError(
        f"curves: there is no {what} {legible(name)!r}{nearest(name, known)}; "
        f"there are {told}" if told else f"curves: there is no {what} {legible(name)!r} yet: {otherwise}"
    )  # fmt: skip


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
    from e2e_magic.views import frames

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
    from e2e_magic.views import frames

    trials = current().frame("trials", stage=stage, run=run, all=all, since=since)
    return frames.pareto(trials, x, y)
