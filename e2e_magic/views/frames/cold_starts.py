"""The sentence for a statistic that uses trials that were the first of their process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from e2e_magic.text import counted

if TYPE_CHECKING:
    import pandas as pd

# The groups of metrics that a fresh process raises.
_GROUPS = ("time", "cpu", "memory", "io", "rates")


def cold_starts(trials: pd.DataFrame, metrics: Iterable[str]) -> str:
    """Return a sentence for complete trials of which some were cold; empty where no metric is affected.

    Parameters
    ----------
    trials : DataFrame
        The trials that a statistic uses, with the column ``cold``.
    metrics : iterable of str
        The metrics of the statistic.
    """
    from e2e_magic.views.frames import schema

    felt = {name for group in _GROUPS for name in schema.GROUPS[group]} | {"time_to_accuracy_s"}
    names = [name for name in metrics if name in felt]
    if not names or "cold" not in trials:
        return ""
    cold = int(trials["cold"].fillna(False).sum())
    if not cold:
        return ""
    were = "was" if cold == 1 else "were"
    return (
        f"{cold} of {counted(len(trials), 'trial')} {were} the first of a process (column cold), "
        f"which may raise {' and '.join(names)}"
    )
