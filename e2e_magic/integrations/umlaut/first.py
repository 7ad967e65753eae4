"""The first generation: a row per value, all values text, nothing that says which rows belong together.

How rows become trials. A stage is a description. Its rows of one type, in the order of their ids, are
one curve (``TTA``, ``Loss``, ``Memory``, ``Energy``) or one number per trial (``Time``, ``Latency``,
``Throughput``, ``Confusion``): the n-th of these belongs to the n-th trial, curves to the first one. The
types that reran a function over batch sizes, epochs or learning rates wrote the loss only; which
parameters it belongs to follows from its place, for their values were fixed in the suite.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from e2e_magic.integrations.umlaut import values
from e2e_magic.integrations.umlaut.drafts import Draft, Row, Unread
from e2e_magic.integrations.umlaut.values import UnreadableError
from e2e_magic.measuring.reported.values import BINARY_KEYS

TYPES = (
    "Time", "TTA", "Loss", "Batch", "Batch and Epoch", "Learning Rate", "Memory", "Memory (psutil)",
    "Memory (tracemalloc)", "Energy", "Confusion", "Multiclass Confusion Matrix",
    "Multiclass Confusion Matrix Class", "Latency", "Throughput",
)  # fmt: skip
BATCH_SIZES = tuple(2**n for n in range(1, 11))
EPOCHS = tuple(range(1, 11))
LEARNING_RATES = tuple((n % 9 + 1) * 10 ** (n // 9) * 1e-5 for n in range(45))
_MATRIX, _MATRIX_CLASS = TYPES[11:13]
# ru_maxrss: no reading of the moment, so it must not pass for one.
_LIFETIME = (
    "the suite logged the highest memory of the process's whole life, see samples: lifetime_peak_rss_mib"
)


def drafts(rows: list[Row], unread: Unread) -> list[Draft]:
    """Return the trials of one run: those of its stages, each followed by its sweeps."""
    stages: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        if row.type in TYPES:
            stages.setdefault(row.description.strip() or row.type, {}).setdefault(row.type, []).append(row)
        else:
            unread(row, f"there is no type {row.type!r} in the suite that this reads")
    trials: list[Draft] = []
    for stage, types in stages.items():
        trials += _Stage(stage, types, unread).drafts()
    return trials


class _Stage:
    """The rows of one description."""

    def __init__(self, stage: str, types: dict[str, list[Row]], unread: Unread) -> None:
        self.stage = stage
        self.types = types
        self.unread = unread
        self.trials: list[Draft] = []

    def drafts(self) -> list[Draft]:
        """Return the trials, then those of sweeps."""
        self._each("Time", self._time)
        self._each("Latency", self._rate)
        self._each("Throughput", self._rate)
        self._each("Confusion", self._binary)
        self._whole("TTA", self._accuracy)
        self._whole("Loss", lambda draft, rows: draft.reported.update(loss=_texts(rows)))
        for kind in ("Memory", "Memory (psutil)", "Memory (tracemalloc)"):
            self._whole(kind, self._memory)
        self._whole("Energy", self._energy)
        self._matrix()
        sweeps = [*self._batches(), *self._learning_rates(), *self._batches_and_epochs()]
        return [*(draft for draft in self.trials if draft.types), *sweeps]

    def _trial(self, n: int) -> Draft:
        while len(self.trials) <= n:
            self.trials.append(Draft(self.stage))
        return self.trials[n]

    def _each(self, kind: str, read: Callable[[Draft, Row], None]) -> None:
        """Read the n-th row of a type into the n-th trial."""
        n = 0
        for row in self.types.get(kind, ()):
            if self._put(self._trial(n), kind, [row], lambda draft, rows: read(draft, rows[0])):
                n += 1

    def _whole(self, kind: str, read: Callable[[Draft, list[Row]], None]) -> None:
        """Read all rows of a type into the first trial."""
        if kind in self.types:
            self._put(self._trial(0), kind, self.types[kind], read)

    def _put(
        self, draft: Draft, kind: str, rows: list[Row], read: Callable[[Draft, list[Row]], None]
    ) -> bool:
        """Read the readable ones of the rows; the others are listed as unread."""
        readable = []
        for row in rows:
            if isinstance(row.value, bytes) and row.value[:1] == b"\x80":
                self.unread(row, values.PICKLE)
            else:
                readable.append(row)
        if not readable:
            return False
        try:
            read(draft, readable)
        except UnreadableError as why:
            for row in readable:
                self.unread(row, str(why))
            return False
        draft.types.add(kind)
        draft.logged = draft.logged or readable[-1].time
        return True

    @staticmethod
    def _time(draft: Draft, row: Row) -> None:
        draft.readings["wall_time_s"] = values.amount(row.value)
        draft.logged = row.time

    @staticmethod
    def _rate(draft: Draft, row: Row) -> None:
        """Read latency and throughput, whose names were swapped: the unit tells, else the swap is undone."""
        unit = row.unit.strip().lower()
        name = "throughput_per_s" if row.type == "Latency" else "latency_s"
        if unit.startswith("s"):  # seconds per entry
            name = "latency_s"
        elif unit.startswith("entr"):  # entries per second
            name = "throughput_per_s"
        draft.readings[name] = values.amount(row.value)

    @staticmethod
    def _binary(draft: Draft, row: Row) -> None:
        given = values.literal_dict(str(row.value))
        table = {key: values.amount(given[key]) for key in (*BINARY_KEYS, "accuracy") if key in given}
        if not table:
            raise UnreadableError(f"none of {', '.join(BINARY_KEYS)}: {values.excerpt(row.value)}")
        draft.reported["binary"] = table

    @staticmethod
    def _accuracy(draft: Draft, rows: list[Row]) -> None:
        """Read accuracies, if they are in range: the suite's LossMult logged losses under this type."""
        curve = _texts(rows)
        if any(not 0 <= value <= 100 for value in (curve if isinstance(curve, list) else [curve])):
            draft.reported.setdefault("loss", curve)
            draft.missing["accuracy"] = "these numbers are no accuracies; LossMult logged losses as TTA"
            return
        draft.reported["accuracy"] = curve

    @staticmethod
    def _memory(draft: Draft, rows: list[Row]) -> None:
        kind, unit = rows[0].type, rows[0].unit.strip()
        name = "traced_mib" if "tracemalloc" in kind else "rss_mib"
        if kind == "Memory" and unit != "MiB":
            name = "lifetime_peak_rss_mib"
        times = [row.time for row in rows if row.time is not None]
        if len(times) != len(rows):
            raise UnreadableError("samples without a time")
        # Older files hold the unit in the value: 123 MB, which were MiB all the time.
        amounts = [values.amount(str(row.value).replace("MB", "").replace("MiB", "").strip()) for row in rows]
        draft.add_series(name, times, amounts)
        if name == "lifetime_peak_rss_mib":
            draft.missing["peak_rss_mib"] = _LIFETIME

    @staticmethod
    def _energy(draft: Draft, rows: list[Row]) -> None:
        unit = rows[0].unit.strip() or "mJ"
        if unit not in values.JOULES:
            raise UnreadableError(f"energy in {unit!r}: expected millijoules")
        joules = sum(values.amount(row.value) for row in rows) * values.JOULES[unit]
        draft.readings |= {"package_energy_j": joules, "energy_source": "rapl"}
        draft.missing["package_energy_j"] = "the suite read one package only, and left out the first interval"

    def _matrix(self) -> None:
        """Read a multi-class matrix: a row per cell, line by line, and a row per class; or all as text."""
        cells, classes = self.types.get(_MATRIX, []), self.types.get(_MATRIX_CLASS, [])
        size = math.isqrt(len(cells))
        if classes and len(cells) > len(classes) ** 2 and len(cells) % len(classes) == 0:
            self._matrices(cells, classes)
            return

        def read(draft: Draft, _: list[Row]) -> None:
            if len(cells) == 1 and "[" in str(cells[0].value):
                listed = values.matrix(str(cells[0].value))
                names = str(classes[0].value) if len(classes) == 1 else [str(row.value) for row in classes]
                draft.set_matrix(listed, values.labels(names, len(listed)))
                draft.types.add(_MATRIX_CLASS)
                return
            if size == 0 or size * size != len(cells):
                raise UnreadableError(f"{len(cells)} cells make no square matrix")
            counts = [values.amount(row.value) for row in cells]
            whole = all(value.is_integer() for value in counts)
            rows_true: list[list[float]] = [
                [int(v) if whole else v for v in counts[n : n + size]] for n in range(0, len(counts), size)
            ]
            draft.set_matrix(rows_true, values.labels([str(row.value) for row in classes], size))
            draft.types.add(_MATRIX_CLASS)

        if cells or classes:
            self._put(self._trial(0), _MATRIX, [*cells, *classes], read)

    def _matrices(self, cells: list[Row], classes: list[Row]) -> None:
        """Read the matrices of several executions: k of them give k·n classes and k·n·n cells."""
        size = len(cells) // len(classes)
        many = len(classes) // size if size else 0
        if many * size != len(classes):
            for row in [*cells, *classes]:
                self.unread(row, f"{len(cells)} cells and {len(classes)} classes make no square matrices")
            return
        whole = self.types
        for n in range(many):
            part = _Stage(self.stage, {}, self.unread)
            part.types = {
                _MATRIX: cells[n * size * size : (n + 1) * size * size],
                _MATRIX_CLASS: classes[n * size : (n + 1) * size],
            }
            part.trials = [self._trial(n)]
            part._matrix()
        self.types = whole

    def _batches(self) -> Iterable[Draft]:
        return self._sweep("Batch", [{"batch_size": size} for size in BATCH_SIZES])

    def _learning_rates(self) -> Iterable[Draft]:
        return self._sweep("Learning Rate", [{"lr": float(f"{rate:.12g}")} for rate in LEARNING_RATES])

    def _sweep(self, kind: str, space: list[dict[str, Any]]) -> Iterable[Draft]:
        """Read a loss per set of parameters, in the order in which the suite walked them."""
        for n, row in enumerate(self.types.get(kind, ())):
            draft = Draft(self.stage, sweep=self._sweep_id(kind), params=space[n % len(space)])
            draft.repeat = n // len(space) + 1
            if self._put(draft, kind, [row], _loss):
                yield draft

    def _sweep_id(self, kind: str) -> str:
        first = self.types[kind][0]
        return f"{first.uuid[:8]}-{first.id}"

    def _batches_and_epochs(self) -> Iterable[Draft]:
        """Read the rows of the two decorators that wrote this type, distinguished by their times.

        One ran ten epochs per batch size and logged their losses at once; the other reran for 1 to 10
        epochs, and within them for each batch size. So either nearly all time passes before each tenth
        row, or it is spread over all of them.
        """
        kind = "Batch and Epoch"
        rows = self.types.get(kind, [])
        if not rows:
            return []
        times = [row.time for row in rows]
        gaps = [(b - a).total_seconds() for a, b in pairwise(times) if a is not None and b is not None]
        total = sum(gaps)
        if len(gaps) != len(rows) - 1 or total <= 0:
            for row in rows:
                self.unread(
                    row, "two decorators wrote this type in different orders; its times don't tell which"
                )
            return []
        ten = len(EPOCHS)
        if sum(gap for n, gap in enumerate(gaps, 1) if n % ten == 0) <= total / 2:
            return self._sweep(kind, [{"epochs": e, "batch_size": b} for e in EPOCHS for b in BATCH_SIZES])
        trials = []
        for n in range(0, len(rows), ten):
            place = n // ten
            params = {"batch_size": BATCH_SIZES[place % len(BATCH_SIZES)], "epochs": ten}
            draft = Draft(self.stage, sweep=self._sweep_id(kind), params=params)
            draft.repeat = place // len(BATCH_SIZES) + 1
            if self._put(draft, kind, rows[n : n + ten], _loss):
                trials.append(draft)
        return trials


def _loss(draft: Draft, rows: list[Row]) -> None:
    draft.reported["loss"] = _texts(rows)
    draft.missing["wall_time_s"] = "the suite logged the loss only"


def _texts(rows: list[Row]) -> float | list[float]:
    """Return the numbers of rows: one, or one per epoch."""
    numbers = [values.number(row.value) for row in rows]
    return numbers[0] if len(numbers) == 1 else numbers
