"""Loss and accuracy over the epochs: the last, the best, and how long a target took."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Any

from e2e_magic.record import Metric, Reason, Record
from e2e_magic.text import digits, quantity

METRICS = (
    Metric("loss", "", "quality", "lower", "the last loss"),
    Metric("best_loss", "", "quality", "lower", "the lowest loss"),
    Metric("accuracy", "", "quality", "higher", "the last accuracy"),
    Metric("best_accuracy", "", "quality", "higher", "the highest accuracy"),
    Metric("epochs", "", "quality", None, "epochs logged or handed back"),
    Metric("epochs_to_accuracy", "", "quality", "lower", "the first epoch that reached the target"),
    Metric("time_to_accuracy_s", "s", "quality", "lower", "seconds until the target was first reached"),
)
_TO_ACCURACY = ("epochs_to_accuracy", "time_to_accuracy_s")


def convergence(
    record: Record, counted_accuracy: float | None = None
) -> tuple[dict[str, float | int], dict[str, Reason]]:
    """Return the quality numbers of one trial and, for those that it lacks, why.

    Parameters
    ----------
    record : Record
    counted_accuracy : float, optional
        The accuracy that follows from a confusion matrix or a two-class table.

    Notes
    -----
    The last value is what the line or the returned dict says, else `counted_accuracy`, else what was
    logged last, under ``loss`` and ``accuracy``, else under ``val_loss`` and ``val_accuracy``. A last
    value of NaN stays NaN, for the training has diverged. The best value is over the epochs of the
    same curve and the last value; NaN doesn't count.

    Time and epochs to accuracy are those of the first epoch whose accuracy reaches the target, on
    the raw curve: it is never made monotone. Coleman et al., DAWNBench (2017), define time to accuracy
    on the validation set, so ``val_accuracy`` wins where both are logged. The time is that of the
    ``log`` call. A target that is not reached has no time.
    """
    logged = len(record.events.t_s) > 0
    if not logged and counted_accuracy is None and record.reported.keys().isdisjoint(_READ):
        return {}, {}
    found: dict[str, float | int] = {}
    missing: dict[str, Reason] = {}
    listed = 0
    for name, lowest in (("loss", True), ("accuracy", False)):
        given = record.reported.get(name)
        if given is None and name == "accuracy":
            given = counted_accuracy
        if not logged and isinstance(given, int | float) and not math.isnan(given):
            found |= of_one(name, float(given))
            continue
        curve: Sequence[float]
        if isinstance(given, list):
            curve = array("d", given)
            listed = max(listed, len(curve))
            last = curve[-1]
        else:
            key, curve = _logged(record, name, f"val_{name}")
            if given is None and key is None:
                continue
            if given is None:
                last = _last(record, key, curve)
            else:
                last = float(given)
                curve = (*curve, last)
        found[name] = last
        best = _best(curve, lowest=lowest)
        if not math.isnan(best):
            found[f"best_{name}"] = best
        if math.isnan(last):
            missing[name] = Reason("", f"the last {name} was not a number: the training diverged")
    epochs = _epochs(record) if logged else listed
    if epochs:
        found["epochs"] = epochs
    target = record.reported.get("target_accuracy")
    if target is not None:
        _to_accuracy(record, float(target), found, missing)
    # What was read (an imported time to accuracy, say) needs no reason why it could not be computed.
    return found, {name: reason for name, reason in missing.items() if name not in record.readings}


def of_one(name: str, value: Any) -> dict[str, Any]:
    """Return what follows from one number, the loss or accuracy of a trial; or from an array, of many."""
    return {name: value, f"best_{name}": value}


_READ = ("loss", "accuracy", "target_accuracy")
_NONE = array("d")


def _best(curve: Sequence[float], *, lowest: bool) -> float:
    """Return the lowest or the highest number of a curve; NaN where there is none."""
    numbers = curve if math.isfinite(sum(curve)) else [value for value in curve if value == value]
    return (min if lowest else max)(numbers, default=math.nan)


def _first_at(curve: Sequence[float], target: float) -> int | None:
    """Return where a raw curve first reaches a target; None where it never does."""
    return next((n for n, value in enumerate(curve) if value >= target), None)


def _logged(record: Record, *names: str) -> tuple[str | None, array[float]]:
    """Return the first of these keys that has a number in the log, and its column."""
    first: tuple[str | None, array[float]] = (None, _NONE)
    for name in names:
        column = record.events.values.get(name)
        if column:
            if any(value == value for value in column):  # only NaN differs from itself
                return name, column
            first = (name, column) if first[0] is None else first
    return first


def _last(record: Record, name: str | None, column: Sequence[float]) -> float:
    """Return the last number of a logged column.

    Rows without the key are NaN, and so are rows that logged NaN. A key that every row had, up to
    rows of the same make without it, was logged as NaN there.
    """
    if not math.isnan(column[-1]):
        return float(column[-1])
    numbers = [n for n, value in enumerate(column) if value == value]
    if not numbers:
        return math.nan
    last = numbers[-1]
    others = [values for key, values in record.events.values.items() if key != name]
    diverged = len(numbers) == last + 1 and all(
        math.isnan(values[last]) == math.isnan(values[-1]) for values in others
    )
    return math.nan if diverged else float(column[last])


def _epochs(record: Record) -> int:
    """Count the epochs of a log: the different ones, for an epoch may take several calls."""
    epoch = record.events.epoch
    different = len({number for number in epoch if number == number})
    # Thinned, and each call an epoch: those that were dropped were epochs too.
    return different + (record.events.dropped if different == len(epoch) else 0)


def _to_accuracy(
    record: Record, target: float, found: dict[str, float | int], missing: dict[str, Reason]
) -> None:
    events = record.events
    curve: Sequence[float]
    key, curve = _logged(record, "val_accuracy", "accuracy")
    handed = record.reported.get("accuracy")
    if key is None:
        if not isinstance(handed, list):
            reason = Reason(
                "",
                "needs an accuracy per epoch: e2e.log(accuracy=..) inside the code, or a list for --accuracy",
            )
            missing.update(dict.fromkeys(_TO_ACCURACY, reason))
            return
        curve = array("d", handed)
    best = _best(curve, lowest=False)
    if target <= 1 < best <= 100:
        reason = Reason(
            "",
            f"the accuracies go up to {digits(best)}, percent it seems, but the target {digits(target)} "
            f"is a share: say --target-accuracy {digits(100 * target)}",
        )
        missing.update(dict.fromkeys(_TO_ACCURACY, reason))
        return
    if best <= 1 < target:
        reason = Reason(
            "",
            f"the accuracies go up to {digits(best)}, shares it seems, but the target {digits(target)} "
            f"is percent: say --target-accuracy {digits(target / 100)}",
        )
        missing.update(dict.fromkeys(_TO_ACCURACY, reason))
        return
    first = _first_at(curve, target)
    if first is None:
        known = key is not None and math.isfinite(events.t_s[-1])
        within = f" in {quantity(events.t_s[-1], 's')}" if known else ""
        what = "accuracy" if key is None else key.replace("_", " ")
        reason = Reason(
            "",
            f"the target {digits(target)} was not reached{within}; the best {what} was {digits(best)}",
        )
        missing.update(dict.fromkeys(_TO_ACCURACY, reason))
        return
    if key is None:
        found["epochs_to_accuracy"] = first + 1
        missing["time_to_accuracy_s"] = Reason(
            "", "seconds to accuracy need e2e.log(accuracy=..) inside the code, once per epoch"
        )
        return
    epoch = events.epoch[first]
    found["epochs_to_accuracy"] = int(epoch) if math.isfinite(epoch) else first + 1
    if math.isnan(events.t_s[first]):
        missing["time_to_accuracy_s"] = Reason(
            "",
            "the epochs were logged when the training was over, so nobody knows when they were: "
            "call e2e.log(accuracy=..) inside it, once per epoch",
        )
        return
    found["time_to_accuracy_s"] = events.t_s[first]
