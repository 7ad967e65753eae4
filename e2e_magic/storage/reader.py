"""Reads the trials of this kernel and those of the store together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from e2e_magic.measuring.plan import PlanError, nearest
from e2e_magic.measuring.trial import warn_user
from e2e_magic.record import Record, Run, State
from e2e_magic.storage.selection import HERE, WHOLE_STORE, Selection
from e2e_magic.storage.writer import Writer

if TYPE_CHECKING:
    from e2e_magic.derived.blocks import Block
    from e2e_magic.storage import Store

# An error names this many runs or stages at most.
_MOST_NAMED = 12
Series = bool | Collection[str]


class Reader:
    """Selects records and runs: from memory where that is enough, else from the store too.

    Its methods take a `Selection` as `resolve` returns it. They raise `PlanError` for a run or stage that
    there is not, and `StoreError` where the store is needed and can't be read.

    Parameters
    ----------
    runs, records : sequence
        Those of the session, which go on growing.
    writer : Writer
        Whose store is read.
    """

    def __init__(self, runs: Sequence[Run], records: Sequence[Record], writer: Writer) -> None:
        self._runs = runs
        self._records = records
        self._writer = writer

    @property
    def current(self) -> Run | None:
        """The current run of this kernel; None before the first."""
        return self._runs[-1] if self._runs else None

    def resolve(self, selection: Selection, say: Callable[[str], None] = warn_user) -> Selection:
        """Return the selection with the store in it where only the store has its run; `say` reports it.

        What else it names filters: nothing but this makes a selection larger.
        """
        run = selection.run
        wide = selection if run is None else self.including(selection, run)
        if wide is not selection:
            store = self._writer.reading()
            stored = {} if store is None else store.names()
            if store is not None and run in {*stored, *stored.values()}:
                say(f"run {run!r} is not of this kernel: it is read from the store {store.address}")
        return wide

    def including(self, selection: Selection, *runs: str) -> Selection:
        """Return the selection with the store in it where this kernel lacks one of these runs."""
        if selection.everything or all(self._has(run) for run in runs):
            return selection
        return replace(selection, everything=True)

    def records(
        self, selection: Selection = HERE, series: Series = True, only: Collection[str] | None = None
    ) -> Iterator[Record]:
        """Return an iterator over trials; those of the store come first and are read as it goes on.

        Parameters
        ----------
        selection : Selection
        series : bool or collection of str
            Whether sampled curves are read from the store, or the names of those that are.
        only : collection of str, optional
            The ids of the runs whose trials are read; of all when left out.
        """
        records = self._read(selection, lambda store: store.iterate(selection, series=series, only=only))
        return records if only is None else (record for record in records if record.run in only)

    def blocks(self, selection: Selection = HERE) -> Iterator[Record | Block]:
        """Return what `records` does for a frame of a row per trial: the store's trials as columns."""
        return self._read(selection, lambda store: store.blocks(selection))

    def _read(self, selection: Selection, read: Callable[[Store], Iterator[Any]]) -> Iterator[Any]:
        here = self._here(selection)
        store = self._writer.reading() if selection.everything else None
        joined = iter(here) if store is None else _joined(read(store), here)
        first = next(joined, None)
        if first is None:
            self._check(store, selection)
            return joined
        return chain([first], joined)

    def runs(self, selection: Selection = HERE) -> list[Run]:
        """Return runs in the order of their start; the stage isn't looked at."""
        runs = [run for run in self._runs if selection.is_of(run)]
        store = self._writer.reading() if selection.everything else None
        if store is not None:
            ids = {run.id for run in runs}
            stored = [run for run in store.runs() if selection.is_of(run) and run.id not in ids]
            runs = sorted([*stored, *runs], key=lambda run: run.started_at)
        if not runs:
            self._check(store, replace(selection, stage=None))
        if selection.since is None:
            return runs
        counted = self.counts(selection)
        return [run for run in runs if run.started_at >= selection.since or run.id in counted]

    def counts(self, selection: Selection = HERE) -> Mapping[str, Mapping[State, int]]:
        """Return how many trials each run (its id) has by state, since the selection's time.

        No trial is read for it.
        """
        store = self._writer.reading() if selection.everything else None
        counted: dict[str, Mapping[State, int]] = {} if store is None else {**store.counts(selection.since)}
        for run in self._runs:  # this kernel has all trials of its runs, in the store or not
            states = Counter(record.state for record in self._here(Selection(run.id, since=selection.since)))
            if states:
                counted[run.id] = states
        return counted

    def names(self, selection: Selection = HERE) -> dict[str, str]:
        """Return the names by id of this kernel's runs, or of all runs of the store too."""
        store = self._writer.reading() if selection.everything else None
        stored = {} if store is None else store.names()
        return {**stored, **{run.id: run.name for run in self._runs}}

    def finished(self, stage: str, source: str | None) -> list[Record]:
        """Return the complete trials of a stage with this code, here and in the store, without curves."""
        here = [r for r in self._records if (r.stage, r.source, r.state) == (stage, source, "complete")]
        store = self._writer.reading()
        if store is None or source is None:
            return here
        return list(_joined(store.finished(stage, source), here))

    def last(self, selection: Selection = HERE) -> list[Record]:
        """Return the last trial with the repeats before it; of the store where this kernel has none."""
        here = self._here(selection)
        store = self._writer.reading() if selection.everything or not self._records else None
        if store is not None and (stored := store.last(selection)):
            here = [*stored, *(record for record in here if record.started_at > stored[-1].started_at)]
        if not here:
            self._check(store, selection)
        return _with_repeats(here)

    def find(self, run: str) -> Run:
        """Return the one run of this id or name, of this kernel or of the store.

        Raises
        ------
        PlanError
            If there is none, or more than one of this name.
        """
        runs = self.runs(replace(WHOLE_STORE, run=run))
        exact = [r for r in runs if r.id == run] or runs
        if len(exact) > 1:
            listed = ", ".join(f"{r.id} ({r.started_at:%Y-%m-%d %H:%M})" for r in exact[:_MOST_NAMED])
            raise PlanError(f"run: {len(exact)} runs are named {run!r}; say which by its id: {listed}")
        return exact[0]

    def _has(self, run: str) -> bool:
        return any(run in (r.id, r.name) for r in self._runs)

    def _here(self, selection: Selection) -> list[Record]:
        ids = {run.id for run in self._runs if selection.is_of(run)}
        return [
            record
            for record in self._records
            if (selection.run is None or record.run in ids) and selection.takes(record)
        ]

    def _check(self, store: Store | None, selection: Selection) -> None:
        """Raise `PlanError` if a run or stage of which nothing was selected isn't there at all."""
        run, stage = selection.run, selection.stage
        if run is not None and not self._has(run):
            stored = {} if store is None else store.names()
            if run not in {*stored, *stored.values()}:
                here = [r.name for r in self._runs]
                there = [name for name in dict.fromkeys(stored.values()) if name not in here]
                held = [f"this kernel has {_listed(here)}"] if here else []
                held += [f"the store {store.address} has {_listed(there)}"] if store and there else []
                raise PlanError(
                    f"run: there is no run {run!r}{nearest(run, [*here, *there])}; "
                    + ("; ".join(held) or "this kernel has none yet: measure a cell first")
                )
        if stage is None:
            return
        measured = [record.stage for record in self._here(Selection(run))]
        stages = list(dict.fromkeys([*measured, *(store.stages(run) if store is not None else ())]))
        if stage not in stages:
            narrow = self._writer.on and not selection.everything
            where, wider = (
                (" in this kernel", "; --all (all=True) reads the whole store") if narrow else ("", "")
            )
            raise PlanError(
                f"stage: there is no stage {stage!r}{where}{nearest(stage, stages)}; "
                f"measured are {_listed(stages) or 'none yet'}{wider}"
            )


def _with_repeats(records: list[Record]) -> list[Record]:
    """Return the last of these trials, after those that were its earlier repeats."""
    if not records:
        return []
    last = records[-1]
    mine = (last.run, last.stage, last.sweep, last.source, last.params)
    repeats = [last]
    for record in reversed(records[:-1]):
        if record.repeat == repeats[0].repeat - 1:
            if mine != (record.run, record.stage, record.sweep, record.source, record.params):
                break
            repeats.insert(0, record)
    return repeats


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _joined(stored: Iterable[Record | Block], here: list[Record]) -> Iterator[Any]:
    """Yield the store's records, then those of this kernel that it doesn't have."""
    runs = {record.run for record in here}
    read: set[tuple[str, str, int]] = set()
    for one in stored:
        if not isinstance(one, Record):
            places = zip(*(one.identity[name] for name in ("run", "stage", "trial")), strict=True)
            read.update(place for place in places if place[0] in runs)
        elif one.run in runs:
            read.add((one.run, one.stage, one.trial))
        yield one
    yield from (r for r in here if (r.run, r.stage, r.trial) not in read)
