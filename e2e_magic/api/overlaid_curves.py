"""The Python side of ``%e2e curves``: what the trials of several runs logged, laid over each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from e2e_magic.session import Session, current
from e2e_magic.storage import Selection
from e2e_magic.views.naming import no_such

if TYPE_CHECKING:
    from e2e_magic.record import Record
    from e2e_magic.views.charts.style import Panels

_NOTHING_LOGGED = " yet: log some: e2e.log(loss=..) once per epoch"


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
        in the store. Runs that share a name are distinguished by their ids.
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
            runs_there = [run.name for run in candidates]
            raise no_such("curves: there is no run", name, runs_there, " yet: measure a cell first")
    wanted = [run for run in candidates if not runs or run.id in runs or run.name in runs]
    shared = Counter(run.name for run in wanted)
    # Of all runs, by whose order each has its colour.
    labels = {run.id: f"{run.name} ({run.id})" if shared[run.name] > 1 else run.name for run in candidates}
    chosen = {run.id for run in wanted}
    records = [
        record
        for record in session.reader.records(selection, series=False)
        if record.run in chosen and _has_curves(record)
    ]
    stages = list(dict.fromkeys(record.stage for record in records))
    if stage is not None and stage not in stages:
        raise no_such("curves: there is no stage with curves", stage, stages, _NOTHING_LOGGED)
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
            raise no_such("curves: there is no logged name", name, filled, _NOTHING_LOGGED)
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
