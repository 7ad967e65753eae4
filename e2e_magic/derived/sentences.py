"""A comparison in words: what is faster, what takes more, where no difference was seen, and by how much.

A row is whatever has the columns of a comparison's frame as attributes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from e2e_magic.derived.comparison import amount
from e2e_magic.text import digits, legible


def difference(row: Any) -> str:
    """Say one difference that is there: ``is 1.8x slower in wall_time_s (1.7 to 1.9)``."""
    size, interval = amount(row.verdict, row.ratio, row.ratio_low, row.ratio_high)
    within = interval or f"{digits(row.median)} against {digits(row.median_baseline)}"
    if row.verdict in ("faster", "slower"):
        return f"is {size} in {row.metric} ({within})"
    return f"has {size} {row.metric} ({within})"


def _sentence(stage: str, run: str, rows: Sequence[Any]) -> str:
    apart = [row for row in rows if row.verdict not in ("no difference seen", "too few repeats")]
    alike = [row.metric for row in rows if row.verdict == "no difference seen"]
    few = [row for row in rows if row.verdict == "too few repeats"]
    parts = []
    if apart:
        said = [difference(row) for row in apart]
        verbs = [text.split()[0] for text in said]
        for n in range(len(said) - 1, 0, -1):  # "is 2x slower in .., 1.5x slower in ..": the verb once
            if verbs[n] == verbs[n - 1]:
                said[n] = said[n].removeprefix(f"{verbs[n]} ")
        parts.append(f"{run} {', '.join(said)}")
    if alike:
        parts.append(f"no difference seen in {', '.join(alike)}" + ("" if apart else f" of {run}"))
    counts: dict[tuple[int, int], list[Any]] = {}
    for row in few:
        counts.setdefault((row.n, row.n_baseline), []).append(row)
    for (n, n_baseline), same in counts.items():
        names = ", ".join(row.metric for row in same)
        needed = same[0].repeats_needed
        if n == n_baseline == 0:
            parts.append(f"too few repeats of {names}: neither run has a value; %e2e metrics says why not")
            continue
        parts.append(
            f"too few repeats of {names}: {run} has {n}, {legible(same[0].baseline)} has {n_baseline}; "
            f"{needed} on each side are needed, as with --repeat {needed}"
        )
    return f"{stage}: {'; '.join(parts)}"


def sentences(rows: Sequence[Any]) -> list[str]:
    """Return a sentence per stage and run, in the order of the rows."""
    grouped: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        grouped.setdefault((row.stage, row.run), []).append(row)
    return [_sentence(legible(stage), legible(run), some) for (stage, run), some in grouped.items()]


def worse_by(row: Any) -> float:
    """Return by which share of the baseline a run is worse; negative where the difference isn't real."""
    if row.verdict in ("no difference seen", "too few repeats"):
        return -1.0
    change = row.median - row.median_baseline
    worse = change if row.better == "lower" else -change
    return float(worse / abs(row.median_baseline)) if row.median_baseline else math.copysign(math.inf, worse)
