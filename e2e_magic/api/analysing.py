"""The Python side of ``%e2e compare``, ``curves``, ``influence``, ``pareto``: what a session's frames say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from e2e_magic.measuring.plan import PlanError, nearest
from e2e_magic.session import Session, current
from e2e_magic.storage import Selection
from e2e_magic.text import legible

if TYPE_CHECKING:
    from datetime import date, timedelta

    import pandas as pd

    from e2e_magic.record import Record, Run
    from e2e_magic.views.charts.style import Panels
    from e2e_magic.views.comparison import Comparison

    When = str | date | timedelta

# A note lists the ids of so many runs of one name.
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
    return compare_in(
        current(), runs, stage=stage, metric=metric, baseline=baseline, fail_over=fail_over, everything=all
    )


def compare_in(
    session: Session,
    runs: Sequence[str] = (),
    *,
    stage: str | Sequence[str] | None = None,
    metric: str | Sequence[str] | None = None,
    baseline: str | None = None,
    fail_over: float | str | None = None,
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

    if fail_over is not None:
        share_of(fail_over)  # what is wrong with it is said before anything is read
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
        stream = session.reader.records(selection, derived.CURVES)
        return (record for record in stream if record.run in labels)

    comparison = beside(
        frames.results(records(), labels),
        lambda: frames.epochs(list(_apart(records(), labels)), labels),
        [labels.get(run, run) for run in runs],
        stage=stage,
        metric=metric,
        baseline=baseline if baseline is None else labels.get(baseline, baseline),
    )
    for name in (comparison.baseline, *comparison.runs):
        ids = [run.id for run in candidates if labels[run.id] == name and run.id in counted]
        if len(ids) > 1:
            comparison.notes += (
                f"{len(ids)} runs are named {legible(name)} and are taken together: {_listed(ids)}",
            )
    if fail_over is not None:
        comparison.check(fail_over)
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
    records, labels = logged(current(), runs, stage=stage, everything=all)
    return draw_curves(records, labels, y=y, x=x, target=target)


def logged(
    session: Session, runs: Sequence[str] = (), *, stage: str | None = None, everything: bool = False
) -> tuple[list[Record], dict[str, str]]:
    """Return the trials that logged anything, and what their runs are called; see `curves`.

    They stand in the order in which the runs were named.
    """
    selection = session.reader.including(Selection(everything=everything), *runs)
    candidates = session.runs_of(selection)
    for name in runs:
        if not any(name in (run.id, run.name) for run in candidates):
            raise _no_such("run", name, [run.name for run in candidates], "measure a cell first")
    wanted = [run for run in candidates if not runs or run.id in runs or run.name in runs]
    shared = Counter(run.name for run in wanted)
    labels = {run.id: f"{run.name} ({run.id})" if shared[run.name] > 1 else run.name for run in wanted}
    records = [
        record
        for record in session.reader.records(selection, series=False)
        if record.run in labels and _has_curves(record)
    ]
    stages = list(dict.fromkeys(record.stage for record in records))
    if stage is not None and stage not in stages:
        raise _no_such("stage with curves", stage, stages, "log some: e2e.log(loss=..) once per epoch")
    order = {name: n for n, name in enumerate(runs)}
    places = {run.id: min(order.get(run.name, len(order)), order.get(run.id, len(order))) for run in wanted}
    records.sort(key=lambda record: places[record.run])
    return [record for record in records if stage in (None, record.stage)], labels


def _has_curves(record: Record) -> bool:
    return len(record.events) > 0 or any(
        isinstance(record.reported.get(y), list) for y in ("loss", "accuracy")
    )


def draw_curves(
    records: Sequence[Record],
    labels: Mapping[str, str],
    *,
    y: str | Sequence[str] | None = None,
    x: Literal["epoch", "t_s"] = "epoch",
    target: float | None = None,
) -> Panels:
    """Draw what `logged` returns; parameters as of `curves`."""
    from e2e_magic.views import charts, frames
    from e2e_magic.views.charts.style import Panels, figure

    epochs = frames.epochs(records, labels)
    filled = [name for name in epochs.columns[5:] if epochs[name].notna().any()]  # behind run .. t_s
    names = [y] if isinstance(y, str) else list(y or ())
    for name in names:
        if name not in filled and f"val_{name}" not in filled:
            raise _no_such("logged name", name, filled, "log some: e2e.log(loss=..) once per epoch")
    named = bool(names)
    names = names or [y for y in ("loss", "accuracy") if {y, f"val_{y}"} & set(filled)] or filled[:1]
    targets = {record.reported.get("target_accuracy") for record in records} - {None}
    picture = figure(640, 300 * max(len(names), 1))
    panels = Panels(picture.subplots(max(len(names), 1), 1, squeeze=False)[:, 0])
    for axes, name in zip(panels, names or ["loss"], strict=True):
        line = target if named or name == "accuracy" else None  # of loss it would be another number
        if line is None and name == "accuracy" and len(targets) == 1:
            line = next(iter(targets))
        charts.learning(epochs, y=name, x=x, target=line, ax=axes)
    return panels


def _no_such(what: str, name: str, names: Sequence[str], otherwise: str) -> PlanError:
    allowed = ", ".join(legible(one) for one in dict.fromkeys(names))
    absent = f"curves: there is no {what} {legible(name)!r}"
    return PlanError(
        f"{absent}{nearest(name, names)}; there are {allowed}" if allowed else f"{absent} yet: {otherwise}"
    )


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
    x, y : str or sequence of str, optional
        Only these parameters and metrics.
    stage, run, all, since
        Which sweeps: as of `results`.

    Returns
    -------
    DataFrame
        ``stage metric param share share_low share_high chance levels trials binned reason``; in words in
        ``attrs["summary"]``.
    """
    from e2e_magic.views import frames

    trials = current().frame("trials", Selection.of(run=run, stage=stage, all=all, since=since))
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
    stage, run, all, since
        Which sweeps: as of `results`.

    Returns
    -------
    DataFrame
        A row per setting with its parameters, the two metrics, ``repeats`` and ``unbeaten``; in words in
        ``attrs["summary"]``.
    """
    from e2e_magic.views import frames

    trials = current().frame("trials", Selection.of(run=run, stage=stage, all=all, since=since))
    return frames.pareto(trials, x, y)
