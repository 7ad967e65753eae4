"""Loss and accuracy over the epochs: the last, the best, and how long a target took."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

from e2e_magic.quantities import digits, quantity
from e2e_magic.record import Metric, Record

METRICS = (
    Metric("loss", "", "quality", "lower", "the last loss"),
    Metric("best_loss", "", "quality", "lower", "the lowest loss"),
    Metric("accuracy", "", "quality", "higher", "the last accuracy"),
    Metric("best_accuracy", "", "quality", "higher", "the highest accuracy"),
    Metric("epochs", "", "quality", None, "epochs logged or handed back"),
    Metric("epochs_to_accuracy", "", "quality", "lower", "the first epoch that reached the target"),
    Metric("time_to_accuracy_s", "s", "quality", "lower", "seconds until the target was first reached"),
)


def convergence(record: Record) -> tuple[dict[str, float | int], dict[str, str]]:
    """Return the quality numbers of one trial and, for those that it lacks, why.

    The last and best values come from what the line or the returned dict says, else from ``log``.
    Time and epochs to accuracy are those of the first epoch whose accuracy reaches the target, on
    the raw curve: it is never made monotone (Coleman et al., DAWNBench, 2017, define time to
    accuracy on the validation set, so ``val_accuracy`` counts where both are logged). A target that
    is not reached has no time.
    """
    found: dict[str, float | int] = {}
    missing: dict[str, str] = {}
    curves: dict[str, Sequence[float]] = {}
    for name, best in (("loss", min), ("accuracy", max)):
        curve = _curve(record, name)
        if curve is None:
            continue
        curves[name] = curve
        finite = [value for value in curve if not math.isnan(value)]
        if finite:
            found[name] = curve[-1] if not math.isnan(curve[-1]) else finite[-1]
            found[f"best_{name}"] = best(finite)
    count = _epochs(record, curves)
    if count:
        found["epochs"] = count
    target = record.reported.get("target_accuracy")
    if target is not None:
        _to_accuracy(record, float(target), found, missing)
    return found, missing


def _curve(record: Record, name: str) -> Sequence[float] | None:
    """Return the values per epoch: as handed back, else as logged (rows without the key left out)."""
    given = record.reported.get(name)
    if given is not None:
        return given if isinstance(given, list) else [given]
    logged = record.events.values.get(name)
    if logged is None:
        logged = record.events.values.get(f"val_{name}")
    return None if logged is None else [value for value in logged if not math.isnan(value)] or [math.nan]


def _epochs(record: Record, curves: dict[str, Sequence[float]]) -> int:
    if len(record.events):
        return len({epoch for epoch in record.events.epoch if not math.isnan(epoch)})
    listed = [len(curve) for name, curve in curves.items() if isinstance(record.reported.get(name), list)]
    return max(listed, default=0)


def _to_accuracy(
    record: Record, target: float, found: dict[str, float | int], missing: dict[str, str]
) -> None:
    events = record.events
    logged: array[float] | None = events.values.get("val_accuracy", events.values.get("accuracy"))
    names = ("epochs_to_accuracy", "time_to_accuracy_s")
    if logged is not None:
        for n, value in enumerate(logged):
            if value >= target:
                found[names[0]] = int(events.epoch[n])
                found[names[1]] = events.t_s[n]
                return
        best = max((value for value in logged if not math.isnan(value)), default=math.nan)
        last = quantity(events.t_s[-1], "s")
        why = f"the target {digits(target)} was not reached in {last}; the best accuracy was {digits(best)}"
        missing.update(dict.fromkeys(names, why))
        return
    listed = record.reported.get("accuracy")
    if isinstance(listed, list):
        reached = next((n for n, value in enumerate(listed, 1) if value >= target), None)
        if reached is None:
            best = max((value for value in listed if not math.isnan(value)), default=math.nan)
            why = f"the target {digits(target)} was not reached; the best accuracy was {digits(best)}"
            missing.update(dict.fromkeys(names, why))
            return
        found[names[0]] = reached
        missing[names[1]] = "seconds to accuracy need e2e.log(accuracy=..) inside the code, once per epoch"
        return
    why = "needs an accuracy per epoch: e2e.log(accuracy=..) inside the code, or a list for --accuracy"
    missing.update(dict.fromkeys(names, why))
