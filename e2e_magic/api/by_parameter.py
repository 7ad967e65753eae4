"""The values of a parameter against each other, over the trials of sweeps: ``%e2e compare --by PARAM``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from e2e_magic.measuring.plan import PlanError, nearest
from e2e_magic.record import Record
from e2e_magic.session import Session
from e2e_magic.storage import Selection
from e2e_magic.text import counted, legible

if TYPE_CHECKING:
    from e2e_magic.views.comparison import Comparison


def compare_values(
    session: Session,
    by: str,
    runs: Sequence[str] = (),
    *,
    everything: bool = False,
    **options: Any,
) -> Comparison:
    """Compare the values of a parameter over the trials of a session's sweeps.

    Parameters
    ----------
    session : Session
    by : str
        The parameter.
    runs : sequence of str
        Names or ids: only their trials; those of all runs of this kernel when left out.
    everything : bool
        Also the trials in the store.
    **options
        ``stage``, ``metric``, ``least`` of `compare`; ``baseline`` is a value, as it is written.

    Raises
    ------
    PlanError
        For a parameter that was not swept, or fewer than two values.
    """
    if not isinstance(by, str) or not by.strip():
        raise PlanError(f"by: expected the name of a parameter, such as model, got {by!r}")
    selection = session.reader.including(Selection(everything=everything), *runs)
    names = {run.id: run.name for run in session.runs_of(selection)}
    for name in runs:
        if name not in names and name not in names.values():
            raise PlanError(f"compare: there is no run {legible(name)}{nearest(name, [*names.values()])}")
    wanted = {run for run, name in names.items() if not runs or run in runs or name in runs}
    swept: dict[str, None] = {}
    chosen: list[Record] = []
    from e2e_magic import derived

    for record in session.reader.records(selection, derived.CURVES):
        if record.run in wanted and record.sweep is not None:
            swept.update(dict.fromkeys(record.params))
            if by in record.params:
                chosen.append(record)
    if not chosen:
        tried = f"; swept were {', '.join(map(legible, swept))}" if swept else "; no sweep has a trial yet"
        raise PlanError(f"by: there is no parameter {by!r} in these trials{nearest(by, swept)}{tried}")
    comparison = beside(chosen, by, **options)
    pooled = dict.fromkeys(names[record.run] for record in chosen)
    if len(pooled) > 1:
        listed = ", ".join(map(legible, pooled))
        comparison.notes += (f"the trials of {counted(len(pooled), 'run')} are taken together: {listed}",)
    return comparison


def beside(records: Iterable[Record], by: str, **options: Any) -> Comparison:
    """Compare the values of a parameter over these trials; the first that was tried is the baseline.

    Parameters
    ----------
    records : iterable of Record
        Trials that have the parameter.
    by : str
    **options
        Of `views.comparison.compare`.
    """
    from e2e_magic.views import frames
    from e2e_magic.views.comparison import compare

    renamed = list(_renamed(records, by))
    labels = dict.fromkeys(record.run for record in renamed)
    if len(labels) < 2:
        raise PlanError(
            f"by: two values of {by} are needed, but only {', '.join(map(legible, labels))} was tried"
        )
    baseline = options.get("baseline")
    if baseline is not None and str(baseline) not in labels:
        raise PlanError(
            f"baseline: {legible(by)} has no value {baseline!r}{nearest(str(baseline), labels)}; "
            f"tried were {', '.join(map(legible, labels))}"
        )
    names: Mapping[str, str] = {label: label for label in labels}
    return compare(
        frames.results(renamed, names),
        lambda: frames.epochs(renamed, names),
        sources=[None if record.source is None else hash(record.source) for record in renamed],
        **{**options, "baseline": None if baseline is None else str(baseline)},
    )


def _renamed(records: Iterable[Record], by: str) -> Iterator[Record]:
    """Yield the trials with the value in the place of the run, numbered on through all runs."""
    from e2e_magic.views.frames.comparisons import spelled

    number: Counter[tuple[str, str]] = Counter()
    for record in sorted(records, key=lambda record: record.started_at):
        label = spelled(record.params[by])
        number[label, record.stage] += 1
        others = {name: value for name, value in record.params.items() if name != by}
        yield replace(record, run=label, trial=number[label, record.stage], params=others)
