"""The second generation: a row per metric of a supervised method, rows of trackers beside them.

How rows become trials. The supervisor logs one row per metric, each of its own type and with its own
description, when the method has ended; all of them carry the method's name. So a trial is the rows of
one method, in the order of their ids, until a type comes again: that is the next trial of this stage.
Trackers log while the method runs, and without a name: their row belongs to the trial during which it
was logged (of nested ones the shortest), if that has no value of the type yet. Else it is a trial of
its own, in a stage with the row's description.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from e2e_magic.integrations.umlaut import values
from e2e_magic.integrations.umlaut.drafts import RUNNING_MAXIMUM, Draft, Row, Unread
from e2e_magic.integrations.umlaut.spans import Spans
from e2e_magic.integrations.umlaut.values import UnreadableError

_SERIES = {
    "memory": "rss_mib",
    "cpu": "cpu_percent_now",
    "power": "package_power_w",
    "gpu": "gpu_percent_now",
    "gpumemory": "gpu_memory_mib",
    "gpupower": "gpu_power_w",
}
_NUMBERS = {
    "time": "wall_time_s",
    "gputime": "gpu_time_s",
    "latency": "latency_s",
    "throughput": "throughput_per_s",
}
_TARGET = re.compile(r"\s*\(Target:\s*([^()]+)\)\s*$")
_ENTRIES = re.compile(r"\(#Entries = (\d+)\)")
_TABLE = "hyperparameters"


def drafts(rows: list[Row], unread: Unread) -> list[Draft]:
    """Return the trials of one run, in the order of their first rows."""
    trials: list[Draft] = []
    open_ones: dict[str, Draft] = {}
    waiting: list[Row] = []
    for row in rows:
        if row.type == _TABLE:
            trials += _table(row, unread)
        elif not row.method:
            waiting.append(row)
        else:
            draft = open_ones.get(row.method)
            if draft is None or row.type in draft.types:
                draft = Draft(row.method)
            if _put(draft, row, unread) and draft is not open_ones.get(row.method):
                open_ones[row.method] = draft
                trials.append(draft)
    spans = Spans(trials, len(trials) + len(waiting))
    for row in waiting:
        _settle(row, trials, spans, unread)
    for draft in trials:
        entries = draft.readings.pop(_ENTRIES_READ, None)
        if entries:
            draft.set_entries(entries)
    return trials


_ENTRIES_READ = "entries of the latency's description"


def _settle(row: Row, trials: list[Draft], spans: Spans, unread: Unread) -> None:
    """Put a tracker's row into the trial that it was logged in, else into one of its own."""
    for draft in spans.around(row.time):
        if row.type not in draft.types:
            _put(draft, row, unread)
            return
    stage = _TARGET.sub("", row.description).strip() or row.type
    alone = Draft(stage)
    if _put(alone, row, unread):
        trials.append(alone)
        spans.add(alone)


def _put(draft: Draft, row: Row, unread: Unread) -> bool:
    """Read a row into a trial, or list it as unread."""
    try:
        _read(draft, row)
    except UnreadableError as why:
        unread(row, str(why))
        return False
    draft.types.add(row.type)
    if row.method or draft.logged is None:
        draft.logged = draft.logged or row.time
    return True


def _read(draft: Draft, row: Row) -> None:
    kind = row.type
    if kind in _SERIES:
        draft.add_series(_SERIES[kind], *values.series(values.data(row.value)))
    elif kind in _NUMBERS:
        draft.readings[_NUMBERS[kind]] = values.amount(values.data(row.value))
        entries = _ENTRIES.search(row.description)
        if kind == "latency" and entries:
            draft.readings[_ENTRIES_READ] = int(entries[1])
    elif kind == "energy":
        if (unit := row.unit or "µJ") not in values.JOULES:
            raise UnreadableError(f"energy in {row.unit!r}: expected microjoules")
        draft.readings["package_energy_j"] = values.amount(values.data(row.value)) * values.JOULES[unit]
        draft.readings["energy_source"] = "rapl"
    elif kind == "loss":
        draft.reported["loss"] = _flat(values.numbers(values.data(row.value)))
    elif kind == "tta":
        draft.reported["accuracy"] = _flat(values.numbers(values.data(row.value)))
        draft.missing["accuracy"] = RUNNING_MAXIMUM
    elif kind == "timed tta":
        _read_time_to_accuracy(draft, row)
    elif kind == "confusion-matrix":
        content = values.data(row.value)
        if not isinstance(content, Mapping) or "matrix" not in content:
            raise UnreadableError(f"expected matrix and labels, got {values.excerpt(content)}")
        rows = values.transposed(values.matrix(content["matrix"]))
        draft.set_matrix(rows, values.labels(content.get("labels"), len(rows)))
    else:
        raise UnreadableError(f"there is no type {kind!r} in the suite that this reads")


def _flat(curve: list[float]) -> float | list[float]:
    """Return a single number for a curve of one."""
    return curve[0] if len(curve) == 1 else curve


def _read_time_to_accuracy(draft: Draft, row: Row) -> None:
    seconds = values.amount(values.data(row.value))
    named = _TARGET.search(row.description)
    if named is None:
        raise UnreadableError("the description names no target: expected (Target: 0.9) at its end")
    target = values.number(named[1])
    if not 0 < target <= 100:
        raise UnreadableError(f"expected a target above 0 and up to 100, got {target:g}")
    draft.readings["time_to_accuracy_s"] = seconds
    draft.reported["target_accuracy"] = target


def _table(row: Row, unread: Unread) -> Iterator[Draft]:
    """Return a trial per row of a table of hyperparameters: a sweep in the stage of its description."""
    try:
        yield from _sweep(row, values.data(row.value))
    except UnreadableError as why:
        unread(row, str(why))


def _sweep(row: Row, content: object) -> list[Draft]:
    if not isinstance(content, Mapping):
        raise UnreadableError(f"expected hyperparameters, df and target, got {values.excerpt(content)}")
    names, table, target = content.get("hyperparameters"), content.get("df"), content.get("target")
    if not isinstance(names, list) or not isinstance(table, Mapping) or not isinstance(target, str):
        raise UnreadableError(f"expected hyperparameters, df and target, got {', '.join(map(str, content))}")
    columns = {str(name): _column(table.get(name)) for name in [*names, target]}
    lengths = {len(column) for column in columns.values()}
    absent = [name for name in columns if name not in table]
    if absent or len(lengths) != 1:
        raise UnreadableError(
            f"the table has no column {absent[0]!r}" if absent else "the table's columns differ in length"
        )
    kept = "loss" if "loss" in target.lower() else "accuracy" if "acc" in target.lower() else target
    trials = []
    for n in range(lengths.pop()):
        draft = Draft(row.description.strip() or _TABLE, row.time, sweep=f"{row.uuid[:8]}-{row.id}", repeat=1)
        draft.params = {name: columns[name][n] for name in map(str, names)}
        value = columns[target][n]
        if value is None:
            draft.missing[target] = "the suite's table has no value here"
        elif kept in ("loss", "accuracy"):
            draft.reported[kept] = values.number(value)
        else:
            draft.readings[kept] = value if isinstance(value, str) else values.number(value)
        draft.missing["wall_time_s"] = "the suite's table holds the parameters and the target only"
        trials.append(draft)
    return trials


def _column(column: object) -> list[Any]:
    """Return a column that pandas wrote as a list, or as a mapping of row to value."""
    return (
        list(column.values()) if isinstance(column, Mapping) else column if isinstance(column, list) else []
    )
