"""Trials that several kernels measured of one notebook, gathered as repeats in one run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from e2e_magic.record import Record, Run
from e2e_magic.storage import Store


def gathered(stores: Iterable[Path]) -> tuple[list[Run], list[Record]]:
    """Return the runs of the first kernel, and the trials of all kernels as theirs.

    Trials are numbered on through the kernels, and so are repeats: what each kernel measured once has repeats
    1, 2, 3 .. of one setting. A sweep's trials stay a sweep's of their own.

    Parameters
    ----------
    stores : iterable of Path
        One a kernel, in order.
    """
    runs: list[Run] = []
    records: list[Record] = []
    trials: defaultdict[tuple[str, str], int] = defaultdict(int)
    repeats: defaultdict[tuple[str, str], int] = defaultdict(int)
    for path in stores:
        with Store(str(path), create=False) as store:
            theirs, measured = store.runs(), store.records()
        runs += theirs[len(runs) :]
        first = {run.id: runs[place].id for place, run in enumerate(theirs)}
        before = dict(repeats)
        for record in measured:
            key = first[record.run], record.stage
            trials[key] += 1
            repeat = record.repeat + (before.get(key, 0) if record.sweep is None else 0)
            repeats[key] = max(repeats[key], repeat)
            records.append(replace(record, run=key[0], trial=trials[key], repeat=repeat))
    return runs, records
