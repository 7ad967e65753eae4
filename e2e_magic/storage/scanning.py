"""Passes over the trials of a store: some thousand rows at a time, from blocks where there are any."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa

from e2e_magic.storage import checking, decoding, packing, queries, rows, schema, sealing
from e2e_magic.storage.selection import HERE, Selection

Read = Callable[[Callable[[sa.Connection], Any]], Any]
Chunk = tuple[Sequence[Any], decoding.Belongings]


@dataclass(frozen=True, slots=True)
class Scan:
    """Which trials are read, and what of them.

    Attributes
    ----------
    selection : Selection
    only : collection of str or None
        The ids of the runs whose trials are read; of all where it is None.
    complete_of : str or None
        Only complete trials with this code.
    curves : collection of str or None
        The names of the sampled curves that are read; None for all.
    settled : bool
        Whether trials whose derived values are stored come without curves and log.
    columns : sequence of ColumnElement
        Those of `decoding.COLUMNS`, or what stands for them.
    """

    selection: Selection = HERE
    only: Collection[str] | None = None
    complete_of: str | None = None
    curves: Collection[str] | None = None
    settled: bool = False
    columns: Sequence[sa.ColumnElement[Any]] = decoding.COLUMNS

    @property
    def wide(self) -> bool:
        """Whether trials of any run are read; those of few runs are found by an index."""
        return self.selection.run is None and self.only is None

    @property
    def whole(self) -> bool:
        """Whether every trial is read."""
        return self.wide and not self._conditions()

    def chunks(self, read: Read, decoder: decoding.Decoder, full: list[int]) -> Iterator[Chunk]:
        """Yield rows in the order of their numbers, with what belongs to them.

        Parameters
        ----------
        read : callable
            Calls a function with a connection, within a transaction, and returns what it returned.
        decoder : Decoder
            Receives the runs and the code of the trials.
        full : list of int
            Receives the places of blocks that there could be and are not.
        """
        after = 0
        if self.wide and self.selection.since is not None:
            start = read(partial(queries.first_since, self.selection.since))
            if start is None:
                return
            after = start - 1
        for place in read(queries.sealed) if self.wide else ():
            first = place * sealing.BLOCK
            if first + sealing.BLOCK <= after:
                continue
            yield from self._rows(read, decoder, full, after, first)
            after = first + sealing.BLOCK
            chunk = read(partial(self._sealed, place, decoder))
            if chunk is None:
                yield from self._rows(read, decoder, full, first, after)
            elif chunk[0]:
                yield chunk
        yield from self._rows(read, decoder, full, after, None)

    def _rows(
        self, read: Read, decoder: decoding.Decoder, full: list[int], after: int, upto: int | None
    ) -> Iterator[Chunk]:
        """Yield the trials that have no block, after one of this number up to one of that."""
        query = queries.trials(self.selection, self.columns, self.only)
        if self.complete_of is not None:
            trials = schema.trials.c
            query = query.where(trials.state == "complete", trials.source == packing.key(self.complete_of))
        open_ = -1
        while upto is None or after < upto:
            trials, of = read(partial(self._of, query, after, upto, decoder))
            if trials:
                after = trials[-1][0]
                last = sealing.place_of(after + 1)  # the one to which the next row may belong
                if self.whole:
                    places = {open_, *(sealing.place_of(row[0]) for row in trials if type(row[0]) is int)}
                    full += sorted(place for place in places if 0 <= place < last)
                open_ = last
                yield trials, of
            if len(trials) < queries.CHUNK:
                break
        if self.whole and upto is not None and open_ >= 0:
            full.append(open_)

    def _of(
        self,
        query: sa.Select[Any],
        after: int,
        upto: int | None,
        decoder: decoding.Decoder,
        connection: sa.Connection,
    ) -> Chunk:
        trials = queries.chunk(query, after, upto, connection)
        return trials, queries.belongings(connection, trials, self.curves, decoder, settled=self.settled)

    def _sealed(self, place: int, decoder: decoding.Decoder, connection: sa.Connection) -> Chunk | None:
        """Return the selected trials of a block; None if it is gone or can't be read, which its rows can."""
        data = queries.block(connection, place)
        conditions = self._conditions()
        try:
            trials = sealing.rows_in(data, place)
            if conditions:
                trials = [row for row in trials if all(condition(row) for condition in conditions)]
        except checking.DAMAGE:
            return None
        return trials, queries.belongings(connection, trials, self.curves, decoder, settled=self.settled)

    def _conditions(self) -> list[Callable[[Sequence[Any]], bool]]:
        """Return what a row of `decoding.COLUMNS` has to fulfil."""
        conditions: list[Callable[[Sequence[Any]], bool]] = []
        stage, since, code = self.selection.stage, self.selection.since, self.complete_of
        if stage is not None:
            name = packing.escape(stage)
            conditions.append(lambda row: row[2] == name)
        if since is not None:
            least = rows.stamp(since)
            conditions.append(lambda row: row[6] >= least)
        if code is not None:
            key = packing.key(code)
            conditions.append(lambda row: row[5] == "complete" and row[13] == key)
        return conditions
