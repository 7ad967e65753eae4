"""The unit and the better direction of a metric, by its name. No other module decides them.

A metric's own declaration counts: of a collector, built in or of another package, or of a derived number.
What code logs under a name of its own (``val_error``) is declared by nobody, and one rule reads its name.
"""

from __future__ import annotations

from collections.abc import Mapping

from e2e_magic import derived
from e2e_magic.measuring.collectors.base import registered
from e2e_magic.record import Better, Metric
from e2e_magic.text import currency_in, unit_in_name

# The last word of a logged name, as frameworks write them: ``val_loss``, ``train_rmse``, ``test_auc``.
_LOWER = frozenset(
    {"cost", "deviance", "err", "error", "logloss", "loss", "mae", "mape", "mse", "perplexity", "rmse", "wer"}
)
_HIGHER = frozenset(
    {
        *("acc", "accuracy", "ap", "auc", "bleu", "dice", "f1", "iou", "map", "mcc", "ndcg", "precision"),
        *("r2", "recall", "score"),
    }
)
# The default target of a sweep: the first of these that a trial has. Validation goes before training.
TARGETS = ("val_loss", "loss", "val_accuracy", "accuracy", "wall_time_s")


def declared() -> dict[str, Metric]:
    """Return every declared metric by name: built in, of other packages, derived."""
    collected = [
        metric
        for cls in registered().values()
        for metric in getattr(cls, "metrics", ())
        if isinstance(metric, Metric)
    ]
    return {metric.name: metric for metric in (*derived.METRICS, *collected)}


def better_of(name: str) -> Better | None:
    """Return which direction of a metric is better; None where neither is, or nobody knows.

    A name without a declaration is judged by its last word: errors, losses and costs should fall, accuracies
    and scores should rise.
    """
    metric = declared().get(name)
    if metric is not None:
        return metric.better
    if currency_in(name):
        return "lower"
    word = name.lower().replace("-", "_").replace(" ", "_").rsplit("_", 1)[-1]
    return "lower" if word in _LOWER else "higher" if word in _HIGHER else None


def lower_is_better(name: str) -> bool:
    """Return whether less of a metric is better; False where nobody knows."""
    return better_of(name) == "lower"


def unit_of(name: str, units: Mapping[str, str] | None = None) -> str:
    """Return the unit of a metric: as a frame's `units` say, else as declared, else as its name ends."""
    if units and units.get(name):
        return str(units[name])
    metric = declared().get(name)
    return metric.unit if metric is not None else unit_in_name(name)
