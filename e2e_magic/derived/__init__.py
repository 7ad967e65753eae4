"""Numbers computed from raw records when they are read: pure functions, one file per topic.

Input: a record or its numbers. Output: the numbers that follow, and for those that don't the reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from e2e_magic.derived import classification as _classification
from e2e_magic.derived import convergence as _convergence
from e2e_magic.derived import energy as _energy
from e2e_magic.derived import latency as _latency
from e2e_magic.derived import rates as _rates
from e2e_magic.derived.binary import complete, confusion_of
from e2e_magic.measuring.evidence import KEY as EVIDENCE
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
# What no number follows from: `findings` and `kept` read it.
UNREAD = frozenset((EVIDENCE, "kept", "cold", "param_contents"))

# What a partial two-class table is called in the results frame.
_BINARY_COLUMNS = {
    "TP": "tp",
    "TN": "tn",
    "FP": "fp",
    "FN": "fn",
    "precision": "positive_precision",
    "recall": "positive_recall",
    "accuracy": "accuracy",
    "f1_score": "positive_f1",
}


@dataclass(frozen=True, slots=True)
class Derived:
    """The numbers derived from one record.

    Attributes
    ----------
    values : mapping of str to number
        By column name.
    missing : mapping of str to Reason
        The reason for each number that was asked for and can't be computed.
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
    short = {} if "cpu_percent" in values or "cpu_time_s" not in read else {"cpu_percent": _rates.TOO_SHORT}
    if UNREAD.issuperset(reported) and not record.events.t_s:
        return Derived(values | _energy.from_readings(read, reported, record.series, values)[0], short)
    problems: list[str] = []
    missing: dict[str, Reason] = {}
    if "binary" in reported:
        table, problems = complete(reported["binary"])
        # `accuracy` is given or follows; `convergence` puts it in its place.
        values |= {column: _plain(table[key]) for key, column in _BINARY_COLUMNS.items() if key in table}
        averages, without = _classification.of_table(confusion_of(table))
        values |= averages
        missing |= without | _classification.of_positive(table)
    if "confusion" in reported:
        counted, without = _classification.classification(record)
        values |= counted
        missing |= without
    counted_accuracy = values.get("accuracy")
    quality, without = _convergence.convergence(record, counted_accuracy)
    problems += _classification.contradiction(counted_accuracy, quality.get("accuracy"))
    values |= quality
    missing |= without
    if "latency" in reported:
        latency, too_few = _latency.latency(record)
        values |= latency
        missing |= too_few
    joules, without = _energy.from_readings(read, reported, record.series, values)
    values |= joules
    missing |= without | short
    lacking = {name: reason for name, reason in missing.items() if math.isnan(values.get(name, math.nan))}
    return Derived(values, lacking, tuple(problems))


def derive_arrays(
    read: Mapping[str, Any], numbers: Mapping[str, Any], settings: Mapping[str, Any]
) -> tuple[dict[str, Any], Mapping[str, Reason]]:
    """Return what `derive` does, for many trials at once that have neither logs nor `CURVES`.

    Parameters
    ----------
    read : mapping of str to array of float
        Those of `READINGS` that they have, a place per trial; all wall times are above 0.
    numbers : mapping of str to array
        Those of `NUMBERS` that they report, likewise; no entries are 0, all losses and accuracies finite.
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


def as_columns(numbers: Derived) -> dict[str, Any]:
    """Return a trial's derived numbers as columns; one asked for that can't be computed has a column too."""
    return {**dict.fromkeys(numbers.missing), **numbers.values}


def _plain(value: float) -> float | int:
    """Convert a whole number to int; rates of 0 and 1 are equal to those ints."""
    return int(value) if value.is_integer() else value
