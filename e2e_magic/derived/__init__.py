"""Numbers computed from raw records when they are read: pure functions, one file per topic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from e2e_magic.derived import classification as _classification
from e2e_magic.derived import convergence as _convergence
from e2e_magic.derived import energy as _energy
from e2e_magic.derived import rates as _rates
from e2e_magic.derived.binary import complete
from e2e_magic.record import Metric, Record

METRICS: tuple[Metric, ...] = (
    *_rates.METRICS,
    *_energy.METRICS,
    *_convergence.METRICS,
    *_classification.METRICS,
)

# Power curves of counters that don't overlap.
_POWERS = ("package_power_w", "psys_power_w", "dram_power_w", "gpu_power_w")
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
    peak = _energy.peak_power(record.series.get("package_power_w"))
    if peak is not None:
        values["peak_power_w"] = peak
    reported = record.reported
    if not reported and not len(record.events):
        return Derived(values)
    problems: list[str] = []
    if "binary" in reported:
        known, problems = complete(reported["binary"])
        # `accuracy` is given or follows; `convergence` puts it in its place.
        values |= {column: _plain(known[key]) for key, column in _BINARY_COLUMNS.items() if key in known}
    if "confusion" in reported:
        values |= _classification.classification(record)
    quality, missing = _convergence.convergence(record, values.get("accuracy"))
    values |= quality
    _add_energy(record, values)
    return Derived(values, missing, tuple(problems))


def _plain(value: float) -> float | int:
    """Make a whole count an int; rates of 0 and 1 are the same numbers as ints."""
    return int(value) if value.is_integer() else value


def _add_energy(record: Record, values: dict[str, float | int]) -> None:
    """Add energy per epoch and until the target where it was measured, and the estimate if asked for."""
    joules = _rates.measured_energy(record)
    if joules is not None and values.get("epochs"):
        values["energy_per_epoch_j"] = joules / values["epochs"]
    time_s = values.get("time_to_accuracy_s")
    parts = [
        part
        for name in _POWERS
        if (part := _energy.energy_to_accuracy(record.series.get(name), time_s)) is not None
    ]
    if parts:
        values["energy_to_accuracy_j"] = sum(parts)
    asked = record.reported.get("estimate_power")
    if isinstance(asked, dict):
        read = record.readings
        estimate = _energy.estimate(
            float(read["cpu_time_s"]) if "cpu_time_s" in read else None,
            float(read["wall_time_s"]) if "wall_time_s" in read else None,
            asked["cores"],
            asked["idle_w"],
            asked["full_w"],
        )
        if estimate is not None:
            values["estimated_energy_j"] = estimate
