"""Loss and accuracy over the epochs: the last, the best, and how long a target took."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from e2e_magic.record import Metric, Reason, Record
from e2e_magic.text import digits, quantity

METRICS = (
    Metric("loss", "", "quality", "lower", "the last loss"),
    Metric("best_loss", "", "quality", "lower", "the lowest loss"),
    Metric("accuracy", "", "quality", "higher", "the last accuracy"),
    Metric("best_accuracy", "", "quality", "higher", "the highest accuracy"),
    Metric("val_loss", "", "quality", "lower", "the last loss of the validation, where logged"),
    Metric("val_accuracy", "", "quality", "higher", "the last accuracy of the validation, where logged"),
    Metric("diverged", "", "quality", "lower", "1 where the last loss or accuracy was no finite number"),
    Metric("target_missed", "", "quality", "lower", "1 where the target accuracy was never reached"),
    Metric("epochs", "", "quality", None, "epochs logged or handed back"),
    Metric("epochs_to_accuracy", "", "quality", "lower", "the first epoch that reached the target"),
    Metric("time_to_accuracy_s", "s", "quality", "lower", "seconds until the target was first reached"),
)


def convergence(
    record: Record, counted_accuracy: float | None = None
) -> tuple[dict[str, float | int], dict[str, Reason]]:
    """Return the quality numbers of one trial, and the reason for each that it lacks.

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
    the raw curve: it is never made monotone. Epochs that are numbered from 0 count from 1. Coleman et
    al., DAWNBench (2017), define time to accuracy on the validation set, so ``val_accuracy`` wins where
    both are logged. The time is that of the ``log`` call. A target that is not reached has no time.
    """
    logged = len(record.events.t_s) > 0
    if not logged and counted_accuracy is None and record.reported.keys().isdisjoint(_READ):
        return {}, {}
    values: dict[str, float | int] = {}
    missing: dict[str, Reason] = {}
    handed_back = 0
    for name, best_of in (("loss", min), ("accuracy", max)):
        given = record.reported.get(name)
        if given is None and name == "accuracy":
            given = counted_accuracy
        if not logged and isinstance(given, int | float) and math.isfinite(given):
            values |= of_one(name, float(given))
            continue
        curve: Sequence[float]
        if isinstance(given, list):
            curve = array("d", given)
            handed_back = max(handed_back, len(curve))
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
        values[name] = last
        best = _best(curve, best_of)
        if not math.isnan(best):
            values[f"best_{name}"] = best
        if not math.isfinite(last):
            values["diverged"] = 1
        if math.isnan(last):
            missing[name] = Reason("", f"the last {name} was not a number: the training diverged")
        validation = (
            _logged(record, f"val_{name}") if logged and name not in record.reported else (None, _NONE)
        )
        if validation[0] is not None:
            values[f"val_{name}"] = _last(record, *validation)
    target_name = (record.reported.get("sweep_target") or {}).get("metric")
    if isinstance(target_name, str) and target_name not in values and record.events.values.get(target_name):
        values[target_name] = _last(record, target_name, record.events.values[target_name])
    epochs = _epochs(record) if logged else handed_back
    if epochs:
        values["epochs"] = epochs
    target = record.reported.get("target_accuracy")
    if target is not None:
        to_accuracy, without = _to_accuracy(record, float(target))
        values |= to_accuracy
        if without.get("epochs_to_accuracy") is not None and without["epochs_to_accuracy"].code == MISSED:
            values["target_missed"] = 1
        missing |= without
    # What was read (an imported time to accuracy, say) needs no reason why it could not be computed.
    return values, {name: reason for name, reason in missing.items() if name not in record.readings}


def of_one(name: str, value: Any) -> dict[str, Any]:
    """Return what follows from one number, the loss or accuracy of a trial; or from an array, of many."""
    return {name: value, f"best_{name}": value}


_READ = ("loss", "accuracy", "target_accuracy")
_FEW_BITS = 12
# The code of the reason that a target was not reached.
MISSED = "target missed"
_NONE = array("d")


def _best(curve: Sequence[float], best_of: Callable[..., float]) -> float:
    """Return the lowest (``min``) or the highest (``max``) number of a curve; NaN where there is none."""
    numbers = curve if math.isfinite(sum(curve)) else [value for value in curve if value == value]
    return best_of(numbers, default=math.nan)


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


def _to_accuracy(record: Record, target: float) -> tuple[dict[str, float | int], dict[str, Reason]]:
    """Return epochs and seconds until the accuracy first reached a target, or the reasons why not."""
    events = record.events
    curve: Sequence[float]
    key, curve = _logged(record, "val_accuracy", "accuracy")
    if key is None:
        handed_back = record.reported.get("accuracy")
        if not isinstance(handed_back, list):
            return _neither(
                "needs an accuracy per epoch: e2e.log(accuracy=..) inside the code, or a list for --accuracy"
            )
        curve = array("d", handed_back)
    best = _best(curve, max)
    for unit, other, mixed, factor in (
        ("percent", "a share", target <= 1 < best <= 100, 100.0),
        ("shares", "percent", best <= 1 < target, 0.01),
    ):
        if mixed:
            return _neither(
                f"the accuracies go up to {digits(best)}, {unit} it seems, but the target {digits(target)} "
                f"is {other}: say --target-accuracy {digits(factor * target)}"
            )
    first = next((n for n, value in enumerate(curve) if reaches(value, target)), None)
    if first is None:
        timed = key is not None and math.isfinite(events.t_s[-1])
        within = f" in {quantity(events.t_s[-1], 's')}" if timed else ""
        name = "accuracy" if key is None else key.replace("_", " ")
        text = f"the target {digits(target)} was not reached{within}; the best {name} was {digits(best)}"
        return _neither(text, MISSED)
    if key is None:
        text = "seconds to accuracy need e2e.log(accuracy=..) inside the code, once per epoch"
        return {"epochs_to_accuracy": first + 1}, {"time_to_accuracy_s": Reason("", text)}
    epoch = events.epoch[first]
    # Numbered from 0 the first epoch is the first all the same; half an epoch is part of the next.
    from_zero = min(events.epoch, default=math.nan) == 0
    epochs = math.ceil(epoch) + from_zero if math.isfinite(epoch) else first + 1
    if math.isnan(events.t_s[first]):
        text = (
            "the epochs were logged when the training was over, so nobody knows when they were: "
            "call e2e.log(accuracy=..) inside it, once per epoch"
        )
        return {"epochs_to_accuracy": epochs}, {"time_to_accuracy_s": Reason("", text)}
    return {"epochs_to_accuracy": epochs, "time_to_accuracy_s": events.t_s[first]}, {}


def reaches(value: float, target: float) -> bool:
    """Return whether a value is at least the target, to the precision of single floats where it is one.

    What comes as a float32, float16 or bfloat16 is read in that precision already; this is of Python's own
    numbers that once were single floats, as ``tolist`` makes them, and of older records.

    A float32 of 9/10 is 0.89999998 as a double, which is 0.9 and no less. Shares such as 0.5, which are exact
    in few bits, are compared as they are: no rounding changed them.
    """
    exact = (math.frexp(value)[0] * 2**_FEW_BITS).is_integer()
    return value >= target or (not exact and value == array("f", (target,))[0])


def _neither(text: str, code: str = "") -> tuple[dict[str, float | int], dict[str, Reason]]:
    return {}, dict.fromkeys(("epochs_to_accuracy", "time_to_accuracy_s"), Reason(code, text))
