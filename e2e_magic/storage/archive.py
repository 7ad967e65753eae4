"""The trials of this kernel and those of the store, asked together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from e2e_magic.measuring.plan import PlanError, nearest
from e2e_magic.record import Record, Run, State
from e2e_magic.storage import Keeper, moment

if TYPE_CHECKING:
    from e2e_magic.derived.blocks import Block
    from e2e_magic.storage import Store

# An error names this many runs or stages at most.
_MOST_NAMED = 12
_COMPLETE: tuple[State, ...] = ("complete",)
Series = bool | Collection[str]


class Archive:
    """Selects records and runs: from memory where that is enough, else from the store too.

    Parameters
    ----------
    runs, records : list
        Those of the session, which go on growing.
    keeper : Keeper
        Whose store is read.
    """

    def __init__(self, runs: list[Run], records: list[Record], keeper: Keeper) -> None:
        self._runs = runs
        self._records = records
        self._keeper = keeper

    def select(
        self,
        run: str | None = None,
        stage: str | None = None,
        *,
        everything: bool = False,
        since: object = None,
        series: Series = True,
    ) -> list[Record]:
        """Return records, those of this kernel unless `everything` or `since` asks for the store.

        A run or a stage that this kernel doesn't have is looked for in the store.

        Parameters
        ----------
        run, stage : str, optional
            Only those of this run (name or id), of this stage.
        everything : bool
            Read the whole store.
        since : str, date, datetime or timedelta, optional
            Only those that started then or later; see `storage.moment`.
        series : bool or collection of str
            Whether sampled curves are read from the store, or the names of those that are.

        Raises
        ------
        PlanError
            If there is no such run or stage, or `since` is no time.
        StoreError
            If the store can't be read.
        """
        return list(self.stream(run, stage, everything=everything, since=since, series=series))

    def stream(
        self,
        run: str | None = None,
        stage: str | None = None,
        *,
        everything: bool = False,
        since: object = None,
        series: Series = True,
    ) -> Iterator[Record]:
        """Return an iterator over what `select` returns; those of the store are read as it goes on."""
        return self._stream(run, stage, everything, since, lambda s: partial(s.iterate, series=series))

    def blocks(
        self,
        run: str | None = None,
        stage: str | None = None,
        *,
        everything: bool = False,
        since: object = None,
    ) -> Iterator[Record | Block]:
        """Return what `stream` does for a frame of a row per trial: the store's trials as columns."""
        return self._stream(run, stage, everything, since, lambda s: s.blocks)

    def _stream(
        self,
        run: str | None,
        stage: str | None,
        everything: bool,
        since: object,
        read: Callable[[Store], Callable[..., Iterator[Any]]],
    ) -> Iterator[Any]:
        start = None if since is None else moment(since)
        mine = self._matching(run, stage, start)
        if not (everything or self.is_elsewhere(run, stage, since)):
            return iter(mine)
        store = self._keeper.reading()
        stored = iter(()) if store is None else read(store)(run=run, stage=stage, since=start)
        found = _joined(stored, mine)
        first = next(found, None)
        if first is None:
            self._check(store, run, stage)
            return found
        return chain([first], found)

    def is_elsewhere(self, run: str | None = None, stage: str | None = None, since: object = None) -> bool:
        """Tell whether the store is needed: for a time, or for a run or stage that isn't here."""
        if since is not None:
            return True
        if stage is not None:
            return not self._matching(run, stage, None)
        return run is not None and not any(_is(r, run) for r in self._runs)

    def runs(self, run: str | None = None, *, everything: bool = False, since: object = None) -> list[Run]:
        """Return runs in the order of their start: as `select` does for records."""
        start = None if since is None else moment(since)
        mine = [r for r in self._runs if _is(r, run)]
        if everything or start is not None or (run is not None and not mine):
            store = self._keeper.reading()
            held = {r.id for r in mine}
            stored = [] if store is None else [r for r in store.runs() if _is(r, run) and r.id not in held]
            mine = sorted([*stored, *mine], key=lambda r: r.started_at)
            if not mine:
                self._check(store, run, None)
        if start is None:
            return mine
        counted = self.counts(everything=True, since=since)
        return [r for r in mine if r.started_at >= start or r.id in counted]

    def counts(self, *, everything: bool = False, since: object = None) -> Mapping[str, Mapping[State, int]]:
        """Return how many trials each run (its id) has, by state; without reading the trials themselves."""
        start = None if since is None else moment(since)
        store = self._keeper.reading() if everything or start is not None else None
        counted: dict[str, Mapping[State, int]] = {} if store is None else {**store.counts(start)}
        for run in self._runs:  # this kernel has all trials of its runs, in the store or not
            mine = Counter(record.state for record in self._matching(run.id, None, start))
            if mine:
                counted[run.id] = mine
        return counted

    def names(self, *, everything: bool = False) -> dict[str, str]:
        """Return the runs' names by id."""
        store = self._keeper.reading() if everything else None
        stored = {} if store is None else store.names()
        return {**stored, **{run.id: run.name for run in self._runs}}

    def finished(self, stage: str, source: str | None) -> list[Record]:
        """Return the complete trials of a stage with this code, without their curves."""
        mine = [r for r in self._records if (r.stage, r.source, r.state) == (stage, source, "complete")]
        store = self._keeper.reading()
        if store is None or source is None:
            return mine
        stored = store.records(stage=stage, source=source, states=_COMPLETE, series=False)
        return list(_joined(stored, mine))

    def find(self, run: str) -> Run:
        """Return the one run of this id or name.

        Raises
        ------
        PlanError
            If there is none, or more than one of this name.
        """
        found = self.runs(run, everything=True)
        exact = [r for r in found if r.id == run] or found
        if len(exact) > 1:
            listed = ", ".join(f"{r.id} ({r.started_at:%Y-%m-%d %H:%M})" for r in exact[:_MOST_NAMED])
            raise PlanError(f"run: {len(exact)} runs are named {run!r}; say which by its id: {listed}")
        return exact[0]

    def rename(self, run: str, name: str) -> Run:
        """Give a run (name or id) another name, here and in the store."""
        if not isinstance(name, str) or not name.strip():
            raise PlanError(f"runs: expected a new name, such as baseline, got {name!r}")
        found = replace(self.find(run), name=name)
        store = self._keeper.reading()
        if store is not None and found.id in store.names():
            store.rename_run(found.id, name)
        for place, mine in enumerate(self._runs):
            if mine.id == found.id:
                self._runs[place] = replace(mine, name=name)
        return found

    def delete(self, run: str) -> int:
        """Delete a run (name or id) with its trials, here and in the store; return how many those were."""
        found = self.find(run)
        if self._runs and found.id == self._runs[-1].id:
            raise PlanError(
                f"runs: {run} is the run that this kernel is in; start another with %e2e run NAME, "
                "then delete it"
            )
        store = self._keeper.reading()
        gone = {(r.stage, r.trial) for r in self._records if r.run == found.id}
        count = len(gone)
        if store is not None and found.id in store.names():
            count = max(count, store.delete_run(found.id))
        self._keeper.drop(found.id)
        self._records[:] = [r for r in self._records if r.run != found.id]
        self._runs[:] = [r for r in self._runs if r.id != found.id]
        return count

    def _matching(self, run: str | None, stage: str | None, start: datetime | None) -> list[Record]:
        ids = None if run is None else {r.id for r in self._runs if _is(r, run)}
        return [
            record
            for record in self._records
            if (ids is None or record.run in ids)
            and (stage is None or record.stage == stage)
            and (start is None or record.started_at >= start)
        ]

    def _check(self, store: Store | None, run: str | None, stage: str | None) -> None:
        """Raise `PlanError` if a run or stage of which nothing was found isn't known at all."""
        if run is not None and not any(_is(r, run) for r in self._runs):
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
        if stage is not None:
            found = self._matching(run, None, None)
            known = list(dict.fromkeys(record.stage for record in found))
            if store is not None:
                known = list(dict.fromkeys([*known, *store.stages(run)]))
            if stage not in known:
                raise PlanError(
                    f"stage: there is no stage {stage!r}{nearest(stage, known)}; "
                    f"measured are {_listed(known) or 'none yet'}"
                )


def _is(run: Run, wanted: str | None) -> bool:
    return wanted is None or wanted in (run.id, run.name)


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _joined(stored: Iterable[Record | Block], mine: list[Record]) -> Iterator[Any]:
    """Yield the store's records, then those of this kernel that it doesn't have."""
    runs = {record.run for record in mine}
    held: set[tuple[str, str, int]] = set()
    for one in stored:
        if not isinstance(one, Record):
            places = zip(*(one.said[name] for name in ("run", "stage", "trial")), strict=True)
            held.update(place for place in places if place[0] in runs)
        elif one.run in runs:
            held.add((one.run, one.stage, one.trial))
        yield one
    yield from (r for r in mine if (r.run, r.stage, r.trial) not in held)
