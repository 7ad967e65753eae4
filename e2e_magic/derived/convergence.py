"""Loss and accuracy over the epochs: the last, the best, and how long a target took."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from e2e_magic.quantities import digits, quantity
from e2e_magic.record import Metric, Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
) -> tuple[dict[str, float | int], dict[str, str]]:
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
    logged = len(record.events) > 0
    if not logged and counted_accuracy is None and record.reported.keys().isdisjoint(_READ):
        return {}, {}
    import numpy as np

    found: dict[str, float | int] = {}
    missing: dict[str, str] = {}
    listed = 0
    for name, best in (("loss", np.fmin), ("accuracy", np.fmax)):
        given = record.reported.get(name)
        if given is None and name == "accuracy":
            given = counted_accuracy
        if not logged and isinstance(given, int | float) and not math.isnan(given):
            found[name] = found[f"best_{name}"] = float(given)  # one number: the last and the best
            continue
        if isinstance(given, list):
            curve = np.asarray(given, dtype=float)
            listed = max(listed, len(curve))
            last = curve[-1]
        else:
            key, curve = _logged(record, name, f"val_{name}")
            last = _last(record, key, curve) if given is None else given
            curve = np.append(curve, last)
        if given is None and key is None:
            continue
        found[name] = float(last)
        lowest_or_highest = float(best.reduce(curve))
        if not math.isnan(lowest_or_highest):
            found[f"best_{name}"] = lowest_or_highest
        if math.isnan(last):
            missing[name] = f"the last {name} was not a number: the training diverged"
    epochs = _epochs(record) if len(record.events) else listed
    if epochs:
        found["epochs"] = epochs
    target = record.reported.get("target_accuracy")
    if target is not None:
        _to_accuracy(record, float(target), found, missing)
    return found, missing


_READ = ("loss", "accuracy", "target_accuracy")


def _logged(record: Record, *names: str) -> tuple[str | None, NDArray[Any]]:
    """Return the first of these keys that has a number in the log, and its column."""
    import numpy as np

    first: tuple[str | None, NDArray[Any]] = (None, np.empty(0))
    for name in names:
        if record.events.values.get(name):
            column = np.asarray(record.events.values[name], dtype=float)
            if not bool(np.isnan(column).all()):
                return name, column
            first = (name, column) if first[0] is None else first
    return first


def _last(record: Record, name: str | None, column: NDArray[Any]) -> float:
    """Return the last number of a logged column.

    Rows without the key are NaN, and so are rows that logged NaN. A key that every row had, up to
    rows of the same make without it, was logged as NaN there.
    """
    import numpy as np

    known = np.flatnonzero(~np.isnan(column))
    if not len(known):
        return math.nan
    last = int(known[-1])
    others = [values for key, values in record.events.values.items() if key != name]
    diverged = (
        last < len(column) - 1
        and len(known) == last + 1
        and all(math.isnan(values[last]) == math.isnan(values[-1]) for values in others)
    )
    return math.nan if diverged else float(column[last])


def _epochs(record: Record) -> int:
    """Count the epochs of a log: the different ones, for an epoch may take several calls."""
    import numpy as np

    epoch = np.asarray(record.events.epoch, dtype=float)
    different = len(np.unique(epoch[~np.isnan(epoch)]))
    # Thinned, and each call an epoch: those that were dropped were epochs too.
    return different + (record.events.dropped if different == len(epoch) else 0)


def _to_accuracy(
    record: Record, target: float, found: dict[str, float | int], missing: dict[str, str]
) -> None:
    import numpy as np

    events = record.events
    key, curve = _logged(record, "val_accuracy", "accuracy")
    handed = record.reported.get("accuracy")
    if key is None:
        if not isinstance(handed, list):
            why = (
                "needs an accuracy per epoch: e2e.log(accuracy=..) inside the code, or a list for --accuracy"
            )
            missing.update(dict.fromkeys(_TO_ACCURACY, why))
            return
        curve = np.asarray(handed, dtype=float)
    best = float(np.fmax.reduce(curve))
    if target <= 1 < best <= 100:
        why = (
            f"the accuracies go up to {digits(best)}, percent it seems, but the target {digits(target)} "
            f"is a share: say --target-accuracy {digits(100 * target)}"
        )
        missing.update(dict.fromkeys(_TO_ACCURACY, why))
        return
    reached = np.flatnonzero(curve >= target)
    if not len(reached):
        within = f" in {quantity(events.t_s[-1], 's')}" if key is not None else ""
        why = f"the target {digits(target)} was not reached{within}; the best accuracy was {digits(best)}"
        missing.update(dict.fromkeys(_TO_ACCURACY, why))
        return
    first = int(reached[0])
    if key is None:
        found["epochs_to_accuracy"] = first + 1
        missing["time_to_accuracy_s"] = (
            "seconds to accuracy need e2e.log(accuracy=..) inside the code, once per epoch"
        )
        return
    epoch = events.epoch[first]
    found["epochs_to_accuracy"] = int(epoch) if math.isfinite(epoch) else first + 1
    found["time_to_accuracy_s"] = events.t_s[first]
