"""Numbers computed from raw records when they are read: pure functions, one file per topic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from e2e_magic.derived import classification as _classification
from e2e_magic.derived import convergence as _convergence
from e2e_magic.derived import rates as _rates
from e2e_magic.derived.binary import complete
from e2e_magic.record import Metric, Record

METRICS: tuple[Metric, ...] = (*_rates.METRICS, *_convergence.METRICS, *_classification.METRICS)

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
    missing : mapping of str to str
        The reason for each number that was asked for and can't be had.
    problems : tuple of str
        Contradictions in what was handed back, in words.
    """

    values: Mapping[str, float | int] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def derive(record: Record) -> Derived:
    """Return all derived numbers of one trial. Cheap where nothing was reported."""
    values = _rates.rates(record)
    reported = record.reported
    if not reported and not len(record.events):
        return Derived(values)
    missing: dict[str, str] = {}
    problems: tuple[str, ...] = ()
    if "confusion" in reported:
        values |= _classification.classification(record)
    if "binary" in reported:
        known, contradictions = complete(reported["binary"])
        values |= {column: known[key] for key, column in _BINARY_COLUMNS.items() if key in known}
        problems = tuple(contradictions)
    quality, missing = _convergence.convergence(record)
    values |= quality
    _add_energy(record, values)
    return Derived(values, missing, problems)


def _add_energy(record: Record, values: dict[str, float | int]) -> None:
    """Add energy per epoch where both were measured."""
    energy = record.readings.get("package_energy_j")
    if energy is not None and values.get("epochs"):
        values["energy_per_epoch_j"] = float(energy) / values["epochs"]
