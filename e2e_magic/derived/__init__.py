"""Numbers computed from raw records when they are read: pure functions, one file per topic.

In come a record or its numbers; out go the numbers that follow, and for those that don't the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from e2e_magic.derived import classification as _classification
from e2e_magic.derived import convergence as _convergence
from e2e_magic.derived import energy as _energy
from e2e_magic.derived import latency as _latency
from e2e_magic.derived import rates as _rates
from e2e_magic.derived.binary import complete, confusion_of
from e2e_magic.record import Metric, Reason, Record

METRICS: tuple[Metric, ...] = (
    *_rates.METRICS,
    *_latency.METRICS,
    *_energy.METRICS,
    *_convergence.METRICS,
    *_classification.METRICS,
)

# The sampled curves that `derive` reads; a store need not load others for it.
CURVES = _energy.CURVES
# The readings that it reads; they are numbers.
READINGS = _rates.READINGS
# What may be reported by trials that `derive_arrays` takes: these are numbers, those equal in all of them.
NUMBERS = ("entries", "loss", "accuracy")
SETTINGS = _energy.ASKS

# What a partial two-class table is called in the results frame.
_BINARY_COLUMNS = {
    "TP": "tp",
    "TN": "tn",
    "FP": "fp",
    "FN": "fn",
    "precision": "precision",
    "recall": "recall",
    "accuracy": "accuracy",
    "f1_score": "f1",
}


@dataclass(frozen=True, slots=True)
class Derived:
    """What follows from one record.

    Attributes
    ----------
    values : mapping of str to number
        By column name.
    missing : mapping of str to Reason
        Why each number that was asked for and can't be had.
    problems : tuple of str
        Contradictions in what was handed back, in words.
    """

    values: Mapping[str, float | int] = field(default_factory=dict)
    missing: Mapping[str, Reason] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def derive(record: Record) -> Derived:
    """Return all derived numbers of one trial. Cheap where nothing was reported."""
    reported = record.reported
    read = {name: float(record.readings[name]) for name in READINGS if name in record.readings}
    values = _rates.rates(read, reported.get("entries"))
    if not reported and not record.events.t_s:
        return Derived(values | _energy.from_readings(read, reported, record.series, values)[0])
    problems: list[str] = []
    if "binary" in reported:
        table, problems = complete(reported["binary"])
        # `accuracy` is given or follows; `convergence` puts it in its place.
        values |= {column: _plain(table[key]) for key, column in _BINARY_COLUMNS.items() if key in table}
        if (confusion := confusion_of(table)) is not None:
            values |= _classification.of_whole_table(confusion)
    if "confusion" in reported:
        values |= _classification.classification(record)
    quality, missing = _convergence.convergence(record, values.get("accuracy"))
    values |= quality
    if "latency" in reported:
        latency, too_few = _latency.latency(record)
        values |= latency
        missing |= too_few
    joules, without = _energy.from_readings(read, reported, record.series, values)
    values |= joules
    return Derived(values, missing | without, tuple(problems))


def derive_arrays(
    read: Mapping[str, Any], numbers: Mapping[str, Any], settings: Mapping[str, Any]
) -> tuple[dict[str, Any], Mapping[str, Reason]]:
    """Return what `derive` does, for many trials at once that have neither logs nor `CURVES`.

    Parameters
    ----------
    read : mapping of str to array of float
        Those of `READINGS` that they have, a place per trial; all wall times are above 0.
    numbers : mapping of str to array
        Those of `NUMBERS` that they report, likewise; no entries are 0.
    settings : mapping
        Those of `SETTINGS` that they report.

    Returns
    -------
    values, missing
        As in `Derived`; the values are arrays, NaN where a trial has none.
    """
    values = _rates.rates(read, numbers.get("entries"))
    for name in ("loss", "accuracy"):
        if name in numbers:
            values |= _convergence.of_one(name, numbers[name])
    joules, missing = _energy.from_readings(read, settings, {}, values)
    return {**values, **joules}, missing


def _plain(value: float) -> float | int:
    """Make a whole count an int; rates of 0 and 1 are the same numbers as ints."""
    return int(value) if value.is_integer() else value
